//! A job: one run, said so that a worker process can do it alone.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use schism_chaos::simulation::Fidelity;
use serde::{Deserialize, Serialize};

use super::folder::RunFolder;
use super::play::{Setup, play};
use crate::backend::capability::Offer;
use crate::backend::real::site::Layer;
use crate::experiment::{Control, Experiment, Pace, Without};
use crate::interrupt::Interrupt;
use crate::report::{Requirement, RequirementState, Results, Verdict};
use crate::run::Onlooker;
use crate::yaml::Refusal;

/// A processor, in thousandths.
pub(super) const PROCESSOR: usize = 1_000;
/// What a node in a process is given of one when ten seconds of its story pass in a second, on a machine of [`slowness`] 1. With
/// the experiments of `chaos/` it takes a fifth of that, its supervisor a tenth; what it has beyond is for those that start, and
/// for parts of a cluster that meet again, which take all there is. So much that of the largest clusters, of thirty, never two
/// run at once on two processors of such a machine.
///
/// [`slowness`]: super::machine::slowness
const NODE: usize = 34;
/// The same in a container, where the engine has its part.
const CONTAINED: usize = 40;
/// The pace at which these were measured.
const TENTH: f64 = 0.1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The experiment's file.
    pub file: PathBuf,
    /// The experiment's name, for messages when nothing else can be said.
    pub name: String,
    /// `path=value`, laid over the file.
    pub settings: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// Where it runs.
    pub backend: Backend,
    /// How much of the wire is real, where it is simulated.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// Which of the file's controls it is, counted from 1; nothing: the experiment itself.
    pub control: Option<usize>,
    /// Where run folders are made; nothing: none is.
    pub runs: Option<PathBuf>,
    /// Whether the whole trace is written into the run folder, beside its hash.
    pub trace: bool,
    /// By how much longer than the file says is waited for links at the start and for what must finally hold.
    #[serde(default = "one")]
    pub timeout_factor: f64,
}

fn one() -> f64 {
    1.0
}

/// Where nodes run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// On the virtual clock, in this process.
    #[default]
    Simulated,
    /// Each in a process.
    Process,
    /// Each in a container.
    Container,
}

impl Backend {
    /// The kind of faults it really uses: of the simulated network, of the transport under each node, of the kernel.
    pub fn fault_layer(self) -> &'static str {
        match self {
            Self::Simulated => "fabric",
            Self::Process if Offer::of_processes().0.layer == Layer::Transport => "transport",
            Self::Process | Self::Container => "kernel",
        }
    }

    /// Its own of an experiment's paces.
    pub fn pace(self, of: Pace) -> f64 {
        match self {
            Self::Simulated => of.simulated,
            Self::Process => of.process,
            Self::Container => of.container,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulated => "simulated",
            Self::Process => "process",
            Self::Container => "container",
        })
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Simulated, Self::Process, Self::Container];
        let found = all.into_iter().find(|backend| backend.to_string() == text);
        found.ok_or_else(|| "it is one of simulated, process, container".to_owned())
    }
}

/// All runs of one file: every combination of its sweep under every seed, and where asked each of its controls under every
/// seed; of controls the first combination alone.
pub fn plan(file: &Path, template: &Job, seeds: Option<u64>, controls: bool) -> Result<Vec<Job>, Refusal> {
    let mut jobs = Vec::new();
    let mut combinations = Experiment::load_combinations(file, &template.settings)?;
    if template.control.is_some() {
        combinations.truncate(1);
    }
    for combination in &combinations {
        let experiment = &combination.experiment;
        let first = experiment.seed;
        for seed in first..first.saturating_add(seeds.unwrap_or(1)) {
            let settings = [template.settings.as_slice(), &combination.settings].concat();
            let (file, name) = (file.to_owned(), experiment.name.clone());
            jobs.push(Job { file, name, settings, seed, ..template.clone() });
        }
    }
    let numbers = if controls { combinations.first().map_or(0, |one| one.experiment.controls.len()) } else { 0 };
    let first = jobs[..jobs.len() / combinations.len().max(1)].to_vec();
    for number in 1..=numbers {
        jobs.extend(first.iter().map(|job| Job { control: Some(number), ..job.clone() }));
    }
    Ok(jobs)
}

