//! What the door is told of each transaction in the pool.

use std::collections::BTreeSet;

use bitcoin::{Amount, Txid};

use super::pool::{Entry, Pool};
use crate::control::{PoolEntry, PoolFamily};

impl Pool {
    /// Every entry, ordered by id.
    pub fn told(&self) -> Vec<PoolEntry> {
        self.entries().map(|(txid, entry)| self.entry(*txid, entry)).collect()
    }

    fn entry(&self, txid: Txid, entry: &Entry) -> PoolEntry {
        let (mut ancestors, mut descendants) = (self.ancestors(&entry.parents), self.descendants(&txid));
        ancestors.insert(txid);
        descendants.insert(txid);
        let signals = |entry: &Entry| entry.entrant.transaction.is_explicitly_rbf();
        PoolEntry {
            txid,
            wtxid: entry.entrant.wtxid,
            weight: entry.entrant.transaction.weight().to_wu(),
            fee: entry.entrant.fee,
            height: entry.entrant.height,
            replaceable: ancestors.iter().filter_map(|txid| self.get(txid)).any(signals),
            parents: entry.parents.iter().copied().collect(),
            children: entry.children.iter().copied().collect(),
            ancestors: self.family(&ancestors),
            descendants: self.family(&descendants),
        }
    }

    fn family(&self, members: &BTreeSet<Txid>) -> PoolFamily {
        let members = || members.iter().filter_map(|txid| self.get(txid)).map(|entry| &entry.entrant);
        PoolFamily {
            count: members().count() as u64,
            virtual_bytes: members().map(|entrant| entrant.transaction.vsize() as u64).sum(),
            fee: members().map(|entrant| entrant.fee).sum::<Amount>(),
        }
    }
}
