//! Mutants: good blocks spoilt in one way each, with work and merkle root repaired, so that they reach the deep rules.
//! Each is refused for the expected reason, and together they meet every reason there is.

mod table;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Block, BlockHash, CompactTarget};

use self::table::Expected::{Inner, Whole};
use self::table::{COPIES, DEEP};
use self::world::{PLAIN, World};
use super::{NOW, ledger};
use crate::bounds::SIDE_HEADERS;
use crate::chain::header::{check_work, grind};
use crate::chain::{Difficulty, Lasting, Refused, Rules, assemble, genesis};
use crate::ledger::Judgement;
use crate::messages::Source;

#[test]
fn every_deep_mutant_is_refused_for_its_reason_and_for_ever() {
    let mut met = BTreeSet::new();
    meet_deep(&mut met);
}

fn meet_deep(met: &mut BTreeSet<&'static str>) {
    for mutate in DEEP {
        let mut world = World::new();
        let mut spoilt = world.good();
        let expected = mutate(&world, &mut spoilt);
        let mutant = world.repair(&spoilt);
        let expected = match expected {
            Whole(reason) => reason,
            Inner(index, reason) => {
                met.insert(reason.name());
                reason.in_block(mutant.txdata[index].compute_txid())
            }
        };
        refuse_for_ever(&mut world, &mutant, expected, met);
    }
    // These two cannot be repaired by putting a coinbase first, and by staying small.
    let mut world = World::new();
    let mut headless = world.good();
    headless.txdata = vec![headless.txdata[3].clone()];
    refuse_for_ever(&mut world, &ground(headless), Refused::CoinbaseMissing, met);
    let mut world = World::new();
    let mut large = world.next([]);
    large.txdata[0].output[0].script_pubkey = vec![0; 100_000].into();
    let large = ground(large);
    let reason = Refused::BlockTooLarge { bytes: large.total_size(), most: 100_000 };
    refuse_for_ever(&mut world, &large, reason, met);
}

/// Repairs the merkle root only, and grinds.
fn ground(mut block: Block) -> Block {
    assemble::repair_merkle_root(&mut block);
    grind(&mut block.header, u64::from(u32::MAX)).expect("lab work is light");
    block
}

/// The mutant is refused, again, with its children; and the good block is taken.
fn refuse_for_ever(world: &mut World, mutant: &Block, expected: Refused, met: &mut BTreeSet<&'static str>) {
    let good = world.good();
    let reason = world.refusal(mutant);
    assert_eq!(reason, expected);
    assert_eq!((reason.lasting(), reason.blame()), (Lasting::Forever, 100), "{reason}");
    met.insert(reason.name());
    let again = world.refusal(mutant);
    assert_eq!(again, Refused::KnownInvalid);
    met.insert(again.name());
    let mut child = world.next([]);
    child.header.prev_blockhash = mutant.block_hash();
    child.header.time += 10;
    let child = ground(child);
    let orphaned = world.refusal(&child);
    assert_eq!(orphaned, Refused::InvalidParent { parent: mutant.block_hash() });
    met.insert(orphaned.name());
    assert_eq!(world.give(&good), Judgement::Taken, "after {reason}");
    let known = world.refusal(&good);
    assert_eq!(known, Refused::AlreadyKnown);
    met.insert(known.name());
}

#[test]
fn a_mutated_copy_does_not_poison_the_good_block() {
    meet_copies(&mut BTreeSet::new());
}

fn meet_copies(met: &mut BTreeSet<&'static str>) {
    for mutate in COPIES {
        let mut world = World::new();
        // Three transactions for the one that repeats the last, none with a witness for the one that adds it.
        let (witness, plain) = (world.good().txdata[1].clone(), world.pay(&[world.coin(PLAIN)]));
        let mut good = match mutate(&world, &mut world.good()) {
            Whole(Refused::WitnessUncommitted) => world.next([plain]),
            Whole(Refused::MerkleTreeMutated) => world.next([witness, plain]),
            _ => world.good(),
        };
        let original = good.clone();
        let Whole(expected) = mutate(&world, &mut good) else { unreachable!("copies are judged whole") };
        assert_eq!(good.block_hash(), original.block_hash());
        let reason = world.refusal(&good);
        assert_eq!(reason, expected);
        assert_eq!((reason.lasting(), reason.blame()), (Lasting::Copy, 100));
        met.insert(reason.name());
        assert_eq!(world.give(&original), Judgement::Taken, "after {reason}");
    }
}

#[test]
fn every_spoilt_header_is_refused_for_its_reason() {
    meet_headers(&mut BTreeSet::new());
}

