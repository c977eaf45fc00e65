//! Orphans: who is kept, and who has to go.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{ScriptBuf, Transaction, Txid};
use schism_wire::{Keypair, PeerId};

use super::purse::{outpoint, output, unsigned};
use crate::bounds;
use crate::mempool::orphans::Orphans;

pub(crate) fn peer(number: u8) -> PeerId {
    let key = Keypair::ed25519_from_bytes([number; 32]).expect("any 32 bytes are a key");
    key.public().to_peer_id()
}

/// A transaction that differs from all others by its value.
fn orphan(value: u64, outputs: usize) -> Arc<Transaction> {
    Arc::new(unsigned([outpoint(1)], std::iter::repeat_n(value, outputs), &ScriptBuf::new()))
}

fn parents(numbers: &[u8]) -> BTreeSet<Txid> {
    numbers.iter().map(|number| outpoint(*number).txid).collect()
}

#[test]
fn an_orphan_is_released_when_its_last_parent_comes() {
    let mut orphans = Orphans::default();
    let waiting = orphan(1, 1);
    assert_eq!(orphans.keep(waiting.clone(), peer(1), parents(&[1, 2]), 0).len(), 2);
    assert_eq!(orphans.parent_came(&outpoint(1).txid), []);
    assert_eq!(orphans.parent_came(&outpoint(2).txid), [waiting]);
    assert!(orphans.is_empty());
}

#[test]
fn a_parent_that_is_an_orphan_itself_is_not_asked_for() {
    let mut orphans = Orphans::default();
    let parent = orphan(1, 1);
    orphans.keep(parent.clone(), peer(1), parents(&[1]), 0);
    let child = Arc::new(unsigned([output(&parent, 0)], [1], &ScriptBuf::new()));
    let wanted = orphans.keep(child, peer(1), BTreeSet::from([parent.compute_txid()]), 0);
    assert_eq!(wanted, []);
}

#[test]
fn whoever_fills_the_orphans_pushes_out_only_its_own() {
    let mut orphans = Orphans::default();
    let honest = orphan(0, 1);
    orphans.keep(honest.clone(), peer(1), parents(&[1]), 0);
    for value in 1..=3 * bounds::ORPHANS as u64 {
        orphans.keep(orphan(value, 1), peer(2), parents(&[2]), 1);
    }
    assert_eq!(orphans.len(), bounds::ORPHANS);
    assert!(orphans.contains(&honest.compute_txid()));
}

#[test]
fn few_but_large_orphans_are_bounded_by_their_bytes() {
    let mut orphans = Orphans::default();
    let honest = orphan(0, 1);
    orphans.keep(honest.clone(), peer(1), parents(&[1]), 0);
    for value in 1..=30 {
        orphans.keep(orphan(value, 10_000), peer(2), parents(&[2]), 1);
    }
    let bytes: usize = orphans.transactions().map(|transaction| transaction.total_size()).sum();
    assert!(bytes <= bounds::ORPHAN_BYTES && orphans.len() > 5, "{} with {bytes} bytes", orphans.len());
    assert!(orphans.contains(&honest.compute_txid()));
}

#[test]
fn orphans_whose_parents_never_come_go_after_a_while() {
    let mut orphans = Orphans::default();
    orphans.keep(orphan(1, 1), peer(1), parents(&[1]), 5);
    orphans.keep(orphan(2, 1), peer(1), parents(&[1]), 6);
    orphans.expire(Some(5));
    assert_eq!((orphans.len(), orphans.oldest_since()), (1, Some(6)));
}
