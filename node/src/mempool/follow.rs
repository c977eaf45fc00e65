//! Following: what a change of tip does to the pool. Whatever it makes doubtful leaves, and goes round by Ledger for new
//! coins; those come behind the change, as mailboxes are first in, first out.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{Block, Transaction, Txid};

use super::lobby::{Lobby, Returning};
use super::pool::Entrant;
use crate::control::Dropped;
use crate::messages::TipChange;

/// What a change of tip did.
#[derive(Debug, Default)]
pub struct Followed {
    /// Who left the pool, other than by being confirmed.
    pub dropped: Vec<(Txid, Dropped)>,
    /// Who wants new coins from Ledger, parents before children.
    pub retry: Vec<Arc<Transaction>>,
}

impl Lobby {
    /// Follows the tip: what the blocks confirmed or spent leaves, and what they make doubtful goes round again.
    pub fn follow(&mut self, change: &TipChange) -> Followed {
        let mut followed = Followed::default();
        let active = self.rules.at(change.next.height);
        let other_signatures = active.fork_id != self.active.fork_id;
        self.active = active;
        self.next = change.next.clone();
        let connected = transactions(&change.connected);
        let confirmed: BTreeSet<Txid> = connected.iter().map(|(txid, _)| *txid).collect();
        self.let_go(&transactions(&change.disconnected), &confirmed, &mut followed);
        for (txid, tx) in connected {
            self.connect(txid, tx, change.tip.height, &mut followed);
        }
        if other_signatures {
            let all: Vec<Txid> = self.pool.entries().map(|(txid, _)| *txid).collect();
            self.send_round(all, &mut followed);
        }
        if !change.disconnected.is_empty() || other_signatures {
            self.drop_unmineable(&mut followed);
        }
        followed
    }

    /// Blocks left the chain: their transactions will come back as candidates, and who spends their outputs has to
    /// wait for them outside, or it would spend what is nowhere.
    fn let_go(&mut self, disconnected: &[(Txid, &Transaction)], confirmed: &BTreeSet<Txid>, followed: &mut Followed) {
        let freed = disconnected.iter().filter(|(txid, _)| !confirmed.contains(txid));
        self.returning.retain(|txid, why| *why == Returning::Again && !confirmed.contains(txid));
        self.returning
            .extend(freed.clone().filter(|(_, tx)| !tx.is_coinbase()).map(|(txid, _)| (*txid, Returning::Freed)));
        let freed: BTreeSet<Txid> = freed.map(|(txid, _)| *txid).collect();
        self.confirmed.forget(&freed);
        let doubtful = freed.iter().flat_map(|txid| self.pool.spenders_of(*txid)).collect();
        self.send_round(doubtful, followed);
    }

    /// Takes these and their descendants out of the pool; they come back by Ledger, behind those that were freed.
    fn send_round(&mut self, txids: Vec<Txid>, followed: &mut Followed) {
        let mut out: Vec<_> = txids.iter().flat_map(|txid| self.pool.remove(txid)).collect();
        out.sort_by_key(|entry| entry.arrival);
        self.returning.extend(out.iter().map(|entry| (entry.entrant.txid, Returning::Again)));
        followed.retry.extend(out.into_iter().map(|entry| entry.entrant.transaction));
    }

    fn connect(&mut self, txid: Txid, tx: &Transaction, height: u32, followed: &mut Followed) {
        self.pool.confirm(&txid);
        self.confirmed.note(txid, height);
        for input in &tx.input {
            if let Some(conflicting) = self.pool.spender(&input.previous_output) {
                let gone = self.pool.remove(&conflicting);
                followed.dropped.extend(gone.iter().map(|entry| (entry.entrant.txid, Dropped::Conflicting)));
            }
        }
        self.orphans.drop(&txid);
        followed.retry.extend(self.orphans.parent_came(&txid));
    }

    /// On another chain a coin may be younger, a lock ahead again, a block smaller.
    fn drop_unmineable(&mut self, followed: &mut Followed) {
        let unmineable = |entrant: &Entrant| {
            entrant.spendable_from > self.next.height || self.check_final(&entrant.transaction).is_err()
        };
        let out: Vec<Txid> =
            self.pool.entries().filter(|(_, entry)| unmineable(&entry.entrant)).map(|(txid, _)| *txid).collect();
        for txid in out {
            let gone = self.pool.remove(&txid);
            followed.dropped.extend(gone.iter().map(|entry| (entry.entrant.txid, Dropped::Unmineable)));
        }
    }
}

/// The transactions of blocks with their ids, in the order of the blocks.
fn transactions(blocks: &[Arc<Block>]) -> Vec<(Txid, &Transaction)> {
    blocks.iter().flat_map(|block| &block.txdata).map(|tx| (tx.compute_txid(), tx)).collect()
}
