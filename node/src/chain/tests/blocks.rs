//! What a block shows by itself, and which of it is the copy's fault.

use bitcoin::hashes::{Hash, sha256d};
use bitcoin::{Amount, Block, BlockHash, ScriptBuf, Transaction, TxOut, Txid, Witness};
use proptest::prelude::*;

use super::super::assemble::{assemble, coinbase, repair_merkle_root};
use super::super::work::Past;
use super::super::{Lasting, Refused, Rules, block, header, transaction};
use super::{coin, output, spending};

/// A block at height 5 of the lab with a few transactions that nobody signed.
fn good(transactions: u32) -> Block {
    let reward = coinbase(5, &[], ScriptBuf::from(vec![0x51]), Amount::from_int_btc(50));
    let others = (1..=transactions).map(|n| spending(n, vec![output(ScriptBuf::new(), u64::from(n))]));
    assemble(BlockHash::all_zeros(), 1_700_000_050, Rules::lab(&[]).pow_limit, reward, others)
}

fn witnessed() -> Block {
    let reward = coinbase(5, &[], ScriptBuf::from(vec![0x51]), Amount::from_int_btc(50));
    let mut other = spending(1, vec![output(ScriptBuf::new(), 1)]);
    other.input[0].witness = Witness::from_slice(&[[1, 2, 3]]);
    assemble(BlockHash::all_zeros(), 1_700_000_050, Rules::lab(&[]).pow_limit, reward, [other])
}

fn refused(block: &Block) -> Refused {
    block::check(block, &Rules::lab(&[]).at(5)).unwrap_err()
}

/// Alters a block and makes the header commit to the result.
fn altered(mut block: Block, alter: impl Fn(&mut Block)) -> Refused {
    alter(&mut block);
    repair_merkle_root(&mut block);
    refused(&block)
}

#[test]
fn an_assembled_block_is_in_order() {
    for transactions in 0..9 {
        let block = good(transactions);
        let txids = block::check(&block, &Rules::lab(&[]).at(5)).unwrap();
        assert_eq!(txids.len(), transactions as usize + 1);
        assert!(block.check_merkle_root());
    }
    let block = witnessed();
    block::check(&block, &Rules::lab(&[]).at(5)).unwrap();
    assert!(block.check_witness_commitment(), "the crate agrees");
}

#[test]
fn a_repeated_end_keeps_the_root_and_is_seen() {
    // 3 transactions hash like 4, 6 like 8 with the last two repeated (CVE-2012-2459).
    for (transactions, repeat) in [(2, 1), (5, 2), (4, 1), (6, 1)] {
        let mut block = good(transactions);
        let end = block.txdata[block.txdata.len() - repeat..].to_vec();
        block.txdata.extend(end);
        assert_eq!(refused(&block), Refused::MerkleTreeMutated, "{transactions}");
        assert_eq!(refused(&block).lasting(), Lasting::Copy);
    }
}

#[test]
fn inner_nodes_in_place_of_transactions_are_seen() {
    let mut block = good(1);
    // 64 bytes without a witness: what two hashes make.
    let mut short = spending(1, vec![output(ScriptBuf::from(vec![0; 4]), 1)]);
    assert_eq!(short.base_size(), 64);
    short.input[0].previous_output.vout = 3;
    block.txdata[0] = short;
    assert_eq!(altered(block, |_| {}), Refused::MerkleTreeMutated);
}

#[test]
fn a_bad_copy_is_not_held_against_the_block() {
    let mut copies = [good(3), good(0), witnessed(), witnessed(), witnessed(), good(2)];
    copies[0].txdata[1].output[0].value += Amount::ONE_SAT;
    copies[1].txdata.clear();
    copies[2].txdata[1].input[0].witness = Witness::from_slice(&[[9]]);
    copies[3].txdata[0].input[0].witness = Witness::default();
    copies[4].txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]]);
    copies[5].txdata[1].input[0].witness = Witness::from_slice(&[[9]]);
    let reasons = copies.each_ref().map(refused);
    assert!(matches!(reasons[0], Refused::MerkleRootWrong { .. }));
    assert_eq!(
        reasons[1..],
        [
            Refused::BlockEmpty,
            Refused::WitnessCommitmentWrong,
            Refused::WitnessNonceWrong,
            Refused::WitnessNonceWrong,
            Refused::WitnessUncommitted,
        ]
    );
    assert!(reasons.iter().all(|reason| reason.lasting() == Lasting::Copy && reason.blame() == 100));
}

#[test]
fn what_the_header_commits_to_is_the_blocks_own_fault() {
    let twice = |txid| Refused::TransactionTwice { txid };
    let second = good(3).txdata[1].clone();
    let again = second.compute_txid();
    let expect = [
        (altered(good(0), |block| block.txdata[0] = second.clone()), Refused::CoinbaseMissing),
        (
            altered(good(2), |block| {
                let other = coinbase(6, &[], ScriptBuf::new(), Amount::ZERO);
                block.txdata.push(other);
            }),
            Refused::CoinbaseSecond { index: 3 },
        ),
        (
            altered(good(0), |block| block.txdata[0].input[0].script_sig = vec![1].into()),
            Refused::CoinbaseScriptSize { bytes: 1 },
        ),
        (
            altered(good(0), |block| block.txdata[0].input[0].script_sig = vec![1; 101].into()),
            Refused::CoinbaseScriptSize { bytes: 101 },
        ),
        (altered(good(3), |block| block.txdata.push(second.clone())), twice(again)),
        (
            altered(good(1), |block| {
                block.txdata[0].output = vec![TxOut { value: Amount::ZERO, script_pubkey: vec![0xac; 2_001].into() }];
            }),
            Refused::TooManySignatureOperations { operations: 2_001, most: 2_000 },
        ),
    ];
    for (reason, expected) in expect {
        assert_eq!(reason, expected);
        assert_eq!(reason.lasting(), Lasting::Forever, "{reason}");
    }
    let large = altered(good(0), |block| block.txdata[0].output[0].script_pubkey = vec![0; 100_000].into());
    assert!(matches!(large, Refused::BlockTooLarge { bytes: 100_001.., most: 100_000 }), "{large}");
    assert_eq!(large.lasting(), Lasting::Forever);
}

