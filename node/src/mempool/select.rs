//! A selection: the transactions of the next block, chosen so that its fees are near the most it can hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, Transaction, Txid};

use super::pool::{Entry, Pool};
use super::rate::Rate;

/// Transactions in block order, parents before children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The transactions.
    pub transactions: Vec<Arc<Transaction>>,
    /// Their fees.
    pub fees: Amount,
    /// Their bytes.
    pub bytes: usize,
    /// Their signature operations.
    pub signature_operations: usize,
}

/// What a selection has to fit into.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Serialised bytes.
    pub bytes: usize,
    /// Signature operations.
    pub signature_operations: usize,
}

/// Chooses by the rate of packages: a transaction with the ancestors it still needs, the best-paying first. A package
/// that does not fit is left aside; smaller ones behind it may.
pub fn select(pool: &Pool, room: Room) -> Selection {
    let mut packages = Packages::of(pool);
    let mut selection = Selection::default();
    while let Some(head) = packages.best() {
        let members = packages.members(&head);
        let sum = |of: fn(&Entry) -> usize| members.iter().map(|member| of(member)).sum::<usize>();
        let bytes = selection.bytes + sum(|entry| entry.entrant.bytes);
        let operations = selection.signature_operations + sum(|entry| entry.entrant.signature_operations);
        if bytes > room.bytes || operations > room.signature_operations {
            packages.set_aside(&head);
            continue;
        }
        selection.bytes = bytes;
        selection.signature_operations = operations;
        for member in members {
            selection.fees += member.entrant.fee;
            selection.transactions.push(member.entrant.transaction.clone());
            packages.take(member);
        }
    }
    selection
}

/// What is left to choose from: every transaction as the head of the package that it and its ancestors form.
struct Packages<'a> {
    pool: &'a Pool,
    taken: BTreeSet<Txid>,
    /// What each head pays together with the ancestors that are not taken yet.
    rates: BTreeMap<Txid, Rate>,
    /// Worst first; of two that pay the same the one that came first is better.
    order: BTreeSet<(Rate, Reverse<u64>, Txid)>,
}

impl<'a> Packages<'a> {
    fn of(pool: &'a Pool) -> Self {
        let mut packages = Self { pool, taken: BTreeSet::new(), rates: BTreeMap::new(), order: BTreeSet::new() };
        for (txid, entry) in pool.entries() {
            let members = pool.ancestors(&BTreeSet::from([*txid]));
            let entrants = members.iter().filter_map(|member| pool.get(member)).map(|entry| &entry.entrant);
            let (fee, bytes) = entrants.fold((Amount::ZERO, 0), |(fee, bytes), e| (fee + e.fee, bytes + e.bytes));
            packages.put(entry, Rate::of(fee, bytes));
        }
        packages
    }

    fn best(&self) -> Option<Txid> {
        self.order.last().map(|(_, _, txid)| *txid)
    }

    /// The members of a package, parents before children: whoever came later is never an ancestor.
    fn members(&self, head: &Txid) -> Vec<&'a Entry> {
        let family = self.pool.ancestors(&BTreeSet::from([*head]));
        let mut members: Vec<_> = family.difference(&self.taken).filter_map(|txid| self.pool.get(txid)).collect();
        members.sort_by_key(|entry| entry.arrival);
        members
    }

    /// The package does not fit now; it does when ancestors of it are taken with another, and [`Self::take`] puts it
    /// back then.
    fn set_aside(&mut self, head: &Txid) -> Option<Rate> {
        let rate = self.rates.get(head).copied()?;
        let arrival = self.pool.get(head)?.arrival;
        self.order.remove(&(rate, Reverse(arrival), *head));
        Some(rate)
    }

    /// This one is in the block: whatever descends from it needs less now.
    fn take(&mut self, taken: &Entry) {
        let (txid, mine) = (taken.entrant.txid, taken.entrant.rate());
        self.set_aside(&txid);
        self.rates.remove(&txid);
        self.taken.insert(txid);
        for descendant in self.pool.descendants(&txid) {
            if let (Some(sum), Some(entry)) = (self.set_aside(&descendant), self.pool.get(&descendant)) {
                self.put(entry, Rate::of(sum.fee - mine.fee, sum.bytes - mine.bytes));
            }
        }
    }

    fn put(&mut self, head: &Entry, rate: Rate) {
        self.order.insert((rate, Reverse(head.arrival), head.entrant.txid));
        self.rates.insert(head.entrant.txid, rate);
    }
}
