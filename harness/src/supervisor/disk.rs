//! The disk of a dead node: what a crash of its machine takes, and what its destruction leaves.
//!
//! A node syncs its store whenever it is about to tell something. Only then are its records handed to the system at all, so
//! that what the kill of its process left of them is what the end of its machine would have left. The block file, which is
//! written as blocks come, is cut back to its last sync.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use nix::sys::statvfs::statvfs;
use schism_node::ledger::frames::Frames;
use schism_node::ledger::store::files::{BLOCK_FILE, RECORDS};

/// Bytes of a small disk: the stores of a lab's chain have room on it, and it is filled in no time.
pub const SMALL_DISK: u64 = 64 << 20;
/// What fills it.
const BALLOON: &str = "balloon";
/// Bytes that a disk writes at once.
const PAGE: u64 = 4_096;

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

/// Tears what a store had synced: the last page of the block file never reached the platter, and half of the record
/// tree is rubbish.
///
/// # Errors
/// When a file cannot be read or written.
pub fn tear(store: &Path) -> io::Result<()> {
    let blocks = block_file_bytes(store);
    OpenOptions::new().write(true).open(store.join(BLOCK_FILE))?.set_len(blocks - PAGE.min(blocks / 2))?;
    for file in fs::read_dir(store.join(RECORDS))? {
        let path = file?.path();
        if path.is_file() {
            let bytes = fs::metadata(&path)?.len();
            let rubbish = vec![0xa5; usize::try_from(bytes / 2).unwrap_or(usize::MAX)];
            OpenOptions::new().write(true).open(path)?.write_all(&rubbish)?;
        }
    }
    Ok(())
}

/// Lets nothing more fit on the disk that a store is on.
///
/// # Errors
/// When that disk is not a small one: filling it would hurt others.
pub fn fill(store: &Path) -> io::Result<()> {
    let disk = statvfs(store)?;
    if disk.blocks() as u64 * disk.fragment_size() as u64 > SMALL_DISK {
        let why =
            "the store is not on a small disk of its own: name the fault in the file that the cluster begins with";
        return Err(io::Error::other(why));
    }
    let mut balloon = OpenOptions::new().create(true).append(true).open(store.join(BALLOON))?;
    // Page by page at the end: the last one that fits is not left for the store.
    for piece in [vec![0xa5; 1 << 16], vec![0xa5; 1]] {
        while balloon.write(&piece).is_ok_and(|written| written > 0) {}
    }
    Ok(())
}

/// Undoes [`fill`].
///
/// # Errors
/// When the room cannot be had back.
pub fn make_room(store: &Path) -> io::Result<()> {
    match fs::remove_file(store.join(BALLOON)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
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