impl Job {
    /// What it takes of a machine, in thousandths of a processor: a simulation one that is whole, real nodes a share each. They
    /// have less to do where their story's time is slower, and take more where the machine is. A job that cannot be read takes
    /// nothing; it says so when it is done.
    pub(super) fn burden(&self, slowness: f64) -> usize {
        let node = match self.backend {
            Backend::Simulated => return PROCESSOR,
            Backend::Process => NODE,
            Backend::Container => CONTAINED,
        };
        let Ok(experiment) = self.resolved() else { return 0 };
        let pace = self.backend.pace(experiment.pace);
        let nodes = experiment.plan(self.seed).nodes.len() as f64;
        (node as f64 * slowness * nodes * TENTH / pace).ceil() as usize
    }

    /// Does it, here and now, unless it is interrupted. A process can do this once.
    pub fn work(&self, interrupt: &Interrupt, show: Onlooker) -> Results {
        let (controlled, control) = match self.resolved().and_then(|experiment| Ok((experiment, self.its_control()?))) {
            Ok(read) => read,
            Err(refusal) => return self.broken(refusal.to_string()),
        };
        if controlled.claim.is_some() {
            return self.broken(
                "a claim is measured by many processes, never by one, and on the virtual clock alone".to_owned(),
            );
        }
        let folder =
            match self.runs.as_deref().map(|runs| RunFolder::create(runs, &self.title(), self.seed)).transpose() {
                Ok(folder) => folder,
                Err(error) => return self.broken(format!("the run folder cannot be made: {error}")),
            };
        let without = control.as_ref().and_then(|control| control.without.as_ref());
        let setup = Setup {
            backend: self.backend,
            fidelity: self.fidelity,
            without,
            mutation: None,
            folder: folder.as_ref(),
            trace: self.trace,
            repeat: self.repeat(),
            interrupt: interrupt.clone(),
            timeout_factor: self.timeout_factor,
        };
        let mut results = Results { settings: self.said(), ..play(&controlled, &setup, show) };
        if let Some(control) = &control {
            judge_control(&mut results, control);
        }
        if let Some(folder) = &folder {
            results.folder = Some(folder.path().to_owned());
            if let Err(error) = folder.write(&controlled, &results) {
                results.verdict = results.verdict.min(Verdict::Error);
                results.why = Some(format!("the run folder cannot be written: {error}"));
            }
        }
        results
    }

    /// The command that does it again.
    pub fn repeat(&self) -> String {
        let mut words = vec!["schism".to_owned(), "run".to_owned(), quoted(&self.file.display().to_string())];
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        if self.backend != Backend::default() {
            words.extend(["--backend".to_owned(), self.backend.to_string()]);
        }
        if self.fidelity == Fidelity::Wire {
            words.extend(["--fidelity".to_owned(), "wire".to_owned()]);
        }
        if self.timeout_factor != 1.0 {
            words.extend(["--timeout-factor".to_owned(), self.timeout_factor.to_string()]);
        }
        for setting in self.said() {
            words.extend(["--set".to_owned(), quoted(&setting)]);
        }
        if let Some(control) = self.control {
            words.extend(["--control".to_owned(), control.to_string()]);
        }
        words.join(" ")
    }

    /// Its name, for people and folders.
    pub fn title(&self) -> String {
        self.control.map_or_else(|| self.name.clone(), |number| format!("{}-control-{number}", self.name))
    }

    /// The results of a run that never came to be one.
    pub fn broken(&self, why: String) -> Results {
        let (settings, repeat) = (self.said(), self.repeat());
        Results {
            settings,
            timeout_factor: self.timeout_factor,
            ..Results::broken(&self.title(), self.seed, self.backend, repeat, why)
        }
    }

    /// Its settings but for the seed, which is said apart.
    fn said(&self) -> Vec<String> {
        self.settings.iter().filter(|setting| !setting.starts_with("seed=")).cloned().collect()
    }

    fn experiment(&self) -> Result<Experiment, Refusal> {
        let experiment = Experiment::load(&self.file, &self.settings)?;
        match self.control {
            Some(number) if number == 0 || number > experiment.controls.len() => {
                let what = format!("there is no control {number}, it has {}", experiment.controls.len());
                Err(Refusal::unreadable(&self.file.display().to_string(), what))
            }
            _ => Ok(experiment),
        }
    }

    /// What is run: the file with its settings, or with those of its control.
    pub(super) fn resolved(&self) -> Result<Experiment, Refusal> {
        let mut experiment = match self.its_control()? {
            None => self.experiment()?,
            Some(control) => Experiment::controlled(&self.file, &self.settings, &control)?,
        };
        experiment.seed = self.seed;
        experiment.name = self.title();
        Ok(experiment)
    }

