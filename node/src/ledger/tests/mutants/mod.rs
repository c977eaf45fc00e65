//! Mutants: good blocks spoilt in one way each, with work and merkle root repaired, so that they reach the deep rules.
//! Each is refused for the expected reason, and together they meet every reason there is.

mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, TxOut, Witness};

use self::world::{HUGE, HUGE_TOO, PLAIN, UNKNOWN, WITNESS, World, input};
use super::{NOW, ledger};
use crate::bounds::SIDE_HEADERS;
use crate::chain::header::{check_work, grind};
use crate::chain::sign::sign_input;
use crate::chain::{Difficulty, Lasting, Refused, Rules, assemble, genesis};
use crate::ledger::Judgement;
use crate::messages::Source;

/// What a mutant is to be refused for.
enum Expected {
    /// The block itself.
    Whole(Refused),
    /// One of its transactions.
    Inner(usize, Refused),
}
use Expected::{Inner, Whole};

/// How a block is spoilt, and what for. Its transactions: coinbase, P2WPKH, a child of that, P2PKH.
type Mutant = fn(&World, &mut Block) -> Expected;

/// Spoilt in what the header commits to.
const DEEP: &[Mutant] = &[
    |world, block| {
        *block = world.repair(&world.next([]));
        block.txdata = vec![world.blocks[3].txdata[0].clone()];
        Whole(Refused::TransactionOverwrites { txid: block.txdata[0].compute_txid() })
    },
    |_, block| {
        let index = block.txdata.len();
        block.txdata.push(assemble::coinbase(9, &[], ScriptBuf::new(), Amount::ZERO));
        Whole(Refused::CoinbaseSecond { index })
    },
    |_, block| {
        block.txdata[0].input[0].script_sig = vec![4].into();
        Whole(Refused::CoinbaseScriptSize { bytes: 1 })
    },
    |world, block| {
        let allowed = world.rules.subsidy(4) + Amount::from_sat(3_000);
        block.txdata[0].output[0].value = allowed + Amount::ONE_SAT;
        Whole(Refused::CoinbaseTooMuch { claimed: allowed + Amount::ONE_SAT, allowed })
    },
    |_, block| {
        block.txdata.push(block.txdata[1].clone());
        Whole(Refused::TransactionTwice { txid: block.txdata[1].compute_txid() })
    },
    |_, block| {
        // Neither transaction alone has too many.
        block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: vec![0xac; 1_999].into() });
        block.txdata[3].output.push(TxOut { value: Amount::ZERO, script_pubkey: vec![0xac; 2].into() });
        Whole(Refused::TooManySignatureOperations { operations: 2_001, most: 2_000 })
    },
    |world, block| {
        let again = world.pay(&[world.coin(WITNESS), world.coin(UNKNOWN)]);
        block.txdata.push(again);
        Whole(Refused::SpentTwice { outpoint: world.coin(WITNESS).0 })
    },
    |_, block| {
        let outpoint = block.txdata[2].input[0].previous_output;
        block.txdata.swap(1, 2);
        Whole(Refused::SpentBeforeMade { outpoint })
    },
    |_, block| {
        block.txdata[3].input.clear();
        Inner(3, Refused::NoInputs)
    },
    |_, block| {
        block.txdata[3].output.clear();
        Inner(3, Refused::NoOutputs)
    },
    |_, block| {
        let value = Amount::MAX_MONEY + Amount::ONE_SAT;
        block.txdata[3].output[0].value = value;
        Inner(3, Refused::OutputTooLarge { index: 0, value })
    },
    |_, block| {
        block.txdata[3].output[0].value = Amount::MAX_MONEY;
        block.txdata[3].output.push(TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() });
        Inner(3, Refused::OutputsTooLarge)
    },
    |_, block| {
        let twice = block.txdata[3].input[0].clone();
        let outpoint = twice.previous_output;
        block.txdata[3].input.push(twice);
        Inner(3, Refused::InputTwice { outpoint })
    },
    |_, block| {
        block.txdata[3].input.push(input(OutPoint::null()));
        Inner(3, Refused::InputNull { input: 1 })
    },
    |world, block| {
        block.txdata[3].lock_time = bitcoin::absolute::LockTime::from_consensus(4);
        block.txdata[3].input[0].sequence = Sequence::ZERO;
        // Of the four times so far the third is the median.
        Inner(3, Refused::NotFinal { lock: 4, height: 4, time: world.blocks[2].header.time })
    },
    |_, block| {
        let outpoint = OutPoint { vout: 77, ..block.txdata[3].input[0].previous_output };
        block.txdata[3].input[0].previous_output = outpoint;
        Inner(3, Refused::CoinMissing { outpoint })
    },
    |world, block| {
        let outpoint = OutPoint { txid: world.blocks[1].txdata[0].compute_txid(), vout: 0 };
        block.txdata[3].input[0].previous_output = outpoint;
        Inner(3, Refused::CoinImmature { outpoint, height: 4, from: 11 })
    },
    |world, block| {
        block.txdata[3] = world.pay(&[world.coin(HUGE), world.coin(HUGE_TOO)]);
        Inner(3, Refused::InputsTooLarge)
    },
    |world, block| {
        let inputs = world.coin(PLAIN).1.value;
        block.txdata[3].output[0].value = inputs + Amount::ONE_SAT;
        Inner(3, Refused::OutputsExceedInputs { inputs, outputs: inputs + Amount::ONE_SAT })
    },
    |world, block| {
        block.txdata[3] = world.pay(&[world.coin(UNKNOWN)]);
        Inner(3, Refused::TemplateUnknown { input: 0 })
    },
    |_, block| {
        block.txdata[3].input[0].script_sig = ScriptBuf::new();
        Inner(3, Refused::UnlockMalformed { input: 0 })
    },
    |_, block| {
        let last = block.txdata[3].input[0].script_sig.len() - 1;
        let mut script = block.txdata[3].input[0].script_sig.to_bytes();
        script[last] ^= 1;
        block.txdata[3].input[0].script_sig = script.into();
        Inner(3, Refused::KeyMismatch { input: 0 })
    },
    |world, block| {
        let coin = world.coin(PLAIN).1;
        sign_input(&mut block.txdata[3], 0, &coin, &[world.key], Some(5)).expect("our coin");
        Inner(3, Refused::SignatureKindWrong { input: 0 })
    },
    |_, block| {
        block.txdata[3].output[0].value -= Amount::ONE_SAT;
        Inner(3, Refused::SignatureInvalid { input: 0 })
    },
    |_, block| {
        // The witness of the child, which its txid does not cover.
        let witness = &block.txdata[2].input[0].witness;
        let mut signature = witness.nth(0).expect("a signature").to_vec();
        signature[20] ^= 1;
        block.txdata[2].input[0].witness = Witness::from_slice(&[&signature, witness.nth(1).expect("a key")]);
        Inner(2, Refused::SignatureInvalid { input: 0 })
    },
];

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

/// Spoilt in a way that leaves the header, and so the hash, as it was.
const COPIES: &[Mutant] = &[
    |_, block| {
        block.txdata.clear();
        Whole(Refused::BlockEmpty)
    },
    |_, block| {
        let stated = block.header.merkle_root;
        block.txdata[3].output[0].value -= Amount::ONE_SAT;
        let computed = block.compute_merkle_root().expect("transactions");
        Whole(Refused::MerkleRootWrong { stated, computed })
    },
    |_, block| {
        block.txdata.push(block.txdata[2].clone());
        Whole(Refused::MerkleTreeMutated)
    },
    |_, block| {
        block.txdata[1].input[0].witness = Witness::from_slice(&[[1]]);
        Whole(Refused::WitnessUncommitted)
    },
    |_, block| {
        block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]]);
        Whole(Refused::WitnessNonceWrong)
    },
    |_, block| {
        block.txdata[1].input[0].witness = Witness::from_slice(&[[1]]);
        Whole(Refused::WitnessCommitmentWrong)
    },
];

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
