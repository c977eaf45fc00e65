//! An act: something that a schedule asks to be done now, and what it must be told to know that.

use std::time::Duration;

use crate::draw::{Nobody, NodeDescription};
use crate::effect::Effect;

/// One occurrence of one step of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId {
    /// The step's place in the schedule.
    pub step: usize,
    /// Counted from 0.
    pub occurrence: u32,
}

/// Something to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// For which occurrence.
    pub fault: FaultId,
    /// To do or to undo.
    pub verb: Verb,
    /// Whether the occurrence begins or ends with it, or only takes one of its turns.
    pub phase: Phase,
    /// What. Empty when a churn begins: nobody has left yet.
    pub effects: Vec<Effect>,
    /// The sides the fault makes, if any.
    pub sides: Vec<Vec<usize>>,
}

/// To do or to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Bring the effects into force.
    Apply,
    /// Take them off.
    Undo,
}

/// Where in an occurrence an act stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The occurrence begins with `Apply` and is healed with `Undo`.
    Whole,
    /// A churn's node leaves or returns, a flapping link goes down or up; the occurrence goes on.
    Turn,
}

/// What the schedule is told about the run.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Time since the load started.
    pub at: Duration,
    /// The greatest height any honest node has reported.
    pub height: u32,
    /// Blocks mined since the load started, on any side.
    pub mined: u64,
    /// The nodes, newcomers included.
    pub nodes: &'a [NodeDescription],
}

/// What is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// To be done in this order.
    pub acts: Vec<Act>,
    /// Occurrences that found nobody to happen to; they are over.
    pub skipped: Vec<(FaultId, Nobody)>,
}