    /// The control it is, where it is one.
    pub(super) fn its_control(&self) -> Result<Option<Control>, Refusal> {
        let Some(number) = self.control else { return Ok(None) };
        let experiment = self.experiment()?;
        Ok(number.checked_sub(1).and_then(|place| experiment.controls.get(place).cloned()))
    }
}

/// A control passes by failing as it was told to; a control that does not is a claim refuted.
pub(super) fn judge_control(results: &mut Results, control: &Control) {
    let without = match &control.without {
        Some(Without::Heal) => "without heal".to_owned(),
        Some(Without::HealOf(step)) => format!("without the heal of {step}"),
        Some(Without::Step(step)) => format!("without {step}"),
        None => control.with.iter().map(|(path, value)| format!("with {path}={value}")).collect::<Vec<_>>().join(" "),
    };
    judge_as(results, &without, control.expect.word());
}

/// Judges a run that is `without` something (or with something else) and must end as `expected`, a verdict's word.
pub(super) fn judge_as(results: &mut Results, without: &str, expected: &str) {
    let met = results.verdict.word() == expected;
    results.controls.push(Requirement {
        name: without.to_owned(),
        asked: expected.to_owned(),
        seen: results.verdict.word().to_owned(),
        state: if met { RequirementState::Met } else { RequirementState::Missing },
    });
    let told = results.why.take().map_or_else(String::new, |why| format!(" ({why})"));
    results.why = Some(format!("{without} it {}{told}", results.verdict.ended()));
    match results.verdict {
        Verdict::Error | Verdict::Interrupted => {}
        _ if met => results.verdict = Verdict::Passed,
        _ => results.verdict = Verdict::Refuted,
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:%,+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job {
            file: PathBuf::from("chaos/one.yaml"),
            name: "one".into(),
            settings: vec!["load.transactions=2/s".into(), "partition=half of role:miner".into()],
            seed: 7,
            backend: Backend::Simulated,
            fidelity: Fidelity::Memory,
            control: None,
            runs: None,
            trace: false,
            timeout_factor: 1.0,
        }
    }

    #[test]
    fn a_run_says_how_it_is_repeated() {
        let repeat =
            "schism run chaos/one.yaml --seed 7 --set load.transactions=2/s --set 'partition=half of role:miner'";
        assert_eq!(job().repeat(), repeat);
        let control = Job { control: Some(2), settings: Vec::new(), backend: Backend::Process, ..job() };
        assert_eq!(control.repeat(), "schism run chaos/one.yaml --seed 7 --backend process --control 2");
        let patient = Job { timeout_factor: 2.5, settings: Vec::new(), ..job() };
        assert_eq!(patient.repeat(), "schism run chaos/one.yaml --seed 7 --timeout-factor 2.5");
    }

    #[test]
    fn a_cluster_of_real_nodes_takes_a_share_of_a_processor_for_each() {
        let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../chaos/partition-heals.yaml"));
        let ten = Job { file, settings: Vec::new(), ..job() };
        for (backend, settings, slowness, burden) in [
            (Backend::Simulated, [].as_slice(), 2.0, PROCESSOR),
            (Backend::Process, &[], 1.0, 10 * NODE),
            (Backend::Process, &[], 2.0, 20 * NODE),
            (Backend::Container, &[], 1.0, 10 * CONTAINED),
            (Backend::Process, &["pace.process=1"], 1.0, NODE),
            (Backend::Process, &["no.such=key"], 1.0, 0),
        ] {
            let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
            assert_eq!(Job { backend, settings, ..ten.clone() }.burden(slowness), burden, "{backend}");
        }
    }

    #[test]
    fn a_control_passes_by_failing_as_it_was_told_to() {
        let control = Control { without: Some(Without::Heal), with: Vec::new(), expect: Verdict::Stalled };
        for (ended, judged) in [
            (Verdict::Stalled, Verdict::Passed),
            (Verdict::Passed, Verdict::Refuted),
            (Verdict::Violated, Verdict::Refuted),
            (Verdict::Error, Verdict::Error),
        ] {
            let mut results = Results { verdict: ended, why: None, ..job().broken(String::new()) };
            judge_control(&mut results, &control);
            assert_eq!(results.verdict, judged, "{ended:?}");
        }
    }
}
