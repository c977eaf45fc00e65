//! Facts of a tree: what is known about one header.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::{Id, Mark, Tree};
use crate::chain::Tip;
use crate::chain::work::{Ancestors, Past};

impl Tree {
    /// A header's number.
    pub fn find(&self, hash: &BlockHash) -> Option<Id> {
        self.by_hash.get(hash).copied()
    }

    /// How many headers there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: genesis is always there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The active tip.
    pub fn active_tip(&self) -> Id {
        self.active[self.active.len() - 1]
    }

    /// The best header.
    pub fn best_header(&self) -> Id {
        self.best_header
    }

    /// A header.
    pub fn header(&self, id: Id) -> &Header {
        &self.at(id).header
    }

    /// Its hash.
    pub fn hash(&self, id: Id) -> BlockHash {
        self.at(id).hash
    }

    /// Its height.
    pub fn height(&self, id: Id) -> u32 {
        self.at(id).height
    }

    /// Its parent; genesis is its own.
    pub fn parent(&self, id: Id) -> Id {
        self.at(id).parent
    }

    /// What is known about its block.
    pub fn mark(&self, id: Id) -> Mark {
        self.at(id).mark
    }

    /// Whether its body is here.
    pub fn has_body(&self, id: Id) -> bool {
        self.at(id).body.is_some()
    }

    /// Whether all bodies up to it are here.
    pub fn is_complete(&self, id: Id) -> bool {
        self.at(id).complete.is_some()
    }

    /// Whether it or an ancestor is invalid.
    pub fn is_dead(&self, id: Id) -> bool {
        self.at(id).dead
    }

    /// The chain up to it, as a tip.
    pub fn tip(&self, id: Id) -> Tip {
        let entry = self.at(id);
        Tip { hash: entry.hash, height: entry.height, work: entry.work, time: entry.header.time }
    }

    /// What difficulty and median time ask of the chain that ends in `tip`.
    pub fn pasts(&self, tip: Id) -> impl Ancestors + '_ {
        move |height: u32| {
            let header = &self.at(self.ancestor(tip, height).unwrap_or(tip)).header;
            Past { bits: header.bits, time: header.time }
        }
    }
}
