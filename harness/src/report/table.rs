//! A table: many runs, one line each, and how the figures are spread.

use super::spread::spreads;
use super::{Colour, Results, Verdict, text::for_people};

/// One line a run, and a summary.
pub fn table(all: &[Results], colour: Colour) -> String {
    let name =
        |results: &Results| [std::slice::from_ref(&results.experiment), results.settings.as_slice()].concat().join(" ");
    let width = all.iter().map(|results| name(results).chars().count()).max().unwrap_or(0).max(10);
    let mut page = format!(
        "  {:<width$}  {:>6}  {:<12}  {:>10}  {:>4}  {:>6}\n",
        "experiment", "seed", "verdict", "converged", "lost", "deepest"
    );
    for results in all {
        let measured = &results.measured;
        let converged = measured.seconds_to_converge.map_or_else(|| "–".to_owned(), for_people);
        // Colours have a length that is not seen, so the verdict is padded before it is painted.
        let pad = " ".repeat(12_usize.saturating_sub(results.verdict.word().len()));
        page += &format!(
            "  {:<width$}  {:>6}  {}{pad}  {converged:>10}  {:>4}  {:>6}\n",
            name(results),
            results.seed,
            colour.verdict(results.verdict),
            measured.blocks_lost,
            measured.deepest_reorganisation,
        );
    }
    let mut times: Vec<f64> = all.iter().filter_map(|results| results.measured.seconds_to_converge).collect();
    if times.len() > 1 {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| for_people(times[((times.len() - 1) as f64 * share).round() as usize]);
        let spread = format!("median {}, 90% below {}, all below {}", at(0.5), at(0.9), at(1.0));
        page += &format!("\n  time to converge after the heal: {spread}\n");
    }
    let spreads = spreads(all);
    if spreads.len() > 1 && spreads.iter().any(|spread| spread.runs() > 1) {
        page += "\n  mean and 95 % interval over seeds\n";
        for spread in spreads {
            page += &format!("  {} {}: {}\n", spread.experiment(), spread.at(), spread.converged());
        }
    }
    let passed = all.iter().filter(|results| results.verdict == Verdict::Passed).count();
    page += &format!("\n  {passed} of {} passed\n", all.len());
    page
}
