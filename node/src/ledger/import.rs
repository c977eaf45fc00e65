//! An import: a file of blocks (bootstrap.dat) or of raw headers, read into a ledger in any order.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::{BlockHash, Work};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::frames::{BrokenFrame, Frames};
use super::store::StoreFailure;
use super::{Judgement, Ledger};
use crate::chain::{Refused, Tip};
use crate::messages::Source;

/// What an import did, and where the ledger stands afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Height of the best block, or of the best header after an import of headers.
    pub height: u32,
    /// Its hash.
    pub tip: BlockHash,
    /// The work of its chain.
    pub work: Work,
    /// Unspent outputs.
    pub coins: u64,
    /// Their digest, in hex.
    pub digest: String,
    /// Items that were read.
    pub read: u64,
    /// Items that the ledger took; all others were known or refused.
    pub taken: u64,
    /// Items that the ledger had already.
    pub known: u64,
    /// Items that the ledger refused, in order of offset.
    pub refused: Vec<RefusedItem>,
    /// Why the file was not read to its end.
    pub broken: Option<Broken>,
}

/// An item that the ledger refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedItem {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its hash.
    pub hash: BlockHash,
    /// Why.
    pub reason: Refused,
}

/// Where a file stopped being what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Where the item starts that cannot be read.
    pub offset: u64,
    /// Why.
    pub reason: String,
}

/// Why an import ended without a report.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailure {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    File(#[from] io::Error),
    /// The ledger cannot be written.
    #[error(transparent)]
    Store(#[from] StoreFailure),
}

/// Reads a file of framed blocks, in its own order or shuffled by a seed. A block may come before its parent. The
/// file is read twice, so that only what frames it is in memory.
pub fn blocks(
    ledger: &mut Ledger,
    mut file: impl Read + Seek,
    shuffle: Option<u64>,
    now: u32,
) -> Result<Report, ImportFailure> {
    let (items, broken) = survey(&mut file)?;
    let mut tally = Tally::default();
    let mut queue: VecDeque<usize> = order(items.len(), shuffle).into();
    let mut waiting: BTreeMap<BlockHash, Vec<usize>> = BTreeMap::new();
    let mut postponed = Vec::new();
    let mut height = ledger.standing().tip.height;
    loop {
        let Some(index) = queue.pop_front() else {
            // What there was no place for may have one now that the tip is another.
            if postponed.is_empty() || ledger.standing().tip.height == height {
                break;
            }
            height = ledger.standing().tip.height;
            queue.extend(postponed.drain(..));
            continue;
        };
        let item = &items[index];
        let judgement = match read(&mut file, item)? {
            Some(frame) => ledger.accept_block(Arc::new(frame), now, Source::Own)?.judgement,
            None => return Err(io::Error::other(format!("byte {}: it changed while it was read", item.offset)).into()),
        };
        match judgement {
            Judgement::Refused(Refused::UnknownParent { parent }) => waiting.entry(parent).or_default().push(index),
            Judgement::Postponed => postponed.push(index),
            judgement => {
                tally.count(item, judgement);
                // Its children can be told what to make of them now, whatever became of it.
                waiting.remove(&item.hash).into_iter().flatten().rev().for_each(|child| queue.push_front(child));
            }
        }
    }
    for (parent, index) in waiting.into_iter().flat_map(|(parent, all)| all.into_iter().map(move |one| (parent, one))) {
        tally.refuse(&items[index], Refused::UnknownParent { parent });
    }
    for index in postponed {
        tally.refuse(&items[index], Refused::UnknownParent { parent: items[index].parent });
    }
    ledger.sync()?;
    let tip = ledger.standing().tip;
    Ok(tally.report(
        ledger,
        tip,
        items.len(),
        broken.map(|broken| Broken { offset: broken.offset, reason: broken.breakage.to_string() }),
    ))
}

