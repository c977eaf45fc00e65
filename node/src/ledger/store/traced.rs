//! A traced store: every write of the store inside is noted in the run's trace before it happens.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, OutPoint};

use super::{HeaderRecord, Step, Store, StoreFailure, Undo};
use crate::chain::Coin;
use crate::ledger::coins::Standing;
use crate::surroundings::Trace;

/// A store whose writes are noted.
pub struct TracedStore {
    inner: Box<dyn Store>,
    trace: Trace,
}

impl TracedStore {
    /// Notes the writes of `inner` in `trace`.
    pub fn new(inner: Box<dyn Store>, trace: Trace) -> Self {
        Self { inner, trace }
    }
}

impl Store for TracedStore {
    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.inner.standing()
    }

    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        self.inner.headers()
    }

    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        self.inner.bodies()
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        self.inner.block(hash)
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        self.inner.coin(outpoint)
    }

    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.inner.each_coin(show)
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        self.inner.undo(hash)
    }

    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        self.trace.note("store_keep", || block.block_hash().to_byte_array());
        self.inner.keep(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.trace.note("store_step", || stand_in(&step));
        self.inner.step(step)
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        self.trace.note("store_sync", || []);
        self.inner.sync()
    }

    fn take_damage(&mut self) -> Option<String> {
        self.inner.take_damage()
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.trace.note("store_forget", || []);
        self.inner.forget()
    }
}

/// Bytes that stand for a step. The standing has the digest of all coins, so the coins themselves need not be hashed.
fn stand_in(step: &Step) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in &step.headers {
        bytes.extend_from_slice(record.header.block_hash().as_byte_array());
        bytes.push(record.mark as u8);
    }
    bytes.extend_from_slice(&(step.coins.len() as u64).to_be_bytes());
    if let Some(standing) = &step.standing {
        bytes.extend_from_slice(standing.tip.hash.as_byte_array());
        bytes.extend_from_slice(&standing.digest.to_bytes());
    }
    bytes
}
