//! A chain to measure with: blocks made in advance, so that making them is in no figure.

use std::sync::Arc;

use bitcoin::{Amount, Block, ScriptBuf};
use schism_node::chain::header::grind;
use schism_node::chain::{Rules, SignatureCheck, assemble};
use schism_node::ledger::store::{Disk, Store, StoreFailure};
use schism_node::ledger::{Judgement, Ledger};
use schism_node::messages::Source;
use schism_node::surroundings::{RealWork, Verifier};

use super::SEED;
use crate::payments::{self, Payments};

/// Later than any block of a bench: none is refused for its time.
const NOW: u32 = 4_000_000_000;
/// Seconds between two blocks, as the lab aims at.
const INTERVAL: u32 = 10;

/// Blocks on the lab's genesis, each with as many payments.
pub struct Chain {
    /// What they follow.
    pub rules: Arc<Rules>,
    /// The blocks, genesis left out.
    pub blocks: Vec<Arc<Block>>,
    /// Payments in each; each has one signature.
    pub payments: usize,
}

/// A verifier that believes everything: what is left is the cost of everything else.
#[derive(Clone, Copy, Debug)]
pub struct Credulous;

impl Verifier for Credulous {
    fn verify(&self, _: &[SignatureCheck]) -> Result<(), usize> {
        Ok(())
    }
}

impl Chain {
    /// Makes one.
    ///
    /// # Errors
    /// When the ledger that it is held against fails.
    pub fn make(length: usize, payments: usize) -> Result<Self, StoreFailure> {
        let rules = Arc::new(Rules::lab(&payments::allocations(SEED)));
        let mut ledger = open(&rules, Box::new(Disk::new().open()), Arc::new(Credulous))?;
        let mut wallets = Payments::new(SEED, &rules, &[0], 1.0, 0.0);
        let mut time = rules.genesis.header.time;
        let mut blocks = Vec::with_capacity(length);
        for _ in 0..length {
            let next = ledger.next();
            time = (time + INTERVAL).max(next.min_time);
            let mut paid = Vec::with_capacity(payments);
            while paid.len() < payments {
                // A wallet without coins is drawn in vain; there are others.
                paid.extend(wallets.next(|_| next.fork_id).map(|payment| payment.transaction));
            }
            let coinbase = assemble::coinbase(next.height, &[], ScriptBuf::new_op_return([]), Amount::ZERO);
            let parent = ledger.standing().tip.hash;
            let mut block = assemble::assemble(parent, time, next.bits, coinbase, paid);
            grind(&mut block.header, 1 << 32);
            let block = Arc::new(block);
            give(&mut ledger, &block)?;
            blocks.push(block);
        }
        Ok(Self { rules, blocks, payments })
    }

    /// The time of its last block.
    pub fn end(&self) -> u32 {
        self.blocks.last().map_or(self.rules.genesis.header.time, |block| block.header.time)
    }
}

/// A ledger on this store.
pub(super) fn open(
    rules: &Arc<Rules>,
    store: Box<dyn Store>,
    verifier: Arc<dyn Verifier>,
) -> Result<Ledger, StoreFailure> {
    Ok(Ledger::open(rules.clone(), store, verifier, Arc::new(RealWork), NOW)?.ledger)
}

/// Lets a ledger connect a block, durably: as an actor does before it tells anyone.
pub(super) fn give(ledger: &mut Ledger, block: &Arc<Block>) -> Result<(), StoreFailure> {
    let judged = ledger.accept_block(block.clone(), NOW, Source::Own)?;
    ledger.sync()?;
    match judged.judgement {
        Judgement::Taken => Ok(()),
        other => Err(StoreFailure::new("connect a good block", format!("{other:?}"))),
    }
}
