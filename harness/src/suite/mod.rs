//! A suite: runs to be done, each an experiment with a seed, settings and perhaps a control, and what they ended with.
//!
//! A process can hold one simulation, so every run of several is done by a worker: this very executable, started again.

mod errand;
mod folder;
mod job;
mod kept;
mod machine;
mod play;

pub use errand::{Errand, Progress};
pub use folder::RunFolder;
pub(crate) use folder::unix_seconds;
use job::PROCESSOR;
pub use job::{Backend, Job, plan};
pub use kept::{Difference, Kept, NotKept, Repeated};
pub use play::{Setup, play, play_live, play_on};

use std::io;
use std::num::NonZeroUsize;
use std::process::Command;
use std::thread;

use errand::{Brought, Measuring};
use schism_chaos::simulation::clock::Stopwatch;
use schism_chaos::simulation::worker::{Dead, Workers};

use crate::interrupt::Interrupt;
use crate::report::{Results, Verdict};

/// The hidden verb of a worker's command.
pub const WORKER: &str = "worker";

/// Where glibc is told how to keep memory.
pub(crate) const KEEPING: &str = "GLIBC_TUNABLES";
/// How the C library keeps a worker's memory, where it is glibc: in one piece, on large pages, and nothing given back. Measured:
/// a third more node-seconds a second at a thousand nodes.
const MEMORY: &str = "glibc.malloc.arena_max=1:glibc.malloc.hugetlb=1:glibc.malloc.top_pad=67108864:\
glibc.malloc.trim_threshold=1099511627776:glibc.malloc.mmap_threshold=33554432";

/// This program again, as the worker of that name.
///
/// # Errors
/// When the system does not say where this program is.
pub(crate) fn worker(name: &str) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    // A cluster is a great many small pieces of memory, which a worker keeps until its end.
    command.arg(name).env(KEEPING, MEMORY);
    Ok(command)
}

/// How many jobs are done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// So many, whatever they are.
    Jobs(usize),
    /// As many as this machine carries: a simulation takes a processor, real nodes a share of all.
    Carried,
}

/// Does all jobs in worker processes, so many at once, and hands each result to `done` as it comes; `show` sees how
/// far the measuring of claims has got. When it is interrupted, jobs that have not begun are left out.
pub fn work_all(
    jobs: &[Job],
    at_once: AtOnce,
    interrupt: &Interrupt,
    mut show: impl FnMut(Progress),
    mut done: impl FnMut(usize, Results),
) {
    let launch = || worker(WORKER);
    let mut measuring = Measuring::default();
    let (mut errands, mut whose) = (Vec::new(), Vec::new());
    for (number, job) in jobs.iter().enumerate() {
        let of_job = measuring.plan(number, job).unwrap_or_else(|| vec![Errand::Run(job.clone())]);
        whose.extend((0..of_job.len()).map(|part| (number, part)));
        errands.extend(of_job);
    }
    let processors = match at_once {
        AtOnce::Jobs(jobs) => jobs,
        AtOnce::Carried => thread::available_parallelism().map_or(1, NonZeroUsize::get),
    };
    let counted = errands.len() > 1 && matches!(at_once, AtOnce::Carried);
    let real = jobs.iter().any(|job| job.backend != Backend::Simulated);
    let slowness = if counted && real { machine::slowness() } else { 1.0 };
    let takes = |errand: &Errand| match (at_once, errand) {
        (AtOnce::Carried, Errand::Run(job)) => job.burden(slowness),
        _ => PROCESSOR,
    };
    let workers = Workers { places: processors * PROCESSOR, deadline: None, stop: &|| interrupt.asked() };
    let watch = Stopwatch::start();
    workers.run(&errands, takes, launch, |errand, brought: Result<Brought, Dead>| {
        let (number, part) = whose[errand];
        let brought = brought.map_err(|dead| format!("the worker died: {dead}"));
        let results = match &errands[errand] {
            // Not measured: somebody wanted it to end.
            Errand::Part(..) if brought.is_err() && interrupt.asked() => None,
            Errand::Part(..) => {
                let results = measuring.take(number, part, brought.and_then(Brought::measured));
                show(measuring.progress(&watch));
                results
            }
            Errand::Run(job) => Some(brought.and_then(Brought::results).unwrap_or_else(|why| Results {
                verdict: if interrupt.asked() { Verdict::Interrupted } else { Verdict::Error },
                ..job.broken(why)
            })),
        };
        results.into_iter().for_each(|results| done(number, results));
    });
    measuring.interrupted().into_iter().for_each(|(number, results)| done(number, results));
}

/// The worst of several verdicts; of none, that all passed.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().min().unwrap_or(Verdict::Passed)
}
