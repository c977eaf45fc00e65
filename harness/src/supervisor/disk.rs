//! The disk of a dead node: what a crash of its machine takes, and what its destruction leaves.
//!
//! A node syncs its block file before every step of its records, and its records whenever it is about to tell
//! something. sled hands records to the system only then, or when half a megabyte of them has gathered, which no step of
//! the lab's comes to: what the kill of the process left of them is what the end of the machine would have left. The
//! block file is cut back to its last sync.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use schism_node::ledger::frames::Frames;
use schism_node::ledger::store::files::BLOCK_FILE;

/// Bytes of the block file in a store's folder; 0 where there is none.
pub fn block_file_bytes(store: &Path) -> u64 {
    fs::metadata(store.join(BLOCK_FILE)).map_or(0, |file| file.len())
}

/// Cuts the block file back to so many bytes, and says how many blocks that took.
///
/// # Errors
/// When the file cannot be read or cut.
pub fn cut_back(store: &Path, synced: u64) -> io::Result<u64> {
    let path = store.join(BLOCK_FILE);
    if block_file_bytes(store) <= synced {
        return Ok(0);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let unsynced = {
        use std::io::{Seek, SeekFrom};
        let mut tail = &file;
        tail.seek(SeekFrom::Start(synced))?;
        Frames::new(io::BufReader::new(tail), synced).count() as u64
    };
    file.set_len(synced)?;
    Ok(unsynced)
}

/// Deletes a store.
///
/// # Errors
/// When it cannot be deleted.
pub fn erase(store: &Path) -> io::Result<()> {
    match fs::remove_dir_all(store) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
