//! A part of a bench: what is measured in a process of its own, because a process holds one simulation and its peak
//! memory is measured whole.

use std::process::exit;

use schism_chaos::simulation::worker::{Dead, Workers, serve};
use serde::{Deserialize, Serialize};

use super::{Figure, cluster, ledger, sync};
use crate::interrupt::Interrupt;
use crate::report::Verdict;
use crate::scratch;
use crate::suite::worker;

/// The hidden verb of a worker's command.
pub const WORKER: &str = "bench-worker";

/// What one process measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A cluster of this many nodes; of none: what an empty simulation takes.
    Cluster(usize),
    /// The ledger alone.
    Ledger,
    /// One node that fetches a chain from another.
    Sync,
}

/// What a part measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Its figures.
    pub figures: Vec<Figure>,
    /// Bytes of memory that were resident at most.
    pub peak_bytes: u64,
    /// Why its figures do not count.
    pub does_not_count: Option<String>,
}

impl Part {
    /// Measures it in a worker process and waits for that, or until it is interrupted.
    pub fn measure(self, interrupt: &Interrupt) -> Measured {
        let launch = || worker(WORKER);
        let mut measured = Measured::default();
        let workers = Workers { places: 1, deadline: None, stop: &|| interrupt.asked() };
        workers.run(
            &[self],
            |_| 1,
            launch,
            |_, result: Result<Measured, Dead>| {
                measured = result.unwrap_or_else(|dead| Measured::failed(&dead));
            },
        );
        measured
    }
}

impl Measured {
    pub(super) fn failed(why: &impl ToString) -> Self {
        Self { does_not_count: Some(why.to_string()), ..Self::default() }
    }
}

/// Does a worker's part.
///
/// # Errors
/// When the parent cannot be understood.
pub fn work() -> Result<(), Dead> {
    let stop = || {
        // Half of a part is no figure.
        scratch::remove(&scratch::of_this_process(scratch::BENCH));
        exit(Verdict::Interrupted.exit_code());
    };
    serve(stop, |part: Part| {
        let measured = match part {
            Part::Cluster(nodes) => cluster::measure(nodes),
            Part::Ledger => ledger::measure().map_err(|failure| failure.to_string()),
            Part::Sync => sync::measure(),
        };
        let measured = measured.unwrap_or_else(|why| Measured::failed(&why));
        Measured { peak_bytes: peak_bytes(), ..measured }
    })
}

/// The most memory this process has had resident; 0 where the system does not say.
pub(super) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).unwrap_or(0) * 1_024
}
