//! A way: one direction between two nodes, with what it has done. Ways are made when first used or set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NodeIndex;
use crate::link::Link;

/// One direction between two nodes.
pub(super) struct Way {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    pub(super) link: Link,
    /// Set by itself, so that a new default does not change it.
    pub(super) explicit: bool,
    /// Cuts that have not been mended.
    pub(super) cuts: u32,
    /// It has carried nothing for a while, and carries again.
    pub(super) mended: bool,
    /// When its transmitter is free again, in nanoseconds.
    pub(super) free_at: u64,
    pub(super) counters: Counters,
}

/// What one direction has done: the evidence that a fault was real.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames handed over by senders: pieces of streams, and streams' and connections' beginnings and ends.
    pub sent: u64,
    /// Bytes of these, with headers.
    pub bytes: u64,
    /// Nanoseconds these were under way, summed, with waiting for the link and for what went before: evidence of what
    /// makes links slower.
    pub travel: u64,
    /// Nanoseconds of these that were spent waiting for the link and leaving, summed.
    pub queued: u64,
    /// Frames and SYNs that arrived at a cut or at a dark node.
    pub held: u64,
    /// Frames that reached the other node.
    pub delivered: u64,
    /// Of these, those that did while the way was cut: zero, or the cut was not tight.
    pub delivered_while_cut: u64,
    /// Bytes that reached the other node after the way was mended: what shows that it carries again.
    pub bytes_after_mend: u64,
    /// Segments that were lost and sent again.
    pub retransmitted: u64,
    /// Connections that this direction's sender gave up.
    pub given_up: u64,
}

impl Way {
    /// Whether its own fault is that it carries nothing; a dark node at an end is not looked at.
    pub(super) fn is_cut(&self) -> bool {
        self.cuts > 0 || !self.link.carries()
    }
}

/// All ways, by number, because a frame asks for its own by number.
#[derive(Default)]
pub(super) struct Ways {
    all: Vec<Way>,
    numbers: BTreeMap<(NodeIndex, NodeIndex), usize>,
    pub(super) default: Link,
}

impl Ways {
    /// The number of a way, made when it is new.
    pub(super) fn number(&mut self, from: NodeIndex, to: NodeIndex) -> usize {
        *self.numbers.entry((from, to)).or_insert_with(|| {
            self.all.push(Way {
                from,
                to,
                link: self.default,
                explicit: false,
                cuts: 0,
                mended: false,
                free_at: 0,
                counters: Counters::default(),
            });
            self.all.len() - 1
        })
    }

    pub(super) fn get(&self, number: usize) -> &Way {
        &self.all[number]
    }

    pub(super) fn get_mut(&mut self, number: usize) -> &mut Way {
        &mut self.all[number]
    }

    /// The number of a way that has been used or set.
    pub(super) fn known(&self, from: NodeIndex, to: NodeIndex) -> Option<usize> {
        self.numbers.get(&(from, to)).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Way> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Way> {
        self.all.iter_mut()
    }
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.bytes += other.bytes;
        self.held += other.held;
        self.delivered += other.delivered;
        self.delivered_while_cut += other.delivered_while_cut;
        self.bytes_after_mend += other.bytes_after_mend;
        self.retransmitted += other.retransmitted;
        self.given_up += other.given_up;
    }
}
