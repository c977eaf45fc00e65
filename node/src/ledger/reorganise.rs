//! Reorganising: following the best chain, one durable step for each block that leaves or joins.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::{Block, BlockHash, Transaction};

use super::Ledger;
use super::coins::Change;
use super::store::{Mark, StoreFailure};
use super::tree::Id;
use super::validate::{Checkers, Place, Stopped, validate};
use crate::chain::Refused;
use crate::chain::header::median_time_past;
use crate::messages::TipChange;

/// How the ledger followed the best chain.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// From the former tip to the new one, when they differ.
    pub(super) change: Option<TipChange>,
    /// Blocks that turned out to be invalid on the way.
    pub(super) refused: Vec<(Id, Refused)>,
}

impl Ledger {
    /// Goes to the best chain there is. On the way a heavier branch may turn out to hold an invalid block; then the
    /// next best is taken, which may be the one it came from. A crash anywhere opens at a tip of a valid chain.
    pub(super) fn follow_best(&mut self) -> Result<Moved, StoreFailure> {
        let before = self.tree.active_tip();
        let mut refused = Vec::new();
        let mut bodies = BTreeMap::new();
        loop {
            let (tip, best) = (self.tree.active_tip(), self.tree.best());
            if tip == best {
                break;
            }
            let fork = self.tree.fork(tip, best);
            while self.tree.active_tip() != fork {
                self.disconnect(&mut bodies)?;
            }
            for id in self.tree.path(fork, best) {
                match self.connect(id, &mut bodies) {
                    Ok(()) => {}
                    Err(Stopped::Store(failure)) => return Err(failure),
                    Err(Stopped::Refused(reason)) => {
                        self.mark(id, Mark::Invalid);
                        refused.push((id, reason));
                        break;
                    }
                }
            }
        }
        self.tree.settle();
        let change = match self.tree.active_tip() {
            tip if tip == before => None,
            tip => Some(self.change_between(before, tip, &mut bodies)?),
        };
        Ok(Moved { change, refused })
    }

    /// What is told when the tip went from one block to another.
    pub(super) fn change_between(&self, from: Id, to: Id, bodies: &mut Bodies) -> Result<TipChange, StoreFailure> {
        let fork = self.tree.fork(from, to);
        let mut disconnected = Vec::new();
        for id in self.tree.path(fork, from).into_iter().rev() {
            disconnected.push(self.body(id, bodies)?);
        }
        let mut connected = Vec::new();
        for id in self.tree.path(fork, to) {
            connected.push(self.body(id, bodies)?);
        }
        Ok(TipChange { tip: self.tree.tip(to), disconnected, connected, next: self.next() })
    }

    fn connect(&mut self, id: Id, bodies: &mut Bodies) -> Result<(), Stopped> {
        let block = self.body(id, bodies)?;
        let txids: Vec<_> = block.txdata.iter().map(Transaction::compute_txid).collect();
        let parent = self.tree.parent(id);
        let (tip, under) = (self.tree.tip(id), self.tree.tip(parent));
        let median = median_time_past(under.height, &self.tree.pasts(parent));
        let place = Place { rules: &self.rules, height: tip.height, median };
        // What was valid once is valid wherever its parent is, and it has only one parent.
        let known_valid = self.tree.mark(id) == Mark::Valid;
        let checkers = Checkers { verifier: self.verifier.as_ref(), work: self.work.as_ref() };
        let checkers = (!known_valid).then_some(checkers);
        let found = validate(&block, &txids, place, self.store.as_ref(), checkers)?;
        self.signature_checks += u64::from(found.signature_checks);
        let change = Change::of(&block, &txids, tip, under, found.undo, &self.rules);
        let (step, standing) = change.apply(&self.standing);
        self.mark(id, Mark::Valid);
        self.write(step)?;
        self.standing = standing;
        self.tree.move_tip(id);
        Ok(())
    }

    fn disconnect(&mut self, bodies: &mut Bodies) -> Result<(), StoreFailure> {
        let id = self.tree.active_tip();
        let block = self.body(id, bodies)?;
        let txids: Vec<_> = block.txdata.iter().map(Transaction::compute_txid).collect();
        let parent = self.tree.parent(id);
        let (tip, under) = (self.tree.tip(id), self.tree.tip(parent));
        let undo = self.store.undo(&tip.hash)?;
        let undo = undo.ok_or_else(|| StoreFailure::new("disconnect a block", format!("no undo of {}", tip.hash)))?;
        let change = Change::of(&block, &txids, tip, under, undo, &self.rules);
        let (step, standing) = change.undo(&self.standing);
        self.write(step)?;
        self.standing = standing;
        self.tree.move_tip(parent);
        Ok(())
    }

    fn body(&self, id: Id, bodies: &mut Bodies) -> Result<Arc<Block>, StoreFailure> {
        let hash = self.tree.hash(id);
        if let Some(block) = bodies.get(&hash) {
            return Ok(block.clone());
        }
        let block = self.store.block(&hash)?;
        let block = block.ok_or_else(|| StoreFailure::new("read a block", format!("no body of {hash}")))?;
        bodies.insert(hash, block.clone());
        Ok(block)
    }
}

/// Bodies read on the way.
type Bodies = BTreeMap<BlockHash, Arc<Block>>;
