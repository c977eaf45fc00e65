//! Elsewhere: a chain with another genesis, and all that its nodes would have said of it: blocks announced and fetched, payments,
//! headers, pools and questions. It keeps every rule but where it begins.

use std::sync::Arc;

use bitcoin::consensus::serialize;
use bitcoin::secp256k1::SecretKey;
use bitcoin::{Amount, Block, Transaction};
use schism_node::chain::Rules;
use schism_node::chain::assemble::{assemble, coinbase};
use schism_node::chain::header::grind;
use schism_node::wire::limits::RESPONSE_BYTES;
use schism_node::wire::{Request, Response, Topic, encode_request, encode_response};

use super::tape::{Said, Tape};
use crate::adversary::purse::{Purse, script};
use crate::adversary::tampering::compact;

/// Blocks of that chain, and payments in each of them.
const BLOCKS: u32 = 40;
const PAYMENTS: usize = 2;
/// Coins of its genesis, and what each holds.
const COINS: usize = 8;
const COIN: Amount = Amount::from_sat(10_000_000);

/// What was recorded there.
pub(super) fn tape(owner: SecretKey) -> Tape {
    let mut tape = Tape::default();
    let blocks = chain(owner);
    let genesis = blocks[0].header.prev_blockhash;
    for block in &blocks {
        for payment in &block.txdata[1..] {
            tape.keep(Said::Gossip(Topic::Transactions, serialize(payment)));
        }
        tape.keep(Said::Gossip(Topic::Blocks, serialize(&compact(block))));
        let hash = block.block_hash();
        for asked in [Request::Headers { locator: vec![hash, genesis] }, Request::Blocks { hashes: vec![hash] }] {
            tape.keep(Said::Question(encode_request(&asked)));
        }
        tape.keep_answer(encode_response(&Response::Blocks(vec![Arc::new(block.clone())]), RESPONSE_BYTES));
    }
    let payments = blocks.iter().flat_map(|block| &block.txdata[1..]).map(Transaction::compute_txid);
    let headers = Response::Headers(blocks.iter().map(|block| block.header).collect());
    for answer in [headers, Response::Pool(payments.collect())] {
        tape.keep_answer(encode_response(&answer, RESPONSE_BYTES));
    }
    tape
}

/// Blocks on another genesis, the first on top of it.
fn chain(owner: SecretKey) -> Vec<Block> {
    let payee = script(&owner);
    let rules = Rules::lab(&vec![(payee.clone(), COIN); COINS]);
    let genesis = rules.genesis.header;
    let mut purse = Purse::of(owner, &rules);
    let (mut blocks, mut parent) = (Vec::<Block>::new(), genesis);
    for height in 1..=BLOCKS {
        let payments: Vec<_> = (0..PAYMENTS).filter_map(|_| purse.spend()).collect();
        let coinbase = coinbase(height, b"elsewhere", payee.clone(), COIN);
        let mut block = assemble(parent.block_hash(), parent.time + 10, genesis.bits, coinbase, payments);
        if grind(&mut block.header, u64::from(u32::MAX)).is_none() {
            break;
        }
        parent = block.header;
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use schism_node::chain::header::check_work;
    use schism_node::chain::sign;

    use super::*;

    #[test]
    fn what_was_recorded_elsewhere_is_a_chain_of_its_own_with_work_and_payments() {
        let (blocks, here) = (chain(sign::key_from(1, 1)), Rules::lab(&[]));
        assert_eq!(blocks.len(), BLOCKS as usize);
        assert_ne!(blocks[0].header.prev_blockhash, here.genesis.block_hash());
        assert!(blocks.windows(2).all(|pair| pair[1].header.prev_blockhash == pair[0].block_hash()));
        assert!(blocks.iter().all(|block| check_work(&block.header, &here).is_ok()));
        assert!(blocks.iter().all(|block| block.txdata.len() == 1 + PAYMENTS));
    }
}
