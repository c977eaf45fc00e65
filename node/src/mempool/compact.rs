//! A compact block, opened: one place for every transaction of the block, filled or named by a short id.
//!
//! The crate's vectors are taken as they came from the wire, so counts and places are checked before they are used.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::bip152::{HeaderAndShortIds, ShortId};
use bitcoin::block::Header;
use bitcoin::{Block, Transaction, Wtxid};

use crate::chain::block::merkle_root;

/// Bytes of the smallest transaction that has an input and an output.
const SMALLEST_TRANSACTION: usize = 60;

/// A block of which some transactions may still be missing.
#[derive(Debug)]
pub struct Compact {
    header: Header,
    keys: (u64, u64),
    places: Vec<Place>,
    /// Whether a place was filled by its short id alone.
    guessed: bool,
}

#[derive(Debug)]
enum Place {
    Filled(Arc<Transaction>),
    Named(ShortId),
}

/// Why a compact block, or what completes it, is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No honest encoder writes this.
    Malformed,
    /// Two of its transactions have the same short id: rare, and nobody's fault.
    Ambiguous,
}

impl Compact {
    /// Opens what a peer announced. A block of more than `largest` bytes is malformed.
    pub fn open(announced: &HeaderAndShortIds, largest: usize) -> Result<Self, Unfit> {
        let count = announced.short_ids.len() + announced.prefilled_txs.len();
        if count == 0 || count > largest / SMALLEST_TRANSACTION || count > usize::from(u16::MAX) {
            return Err(Unfit::Malformed);
        }
        let keys = ShortId::calculate_siphash_keys(&announced.header, announced.nonce);
        let mut prefilled = BTreeMap::new();
        let mut next = 0;
        for given in &announced.prefilled_txs {
            // Each index counts from the place behind the last one.
            let place = next + usize::from(given.idx);
            if place >= count {
                return Err(Unfit::Malformed);
            }
            prefilled.insert(place, Arc::new(given.tx.clone()));
            next = place + 1;
        }
        let mut named = announced.short_ids.iter();
        let places = (0..count).map(|place| match prefilled.remove(&place) {
            Some(transaction) => Ok(Place::Filled(transaction)),
            None => named.next().map(|id| Place::Named(*id)).ok_or(Unfit::Malformed),
        });
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let mut ids = announced.short_ids.clone();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Unfit::Ambiguous);
        }
        Ok(Self { header: announced.header, keys, places, guessed: false })
    }

    /// The block's header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Fills places from transactions at hand. A place that two of them fit stays open: the announcer knows which.
    pub fn fill<'a>(&mut self, at_hand: impl Iterator<Item = (Wtxid, &'a Arc<Transaction>)>) {
        let open = self.places.iter().enumerate().filter_map(|(index, place)| match place {
            Place::Named(id) => Some((*id, (index, None))),
            Place::Filled(_) => None,
        });
        let mut open: BTreeMap<ShortId, (usize, Option<Found>)> = open.collect();
        if open.is_empty() {
            return;
        }
        for (wtxid, transaction) in at_hand {
            if let Some((_, found)) = open.get_mut(&ShortId::with_siphash_keys(&wtxid, self.keys)) {
                *found = match found.take() {
                    None => Some(Found::One(transaction.clone())),
                    Some(_) => Some(Found::Several),
                };
            }
        }
        for (index, found) in open.into_values() {
            if let Some(Found::One(transaction)) = found {
                self.places[index] = Place::Filled(transaction);
                self.guessed = true;
            }
        }
    }

    /// The places that are open, in order.
    pub fn missing(&self) -> Vec<u64> {
        let open = self.places.iter().enumerate().filter(|(_, place)| matches!(place, Place::Named(_)));
        open.map(|(index, _)| index as u64).collect()
    }

    /// Fills the open places, in order, with what their announcer sent: exactly as many, each with the short id that
    /// its place names.
    pub fn complete(&mut self, sent: Vec<Transaction>) -> Result<(), Unfit> {
        let mut sent = sent.into_iter();
        for index in 0..self.places.len() {
            let Place::Named(id) = self.places[index] else { continue };
            let transaction = Arc::new(sent.next().ok_or(Unfit::Malformed)?);
            if ShortId::with_siphash_keys(&transaction.compute_wtxid(), self.keys) != id {
                return Err(Unfit::Malformed);
            }
            self.places[index] = Place::Filled(transaction);
        }
        if sent.next().is_some() { Err(Unfit::Malformed) } else { Ok(()) }
    }

    /// The block, when every place is filled and the header commits to exactly these transactions. A list with its end
    /// repeated, which has the same merkle root (CVE-2012-2459), is not it. What went wrong is a colliding short id
    /// when any place was guessed, and the announcer's doing when it gave every transaction itself.
    pub fn build(self) -> Result<Block, Unfit> {
        let unfit = if self.guessed { Unfit::Ambiguous } else { Unfit::Malformed };
        let transactions = self.places.into_iter().map(|place| match place {
            Place::Filled(transaction) => Some(Arc::unwrap_or_clone(transaction)),
            Place::Named(_) => None,
        });
        let block = Block { header: self.header, txdata: transactions.collect::<Option<_>>().ok_or(unfit)? };
        let ids = block.txdata.iter().map(|transaction| transaction.compute_txid().to_raw_hash()).collect();
        let whole = matches!(merkle_root(ids), Some((root, false)) if root == block.header.merkle_root.to_raw_hash());
        if whole && block.check_witness_commitment() { Ok(block) } else { Err(unfit) }
    }
}

enum Found {
    One(Arc<Transaction>),
    Several,
}
