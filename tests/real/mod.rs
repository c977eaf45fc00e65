//! Real nodes: stories told on processes and in containers, that faults which never happened are missed, and that
//! nothing of them is left behind. Where this system forbids namespaces, or no engine answers, they say so and are
//! ignored; with `SCHISM_PROCESSES_REQUIRED=1` and `SCHISM_CONTAINERS_REQUIRED=1` they fail.

mod clean;
mod engine;
mod interrupted;
mod leaks;
mod panics;
mod place;
mod sabotage;
mod said;
mod told;
mod watch;

use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use panics::{PANICS, panic_on_the_way};
pub use place::on_the_loopback;

use libtest_mimic::{Failed, Trial};
use schism::backend::capability::Offer;
use schism::backend::container::engine::Engine;
use schism::command;
use schism::interrupt::Interrupt;
use schism::suite::{Backend, Setup};
use schism_chaos::simulation::Fidelity;

use crate::tell;

/// Where a process finds the name of the trial it was started for.
pub const TRIAL: &str = "SCHISM_REAL";

/// A trial: its name, and what is done.
type Named = (String, Box<dyn FnOnce() -> Result<(), Failed>>);

/// Waits until no other trial has containers. One cluster of them at a time: two are more than two cores carry in time, and each
/// sweeps up what it takes for left by the dead.
pub fn alone_in_containers() -> MutexGuard<'static, ()> {
    static CONTAINERS: Mutex<()> = Mutex::new(());
    CONTAINERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A backend of real nodes as this machine has it.
pub struct Stage {
    backend: Backend,
    /// Why there is none.
    why: Option<String>,
    required: bool,
}

impl Stage {
    /// Looks for it. Where it is not there that is said of `what` would stand on it.
    pub fn of(backend: Backend, what: &str) -> Self {
        let (there, required) = match backend {
            Backend::Container => (Engine::find().map(drop), "SCHISM_CONTAINERS_REQUIRED"),
            _ => (Offer::of_this_kernel().map(drop), "SCHISM_PROCESSES_REQUIRED"),
        };
        let (why, required) = (there.err(), std::env::var_os(required).is_some());
        if let Some(why) = &why {
            let become_of = if required { "FAIL" } else { "are SKIPPED" };
            eprintln!("{what} on the backend {backend} {become_of}: {why}");
        }
        Self { backend, why, required }
    }

    /// A trial on it: ignored where it is not there, and failed where it has to be.
    pub fn trial(&self, name: &str, told: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
        let (why, in_containers) = (self.why.clone(), self.backend == Backend::Container);
        let run = move || match why {
            Some(why) => Err(why.into()),
            None => {
                let _alone = in_containers.then(alone_in_containers);
                told()
            }
        };
        let ignored = self.why.is_some() && !self.required;
        Trial::test(name, run).with_kind(self.backend.to_string()).with_ignored_flag(ignored)
    }
}

/// Every trial.
pub fn trials() -> Vec<Trial> {
    let on = |backend: Backend| {
        let stage = Stage::of(backend, "stories");
        let names = all(backend).into_iter().map(|(name, _)| name);
        names.map(move |name| {
            let told = name.clone();
            stage.trial(&name, move || tell::what_a_process_says(TRIAL, &told).map(|said| leaks::add_up(&said)))
        })
    };
    let mut trials: Vec<Trial> = on(Backend::Process).chain(on(Backend::Container)).collect();
    trials.extend(clean::without_an_engine());
    trials.extend(engine::without_an_engine());
    trials
}

/// Does the trial this process was started for.
pub fn in_this_process(name: &str) -> ExitCode {
    let trials = [Backend::Process, Backend::Container].into_iter().flat_map(all);
    let Some((_, run)) = trials.into_iter().find(|(other, _)| other == name) else {
        eprintln!("no trial is called {name}");
        return ExitCode::from(3);
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("it failed"));
            ExitCode::FAILURE
        }
    }
}

/// Is a part of a cluster of real nodes, where this executable was started again as one.
pub fn as_part_of_a_cluster() -> Option<ExitCode> {
    let verb = std::env::args().nth(1)?;
    command::is_part_of_a_cluster(&verb).then(command::main)
}

/// How an experiment is played that nobody looks at.
fn setup(backend: Backend) -> Setup<'static> {
    Setup {
        backend,
        fidelity: Fidelity::Memory,
        without: None,
        mutation: None,
        folder: None,
        trace: false,
        repeat: String::new(),
        interrupt: Interrupt::default(),
        timeout_factor: 1.0,
    }
}

fn all(backend: Backend) -> Vec<Named> {
    let told = told::trials(backend).into_iter().chain(sabotage::trials(backend));
    let told = told.chain(leaks::trials(backend)).chain(interrupted::trials(backend));
    match backend {
        Backend::Container => told.chain(clean::trials()).chain(engine::trials()).collect(),
        _ => told.collect(),
    }
}
