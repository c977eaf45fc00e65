//! A memory store: a ledger kept on a [`Disk`] that outlives the node, with an explicit synced point.
//!
//! Dropping the store is the end of a process: the disk keeps all it was told. [`Disk::lose_unsynced`] is the end of
//! a machine: what was not synced is gone.

use std::collections::{BTreeMap, btree_map};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bitcoin::{Block, BlockHash, OutPoint};

use super::{HeaderRecord, Step, Store, StoreFailure, Undo};
use crate::chain::Coin;
use crate::ledger::coins::Standing;

/// What a memory store is kept on. Clones are handles to the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that shares bodies with the others on this shelf.
    pub fn on(shelf: &Shelf) -> Self {
        let disk = Self::default();
        disk.lock().shelf = Some(shelf.clone());
        disk
    }

    /// A store on this disk, as the last one left it.
    pub fn open(&self) -> MemoryStore {
        MemoryStore(self.clone())
    }

    /// The machine ends: what was not synced is gone.
    pub fn lose_unsynced(&self) {
        self.lose_unsynced_but(0);
    }

    /// The machine ends, but this many of the unsynced writes, the oldest, had reached the platter by chance.
    pub fn lose_unsynced_but(&self, survivors: usize) {
        let mut platter = self.lock();
        while platter.unsynced.len() > survivors {
            if let Some(inverse) = platter.unsynced.pop() {
                platter.take_back(inverse);
            }
        }
        platter.unsynced.clear();
    }

    /// The machine ends in the middle of a write: what was not synced is gone, and the last body with it; the rest
    /// cannot be believed.
    pub fn tear(&self) {
        self.lose_unsynced();
        let mut platter = self.lock();
        if platter.arrivals.len() > 1
            && let Some(last) = platter.arrivals.pop()
        {
            platter.bodies.remove(&last);
        }
        platter.torn = true;
    }

    /// Writes that were not synced yet.
    pub fn unsynced(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// Writes and syncs that were asked for so far.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// Write or sync number `operation` (the first is 0) and all after it fail without effect, until [`Disk::mend`].
    pub fn fail_from(&self, operation: u64) {
        self.lock().fails_from = Some(operation);
    }

    /// Every sync fails from now on, until [`Disk::mend`].
    pub fn fail_syncs(&self) {
        self.lock().fails_syncs = true;
    }

    /// Undoes [`Disk::fail_from`] and [`Disk::fail_syncs`].
    pub fn mend(&self) {
        let mut platter = self.lock();
        (platter.fails_from, platter.fails_syncs) = (None, false);
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where disks that stand in one process keep one copy of a body that many of them hold.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<BlockHash, Weak<Block>>>>);

impl Shelf {
    /// The copy to hold: another disk's, when it is the same to the last byte.
    fn share(&self, hash: BlockHash, block: Arc<Block>) -> Arc<Block> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shelf.entry(hash) {
            btree_map::Entry::Occupied(mut entry) => match entry.get().upgrade() {
                Some(held) if *held == *block => held,
                Some(_) => block,
                None => {
                    entry.insert(Arc::downgrade(&block));
                    block
                }
            },
            btree_map::Entry::Vacant(entry) => {
                entry.insert(Arc::downgrade(&block));
                block
            }
        }
    }
}

/// A ledger kept on a [`Disk`].
pub struct MemoryStore(Disk);

