use std::collections::BTreeSet;

use bitcoin::Network;
use bitcoin::constants::genesis_block;

use super::*;
use crate::bounds::{BODIES_PER_PEER, LACKS_SECONDS};

const START: Duration = Duration::ZERO;

fn blocks(count: u32) -> Vec<Arc<Block>> {
    let block = |nonce| {
        let mut block = genesis_block(Network::Regtest);
        block.header.nonce = nonce;
        Arc::new(block)
    };
    (0..count).map(block).collect()
}

fn hashes(blocks: &[Arc<Block>]) -> Vec<BlockHash> {
    blocks.iter().map(|block| block.block_hash()).collect()
}

/// Sync that has asked these peers for headers and heard that they offer some.
fn knowing(peers: &[PeerId]) -> Sync {
    let mut sync = Sync::new(genesis_block(Network::Regtest).block_hash());
    peers.iter().for_each(|peer| sync.introduced(*peer));
    sync.next(START, |_| 16);
    peers.iter().for_each(|peer| sync.headers_answered(*peer, 1));
    sync
}

fn peers(count: usize) -> Vec<PeerId> {
    (0..count).map(|_| PeerId::random()).collect()
}

fn bodies(asks: &[(PeerId, Request)]) -> Vec<(PeerId, Vec<BlockHash>)> {
    let bodies = asks.iter().filter_map(|(peer, request)| match request {
        Request::Blocks { hashes } => Some((*peer, hashes.clone())),
        _ => None,
    });
    bodies.collect()
}

#[test]
fn a_new_peer_is_asked_for_headers_once() {
    let (peer, genesis) = (PeerId::random(), genesis_block(Network::Regtest).block_hash());
    let mut sync = Sync::new(genesis);
    sync.introduced(peer);
    assert_eq!(sync.next(START, |_| 16), [(peer, Request::Headers { locator: vec![genesis] })]);
    assert_eq!(sync.next(START, |_| 16), []);
    sync.ask_headers(peer, None);
    assert_eq!(sync.next(START, |_| 16), [], "one question at a time");
    sync.headers_answered(peer, 0);
    assert_eq!(sync.next(START, |_| 16).len(), 1);
}

#[test]
fn bodies_come_from_several_peers_at_once_and_within_their_windows() {
    let (all, blocks) = (peers(3), blocks(100));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let asks = bodies(&sync.next(START, |_| 16));
    assert_eq!(asks.iter().map(|(peer, _)| *peer).collect::<BTreeSet<_>>(), all.iter().copied().collect());
    assert!(asks.iter().all(|(_, hashes)| hashes.len() == BODIES_PER_PEER));
    let asked: BTreeSet<_> = asks.iter().flat_map(|(_, hashes)| hashes).collect();
    assert_eq!(asked.len(), 3 * BODIES_PER_PEER, "nothing is asked twice");
    assert_eq!(bodies(&sync.next(START, |_| 16)), []);
}

#[test]
fn few_bodies_are_shared_evenly() {
    let (all, blocks) = (peers(3), blocks(6));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    assert!(bodies(&sync.next(START, |_| 16)).iter().all(|(_, hashes)| hashes.len() == 2));
}

#[test]
fn without_room_for_verdicts_nothing_is_asked() {
    let (all, blocks) = (peers(2), blocks(6));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    assert_eq!(sync.next(START, |_| 0), []);
}

#[test]
fn who_lacks_a_body_is_not_asked_again_soon() {
    let (all, blocks) = (peers(2), blocks(1));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    for _ in 0..2 {
        let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
        sync.blocks_answered(peer, &asked, Vec::new(), START).expect("it may lack them");
    }
    assert_eq!(bodies(&sync.next(START, |_| 16)), [], "nobody has it");
    let later = Duration::from_secs(LACKS_SECONDS);
    assert_eq!(bodies(&sync.next(later, |_| 16)).len(), 1, "somebody may have it by now");
}

#[test]
fn a_response_cut_at_its_end_says_nothing_of_what_was_cut() {
    let (all, blocks) = (peers(1), blocks(8));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    let sent = sync.blocks_answered(peer, &asked, blocks[..5].to_vec(), START);
    assert_eq!(sent.map(|sent| sent.len()), Ok(5));
    assert_eq!(bodies(&sync.next(START, |_| 16)), [(peer, hashes(&blocks[5..]))]);
}

#[test]
fn a_peer_that_stalls_is_replaced() {
    let (all, blocks) = (peers(2), blocks(4));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let asks = bodies(&sync.next(START, |_| 16));
    let (staller, stalled) = asks[0].clone();
    sync.failed(staller, &Request::Blocks { hashes: stalled.clone() }, &Failure::TimedOut, START);
    let asks = bodies(&sync.next(START, |_| 16));
    assert_eq!(asks.len(), 1);
    assert_ne!(asks[0].0, staller);
    assert_eq!(asks[0].1, stalled);
}

