//! A pool: unconfirmed transactions, and who spends whose outputs among them.
//!
//! What holds after every verb, and is tested as a law: no coin is spent twice, the parents of an entry are in the
//! pool or on the chain, the bytes are those of the entries, and the sets of parents and children mirror each other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, OutPoint, Transaction, Txid, Wtxid};

use super::rate::Rate;
use crate::bounds;
use crate::chain::Coin;

/// Unconfirmed transactions and the edges between them.
#[derive(Debug, Default)]
pub struct Pool {
    entries: BTreeMap<Txid, Entry>,
    /// Who spends a coin. A map, not a set a coin: two spenders cannot be said.
    spenders: BTreeMap<OutPoint, Txid>,
    /// Oldest first, for expiry. Parents come before children here, as they entered before them.
    arrivals: BTreeMap<u64, Txid>,
    /// Worst-paying package first, for eviction; the arrival breaks ties, the youngest goes first.
    worst: BTreeSet<(Rate, Reverse<u64>, Txid)>,
    bytes: usize,
    next_arrival: u64,
    pub(super) limits: Limits,
}

/// How much a pool holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Serialised bytes.
    pub bytes: usize,
    /// Ancestors, or descendants, of one entry, itself included.
    pub family: usize,
    /// Transactions that one may replace.
    pub replaced: usize,
    /// What each byte has to pay at least.
    pub floor: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: bounds::POOL_BYTES,
            family: bounds::POOL_FAMILY,
            replaced: bounds::POOL_REPLACED,
            floor: Rate::of(Amount::from_sat(bounds::FEE_FLOOR_PER_KILOBYTE), 1_000),
        }
    }
}

/// A transaction as the pool takes it: its checks are behind it.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses, which compact blocks name it by.
    pub wtxid: Wtxid,
    /// What it pays.
    pub fee: Amount,
    /// Its serialised size.
    pub bytes: usize,
    /// Signature operations, which a block bounds.
    pub signature_operations: usize,
    /// The first height at which every coin it spends has matured.
    pub spendable_from: u32,
    /// The height of the best chain when it came.
    pub height: u32,
}

/// A transaction in the pool.
#[derive(Debug)]
pub struct Entry {
    /// What came in.
    pub entrant: Entrant,
    /// When, in seconds since the node's start.
    pub since: u64,
    /// Counts up with every entry, so that it orders parents before children.
    pub arrival: u64,
    /// Those in the pool whose outputs it spends.
    pub parents: BTreeSet<Txid>,
    /// Those in the pool that spend its outputs.
    pub children: BTreeSet<Txid>,
    /// What itself and all its descendants pay together.
    package: Rate,
}

impl Entrant {
    /// What it pays for each byte.
    pub fn rate(&self) -> Rate {
        Rate::of(self.fee, self.bytes)
    }
}