/// Reads a file of raw 80-byte headers, in its own order or shuffled by a seed.
pub fn headers(ledger: &mut Ledger, file: impl Read, shuffle: Option<u64>, now: u32) -> Result<Report, ImportFailure> {
    let mut bytes = Vec::new();
    BufReader::new(file).read_to_end(&mut bytes)?;
    let chunks = bytes.chunks_exact(Header::SIZE);
    let broken = (!chunks.remainder().is_empty()).then(|| Broken {
        offset: (bytes.len() - chunks.remainder().len()) as u64,
        reason: format!("the file ends after {} of a header's {} bytes", chunks.remainder().len(), Header::SIZE),
    });
    let headers: Vec<Header> = chunks.filter_map(|chunk| deserialize(chunk).ok()).collect();
    let mut tally = Tally::default();
    let mut waiting: BTreeMap<BlockHash, Vec<usize>> = BTreeMap::new();
    let mut queue: VecDeque<usize> = order(headers.len(), shuffle).into();
    while let Some(index) = queue.pop_front() {
        let header = &headers[index];
        let item = Item::of((index * Header::SIZE) as u64, Header::SIZE as u64, header);
        let known = ledger.tree().find(&item.hash).is_some();
        match ledger.accept_headers(std::slice::from_ref(header), now, Source::Own).judgement {
            Judgement::Refused(Refused::UnknownParent { parent }) => waiting.entry(parent).or_default().push(index),
            judgement => {
                let judgement = if known { Judgement::Refused(Refused::AlreadyKnown) } else { judgement };
                tally.count(&item, judgement);
                waiting.remove(&item.hash).into_iter().flatten().rev().for_each(|child| queue.push_front(child));
            }
        }
    }
    for index in waiting.into_values().flatten() {
        let item = Item::of((index * Header::SIZE) as u64, Header::SIZE as u64, &headers[index]);
        tally.refuse(&item, Refused::UnknownParent { parent: item.parent });
    }
    ledger.sync()?;
    let tip = ledger.tree().tip(ledger.tree().best_header());
    Ok(tally.report(ledger, tip, headers.len(), broken))
}

/// Where an item stands in the file, and in the chain.
struct Item {
    offset: u64,
    bytes: u64,
    hash: BlockHash,
    parent: BlockHash,
}

impl Item {
    fn of(offset: u64, bytes: u64, header: &Header) -> Self {
        Self { offset, bytes, hash: header.block_hash(), parent: header.prev_blockhash }
    }
}

fn survey(file: &mut (impl Read + Seek)) -> Result<(Vec<Item>, Option<BrokenFrame>), ImportFailure> {
    file.seek(SeekFrom::Start(0))?;
    let mut items = Vec::new();
    for frame in Frames::new(BufReader::with_capacity(1 << 20, file), 0) {
        match frame {
            Ok(frame) => items.push(Item::of(frame.offset, frame.bytes, &frame.block.header)),
            Err(broken) => return Ok((items, Some(broken))),
        }
    }
    Ok((items, None))
}

fn read(file: &mut (impl Read + Seek), item: &Item) -> Result<Option<bitcoin::Block>, ImportFailure> {
    file.seek(SeekFrom::Start(item.offset))?;
    let frame = Frames::new(file.take(item.bytes), item.offset).next();
    Ok(frame.and_then(Result::ok).map(|frame| frame.block))
}

fn order(items: usize, shuffle: Option<u64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..items).collect();
    if let Some(seed) = shuffle {
        order.shuffle(&mut StdRng::seed_from_u64(seed));
    }
    order
}

#[derive(Default)]
struct Tally {
    taken: u64,
    known: u64,
    refused: Vec<RefusedItem>,
}

impl Tally {
    fn count(&mut self, item: &Item, judgement: Judgement) {
        match judgement {
            Judgement::Refused(Refused::AlreadyKnown) => self.known += 1,
            Judgement::Refused(reason) => self.refuse(item, reason),
            _ => self.taken += 1,
        }
    }

    fn refuse(&mut self, item: &Item, reason: Refused) {
        self.refused.push(RefusedItem { offset: item.offset, hash: item.hash, reason });
    }

    fn report(mut self, ledger: &Ledger, tip: Tip, read: usize, broken: Option<Broken>) -> Report {
        self.refused.sort_by_key(|item| item.offset);
        let standing = ledger.standing();
        Report {
            height: tip.height,
            tip: tip.hash,
            work: tip.work,
            coins: standing.coins,
            digest: standing.digest.to_string(),
            read: read as u64,
            taken: self.taken,
            known: self.known,
            refused: self.refused,
            broken,
        }
    }
}
