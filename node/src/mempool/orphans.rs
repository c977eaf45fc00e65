//! An orphan: a transaction whose parents are not here yet. It waits a while, since they may only be late.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Transaction, Txid};
use schism_wire::PeerId;

use crate::bounds;

/// Orphans, bounded in number, bytes and time. Whoever sent the most of them loses the first.
#[derive(Debug, Default)]
pub struct Orphans {
    kept: BTreeMap<Txid, Orphan>,
    /// Which orphans wait for a parent.
    waiting: BTreeMap<Txid, BTreeSet<Txid>>,
    /// Oldest first.
    arrivals: BTreeMap<u64, Txid>,
    /// What each sender holds here: orphans and their bytes.
    senders: BTreeMap<PeerId, (usize, usize)>,
    bytes: usize,
    next_arrival: u64,
}

#[derive(Debug)]
struct Orphan {
    transaction: Arc<Transaction>,
    bytes: usize,
    from: PeerId,
    missing: BTreeSet<Txid>,
    since: u64,
    arrival: u64,
}

impl Orphans {
    /// Keeps an orphan until its `missing` parents came. Returns the parents worth asking its sender for: those that
    /// are not orphans here themselves.
    pub fn keep(
        &mut self,
        transaction: Arc<Transaction>,
        from: PeerId,
        missing: BTreeSet<Txid>,
        now: u64,
    ) -> Vec<Txid> {
        let txid = transaction.compute_txid();
        if self.kept.contains_key(&txid) || missing.is_empty() {
            return Vec::new();
        }
        let wanted = missing.iter().filter(|parent| !self.kept.contains_key(*parent)).copied().collect();
        for parent in &missing {
            self.waiting.entry(*parent).or_default().insert(txid);
        }
        let (bytes, arrival) = (transaction.total_size(), self.next_arrival);
        self.next_arrival += 1;
        self.arrivals.insert(arrival, txid);
        self.bytes += bytes;
        let held = self.senders.entry(from).or_default();
        *held = (held.0 + 1, held.1 + bytes);
        self.kept.insert(txid, Orphan { transaction, bytes, from, missing, since: now, arrival });
        while self.kept.len() > bounds::ORPHANS || self.bytes > bounds::ORPHAN_BYTES {
            self.evict();
        }
        wanted
    }

    /// A parent is here now. Returns the orphans that wait for nothing else; they are no longer kept.
    pub fn parent_came(&mut self, parent: &Txid) -> Vec<Arc<Transaction>> {
        let mut complete = BTreeMap::new();
        for txid in self.waiting.remove(parent).unwrap_or_default() {
            let Some(orphan) = self.kept.get_mut(&txid) else { continue };
            orphan.missing.remove(parent);
            if orphan.missing.is_empty()
                && let Some(orphan) = self.forget(&txid)
            {
                complete.insert(orphan.arrival, orphan.transaction);
            }
        }
        complete.into_values().collect()
    }

    /// Forgets an orphan that came to be known otherwise.
    pub fn drop(&mut self, txid: &Txid) {
        self.forget(txid);
    }

    /// Forgets those that came at `before` or earlier.
    pub fn expire(&mut self, before: Option<u64>) {
        let Some(before) = before else { return };
        while let Some(txid) = self.oldest().filter(|orphan| orphan.since <= before).map(|orphan| orphan.arrival) {
            let Some(txid) = self.arrivals.get(&txid).copied() else { return };
            self.forget(&txid);
        }
    }

    /// When the oldest came.
    pub fn oldest_since(&self) -> Option<u64> {
        self.oldest().map(|orphan| orphan.since)
    }

    /// Whether this one is kept.
    pub fn contains(&self, txid: &Txid) -> bool {
        self.kept.contains_key(txid)
    }

    /// Those kept, ordered by id: a block told compactly may hold some of them.
    pub fn transactions(&self) -> impl Iterator<Item = &Arc<Transaction>> {
        self.kept.values().map(|orphan| &orphan.transaction)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn oldest(&self) -> Option<&Orphan> {
        self.kept.get(self.arrivals.first_key_value()?.1)
    }

    /// Drops the oldest orphan of the sender that fills most: by bytes as a part of all bytes allowed, or by number as
    /// a part of all allowed, whichever is more. So one peer cannot push out another's.
    fn evict(&mut self) {
        let fill = |held: &(usize, usize)| (held.0 * bounds::ORPHAN_BYTES).max(held.1 * bounds::ORPHANS);
        let Some(greediest) = self.senders.iter().max_by_key(|(_, held)| fill(held)).map(|(peer, _)| *peer) else {
            return;
        };
        let victim = self.arrivals.values().find(|txid| self.kept.get(*txid).is_some_and(|o| o.from == greediest));
        if let Some(victim) = victim.copied() {
            self.forget(&victim);
        }
    }

    fn forget(&mut self, txid: &Txid) -> Option<Orphan> {
        let orphan = self.kept.remove(txid)?;
        for parent in &orphan.missing {
            if let Some(waiting) = self.waiting.get_mut(parent) {
                waiting.remove(txid);
                if waiting.is_empty() {
                    self.waiting.remove(parent);
                }
            }
        }
        self.arrivals.remove(&orphan.arrival);
        self.bytes -= orphan.bytes;
        if let Some(held) = self.senders.get_mut(&orphan.from) {
            *held = (held.0 - 1, held.1 - orphan.bytes);
            if held.0 == 0 {
                self.senders.remove(&orphan.from);
            }
        }
        Some(orphan)
    }
}