impl Pool {
    /// An empty pool of this size.
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Takes a transaction in. The caller has made room: none of its coins is spent here.
    pub fn insert(&mut self, entrant: Entrant, now: u64) {
        let txid = entrant.txid;
        debug_assert!(!self.entries.contains_key(&txid), "{txid} is pooled already");
        let parents = self.parents_of(&entrant.transaction);
        for input in &entrant.transaction.input {
            let former = self.spenders.insert(input.previous_output, txid);
            debug_assert!(former.is_none(), "{} was spent already", input.previous_output);
        }
        for parent in &parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.insert(txid);
            }
        }
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        self.bytes += entrant.bytes;
        self.arrivals.insert(arrival, txid);
        let package = entrant.rate();
        for ancestor in self.ancestors(&parents) {
            self.reweigh(&ancestor, |sum| Rate::of(sum.fee + package.fee, sum.bytes + package.bytes));
        }
        let entry = Entry { entrant, since: now, arrival, parents, children: BTreeSet::new(), package };
        self.worst.insert((entry.worth(), Reverse(arrival), txid));
        self.entries.insert(txid, entry);
    }

    /// Removes a transaction that a block confirmed: its children stay, their coin is on the chain now.
    pub fn confirm(&mut self, txid: &Txid) -> Option<Entry> {
        self.unlink(txid)
    }

    /// Removes a transaction and everything that descends from it, parents before children.
    pub fn remove(&mut self, txid: &Txid) -> Vec<Entry> {
        let mut family = self.descendants(txid);
        if self.entries.contains_key(txid) {
            family.insert(*txid);
        }
        for member in &family {
            let Some(Entry { parents, entrant, .. }) = self.entries.get(member) else { continue };
            let lost = entrant.rate();
            for ancestor in self.ancestors(parents).difference(&family) {
                self.reweigh(ancestor, |sum| Rate::of(sum.fee - lost.fee, sum.bytes - lost.bytes));
            }
        }
        let mut removed: Vec<Entry> = family.iter().filter_map(|member| self.unlink(member)).collect();
        removed.sort_by_key(|entry| entry.arrival);
        removed
    }

    /// The entry with this id.
    pub fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// Whether it holds this transaction.
    pub fn contains(&self, txid: &Txid) -> bool {
        self.entries.contains_key(txid)
    }

    /// All entries, ordered by id.
    pub fn entries(&self) -> impl Iterator<Item = (&Txid, &Entry)> {
        self.entries.iter()
    }

    /// How many it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Serialised bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Who spends this coin here.
    pub fn spender(&self, coin: &OutPoint) -> Option<Txid> {
        self.spenders.get(coin).copied()
    }

    /// Everyone here who spends an output of this transaction, which need not be here itself.
    pub fn spenders_of(&self, txid: Txid) -> BTreeSet<Txid> {
        let outputs = OutPoint::new(txid, 0)..=OutPoint::new(txid, u32::MAX);
        self.spenders.range(outputs).map(|(_, spender)| *spender).collect()
    }

    /// The coin that an entry's output is.
    pub fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        let output = self.entries.get(&outpoint.txid)?.entrant.transaction.output.get(outpoint.vout as usize)?;
        Some(Coin { height: u32::MAX, coinbase: false, value: output.value, script: output.script_pubkey.clone() })
    }

    /// The entries whose outputs a transaction spends.
    pub fn parents_of(&self, transaction: &Transaction) -> BTreeSet<Txid> {
        let parents = transaction.input.iter().map(|input| input.previous_output.txid);
        parents.filter(|parent| self.entries.contains_key(parent)).collect()
    }

    /// These entries with all they descend from.
    pub fn ancestors(&self, of: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        self.reach(of.iter().copied().collect(), |entry| &entry.parents)
    }

    /// All that descend from an entry, without itself.
    pub fn descendants(&self, txid: &Txid) -> BTreeSet<Txid> {
        let children = self.entries.get(txid).map(|entry| entry.children.iter().copied().collect());
        self.reach(children.unwrap_or_default(), |entry| &entry.children)
    }

    /// The oldest entry.
    pub fn oldest(&self) -> Option<&Entry> {
        self.entries.get(self.arrivals.first_key_value()?.1)
    }

    /// The entry whose package pays worst, with that package's rate.
    pub fn worst(&self) -> Option<(Rate, Txid)> {
        self.worst.first().map(|(rate, _, txid)| (*rate, *txid))
    }

    fn reach(&self, mut todo: Vec<Txid>, next: impl Fn(&Entry) -> &BTreeSet<Txid>) -> BTreeSet<Txid> {
        let mut reached = BTreeSet::new();
        while let Some(txid) = todo.pop() {
            if let Some(entry) = self.entries.get(&txid)
                && reached.insert(txid)
            {
                todo.extend(next(entry));
            }
        }
        reached
    }

    /// Takes one entry out and forgets its edges.
    fn unlink(&mut self, txid: &Txid) -> Option<Entry> {
        let entry = self.entries.remove(txid)?;
        for input in &entry.entrant.transaction.input {
            self.spenders.remove(&input.previous_output);
        }
        for parent in &entry.parents {
            if let Some(parent) = self.entries.get_mut(parent) {
                parent.children.remove(txid);
            }
        }
        for child in &entry.children {
            if let Some(child) = self.entries.get_mut(child) {
                child.parents.remove(txid);
            }
        }
        self.arrivals.remove(&entry.arrival);
        self.worst.remove(&(entry.worth(), Reverse(entry.arrival), *txid));
        self.bytes -= entry.entrant.bytes;
        Some(entry)
    }

    fn reweigh(&mut self, txid: &Txid, sum: impl Fn(Rate) -> Rate) {
        if let Some(entry) = self.entries.get_mut(txid) {
            self.worst.remove(&(entry.worth(), Reverse(entry.arrival), *txid));
            entry.package = sum(entry.package);
            self.worst.insert((entry.worth(), Reverse(entry.arrival), *txid));
        }
    }
}

impl Entry {
    /// The better of its own rate and that of itself with all its descendants: what evicting it would cost.
    fn worth(&self) -> Rate {
        self.entrant.rate().max(self.package)
    }
}