fn meet_headers(met: &mut BTreeSet<&'static str>) {
    let with_bits = |consensus| (CompactTarget::from_consensus(consensus), World::new());
    for (consensus, reason) in [
        (0x2080_ffff, (|bits, _| Refused::BitsNegative { bits }) as fn(_, _) -> Refused),
        (0x2000_0000, |bits, _| Refused::BitsZero { bits }),
        (0xff12_3456, |bits, _| Refused::BitsOverflow { bits }),
        (0x2001_0000, |bits, limit| Refused::BitsAboveLimit { bits, limit }),
        (0x1f7f_ffff, |stated, expected| Refused::BitsWrong { stated, expected }),
    ] {
        let (bits, mut world) = with_bits(consensus);
        let mut block = world.good();
        block.header.bits = bits;
        let _ = grind(&mut block.header, 1 << 20);
        let refused = world.refusal(&block);
        assert_eq!(refused, reason(bits, world.rules.pow_limit));
        assert_eq!((refused.lasting(), refused.blame()), (Lasting::Forever, 100));
        met.insert(refused.name());
        assert_eq!(world.give(&world.good()), Judgement::Taken);
    }
    let mut world = World::new();
    let mut idle = world.good();
    while check_work(&idle.header, &world.rules).is_ok() {
        idle.header.nonce = idle.header.nonce.wrapping_add(1);
    }
    let reason = world.refusal(&idle);
    assert_eq!(reason, Refused::WorkTooLow { hash: idle.block_hash(), bits: idle.header.bits });
    met.insert(reason.name());

    let mut stranger = world.good();
    stranger.header.prev_blockhash = BlockHash::all_zeros();
    let reason = world.refusal(&ground(stranger));
    assert_eq!(reason, Refused::UnknownParent { parent: BlockHash::all_zeros() });
    met.insert(reason.name());

    let mut old = world.good();
    old.header.time = world.blocks[2].header.time;
    let reason = world.refusal(&ground(old));
    assert_eq!(reason, Refused::TimeTooOld { time: world.blocks[2].header.time, median: world.blocks[2].header.time });
    met.insert(reason.name());

    let headers = [world.blocks[1].header, world.blocks[3].header];
    let judged = world.ledger.accept_headers(&headers, NOW, Source::Own).judgement;
    let unlinked = Refused::HeadersNotLinked { position: 1 };
    met.insert(unlinked.name());
    assert_eq!(judged, Judgement::Refused(unlinked));
}

#[test]
fn a_block_refused_only_for_its_future_time_is_accepted_later() {
    meet_future(&mut BTreeSet::new());
}

fn meet_future(met: &mut BTreeSet<&'static str>) {
    let mut world = World::new();
    let block = world.good();
    let latest = block.header.time - 1;
    let early = latest - 120;
    let reason = Refused::TimeTooNew { time: block.header.time, latest };
    assert_eq!((reason.lasting(), reason.blame()), (Lasting::Later, 0));
    met.insert(reason.name());
    for _ in 0..2 {
        assert_eq!(world.give_at(&block, early), Judgement::Refused(reason.clone()));
    }
    assert_eq!(world.give_at(&block, early + 1), Judgement::Taken);
    assert_eq!(world.ledger.standing().tip.hash, block.block_hash());
    assert_ne!(world.hash(3), block.block_hash());
}

fn meet_full_tree(met: &mut BTreeSet<&'static str>) {
    let mut rules = Rules::lab(&[]);
    rules.pow_limit = CompactTarget::from_consensus(0x207f_ffff); // every second hash will do
    rules.difficulty = Difficulty::Fixed;
    rules.genesis = genesis::lab(&[], rules.pow_limit);
    let rules = Arc::new(rules);
    let mut ledger = ledger(&rules);
    let first = rules.genesis.header;
    let mut child = first;
    child.prev_blockhash = first.block_hash();
    let mut refused = None;
    for number in 0..SIDE_HEADERS as u32 + 2 {
        child.time = first.time + 1 + number % 60;
        child.version = bitcoin::block::Version::from_consensus(number as i32);
        grind(&mut child, 1_000).expect("every second hash will do");
        if let Judgement::Refused(reason) = ledger.accept_headers(&[child], NOW, Source::Own).judgement {
            refused = Some(reason);
        }
    }
    let reason = refused.expect("the tree is full");
    assert_eq!(reason, Refused::SideHeadersFull { most: SIDE_HEADERS });
    met.insert(reason.name());
}

/// Reasons that no block or header is refused for, and the tests that ask for each by name.
const POOLS: &str = concat!(
    include_str!("../../../chain/tests/policy.rs"),
    include_str!("../../../mempool/tests/lobby.rs"),
    include_str!("../../../mempool/tests/replace.rs"),
    include_str!("../../../mempool/tests/compact.rs"),
    include_str!("../../../mempool/tests/actor.rs"),
    include_str!("../../../mempool/tests/laws.rs"),
    include_str!("../../../mempool/tests/select.rs"),
);
const OF_POOLS: &[&str] = &[
    "LongKnown",
    "CoinbaseLoose",
    "TransactionTooLarge",
    "SignatureNotStrict",
    "SignatureHighS",
    "HashTypeUndefined",
    "PushNotMinimal",
    "OutputNotStandard",
    "OutputDust",
    "FeeTooLow",
    "ConflictInPool",
    "ReplacementTooCheap",
    "ReplacesTooMany",
    "ReplacesAncestor",
    "TooManyRelatives",
    "PoolFull",
    "CompactMalformed",
];

#[test]
fn every_reason_is_met() {
    let mut met = BTreeSet::new();
    meet_deep(&mut met);
    meet_copies(&mut met);
    meet_headers(&mut met);
    meet_future(&mut met);
    meet_full_tree(&mut met);
    for reason in OF_POOLS {
        assert!(POOLS.contains(&format!("Refused::{reason}")), "no test of a pool asks for {reason}");
        assert!(met.insert(reason), "{reason} is of blocks as well");
    }
    let all: BTreeSet<&str> = Refused::NAMES.iter().copied().collect();
    let missing: Vec<_> = all.difference(&met).collect();
    assert!(missing.is_empty(), "no mutant meets {missing:?}");
}
