//! A record tree: headers, coins, undo and the standing in one sled tree, one batch a sync. Steps wait in memory until then:
//! sled would hand them to the system when it likes, and what the system has of a store must not be ahead of its last sync.
//!
//! sled survives the end of a process at any point, but panics or reports corruption when its own file was cut or
//! altered. Every call into it is caught, and a tree that cannot be read whole counts as damaged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bitcoin::OutPoint;
use sled::{Batch, Db};

use super::encoding::{self, COINS, HEADERS, Record, STANDING, UNDO, coin_key, decode, encode, header_key, undo_key};
use super::{HeaderRecord, Step, StoreFailure, Undo};
use crate::chain::Coin;
use crate::ledger::coins::Standing;

/// Bytes of sled's cache: the working set of a lab's chain many times over, a fraction of sled's own default.
const CACHE_BYTES: u64 = 16 << 20;

/// The file that sled locks.
const SLED_FILE: &str = "db";
/// Others that may wait for the same file, and hold it for a moment each before they let go.
const OTHERS: usize = 8;
/// How long a store may take to be let go of by the one who closed it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The record tree of a store.
pub(super) struct Records {
    /// There until this is dropped: sled may panic even then.
    db: Option<Db>,
    /// What steps since the last sync have written (`Some`) and removed (`None`), encoded.
    waiting: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Records {
    /// Opens or makes the tree; one that cannot be read whole is deleted, made anew, and said to be damaged. One that
    /// cannot be opened for another reason (it is open elsewhere, the disk is full) is left alone.
    pub(super) fn open(folder: &Path) -> Result<(Self, Option<String>), StoreFailure> {
        let damage = match open(folder) {
            Ok(db) => {
                let this = Self::of(db);
                match this.read_whole() {
                    Ok(()) => return Ok((this, None)),
                    Err(failure) => failure.to_string(),
                }
            }
            Err(Trouble::Damaged(why)) => why,
            Err(trouble) => return Err(trouble.doing("open")),
        };
        wait_until_let_go(folder)?;
        fs::remove_dir_all(folder).map_err(|error| StoreFailure::new("delete the damaged records", error))?;
        let db = open(folder).map_err(|trouble| trouble.doing("open"))?;
        Ok((Self::of(db), Some(damage)))
    }

    fn of(db: Db) -> Self {
        Self { db: Some(db), waiting: BTreeMap::new() }
    }

    /// Deletes everything.
    pub(super) fn forget(&mut self) -> Result<(), StoreFailure> {
        self.waiting.clear();
        self.call("forget", |db| db.clear())?;
        self.flush()
    }

    /// Reads one record.
    pub(super) fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFailure> {
        if let Some(waiting) = self.waiting.get(key) {
            return waiting.as_ref().map(|bytes| decode(key, bytes).ok_or_else(|| damaged(key))).transpose();
        }
        let Some(bytes) = self.call("read", |db| db.get(key))? else { return Ok(None) };
        decode(key, &bytes).map(Some).ok_or_else(|| damaged(key))
    }

    /// The standing.
    pub(super) fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.get(STANDING)
    }

