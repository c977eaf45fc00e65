//! A marked store: after every sync it says how much of its block file would survive the end of the machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::{Block, BlockHash, OutPoint};
use schism_node::chain::Coin;
use schism_node::ledger::coins::Standing;
use schism_node::ledger::store::{HeaderRecord, Step, Store, StoreFailure, Undo};

use super::say;
use crate::supervisor::disk;
use crate::supervisor::protocol::Word;

/// A store that says how far it is synced.
pub(super) struct Marked<S> {
    inner: S,
    folder: PathBuf,
    said: u64,
    /// Whether syncs fail, on purpose.
    fails: Arc<AtomicBool>,
}

impl<S> Marked<S> {
    /// Marks what `inner` syncs in `folder`, unless syncs fail.
    pub(super) fn new(inner: S, folder: &Path, fails: Arc<AtomicBool>) -> Self {
        Self { inner, folder: folder.to_owned(), said: 0, fails }
    }

    fn may_sync(&self) -> Result<(), StoreFailure> {
        let fails = self.fails.load(Ordering::Relaxed);
        if fails { Err(StoreFailure::new("sync", "the disk fails, as it was told to")) } else { Ok(()) }
    }

    fn mark(&mut self) {
        let bytes = disk::block_file_bytes(&self.folder);
        if bytes != self.said {
            self.said = bytes;
            say(&Word::Synced { bytes });
        }
    }
}

impl<S: Store> Store for Marked<S> {
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
        self.inner.keep(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.inner.step(step)
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        self.may_sync()?;
        self.inner.sync()?;
        self.mark();
        Ok(())
    }

    fn take_damage(&mut self) -> Option<String> {
        self.inner.take_damage()
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.inner.forget()
    }
}
