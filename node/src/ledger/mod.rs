//! The ledger: the block tree, its best chain, and the coins that chain leaves unspent.
//!
//! - [`Ledger`] is the noun: it accepts headers and blocks (`accept`), follows the best chain (`reorganise`), opens
//!   its store as a crash left it (`open`) and answers questions (`questions`).
//! - [`tree`] orders headers, [`validate`] judges a block under its parent's coins, [`coins`] says what it changes.
//! - [`store`] keeps it all; [`blocks`] and [`frames`] are the file of bodies, which [`import`] reads too.
//! - [`verifier`] checks signatures on all cores in real runs.
//! - [`actor`]: messages in, messages out.

mod accept;
pub mod actor;
mod beside;
pub mod blocks;
pub mod coins;
pub mod frames;
pub mod import;
mod open;
mod questions;
mod reorganise;
pub mod store;
pub mod tree;
pub mod validate;
pub mod verifier;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bitcoin::BlockHash;

pub use self::accept::{Judged, Judgement};
use self::coins::Standing;
pub use self::open::Opened;
use self::store::{HeaderRecord, Mark, Step, Store, StoreFailure};
use self::tree::{Id, Tree};
use crate::chain::Rules;
use crate::chain::header::median_time_past;
use crate::chain::work::next_bits;
use crate::messages::Next;
use crate::surroundings::{Verifier, VirtualWork};

/// Records that may wait for a sync: some 20 MB.
const MOST_WAITING: usize = 100_000;

/// A ledger. Its verbs write to the store; nothing they say may be told before [`Ledger::sync`] has returned.
pub struct Ledger {
    rules: Arc<Rules>,
    store: Box<dyn Store>,
    verifier: Arc<dyn Verifier>,
    work: Arc<dyn VirtualWork>,
    tree: Tree,
    standing: Standing,
    /// Headers that are new or marked anew and not in the store yet: they go with the next step.
    unwritten: Vec<Id>,
    unsynced: bool,
    /// Records of steps since the last sync, which a store may keep in memory until the next.
    waiting: usize,
    signature_checks: u64,
}

impl Ledger {
    /// Returns when everything accepted so far would survive the end of the machine, and so may be told.
    pub fn sync(&mut self) -> Result<(), StoreFailure> {
        if !self.unwritten.is_empty() {
            self.write(Step::default())?;
        }
        if self.unsynced {
            self.store.sync()?;
            (self.unsynced, self.waiting) = (false, 0);
        }
        Ok(())
    }

    /// Its rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Where it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Its headers.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// What the next block must look like.
    pub fn next(&self) -> Next {
        let tip = self.tree.active_tip();
        let height = self.tree.height(tip) + 1;
        let active = self.rules.at(height);
        let pasts = self.tree.pasts(tip);
        Next {
            height,
            bits: next_bits(&self.rules, height - 1, &pasts),
            min_time: median_time_past(height - 1, &pasts).saturating_add(1),
            max_block_bytes: active.max_block_bytes,
            fork_id: active.fork_id,
            subsidy: self.rules.subsidy(height),
        }
    }

    /// Where sync goes on: from the best header back.
    pub fn locator(&self) -> Vec<BlockHash> {
        self.tree.locator(self.tree.best_header())
    }

    /// Bodies to fetch, oldest first.
    pub fn missing(&self) -> Vec<BlockHash> {
        self.tree.missing(usize::MAX)
    }

    /// Writes a step, with the headers that wait for one.
    fn write(&mut self, mut step: Step) -> Result<(), StoreFailure> {
        step.headers.extend(self.unwritten.iter().map(|id| HeaderRecord {
            header: *self.tree.header(*id),
            height: self.tree.height(*id),
            mark: self.tree.mark(*id),
        }));
        self.unsynced = true;
        self.waiting += step.headers.len() + step.coins.len();
        self.store.step(step)?;
        self.unwritten.clear();
        // Who judges a whole chain at once asks for no sync before its end.
        if self.waiting > MOST_WAITING { self.sync() } else { Ok(()) }
    }

    fn mark(&mut self, id: Id, mark: Mark) {
        match mark {
            Mark::Open => return,
            Mark::Valid => self.tree.mark_valid(id),
            Mark::Invalid => self.tree.mark_invalid(id),
        }
        if !self.unwritten.contains(&id) {
            self.unwritten.push(id);
        }
    }
}
