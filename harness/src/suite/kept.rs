//! A kept run: a run folder that is read again, to be repeated or compared.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use schism_chaos::simulation;

use super::Backend;
use super::folder::RunFolder;
use super::job::judge_as;
use super::play::{Setup, play};
use crate::experiment::{Experiment, Without};
use crate::interrupt::Interrupt;
use crate::report::{Results, Verdict};
use crate::run::Onlooker;

/// A run that lies in a folder.
#[derive(Debug)]
pub struct Kept {
    folder: RunFolder,
    /// What it found.
    pub results: Results,
}

/// Why a folder cannot be read as a run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum NotKept {
    /// A file of it cannot be read.
    #[error("{file} cannot be read: {error}")]
    #[diagnostic(help("a run folder is runs/<experiment>/<time>-<seed>, or runs/<experiment> for its latest run"))]
    Unreadable {
        /// Which.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// Its results are not in the words of this version.
    #[error("{file} is not understood: {error}")]
    NotResults {
        /// Which.
        file: String,
        /// Why.
        error: serde_json::Error,
    },
    /// It has no end that could be repeated.
    #[error("this run {}, so there is nothing to compare a repetition with", .0.verdict.ended())]
    #[diagnostic(help("run it again from its start: {}", .0.repeat))]
    Unfinished(Box<Results>),
}

/// A repetition held against the run it repeats.
#[derive(Debug)]
pub struct Repeated {
    /// What it found.
    pub results: Results,
    /// Where the two part; nothing where their traces are the same, or where the backend leaves none.
    pub difference: Option<Difference>,
}

/// Where two runs of one seed part.
#[derive(Debug, PartialEq)]
pub enum Difference {
    /// At an item of their whole traces.
    Item(simulation::trace::Difference),
    /// At a line of their events: the number, what was there, and what is now.
    Event(usize, String, String),
    /// Below what events tell.
    Unseen,
}

impl Kept {
    /// Reads a run folder; that of an experiment means its latest run.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self, NotKept> {
        let latest = path.join("latest");
        let path = if latest.exists() { &latest } else { path };
        // `latest` moves on with the next run, this one does not.
        let folder = RunFolder::at(&path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        let file = folder.path().join("results.json");
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| NotKept::Unreadable { file: name(), error })?;
        let results = serde_json::from_str(&text).map_err(|error| NotKept::NotResults { file: name(), error })?;
        Ok(Self { folder, results })
    }

    /// What it played, with everything that was said on the command line.
    ///
    /// # Errors
    /// When its file is not there or not understood.
    pub fn experiment(&self) -> miette::Result<Experiment> {
        Ok(Experiment::load(&self.folder.path().join("experiment.yaml"), &[])?)
    }

    /// Plays it again, into a new folder under `runs`, and holds the traces against each other. Once per process.
    ///
    /// # Errors
    /// When it was never finished, or its folder is not whole.
    pub fn repeat(&self, runs: &Path, interrupt: &Interrupt, show: Onlooker) -> miette::Result<Repeated> {
        let before = &self.results;
        if matches!(before.verdict, Verdict::Interrupted | Verdict::Error) {
            return Err(NotKept::Unfinished(Box::new(before.clone())).into());
        }
        let experiment = self.experiment()?;
        let folder = RunFolder::create(runs, &experiment.name, experiment.seed);
        let folder = folder.map_err(|error| miette::miette!("the run folder cannot be made: {error}"))?;
        let backend = before.backend.parse::<Backend>().map_err(|error| miette::miette!("{error}"))?;
        let without = before.without.as_deref().map(Without::from);
        let setup = Setup {
            backend,
            fidelity: before.fidelity,
            without: without.as_ref(),
            mutation: None,
            folder: Some(&folder),
            trace: self.folder.trace().exists(),
            repeat: before.repeat.clone(),
            interrupt: interrupt.clone(),
            timeout_factor: before.timeout_factor,
        };
        let mut results = play(&experiment, &setup, show);
        if let Some(control) = before.controls.first() {
            judge_as(&mut results, &control.name, &control.asked);
        }
        results.settings.clone_from(&before.settings);
        results.folder = Some(folder.path().to_owned());
        let written = folder.write(&experiment, &results);
        written.map_err(|error| miette::miette!("the run folder cannot be written: {error}"))?;
        let same = results.trace == before.trace || results.verdict == Verdict::Interrupted;
        let difference = if same { None } else { Some(self.first_difference(&folder)?) };
        Ok(Repeated { results, difference })
    }

    fn first_difference(&self, other: &RunFolder) -> miette::Result<Difference> {
        let unreadable = |error: io::Error| miette::miette!("the traces cannot be compared: {error}");
        let (one, other) = (&self.folder, other);
        if one.trace().exists()
            && let Some(difference) = simulation::compare(&one.trace(), &other.trace()).map_err(unreadable)?
        {
            return Ok(Difference::Item(difference));
        }
        let lines = |folder: &RunFolder| -> io::Result<Vec<String>> {
            let mut lines: Vec<String> =
                BufReader::new(File::open(folder.path().join("events.jsonl"))?).lines().collect::<io::Result<_>>()?;
            // The last one is the trace itself.
            lines.pop();
            Ok(lines)
        };
        let (one, other) = (lines(one).map_err(unreadable)?, lines(other).map_err(unreadable)?);
        let place = (0..one.len().max(other.len())).find(|&place| one.get(place) != other.get(place));
        let shown =
            |lines: &[String], place: usize| lines.get(place).cloned().unwrap_or_else(|| "(has ended)".to_owned());
        Ok(place
            .map_or(Difference::Unseen, |place| Difference::Event(place + 1, shown(&one, place), shown(&other, place))))
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(difference) => write!(f, "{difference}"),
            Self::Event(line, before, now) => {
                write!(f, "first difference at line {line} of events.jsonl:\n  before {before}\n  now    {now}")
            }
            Self::Unseen => {
                f.write_str("no event differs: run it with `--trace`, then repeat it, and the item is named")
            }
        }
    }
}