#[test]
fn what_a_lost_peer_was_asked_for_is_asked_of_another() {
    let (all, blocks) = (peers(2), blocks(4));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let asks = bodies(&sync.next(START, |_| 16));
    sync.disconnected(asks[0].0);
    assert_eq!(bodies(&sync.next(START, |_| 16)), [(asks[1].0, asks[0].1.clone())]);
}

#[test]
fn a_block_nobody_asked_for_is_rubbish_and_what_was_asked_stays_wanted() {
    let (all, blocks) = (peers(1), blocks(3));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks[..1]));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    assert_eq!(sync.blocks_answered(peer, &asked, blocks[2..].to_vec(), START), Err(Unasked));
    assert!(sync.is_busy());
}

#[test]
fn when_all_bodies_are_here_those_who_offered_are_asked_what_came_since() {
    let (all, blocks) = (peers(1), blocks(3));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    sync.blocks_answered(peer, &asked, blocks, START).expect("all of them were asked for");
    assert_eq!(sync.next(START, |_| 16), [], "they wait for their verdicts");
    asked.iter().for_each(|hash| sync.judged(*hash, true, START));
    assert!(!sync.is_busy());
    assert!(matches!(&sync.next(START, |_| 16)[..], [(_, Request::Headers { .. })]));
    sync.headers_answered(peer, 0);
    assert_eq!(sync.next(START, |_| 16), [], "it has nothing more");
}

#[test]
fn a_body_that_was_not_admitted_is_wanted_again() {
    let (all, blocks) = (peers(1), blocks(1));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    sync.blocks_answered(peer, &asked, blocks.clone(), START).expect("it was asked for");
    sync.not_admitted(blocks[0].block_hash());
    assert_eq!(bodies(&sync.next(START, |_| 16)), [(peer, hashes(&blocks))]);
}

#[test]
fn a_body_that_waits_for_its_verdict_is_not_asked_for_again() {
    let (all, blocks) = (peers(1), blocks(3));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    sync.blocks_answered(peer, &asked, blocks.clone(), START).expect("they were asked for");
    // Ledger has judged the first and still lists the others, which lie in its mailbox.
    sync.judged(asked[0], true, START);
    sync.want_bodies(hashes(&blocks[1..]));
    assert_eq!(bodies(&sync.next(START, |_| 16)), []);
}

#[test]
fn another_copy_of_a_bad_body_is_asked_for() {
    let (all, blocks) = (peers(1), blocks(1));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    let (peer, asked) = bodies(&sync.next(START, |_| 16)).remove(0);
    sync.blocks_answered(peer, &asked, blocks.clone(), START).expect("it was asked for");
    sync.judged(asked[0], false, START);
    assert_eq!(bodies(&sync.next(START, |_| 16)), [], "Ledger may no longer want it");
    assert_eq!(bodies(&sync.next(AGAIN, |_| 16)).len(), 1);
}

#[test]
fn who_does_not_give_what_has_long_been_missing_is_of_no_use() {
    let (all, blocks) = (peers(2), blocks(1));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    for _ in &all {
        let asked = bodies(&sync.next(START, |_| 16));
        let (peer, hashes) = &asked[0];
        sync.blocks_answered(*peer, hashes, Vec::new(), START).expect("nothing is no lie");
        assert_eq!(sync.useless(START).count(), 0, "it may be on its way");
    }
    assert_eq!(sync.useless(STUCK).collect::<BTreeSet<_>>(), all.iter().copied().collect());
    sync.disconnected(all[0]);
    assert_eq!(sync.useless(STUCK).collect::<Vec<_>>(), all[1..]);
    let later = STUCK + Duration::from_secs(LACKS_SECONDS);
    let asked = bodies(&sync.next(later, |_| 16));
    sync.blocks_answered(asked[0].0, &asked[0].1, blocks.clone(), later).expect("it was asked for");
    assert_eq!(sync.useless(later).count(), 0, "it is here");
}

#[test]
fn who_never_said_to_have_what_is_missing_is_not_blamed_for_it() {
    let (all, blocks) = (peers(2), blocks(1));
    let mut sync = knowing(&all);
    sync.want_bodies(hashes(&blocks));
    for _ in &all {
        let asked = bodies(&sync.next(START, |_| 16));
        sync.blocks_answered(asked[0].0, &asked[0].1, Vec::new(), START).expect("nothing is no lie");
    }
    // Whoever withholds a block could else have all honest peers exchanged.
    sync.headers_answered(all[0], 0);
    assert_eq!(sync.useless(STUCK).collect::<Vec<_>>(), all[1..]);
}
