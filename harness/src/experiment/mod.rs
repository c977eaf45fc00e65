//! An experiment: a topology, what happens to it in time, and what must hold.

mod catalogue;
mod expect;
mod kinds;
mod load;
mod print;
mod prove;
mod read;
#[cfg(test)]
mod tests;

pub use catalogue::{CHECKS, CheckWord, said};
pub use expect::{Check, Control, Expectation, Limits, Percentiles, Replayed, Scope, Without};
pub use load::{Load, Pace, Replay, Split};
pub use read::Combination;

use std::path::PathBuf;

use schism_chaos::fault::{Fault, Join};
use schism_chaos::quantity::Length;
use schism_chaos::schedule::Step;
use schism_chaos::selector::Role;
use schism_chaos::simulation::WorkPrices;

use crate::claim::Claim;
use crate::topology::{Plan, Topology};

/// An experiment as its file says it, checked, with its topology read.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its name; the file's, where the file does not say.
    pub name: String,
    /// What it shows: the file's first line, without the `#`.
    pub about: String,
    /// The cluster it happens to.
    pub topology: Topology,
    /// Where the topology was read from, as the file says it; nothing: it stands in the experiment itself.
    pub topology_file: Option<PathBuf>,
    /// Every random choice comes from it.
    pub seed: u64,
    /// How long the schedule runs, from the start of the load to the healing of everything that is not permanent;
    /// nothing: until the last step is over.
    pub duration: Option<Length>,
    /// What the cluster's users do.
    pub load: Load,
    /// What happens, in the file's order.
    pub faults: Vec<Step>,
    /// Safety: asked on every event.
    pub always: Vec<Expectation>,
    /// Liveness: asked after the schedule ended and everything was healed.
    pub finally: Vec<Expectation>,
    /// The same experiment without what it is about, and the verdict it must then get.
    pub controls: Vec<Control>,
    /// How fast each backend plays it.
    pub pace: Pace,
    /// What computing costs a node on the virtual clock; nothing: it is free. Real nodes pay with real time.
    pub work: Option<WorkPrices>,
    /// Settings to combine, one run for each combination: paths as in `--set`, and their values as YAML text.
    pub sweep: Vec<(String, Vec<String>)>,
    /// Nodes that have a place and are not there: who watches a live cluster may add them. No file can ask for any.
    pub room: u32,
    /// A number to be measured over many trials and held against theory: then nothing of the above happens.
    pub claim: Option<Claim>,
}

/// The group, and the step, of nodes that are added to a live cluster.
pub const NEWCOMERS: &str = "newcomer";

/// So many nodes that join a live cluster when somebody asks for them.
pub fn newcomers(count: u32) -> Join {
    Join { group: NEWCOMERS.to_owned(), count, role: Role::Full, region: None, peers: None, only: None }
}

impl Experiment {
    /// The same, with so many times as long for everything that must finally come true.
    pub fn given_time(&self, factor: f64) -> Self {
        let mut experiment = self.clone();
        for expectation in &mut experiment.finally {
            match &mut expectation.check {
                Check::Converged { within, .. } | Check::PoolAgreement { within } => *within = within.times(factor),
                Check::Payment { confirmed_within, .. } => *confirmed_within = confirmed_within.times(factor),
                _ => {}
            }
        }
        experiment
    }

    /// The nodes and links of its cluster under `seed`; those that `join` steps bring stand last.
    pub fn plan(&self, seed: u64) -> Plan {
        let joins = self.faults.iter().filter_map(|step| match &step.fault {
            Fault::Join(join) => Some((step.name.as_str(), join)),
            _ => None,
        });
        let newcomers = newcomers(self.room);
        let room = (self.room > 0).then_some((NEWCOMERS, &newcomers));
        self.topology.plan_with(seed, &joins.chain(room).collect::<Vec<_>>())
    }
}
