//! Notes: what a node knows of others, as a text that outlives it. Losing it costs nothing but protection: who has none starts
//! from its bootstrap, as in its first life.
//!
//! ```text
//! secret 1234567890
//! anchor 12D3KooW… /ip4/240.7.0.1/tcp/4001
//! tried 12D3KooW… 240.7 /ip4/240.7.0.1/tcp/4001
//! new 12D3KooW… 240.9 /ip4/240.3.0.1/tcp/4001 /ip4/240.3.0.1/tcp/4002
//! ```

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::{fs, io};

use schism_wire::limits::ADDRESS_BYTES;
use schism_wire::{Multiaddr, PeerId};

use super::{Book, Entry, Group};
use crate::bounds::{ADDRESSES, ADDRESSES_PER_PEER};

/// The notes' name in a store's folder.
pub const FILE: &str = "peers.txt";
/// Bytes of notes that are read: a full book of the longest addresses.
const MOST_BYTES: u64 = (ADDRESSES * ADDRESSES_PER_PEER * ADDRESS_BYTES) as u64;

/// Somebody who is to be dialled first in the next life, and where.
pub type Anchor = (PeerId, Vec<Multiaddr>);

/// Where notes are kept from one life of a node to the next.
pub trait Notes: Send {
    /// What was last written; nothing before the first time, or where it was lost.
    fn read(&self) -> Option<String>;

    /// Keeps this instead, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, text: &str) -> io::Result<()>;
}

/// Notes in memory. Clones are the same notes.
#[derive(Clone, Debug, Default)]
pub struct MemoryNotes(Arc<Mutex<Option<String>>>);

impl Notes for MemoryNotes {
    fn read(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
        Ok(())
    }
}

/// Notes in a file.
#[derive(Clone, Debug)]
pub struct FileNotes(PathBuf);

impl FileNotes {
    /// Notes in the folder of a store.
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }
}

impl Notes for FileNotes {
    fn read(&self) -> Option<String> {
        let small = fs::metadata(&self.0).is_ok_and(|known| known.len() <= MOST_BYTES);
        small.then(|| fs::read_to_string(&self.0).ok()).flatten()
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        let fresh = self.0.with_extension("fresh");
        fs::write(&fresh, text)?;
        fs::rename(&fresh, &self.0)
    }
}

/// The text of a book and of those who are to be dialled first.
pub fn written(book: &Book, anchors: &[Anchor]) -> String {
    let mut text = String::new();
    if let Some(tables) = &book.tables {
        let _ = writeln!(text, "secret {}", tables.secret());
    }
    for (peer, addresses) in anchors {
        let _ = writeln!(text, "anchor {peer}{}", joined(addresses));
    }
    for (peer, entry) in &book.entries {
        let kind = if entry.slot.is_some_and(|slot| slot.tried) { "tried" } else { "new" };
        let _ = writeln!(text, "{kind} {peer} {}{}", entry.source, joined(&entry.addresses));
    }
    text
}

/// Puts into an empty book what notes say, and gives those who are to be dialled first. Lines that say nothing known are passed
/// over.
fn restored(mut book: Book, text: &str) -> (Book, Vec<Anchor>) {
    let mut anchors = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (kind, peer) = (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse().ok()));
        let Some(peer) = peer else { continue };
        if kind == "anchor" {
            anchors.push((peer, words.filter_map(|word| word.parse().ok()).take(ADDRESSES_PER_PEER).collect()));
            continue;
        }
        let source = Group::named(words.next().unwrap_or_default());
        let addresses: Vec<_> = words.filter_map(|word| word.parse().ok()).take(ADDRESSES_PER_PEER).collect();
        if !addresses.is_empty() && book.len() < ADDRESSES && !book.knows(peer) {
            book.put_back(peer, Entry { addresses, source, slot: None, failures: 0 }, kind == "tried");
        }
    }
    (book, anchors)
}

impl Book {
    /// The book that notes hold, in buckets or flat, and those who are to be dialled first. Without notes both are empty;
    /// `chance` is the secret then.
    pub fn opened(text: Option<&str>, buckets: bool, try_before_evict: bool, chance: u64) -> (Self, Vec<Anchor>) {
        let text = text.unwrap_or_default();
        let secret = text.lines().find_map(|line| line.strip_prefix("secret ")?.parse().ok()).unwrap_or(chance);
        let empty = if buckets { Self::in_buckets(secret, try_before_evict) } else { Self::default() };
        restored(empty, text)
    }

    /// Puts an entry where it stood; where somebody else stands there by now it is left out.
    fn put_back(&mut self, peer: PeerId, mut entry: Entry, tried: bool) {
        if let Some(tables) = &mut self.tables {
            let slot = if tried {
                tables.tried_slot(&peer, &entry.group())
            } else {
                tables.new_slot(&peer, &entry.group(), &entry.source)
            };
            if tables.at(slot).is_some() {
                return;
            }
            tables.put(slot, peer);
            entry.slot = Some(slot);
        }
        self.entries.insert(peer, entry);
    }
}

fn joined(addresses: &[Multiaddr]) -> String {
    addresses.iter().map(|address| format!(" {address}")).collect()
}
