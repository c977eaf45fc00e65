//! A store that is honest about everything but what it lies about.

use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint};
use schism_node::chain::Coin;
use schism_node::ledger::coins::Standing;
use schism_node::ledger::store::{HeaderRecord, Step, Store, StoreFailure, Undo};

/// What a store says instead of what it holds.
pub trait Lie: Send {
    /// Instead of what a block had spent.
    fn undo(&self, undo: Option<Undo>) -> Option<Undo> {
        undo
    }

    /// Instead of a coin.
    fn coin(&self, _: &OutPoint, coin: Option<Coin>) -> Option<Coin> {
        coin
    }
}

/// A store, and its lie.
pub struct Lying<L>(pub Box<dyn Store>, pub L);

impl<L: Lie> Store for Lying<L> {
    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        Ok(self.1.undo(self.0.undo(hash)?))
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        Ok(self.1.coin(outpoint, self.0.coin(outpoint)?))
    }

    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.0.standing()
    }

    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        self.0.headers()
    }

    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        self.0.bodies()
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        self.0.block(hash)
    }

    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.0.each_coin(show)
    }

    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        self.0.keep(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.0.step(step)
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        self.0.sync()
    }

    fn take_damage(&mut self) -> Option<String> {
        self.0.take_damage()
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.0.forget()
    }
}
