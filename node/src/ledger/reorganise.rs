//! Reorganising: following the best chain, one durable step for each block that leaves or joins.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::{Block, BlockHash, Transaction, Txid};

use super::Ledger;
use super::coins::Change;
use super::store::{Mark, StoreFailure, Undo};
use super::tree::Id;
use super::validate::{Checkers, Coins, Found, Place, Stopped, validate};
use crate::chain::header::median_time_past;
use crate::chain::{Refused, Rules, Tip};
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
    ///
    /// `bodies` are those that need not be read again.
    pub(super) fn follow_best(&mut self, mut bodies: Bodies) -> Result<Moved, StoreFailure> {
        let before = self.tree.active_tip();
        let mut refused = Vec::new();
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
            disconnected.push(self.body(id, bodies)?.block);
        }
        let mut connected = Vec::new();
        for id in self.tree.path(fork, to) {
            connected.push(self.body(id, bodies)?.block);
        }
        Ok(TipChange { tip: self.tree.tip(to), disconnected, connected, next: self.next() })
    }

    fn connect(&mut self, id: Id, bodies: &mut Bodies) -> Result<(), Stopped> {
        let placed = self.placed(id, bodies)?;
        // What was valid once is valid wherever its parent is, and it has only one parent.
        let known_valid = self.tree.mark(id) == Mark::Valid;
        let found = self.check(&placed, &|outpoint| self.store.coin(outpoint), !known_valid)?;
        self.signature_checks += u64::from(found.signature_checks);
        let (step, standing) = placed.change(found.undo, &self.rules).apply(&self.standing);
        self.mark(id, Mark::Valid);
        self.write(step)?;
        self.standing = standing;
        self.tree.move_tip(id);
        Ok(())
    }

    fn disconnect(&mut self, bodies: &mut Bodies) -> Result<(), StoreFailure> {
        let id = self.tree.active_tip();
        let placed = self.placed(id, bodies)?;
        let (step, standing) = placed.change(self.undo_of(&placed)?, &self.rules).undo(&self.standing);
        self.write(step)?;
        self.standing = standing;
        self.tree.move_tip(self.tree.parent(id));
        Ok(())
    }

    /// A block whose body is here, and where it stands.
    pub(super) fn placed(&self, id: Id, bodies: &mut Bodies) -> Result<Placed, StoreFailure> {
        let (body, parent) = (self.body(id, bodies)?, self.tree.parent(id));
        let under = self.tree.tip(parent);
        Ok(Placed {
            body,
            tip: self.tree.tip(id),
            under,
            median: median_time_past(under.height, &self.tree.pasts(parent)),
        })
    }

    /// Validates a block against the coins that its parent left.
    pub(super) fn check(&self, placed: &Placed, coins: Coins<'_>, signatures: bool) -> Result<Found, Stopped> {
        let place = Place { rules: &self.rules, height: placed.tip.height, median: placed.median };
        let checkers = Checkers { verifier: self.verifier.as_ref(), work: self.work.as_ref() };
        validate(&placed.body.block, &placed.body.txids, place, coins, signatures.then_some(checkers))
    }

    /// What undoes a block of the best chain.
    pub(super) fn undo_of(&self, placed: &Placed) -> Result<Undo, StoreFailure> {
        let undo = self.store.undo(&placed.tip.hash)?;
        undo.ok_or_else(|| StoreFailure::new("disconnect a block", format!("no undo of {}", placed.tip.hash)))
    }

    fn body(&self, id: Id, bodies: &mut Bodies) -> Result<Body, StoreFailure> {
        let hash = self.tree.hash(id);
        if let Some(body) = bodies.get(&hash) {
            return Ok(body.clone());
        }
        let block = self.store.block(&hash)?;
        let block = block.ok_or_else(|| StoreFailure::new("read a block", format!("no body of {hash}")))?;
        let txids = block.txdata.iter().map(Transaction::compute_txid).collect();
        let body = Body { block, txids };
        bodies.insert(hash, body.clone());
        Ok(body)
    }
}

/// Bodies at hand.
pub(super) type Bodies = BTreeMap<BlockHash, Body>;

/// A block, and the ids of its transactions.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) block: Arc<Block>,
    pub(super) txids: Arc<[Txid]>,
}

/// A block, and where it stands.
pub(super) struct Placed {
    body: Body,
    tip: Tip,
    under: Tip,
    /// Median time of its parent and the ten before.
    median: u32,
}

impl Placed {
    /// What it changes, given the coins that its inputs spend.
    pub(super) fn change(&self, undo: Undo, rules: &Rules) -> Change {
        Change::of(&self.body.block, &self.body.txids, self.tip, self.under, undo, rules)
    }
}