#[test]
fn a_transaction_must_be_sound_by_itself() {
    let max = Amount::MAX_MONEY.to_sat();
    let refused = |alter: fn(&mut Transaction)| {
        let mut transaction = spending(2, vec![output(ScriptBuf::new(), 1), output(ScriptBuf::new(), 2)]);
        alter(&mut transaction);
        transaction::check(&transaction).unwrap_err()
    };
    let outpoint = spending(1, vec![]).input[0].previous_output;
    assert_eq!(refused(|tx| tx.input.clear()), Refused::NoInputs);
    assert_eq!(refused(|tx| tx.output.clear()), Refused::NoOutputs);
    assert_eq!(
        refused(|tx| tx.output[1].value = Amount::MAX_MONEY + Amount::ONE_SAT),
        Refused::OutputTooLarge { index: 1, value: Amount::from_sat(max + 1) }
    );
    assert_eq!(refused(|tx| tx.output[1].value = Amount::MAX_MONEY), Refused::OutputsTooLarge);
    assert_eq!(refused(|tx| tx.input[1] = tx.input[0].clone()), Refused::InputTwice { outpoint });
    assert_eq!(refused(|tx| tx.input[1].previous_output = bitcoin::OutPoint::null()), Refused::InputNull { input: 1 });
}

#[test]
fn locks_open_after_their_height_or_second() {
    let locked = |lock, last| {
        let mut transaction = spending(1, vec![]);
        transaction.lock_time = bitcoin::absolute::LockTime::from_consensus(lock);
        transaction.input[0].sequence = bitcoin::Sequence(if last { u32::MAX } else { 0 });
        move |height, time| transaction::check_final(&transaction, height, time).is_ok()
    };
    assert!(!locked(10, false)(10, 0) && locked(10, false)(11, 0) && locked(10, true)(10, 0));
    let time = 1_700_000_000;
    assert!(!locked(time, false)(99, time) && locked(time, false)(99, time + 1));
}

#[test]
fn coins_pay_for_outputs_when_they_are_mature() {
    let rules = Rules::lab(&[]);
    let transaction = spending(2, vec![output(ScriptBuf::new(), 30)]);
    let fee = |first: super::Coin, second, height| {
        transaction::check_coins(&transaction, &[first, coin(ScriptBuf::new(), second)], height, &rules)
    };
    let plain = |value| coin(ScriptBuf::new(), value);
    assert_eq!(fee(plain(20), 15, 6), Ok(Amount::from_sat(5)));
    let short = Refused::OutputsExceedInputs { inputs: Amount::from_sat(29), outputs: Amount::from_sat(30) };
    assert_eq!(fee(plain(20), 9, 6), Err(short));
    assert_eq!(fee(plain(Amount::MAX_MONEY.to_sat()), 9, 6), Err(Refused::InputsTooLarge));
    let reward = super::Coin { coinbase: true, ..plain(20) };
    let outpoint = transaction.input[0].previous_output;
    assert_eq!(fee(reward.clone(), 15, 14), Err(Refused::CoinImmature { outpoint, height: 14, from: 15 }));
    assert_eq!(fee(reward, 15, 15), Ok(Amount::from_sat(5)));
}

#[test]
fn times_lie_after_the_median_and_before_tomorrow() {
    let rules = Rules::lab(&[]);
    let start = rules.genesis.header.time;
    // Median of the last eleven: the sixth of 10, 20, … is 50 s behind the parent.
    let ancestors = |height| Past { bits: rules.pow_limit, time: start + 10 * height };
    assert_eq!(header::median_time_past(20, &ancestors), start + 150);
    assert_eq!(header::median_time_past(0, &ancestors), start);
    let check = |time, now| {
        let header = bitcoin::block::Header { time, ..good(0).header };
        header::check(&header, 20, &ancestors, &rules, now)
    };
    let median = start + 150;
    assert_eq!(check(median, median), Err(Refused::TimeTooOld { time: median, median }));
    assert_eq!(check(median + 1, median), Ok(()));
    assert_eq!(check(median + 121, median), Err(Refused::TimeTooNew { time: median + 121, latest: median + 120 }));
    assert_eq!(check(median + 121, median + 1), Ok(()));
}

proptest! {
    #[test]
    fn the_merkle_root_is_the_crates(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..40)) {
        let hashes: Vec<_> = leaves.iter().map(|bytes| sha256d::Hash::from_byte_array(*bytes)).collect();
        let oracle = bitcoin::merkle_tree::calculate_root(hashes.iter().copied());
        prop_assert_eq!(block::merkle_root(hashes).map(|(root, _)| root), oracle);
    }

    #[test]
    fn a_reason_reads_back_as_it_was_written(txid in any::<[u8; 32]>(), input: usize, value in 0_u64..1 << 50) {
        let inner = Refused::OutputDust { index: input, value: Amount::from_sat(value), floor: Amount::ONE_BTC };
        let reason = inner.in_block(Txid::from_byte_array(txid));
        let text = serde_json::to_string(&reason).unwrap();
        prop_assert_eq!(serde_json::from_str::<Refused>(&text).unwrap(), reason);
    }
}
