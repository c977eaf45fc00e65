//! What a peer can fill is full at its bound, and what matters still gets in.

use std::sync::Arc;

use bitcoin::Amount;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;
use schism_wire::{ItemId, Keypair};

use super::forge::Forge;
use super::{NOW, give, ledger};
use crate::bounds::{BODIES_WANTED, HEADERS_PER_RESPONSE, IDLE_BODIES, SIDE_HEADERS};
use crate::chain::Refused;
use crate::ledger::Judgement;
use crate::messages::{Source, Want};

/// Headers that all stand on `parent`, each with the work it states.
fn siblings(forge: &Forge, parent: Header, count: usize) -> impl Iterator<Item = Header> {
    let bits = forge.rules.pow_limit;
    (0..count as u32).map(move |number| {
        let mut header = Header { prev_blockhash: parent.block_hash(), time: parent.time + 10, bits, ..parent };
        let mut root = [0; 32];
        root[..4].copy_from_slice(&number.to_be_bytes());
        header.merkle_root = bitcoin::TxMerkleNode::from_byte_array(root);
        crate::chain::header::grind(&mut header, u64::from(u32::MAX)).expect("work is light");
        header
    })
}

#[test]
fn side_headers_end_at_their_bound_but_the_best_chain_grows_on() {
    let mut forge = Forge::without_work();
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), 2);
    chain.iter().for_each(|block| drop(give(&mut ledger, block)));
    let mut refused = None;
    for header in siblings(&forge, forge.rules.genesis.header, SIDE_HEADERS + 1) {
        if let Judgement::Refused(reason) = ledger.accept_headers(&[header], NOW, Source::Own).judgement {
            refused = Some(reason);
            break;
        }
    }
    assert_eq!(refused, Some(Refused::SideHeadersFull { most: SIDE_HEADERS }));
    assert_eq!(ledger.tree().len(), SIDE_HEADERS + 3);
    let next = forge.mine(chain[1].block_hash(), Vec::new());
    assert_eq!(give(&mut ledger, &next), Judgement::Taken);
}

#[test]
fn idle_bodies_end_at_their_bound_but_those_on_the_way_are_kept() {
    let mut forge = Forge::without_work();
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), 2);
    chain.iter().for_each(|block| drop(give(&mut ledger, block)));
    let mut rival = || forge.mine_claiming(forge.genesis(), Vec::new(), Amount::ZERO);
    for _ in 0..IDLE_BODIES {
        assert_eq!(give(&mut ledger, &rival()), Judgement::Beside);
    }
    let one_more = rival();
    assert_eq!(give(&mut ledger, &one_more), Judgement::Postponed);
    // The one that had no place turns out to be on the way to more work than any.
    let rest = forge.extend(one_more.block_hash(), 2);
    let headers: Vec<_> = rest.iter().map(|block| block.header).collect();
    ledger.accept_headers(&headers, NOW, Source::Own);
    assert_eq!(ledger.missing()[0], one_more.block_hash());
    assert_eq!(give(&mut ledger, &rest[1]), Judgement::Kept);
    assert_eq!(give(&mut ledger, &one_more), Judgement::Beside);
    assert_eq!(give(&mut ledger, &rest[0]), Judgement::Taken);
    assert_eq!(ledger.standing().tip.hash, rest[1].block_hash());
}

#[test]
fn bodies_are_wanted_in_a_window_that_moves() {
    let mut forge = Forge::without_work();
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), BODIES_WANTED + 10);
    let headers: Vec<_> = chain.iter().map(|block| block.header).collect();
    ledger.accept_headers(&headers, NOW, Source::Own);
    assert_eq!(ledger.missing().len(), BODIES_WANTED);
    for block in &chain[..10] {
        give(&mut ledger, block);
    }
    assert_eq!(ledger.missing().first(), Some(&chain[10].block_hash()));
    assert_eq!(ledger.missing().last(), Some(&chain[BODIES_WANTED + 9].block_hash()));
}

#[test]
fn a_full_batch_of_headers_asks_for_more_from_where_it_ended() {
    let mut forge = Forge::without_work();
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), HEADERS_PER_RESPONSE);
    let headers: Vec<_> = chain.iter().map(|block| block.header).collect();
    let peer = Keypair::ed25519_from_bytes([7; 32]).expect("a key").public().to_peer_id();
    let source = Source::Peer { peer, item: ItemId(1) };
    let last = chain[HEADERS_PER_RESPONSE - 1].block_hash();
    match ledger.accept_headers(&headers, NOW, source).want {
        Some(Want::Headers { from, locator }) => assert_eq!((from, locator[0]), (peer, last)),
        other => panic!("{other:?}"),
    }
    assert!(ledger.accept_headers(&headers, NOW, source).want.is_none(), "no news, no more");
    let orphan = Arc::new(bitcoin::Block { header: Header { prev_blockhash: last, ..headers[0] }, txdata: Vec::new() });
    let judged = ledger.accept_block(orphan, NOW, source).expect("the store works");
    assert!(matches!(judged.judgement, Judgement::Refused(_)));
}
