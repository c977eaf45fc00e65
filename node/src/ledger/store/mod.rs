//! A store: where a ledger is kept. Two kinds, one behaviour: memory for the simulation, files and sled for real runs.
//!
//! Bodies are appended and never change. Everything else (headers, coins, undo, the standing) changes in steps, each
//! of which happens whole or not at all. What was written since the last [`Store::sync`] survives the end of the
//! process; the end of the machine may lose it, the newest first.

mod encoding;
pub mod files;
pub mod memory;
mod records;
pub mod traced;

#[cfg(test)]
mod behaviour;

use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, OutPoint};

pub use self::files::FileStore;
pub use self::memory::{Disk, MemoryStore, Shelf};
pub use self::traced::TracedStore;
use crate::chain::Coin;
use crate::ledger::coins::Standing;

/// Where a ledger is kept. One ledger holds it; reads see every write before them, synced or not.
pub trait Store: Send {
    /// The tip and the totals of its coins; nothing in a new store.
    fn standing(&self) -> Result<Option<Standing>, StoreFailure>;
    /// Every header kept, parents before children.
    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure>;
    /// The hashes of all bodies, in order of arrival.
    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure>;
    /// A body.
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure>;
    /// An unspent output.
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure>;
    /// Shows every unspent output, ordered by outpoint, until `show` says `false`.
    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure>;
    /// What a connected block spent.
    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure>;

    /// Keeps a body and gives back the copy to hold on to, which may be shared with others. A body that is here
    /// already is not kept twice.
    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure>;
    /// Writes a step, whole or not at all. It never outlives a body kept before it.
    fn step(&mut self, step: Step) -> Result<(), StoreFailure>;
    /// Returns when everything written so far would survive the end of the machine.
    fn sync(&mut self) -> Result<(), StoreFailure>;

    /// Damage found when the store was opened, once: whoever takes it forgets and judges the bodies again.
    fn take_damage(&mut self) -> Option<String>;
    /// Forgets everything but the bodies.
    fn forget(&mut self) -> Result<(), StoreFailure>;
}

/// What changes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Headers that are new or marked anew.
    pub headers: Vec<HeaderRecord>,
    /// Coins made (`Some`) and spent (`None`), each outpoint at most once.
    pub coins: Vec<(OutPoint, Option<Coin>)>,
    /// What the connected block spent, or `None` for the disconnected one.
    pub undo: Option<(BlockHash, Option<Undo>)>,
    /// Where the ledger stands afterwards.
    pub standing: Option<Standing>,
}

impl Step {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.coins.is_empty() && self.undo.is_none() && self.standing.is_none()
    }
}

/// A header as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRecord {
    /// The header.
    pub header: Header,
    /// Its height.
    pub height: u32,
    /// What is known about its block.
    pub mark: Mark,
}

/// What is known about a block, besides whether its body is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nothing yet: it was never connected.
    #[default]
    Open,
    /// It was connected once, so it is valid wherever its parent is.
    Valid,
    /// It breaks a rule, whoever delivers it.
    Invalid,
}

/// What a block spent: the coins in the order of its inputs, without the coinbase's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undo(pub Vec<Coin>);

/// A store that no longer does what it is told. Nothing that is not durable may be told, so the node stops.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store could not {doing}: {why}")]
pub struct StoreFailure {
    /// What it was doing.
    pub doing: &'static str,
    /// What it said.
    pub why: String,
}

impl StoreFailure {
    /// It could not do this, for that reason.
    pub fn new(doing: &'static str, why: impl ToString) -> Self {
        Self { doing, why: why.to_string() }
    }
}
