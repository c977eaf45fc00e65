//! A suite: runs to be done, each an experiment with a seed, settings and perhaps a control, and what they ended with.
//!
//! A process can hold one simulation, so every run of several is done by a worker: this very executable, started again.

mod folder;
mod job;
mod kept;
mod play;

pub use folder::RunFolder;
pub(crate) use folder::unix_seconds;
pub use job::{Backend, Job, plan};
pub use kept::{Difference, Kept, NotKept, Repeated};
pub use play::{Setup, play};

use std::io;
use std::process::Command;

use schism_chaos::simulation::worker::{Dead, Workers};

use crate::interrupt::Interrupt;
use crate::report::{Results, Verdict};

/// The hidden verb of a worker's command.
pub const WORKER: &str = "worker";

/// Does all jobs in worker processes, `parallel` at once, and hands each result to `done` as it comes. When it is
/// interrupted, jobs that have not begun are left out.
pub fn work_all(jobs: &[Job], parallel: usize, interrupt: &Interrupt, mut done: impl FnMut(usize, Results)) {
    let launch = || -> io::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORKER);
        Ok(command)
    };
    let workers = Workers { parallel, deadline: None, stop: &|| interrupt.asked() };
    workers.run(jobs, launch, |number, result: Result<Results, Dead>| {
        let job = &jobs[number];
        let broken = |dead| Results {
            verdict: if interrupt.asked() { Verdict::Interrupted } else { Verdict::Error },
            ..job.broken(format!("the worker died: {dead}"))
        };
        done(number, result.unwrap_or_else(broken));
    });
}

/// The worst of several verdicts; of none, that all passed.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().min().unwrap_or(Verdict::Passed)
}
