//! A trace: one hash over everything that happened in a run, in order. Two runs agree when their traces do.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schism_node::surroundings::Trace;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::clock;
use super::fabric::NodeIndex;

/// Takes down every item of a run: frames, messages between actors, store operations, events. Clones are handles to
/// the same recorder.
///
/// The hash is SHA-256 over all items in order, each as time (u64, nanoseconds), node (u16), kind (length u8,
/// bytes) and content (length u64, bytes), integers big-endian: lengths in front make it a chain of unambiguous links.
#[derive(Clone)]
pub struct Recorder(Arc<Mutex<State>>);

struct State {
    chain: Sha256,
    items: u64,
    /// Where all of it is written, when the first difference is to be named.
    file: Option<BufWriter<File>>,
    /// The first failure to write, told at the end.
    failed: Option<io::Error>,
}

/// What is left of a trace at its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// SHA-256 over all items, in hex.
    pub hash: String,
    /// How many there were.
    pub items: u64,
}

impl Recorder {
    /// A recorder that keeps the hash alone.
    pub fn new() -> Self {
        Self::to(None)
    }

    /// A recorder that also writes one line per item to a file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn writing(path: &Path) -> io::Result<Self> {
        Ok(Self::to(Some(BufWriter::new(File::create(path)?))))
    }

    fn to(file: Option<BufWriter<File>>) -> Self {
        Self(Arc::new(Mutex::new(State { chain: Sha256::new(), items: 0, file, failed: None })))
    }

    /// Takes down one item of a node, now.
    pub fn note(&self, node: NodeIndex, kind: &'static str, content: &[u8]) {
        self.note_parts(node, kind, &[content]);
    }

    /// Takes down one item whose content lies in several places.
    pub fn note_parts(&self, node: NodeIndex, kind: &'static str, content: &[&[u8]]) {
        self.lock().note(clock::elapsed().as_nanos() as u64, node, kind, content);
    }

    /// The trace a node is given.
    pub fn of_node(&self, node: NodeIndex) -> Trace {
        let recorder = self.clone();
        Trace::to(Arc::new(move |kind, content| recorder.note(node, kind, content)))
    }

    /// The hash and the count so far. What is to be written is written out.
    ///
    /// # Errors
    /// When the file could not be written.
    pub fn summary(&self) -> io::Result<Summary> {
        let mut state = self.lock();
        if let Some(error) = state.failed.take() {
            return Err(error);
        }
        if let Some(file) = &mut state.file {
            file.flush()?;
        }
        Ok(Summary { hash: hex(&state.chain.clone().finalize()), items: state.items })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn note(&mut self, nanoseconds: u64, node: NodeIndex, kind: &'static str, content: &[&[u8]]) {
        let length: usize = content.iter().map(|part| part.len()).sum();
        self.items += 1;
        self.chain.update(nanoseconds.to_be_bytes());
        self.chain.update(node.0.to_be_bytes());
        self.chain.update([kind.len() as u8]);
        self.chain.update(kind);
        self.chain.update((length as u64).to_be_bytes());
        for part in content {
            self.chain.update(part);
        }
        if self.file.is_some()
            && let Err(error) = self.write(nanoseconds, node, kind, length, content)
        {
            self.file = None;
            self.failed = Some(error);
        }
    }

    fn write(
        &mut self,
        nanoseconds: u64,
        node: NodeIndex,
        kind: &str,
        length: usize,
        content: &[&[u8]],
    ) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut whole = Sha256::new();
        content.iter().for_each(|part| whole.update(part));
        let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
        let start: Vec<u8> = content.iter().flat_map(|part| part.iter()).take(LINE_BYTES).copied().collect();
        writeln!(
            file,
            "{} {seconds}.{rest:09} {node} {kind} {length} {} {}",
            self.items,
            hex(&whole.finalize()[..8]),
            hex(&start)
        )
    }
}

/// Bytes of an item's content that its line shows; the hash in front of them covers the rest.
const LINE_BYTES: usize = 48;

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Where two written traces part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The first item that differs, counted from 1.
    pub item: u64,
    /// The last line both have; nothing when they differ from the start.
    pub before: Option<String>,
    /// What the left one has there; nothing when it has ended.
    pub left: Option<String>,
    /// What the right one has there; nothing when it has ended.
    pub right: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |line: &Option<String>| line.clone().unwrap_or_else(|| "(has ended)".into());
        writeln!(formatter, "first difference at item {} (number, time, node, kind, length, hash, start):", self.item)?;
        writeln!(formatter, "  both  {}", self.before.as_deref().unwrap_or("(nothing before)"))?;
        writeln!(formatter, "  left  {}", show(&self.left))?;
        write!(formatter, "  right {}", show(&self.right))
    }
}

/// Finds the first difference between two written traces; nothing when they are the same.
///
/// # Errors
/// When one cannot be read.
pub fn compare(left: &Path, right: &Path) -> io::Result<Option<Difference>> {
    let mut left = BufReader::new(File::open(left)?).lines();
    let mut right = BufReader::new(File::open(right)?).lines();
    let (mut item, mut before) = (1, None);
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) if one == other => before = Some(one),
            (left, right) => return Ok(Some(Difference { item, before, left, right })),
        }
        item += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, third) in [("left", b"three"), ("right", b"THREE")] {
            let recorder = Recorder::writing(&path(name)).unwrap();
            recorder.note(NodeIndex(1), "frame", b"one");
            recorder.note(NodeIndex(2), "frame", b"two");
            recorder.note(NodeIndex(3), "frame", third);
            assert_eq!(recorder.summary().unwrap().items, 3);
        }
        let difference = compare(&path("left"), &path("right")).unwrap().unwrap();
        assert_eq!(difference.item, 3);
        assert!(difference.before.unwrap().contains(&hex(b"two")));
        assert!(difference.left.unwrap().contains(&hex(b"three")));
        assert!(difference.right.unwrap().contains(&hex(b"THREE")));
        assert_eq!(compare(&path("left"), &path("left")).unwrap(), None);
    }

    #[test]
    fn moving_a_byte_between_neighbours_changes_the_hash() {
        let hash = |items: [(&'static str, &[u8]); 2]| {
            let recorder = Recorder::new();
            items.iter().for_each(|(kind, content)| recorder.note(NodeIndex(0), kind, content));
            recorder.summary().unwrap().hash
        };
        let one = hash([("a", b"xy"), ("a", b"z")]);
        assert_ne!(one, hash([("a", b"x"), ("a", b"yz")]));
        assert_ne!(one, hash([("ax", b"y"), ("a", b"z")]));
        assert_eq!(one, hash([("a", b"xy"), ("a", b"z")]));
    }
}
