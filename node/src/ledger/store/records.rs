//! A record tree: headers, coins, undo and the standing in one sled tree, one batch a step.
//!
//! sled survives the end of a process at any point, but panics or reports corruption when its own file was cut or
//! altered. Every call into it is caught, and a tree that cannot be read whole counts as damaged.

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
}

impl Records {
    /// Opens or makes the tree; one that cannot be read whole is deleted, made anew, and said to be damaged. One that
    /// cannot be opened for another reason (it is open elsewhere, the disk is full) is left alone.
    pub(super) fn open(folder: &Path) -> Result<(Self, Option<String>), StoreFailure> {
        let damage = match open(folder) {
            Ok(db) => {
                let this = Self { db: Some(db) };
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
        Ok((Self { db: Some(db) }, Some(damage)))
    }

    /// Deletes everything.
    pub(super) fn forget(&mut self) -> Result<(), StoreFailure> {
        self.call("forget", |db| db.clear())?;
        self.flush()
    }

    /// Reads one record.
    pub(super) fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFailure> {
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

    /// Applies a step in one batch.
    pub(super) fn step(&mut self, step: &Step) -> Result<(), StoreFailure> {
        let mut batch = Batch::default();
        for record in &step.headers {
            put(&mut batch, header_key(&record.header.block_hash()), Some(record));
        }
        for (outpoint, coin) in &step.coins {
            put(&mut batch, coin_key(outpoint), coin.as_ref());
        }
        if let Some((hash, undo)) = &step.undo {
            put(&mut batch, undo_key(hash), undo.as_ref());
        }
        if let Some(standing) = &step.standing {
            put(&mut batch, STANDING.to_vec(), Some(standing));
        }
        self.call("write a step", |db| db.apply_batch(batch))
    }

    /// Returns when everything would survive the end of the machine.
    pub(super) fn flush(&mut self) -> Result<(), StoreFailure> {
        self.call("sync", |db| db.flush()).map(drop)
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

    fn each<R: Record>(&self, prefix: &[u8], mut show: impl FnMut(&[u8], R) -> bool) -> Result<(), StoreFailure> {
        let mut rows = self.call("read", |db| Ok(db.scan_prefix(prefix)))?;
        while let Some((key, bytes)) = guarded(|| rows.next().transpose()).map_err(|trouble| trouble.doing("read"))? {
            let record = decode(&key, &bytes).ok_or_else(|| damaged(&key))?;
            if !show(&key, record) {
                break;
            }
        }
        Ok(())
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        let db = self.db.take();
        let _ = guarded(|| db.map_or(Ok(0), |db| db.flush())); // there is nobody left to tell
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

fn put<R: Record>(batch: &mut Batch, key: Vec<u8>, record: Option<&R>) {
    match record {
        Some(record) => {
            let bytes = encode(&key, record);
            batch.insert(key, bytes);
        }
        None => batch.remove(key),
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
