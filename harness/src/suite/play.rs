//! Playing: from an experiment to its results.

use super::{Backend, RunFolder};
use crate::experiment::{Experiment, Without};
use crate::report::Results;
use crate::run::Onlooker;

/// How an experiment is to be played.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where.
    pub backend: Backend,
    /// What must not heal, though everyone believes it does; a step that is taken away is gone already.
    pub without: Option<&'a Without>,
    /// Where to write what happens while it happens.
    pub folder: Option<&'a RunFolder>,
    /// Whether to write the whole trace there.
    pub trace: bool,
    /// The command that repeats it.
    pub repeat: String,
}

/// Plays an experiment under its own seed.
pub fn play(experiment: &Experiment, setup: &Setup<'_>, _show: Onlooker) -> Results {
    let why = "no engine is connected yet".to_owned();
    Results::broken(&experiment.name, experiment.seed, setup.backend, setup.repeat.clone(), why)
}
