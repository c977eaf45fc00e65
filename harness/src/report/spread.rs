//! A spread: runs of one experiment under the same settings and several seeds, and what their times come to.

use super::{Results, Verdict, text::for_people};
use crate::statistics::{mean, standard_deviation, student_of_normal};

/// Standard deviations of the normal distribution on either side of which 5 % lie.
const TWO_SIDED: f64 = 1.96;

/// Runs that differ in their seed alone.
pub(super) struct Spread<'a> {
    /// At least one.
    runs: Vec<&'a Results>,
}

/// All runs but those of controls, by what was set, in the order of their first.
pub(super) fn spreads(all: &[Results]) -> Vec<Spread<'_>> {
    let mut spreads: Vec<Spread<'_>> = Vec::new();
    for run in all.iter().filter(|run| run.controls.is_empty()) {
        let same = |spread: &&mut Spread<'_>| {
            let first = spread.runs[0];
            (&first.experiment, &first.settings) == (&run.experiment, &run.settings)
        };
        match spreads.iter_mut().find(same) {
            Some(spread) => spread.runs.push(run),
            None => spreads.push(Spread { runs: vec![run] }),
        }
    }
    spreads
}

impl Spread<'_> {
    /// How many runs it holds.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// How many of them passed.
    pub(super) fn passed(&self) -> usize {
        self.runs.iter().filter(|run| run.verdict == Verdict::Passed).count()
    }

    /// What was set, the last word of each path.
    pub(super) fn at(&self) -> String {
        let short = |setting: &String| match setting.split_once('=') {
            Some((path, value)) => {
                let value = value.replace("\":", ": ").replace(",\"", ", ").replace('"', "");
                format!("{} {value}", path.rsplit('.').next().unwrap_or(path))
            }
            None => setting.clone(),
        };
        self.runs[0].settings.iter().map(short).collect::<Vec<_>>().join(", ")
    }

    /// The experiment's name.
    pub(super) fn experiment(&self) -> &str {
        &self.runs[0].experiment
    }

    /// Seconds to converge: the mean, and the 95 % interval of it by Student's distribution where there are several.
    pub(super) fn converged(&self) -> String {
        let times: Vec<f64> = self.runs.iter().filter_map(|run| run.measured.seconds_to_converge).collect();
        let Some(mean) = mean(&times) else { return "never".to_owned() };
        let never = match self.runs.len() - times.len() {
            0 => String::new(),
            never => format!(", {never} never"),
        };
        let Some(deviation) = standard_deviation(&times) else { return format!("{}{never}", for_people(mean)) };
        let degrees = u32::try_from(times.len() - 1).unwrap_or(u32::MAX);
        let half = student_of_normal(TWO_SIDED, degrees) * deviation / (times.len() as f64).sqrt();
        format!("{} ({} … {}){never}", for_people(mean), for_people((mean - half).max(0.0)), for_people(mean + half))
    }
}
