//! A file store: bodies in a block file, everything else in a record tree beside it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint};

use super::encoding::{coin_key, undo_key};
use super::records::Records;
use super::{HeaderRecord, Step, Store, StoreFailure, Undo};
use crate::chain::Coin;
use crate::ledger::blocks::BlockFile;
use crate::ledger::coins::Standing;

/// The block file's name in a store's folder; `schism import` reads it.
pub const BLOCK_FILE: &str = "bootstrap.dat";
/// The record tree's folder in a store's folder.
pub const RECORDS: &str = "records";

/// A ledger kept in a folder.
pub struct FileStore {
    blocks: BlockFile,
    records: Records,
    damage: Option<String>,
}

impl FileStore {
    /// Opens or makes a store. Damage is repaired as far as it goes here, and told by [`Store::take_damage`].
    pub fn open(folder: &Path) -> Result<Self, StoreFailure> {
        let failure = |error| StoreFailure::new("open", error);
        fs::create_dir_all(folder).map_err(failure)?;
        // The records first: they are locked, and nobody may cut off what another is just appending.
        let (records, record_damage) = Records::open(&folder.join(RECORDS))?;
        let (blocks, block_damage) = BlockFile::open(&folder.join(BLOCK_FILE)).map_err(failure)?;
        let damage = [block_damage.map(|damage| format!("block file: {damage}")), record_damage];
        let damage = damage.into_iter().flatten().collect::<Vec<_>>().join("; ");
        Ok(Self { blocks, records, damage: Some(damage).filter(|damage| !damage.is_empty()) })
    }
}

impl Store for FileStore {
    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.records.standing()
    }

    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        self.records.headers()
    }

    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        Ok(self.blocks.arrivals().to_vec())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        let block = self.blocks.get(hash).map_err(|error| StoreFailure::new("read a block", error))?;
        Ok(block.map(Arc::new))
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        self.records.get(&coin_key(outpoint))
    }

    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.records.each_coin(show)
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        self.records.get(&undo_key(hash))
    }

    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        self.blocks.append(&block).map_err(|error| StoreFailure::new("keep a block", error))?;
        Ok(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.records.step(&step);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        // The system may write the records to the platter whenever it likes: the bodies they speak of go first.
        self.blocks.sync().map_err(|error| StoreFailure::new("sync the block file", error))?;
        self.records.flush()
    }

    fn take_damage(&mut self) -> Option<String> {
        self.damage.take()
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.records.forget()
    }
}
