//! Blocks that are found are blocks.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{Amount, ScriptBuf, Transaction};

use super::{job, parent, template};
use crate::chain::{Refused, Rules, block, header};
use crate::messages::Template;
use crate::miner::work::{Signature, Work};

fn signature(miner: u64, extranonce: u64) -> Signature {
    Signature { payee: ScriptBuf::new(), miner, extranonce }
}

fn mine(template: Arc<Template>, by: Signature, time: u32) -> bitcoin::Block {
    let rules = Rules::lab(&[]);
    let mut work = Work::begin(template, by, time, rules.pow_limit).expect("the lab's bits are in order");
    work.grind(1 << 20, time).expect("lab work takes 256 hashes")
}

#[test]
fn a_found_block_passes_every_check_of_its_own() {
    let rules = Rules::lab(&[]);
    let mut payment = template(&rules, parent(1), 1);
    // A witness, so that the coinbase has to commit.
    let mut witnessed = crate::chain::assemble::coinbase(1, &[1], ScriptBuf::new(), Amount::from_sat(1));
    witnessed.input[0].previous_output.vout = 0;
    witnessed.input[0].witness.push([1]);
    payment.transactions = vec![Arc::new(witnessed)];
    payment.fees = Amount::from_sat(5);
    let found = mine(Arc::new(payment), signature(1, 1), 1_700_000_100);
    assert!(header::check_work(&found.header, &rules).is_ok());
    assert!(block::check(&found, &rules.at(2)).is_ok());
    assert_eq!(found.header.prev_blockhash, parent(1));
    assert_eq!(found.txdata[0].output[0].value, rules.subsidy(2) + Amount::from_sat(5));
    assert_eq!(found.header.time, 1_700_000_100);
}

#[test]
fn a_block_is_never_earlier_than_allowed() {
    let found = mine(job(&Rules::lab(&[]), 1), signature(1, 1), 5);
    assert_eq!(found.header.time, 1_700_000_001);
}

#[test]
fn no_two_miners_and_no_two_heights_share_a_coinbase() {
    let rules = Rules::lab(&[]);
    let mut ids = BTreeSet::new();
    for (number, miner, extranonce) in [(1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (20, 1, 1)] {
        let found = mine(job(&rules, number), signature(miner, extranonce), 0);
        ids.insert(Transaction::compute_txid(&found.txdata[0]));
    }
    assert_eq!(ids.len(), 5);
}

#[test]
fn bits_that_state_no_target_are_refused() {
    let rules = Rules::lab(&[]);
    let mut absurd = template(&rules, parent(1), 1);
    absurd.next.bits = bitcoin::CompactTarget::from_consensus(0x0480_0001);
    let begun = Work::begin(Arc::new(absurd), signature(1, 1), 0, rules.pow_limit);
    assert!(matches!(begun, Err(Refused::BitsNegative { .. } | Refused::BitsZero { .. })), "{begun:?}");
}
