//! A finding: something that may not happen and did, or had to happen and did not, with the evidence.

use std::time::Duration;

use bitcoin::BlockHash;

use super::View;
use crate::report::Verdict;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// What it makes of the run.
    pub verdict: Verdict,
    /// When.
    pub at: Duration,
    /// On which node.
    pub node: Option<usize>,
    /// About which block.
    pub block: Option<BlockHash>,
    /// What happened, in one sentence.
    pub what: String,
    /// Whether it counts only where frames come as fast as links say: on a machine that is too busy it proves nothing.
    pub timed: bool,
}

impl Finding {
    /// Something that may never happen did, now.
    pub fn violated(check: &'static str, view: &View, what: String) -> Self {
        Self { check, verdict: Verdict::Violated, at: view.now(), node: None, block: None, what, timed: false }
    }

    /// Something did not happen in time.
    pub fn stalled(check: &'static str, view: &View, what: String) -> Self {
        Self { verdict: Verdict::Stalled, ..Self::violated(check, view, what).timed() }
    }

    /// A figure is not what the file expected.
    pub fn refuted(check: &'static str, view: &View, what: String) -> Self {
        Self { verdict: Verdict::Refuted, ..Self::violated(check, view, what).timed() }
    }

    /// The same, where it counts only if frames come as fast as links say.
    pub fn timed(self) -> Self {
        Self { timed: true, ..self }
    }

    /// The same, seen on this node.
    pub fn on_node(self, node: usize) -> Self {
        Self { node: Some(node), ..self }
    }

    /// The same, about this block.
    pub fn about(self, block: BlockHash) -> Self {
        Self { block: Some(block), ..self }
    }
}