    /// Every header, parents before children.
    pub(super) fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        let mut headers = Vec::new();
        self.each(HEADERS, |_, record: HeaderRecord| {
            headers.push(record);
            true
        })?;
        headers.sort_by_key(|record| record.height); // stable, so equal heights stay ordered by hash
        Ok(headers)
    }

    /// Shows every coin, ordered by outpoint, until `show` says `false`.
    pub(super) fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.each(COINS, |key, coin: Coin| encoding::outpoint(key).is_some_and(|outpoint| show(&outpoint, &coin)))
    }

    /// Takes a step, for the next batch.
    pub(super) fn step(&mut self, step: &Step) {
        for record in &step.headers {
            self.put(header_key(&record.header.block_hash()), Some(record));
        }
        for (outpoint, coin) in &step.coins {
            self.put(coin_key(outpoint), coin.as_ref());
        }
        if let Some((hash, undo)) = &step.undo {
            self.put(undo_key(hash), undo.as_ref());
        }
        if let Some(standing) = &step.standing {
            self.put(STANDING.to_vec(), Some(standing));
        }
    }

    /// Writes all steps that wait, in one batch, and returns when everything would survive the end of the machine.
    pub(super) fn flush(&mut self) -> Result<(), StoreFailure> {
        let mut batch = Batch::default();
        for (key, bytes) in &self.waiting {
            match bytes {
                Some(bytes) => batch.insert(key.as_slice(), bytes.as_slice()),
                None => batch.remove(key.as_slice()),
            }
        }
        if !self.waiting.is_empty() {
            self.call("write", |db| db.apply_batch(batch))?;
            self.waiting.clear();
        }
        self.call("sync", |db| db.flush()).map(drop)
    }

    fn put<R: Record>(&mut self, key: Vec<u8>, record: Option<&R>) {
        let bytes = record.map(|record| encode(&key, record));
        self.waiting.insert(key, bytes);
    }

    /// Reads every record, so that damage is known before anything is built on it.
    fn read_whole(&self) -> Result<(), StoreFailure> {
        self.each(HEADERS, |_, _: HeaderRecord| true)?;
        self.each(COINS, |_, _: Coin| true)?;
        self.each(UNDO, |_, _: Undo| true)?;
        self.standing().map(drop)
    }

    fn call<T>(&self, doing: &'static str, call: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, StoreFailure> {
        let db = self.db.as_ref().ok_or_else(|| StoreFailure::new(doing, "it is closed"))?;
        guarded(|| call(db)).map_err(|trouble| trouble.doing(doing))
    }

    /// Shows every record under a prefix, ordered by its key, until `show` says `false`: what waits goes before what is written.
    fn each<R: Record>(&self, prefix: &[u8], mut show: impl FnMut(&[u8], R) -> bool) -> Result<(), StoreFailure> {
        let mut shown =
            |key: &[u8], bytes: &[u8]| decode(key, bytes).map(|record| show(key, record)).ok_or_else(|| damaged(key));
        let mut waiting =
            self.waiting.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)).peekable();
        let mut rows = self.call("read", |db| Ok(db.scan_prefix(prefix)))?;
        while let Some((key, bytes)) = guarded(|| rows.next().transpose()).map_err(|trouble| trouble.doing("read"))? {
            while let Some((before, bytes)) = waiting.next_if(|(waiting, _)| waiting.as_slice() < key.as_ref()) {
                if let Some(bytes) = bytes
                    && !shown(before, bytes)?
                {
                    return Ok(());
                }
            }
            let (key, bytes) = match waiting.next_if(|(waiting, _)| waiting.as_slice() == key.as_ref()) {
                Some((_, None)) => continue,
                Some((_, Some(newer))) => (key, newer.as_slice().into()),
                None => (key, bytes),
            };
            if !shown(&key, &bytes)? {
                return Ok(());
            }
        }
        for (key, bytes) in waiting {
            if let Some(bytes) = bytes
                && !shown(key, bytes)?
            {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let _ = self.flush(); // there is nobody left to tell
        let db = self.db.take();
        let _ = guarded(|| {
            drop(db);
            Ok(())
        });
    }
}

fn open(folder: &Path) -> Result<Db, Trouble> {
    let open = || sled::Config::new().path(folder).flush_every_ms(None).cache_capacity(CACHE_BYTES).open();
    for _ in 0..OTHERS {
        match guarded(open) {
            Err(Trouble::Held) => wait_until_let_go(folder).map_err(|failure| Trouble::Failed(failure.why))?,
            opened => return opened,
        }
    }
    guarded(open)
}

/// sled lets go of its file on threads of its own, some time after it was closed: waits for that, but not for another
/// process that goes on using the store.
fn wait_until_let_go(folder: &Path) -> Result<(), StoreFailure> {
    let Ok(file) = File::open(folder.join(SLED_FILE)) else { return Ok(()) };
    let (locked, waits) = mpsc::channel();
    thread::spawn(move || {
        let lock = file.lock();
        drop(file); // before anyone is told that it is free
        locked.send(lock)
    });
    match waits.recv_timeout(PATIENCE) {
        Ok(lock) => lock.map_err(|error| StoreFailure::new("open", error)),
        Err(_) => Err(StoreFailure::new("open", "it is open elsewhere")),
    }
}

fn damaged(key: &[u8]) -> StoreFailure {
    StoreFailure::new("read", format!("the record under {} is damaged", String::from_utf8_lossy(&key[..1])))
}

/// Why sled did not do what it was told.
#[derive(Debug)]
enum Trouble {
    /// Its file is in use.
    Held,
    /// What it holds is not what it wrote.
    Damaged(String),
    /// Something else, such as a full disk.
    Failed(String),
}

impl Trouble {
    fn doing(self, doing: &'static str) -> StoreFailure {
        match self {
            Self::Held => StoreFailure::new(doing, "it is open elsewhere"),
            Self::Damaged(why) | Self::Failed(why) => StoreFailure::new(doing, why),
        }
    }
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        let text = error.to_string();
        match error {
            sled::Error::Io(_) if text.contains("could not acquire lock") => Self::Held,
            sled::Error::Io(error) => match error.kind() {
                // What sled makes up itself on reading rubbish, and on finding less than it wrote.
                ErrorKind::Other | ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::Damaged(text),
                ErrorKind::UnexpectedEof | ErrorKind::NotFound => Self::Damaged(text),
                _ => Self::Failed(text),
            },
            _ => Self::Damaged(text),
        }
    }
}

/// Calls into sled; its panics are taken for damage, as they are what it answers altered files with.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(done) => done.map_err(Trouble::from),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Trouble::Damaged(text.unwrap_or("sled panicked").to_owned()))
        }
    }
}