impl Store for MemoryStore {
    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        Ok(self.0.lock().standing)
    }

    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        let mut records: Vec<_> = self.0.lock().headers.values().copied().collect();
        records.sort_by_key(|record| record.height); // stable, so equal heights stay ordered by hash
        Ok(records)
    }

    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        Ok(self.0.lock().arrivals.clone())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        Ok(self.0.lock().bodies.get(hash).cloned())
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        Ok(self.0.lock().coins.get(outpoint).cloned())
    }

    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.0.lock().coins.iter().all(|(outpoint, coin)| show(outpoint, coin));
        Ok(())
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        Ok(self.0.lock().undo.get(hash).cloned())
    }

    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        let mut platter = self.0.lock();
        platter.operate("keep a block")?;
        let hash = block.block_hash();
        if let Some(held) = platter.bodies.get(&hash) {
            return Ok(held.clone());
        }
        let block = match &platter.shelf {
            Some(shelf) => shelf.share(hash, block),
            None => block,
        };
        platter.bodies.insert(hash, block.clone());
        platter.arrivals.push(hash);
        platter.unsynced.push(Inverse::Body(hash));
        Ok(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        let mut platter = self.0.lock();
        platter.operate("write a step")?;
        let inverse = platter.apply(step);
        platter.unsynced.push(Inverse::Step(Box::new(inverse)));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        let mut platter = self.0.lock();
        platter.operate("sync")?;
        if platter.fails_syncs {
            return Err(StoreFailure::new("sync", "the disk fails"));
        }
        platter.unsynced.clear();
        Ok(())
    }

    fn take_damage(&mut self) -> Option<String> {
        let torn = std::mem::take(&mut self.0.lock().torn);
        torn.then(|| "the disk was torn in the middle of a write".to_owned())
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        let mut platter = self.0.lock();
        platter.operate("forget")?;
        let forgotten = Inverse::Forget(Box::new(Forgotten {
            headers: std::mem::take(&mut platter.headers),
            coins: std::mem::take(&mut platter.coins),
            undo: std::mem::take(&mut platter.undo),
            standing: platter.standing.take(),
        }));
        platter.unsynced.push(forgotten);
        Ok(())
    }
}

#[derive(Default)]
struct Platter {
    shelf: Option<Shelf>,
    arrivals: Vec<BlockHash>,
    bodies: BTreeMap<BlockHash, Arc<Block>>,
    headers: BTreeMap<BlockHash, HeaderRecord>,
    coins: BTreeMap<OutPoint, Coin>,
    undo: BTreeMap<BlockHash, Undo>,
    standing: Option<Standing>,
    /// How to take back each unsynced write, oldest first.
    unsynced: Vec<Inverse>,
    operations: u64,
    fails_from: Option<u64>,
    fails_syncs: bool,
    /// Whether what it holds cannot be believed.
    torn: bool,
}

enum Inverse {
    Body(BlockHash),
    Step(Box<Former>),
    Forget(Box<Forgotten>),
}

/// What a step overwrote.
struct Former {
    headers: Vec<(BlockHash, Option<HeaderRecord>)>,
    coins: Vec<(OutPoint, Option<Coin>)>,
    undo: Option<(BlockHash, Option<Undo>)>,
    standing: Option<Standing>,
}

struct Forgotten {
    headers: BTreeMap<BlockHash, HeaderRecord>,
    coins: BTreeMap<OutPoint, Coin>,
    undo: BTreeMap<BlockHash, Undo>,
    standing: Option<Standing>,
}

impl Platter {
    fn operate(&mut self, doing: &'static str) -> Result<(), StoreFailure> {
        let number = self.operations;
        self.operations += 1;
        match self.fails_from {
            Some(first) if number >= first => Err(StoreFailure::new(doing, "the disk fails")),
            _ => Ok(()),
        }
    }

    fn apply(&mut self, step: Step) -> Former {
        Former {
            standing: match step.standing {
                Some(standing) => self.standing.replace(standing),
                None => self.standing,
            },
            headers: step
                .headers
                .into_iter()
                .map(|record| (record.header.block_hash(), self.headers.insert(record.header.block_hash(), record)))
                .collect(),
            coins: step.coins.into_iter().map(|(key, coin)| (key, put(&mut self.coins, key, coin))).collect(),
            undo: step.undo.map(|(key, undo)| (key, put(&mut self.undo, key, undo))),
        }
    }

    fn take_back(&mut self, inverse: Inverse) {
        match inverse {
            Inverse::Body(hash) => {
                self.bodies.remove(&hash);
                self.arrivals.pop();
            }
            Inverse::Step(former) => {
                self.standing = former.standing;
                for (hash, record) in former.headers.into_iter().rev() {
                    put(&mut self.headers, hash, record);
                }
                for (outpoint, coin) in former.coins.into_iter().rev() {
                    put(&mut self.coins, outpoint, coin);
                }
                if let Some((hash, undo)) = former.undo {
                    put(&mut self.undo, hash, undo);
                }
            }
            Inverse::Forget(forgotten) => {
                self.headers = forgotten.headers;
                self.coins = forgotten.coins;
                self.undo = forgotten.undo;
                self.standing = forgotten.standing;
            }
        }
    }
}

/// Puts or removes; gives what was there.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}
