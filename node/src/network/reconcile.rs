//! Reconciling: comparing pools with a peer whose announcements we may have missed, and fetching transactions from
//! it, no more at once than may wait for a verdict.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bitcoin::{Transaction, Txid};
use schism_wire::{PeerId, Request};

use super::sync::Unasked;
use crate::bounds::POOL_IDS;

/// What is still to be compared with whom, and fetched from whom.
#[derive(Debug, Default)]
pub struct Reconcile(BTreeMap<PeerId, Pool>);

#[derive(Debug, Default)]
struct Pool {
    /// Its list is to be asked for, when the chain has been caught up with.
    due: bool,
    wanted: VecDeque<Txid>,
    fetching: bool,
}

impl Reconcile {
    /// A peer's pool is to be compared with ours.
    pub fn introduced(&mut self, peer: PeerId) {
        self.0.entry(peer).or_default().due = true;
    }

    /// A peer is gone.
    pub fn disconnected(&mut self, peer: PeerId) {
        self.0.remove(&peer);
    }

    /// Transactions to fetch from a peer.
    pub fn want(&mut self, peer: PeerId, txids: Vec<Txid>) {
        if let Some(pool) = self.0.get_mut(&peer) {
            let room = POOL_IDS.saturating_sub(pool.wanted.len());
            pool.wanted.extend(txids.into_iter().take(room));
        }
    }

    /// What to ask now. Pools wait while `busy` with the chain: without its coins nothing can be judged.
    pub fn next(&mut self, busy: bool, room: impl Fn(PeerId) -> usize) -> Vec<(PeerId, Request)> {
        let mut asks = Vec::new();
        for (peer, pool) in &mut self.0 {
            if pool.due && !busy {
                pool.due = false;
                asks.push((*peer, Request::Pool));
            }
            if pool.wanted.is_empty() || pool.fetching {
                continue;
            }
            // Half of the room: announcements want in as well.
            let batch = pool.wanted.len().min(room(*peer) / 2);
            if batch > 0 {
                pool.fetching = true;
                asks.push((*peer, Request::Transactions { txids: pool.wanted.drain(..batch).collect() }));
            }
        }
        asks
    }

    /// A peer answered with transactions, or not at all. Returns them if it was asked for all of them.
    pub fn answered(
        &mut self,
        peer: PeerId,
        asked: &[Txid],
        found: Vec<Arc<Transaction>>,
    ) -> Result<Vec<Arc<Transaction>>, Unasked> {
        if let Some(pool) = self.0.get_mut(&peer) {
            pool.fetching = false;
        }
        let all_asked = found.len() <= asked.len() && found.iter().all(|one| asked.contains(&one.compute_txid()));
        if all_asked { Ok(found) } else { Err(Unasked) }
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::hashes::Hash;

    use super::*;

    fn txids(count: u8) -> Vec<Txid> {
        (0..count).map(|byte| Txid::from_byte_array([byte; 32])).collect()
    }

    #[test]
    fn pools_are_compared_once_and_only_when_the_chain_is_caught_up_with() {
        let (mut reconcile, peer) = (Reconcile::default(), PeerId::random());
        reconcile.introduced(peer);
        assert_eq!(reconcile.next(true, |_| 16), []);
        assert_eq!(reconcile.next(false, |_| 16), [(peer, Request::Pool)]);
        assert_eq!(reconcile.next(false, |_| 16), []);
    }

    #[test]
    fn a_long_list_is_fetched_in_batches_that_leave_room() {
        let (mut reconcile, peer) = (Reconcile::default(), PeerId::random());
        reconcile.introduced(peer);
        reconcile.next(false, |_| 16);
        reconcile.want(peer, txids(20));
        let mut fetched = Vec::new();
        while let [(_, Request::Transactions { txids })] = &reconcile.next(false, |_| 16)[..] {
            assert!(txids.len() <= 8);
            assert_eq!(reconcile.next(false, |_| 16), [], "one batch at a time");
            reconcile.answered(peer, txids, Vec::new()).expect("an empty answer is an answer");
            fetched.extend(txids.clone());
        }
        assert_eq!(fetched, txids(20));
    }

    #[test]
    fn without_room_nothing_is_fetched() {
        let (mut reconcile, peer) = (Reconcile::default(), PeerId::random());
        reconcile.introduced(peer);
        reconcile.next(false, |_| 0);
        reconcile.want(peer, txids(3));
        assert_eq!(reconcile.next(false, |_| 0), []);
    }
}
