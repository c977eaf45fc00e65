//! Evidence: what a fault left behind in counters, and whether that proves it happened. A fault without evidence makes
//! a verdict inconclusive, whatever the checks say: a test of a cut that was never there shows nothing.

use std::collections::BTreeMap;

use crate::progress::FaultId;

/// What one directed link has done since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames delivered.
    pub carried: u64,
    /// Payload bytes delivered.
    pub bytes: u64,
    /// Frames, or connection attempts, kept back by a cut.
    pub held: u64,
    /// Frames a loss struck.
    pub lost: u64,
    /// Frames that a fault's latency made late.
    pub delayed: u64,
    /// Frames that came sooner than the fault's latency allows.
    pub too_soon: u64,
    /// Frames that waited because a fault's bandwidth was used up.
    pub queued: u64,
}

/// What one node has done since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeCounters {
    /// Times it was started.
    pub starts: u64,
    /// Times it was stopped.
    pub stops: u64,
    /// Polls, or signals, withheld by a freeze.
    pub withheld: u64,
    /// Events heard from it and frames it sent: signs of life.
    pub words: u64,
    /// Messages a fault at an actor's door delayed, lost or held.
    pub touched: u64,
    /// Messages that passed a fault at an actor's door untouched, and all once it has stepped aside.
    pub passed: u64,
    /// How far its clock is from the true time, in seconds; negative is behind.
    pub clock_offset: f64,
}

/// All counters at one moment. Links that never carried a connection may be left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counters {
    /// By (from, to).
    pub links: BTreeMap<(usize, usize), LinkCounters>,
    /// By node.
    pub nodes: Vec<NodeCounters>,
}

/// The four proofs of one occurrence of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Which occurrence.
    pub fault: FaultId,
    /// Its word in YAML.
    pub name: String,
    /// A counter moved.
    pub applied: Proof,
    /// Nothing crossed that should not have.
    pub tight: Proof,
    /// What `prove:` asked for was seen.
    pub effective: Proof,
    /// It is over.
    pub healed: Proof,
}

/// Whether something is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It is, by this.
    Shown(String),
    /// It is not, for this reason.
    Missing(String),
    /// Nobody asked, or it cannot be asked of this fault.
    NotOwed,
}

impl Evidence {
    /// The first missing proof, as a sentence; nothing when all that is owed is shown.
    pub fn missing(&self) -> Option<String> {
        let proofs = [
            ("applied", &self.applied),
            ("tight", &self.tight),
            ("effective", &self.effective),
            ("healed", &self.healed),
        ];
        proofs.into_iter().find_map(|(word, proof)| match proof {
            Proof::Missing(reason) => {
                Some(format!("{} #{} is not proven {word}: {reason}", self.name, self.fault.occurrence))
            }
            _ => None,
        })
    }
}
