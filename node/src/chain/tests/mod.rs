//! What must hold of a chain's data and rules, against laws, other people's vectors and real blocks.

mod blocks;
mod difficulty;
mod flips;
mod policy;
mod rules;
mod spending;
mod vectors;

use bitcoin::block::Header;
use bitcoin::consensus::deserialize;
use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute, transaction};

use super::Coin;
use super::work::Past;

/// A coin in a block.
fn coin(script: ScriptBuf, value: u64) -> Coin {
    Coin { height: 5, coinbase: false, value: Amount::from_sat(value), script }
}

/// An unsigned transaction that spends `inputs` coins nobody knows.
fn spending(inputs: u32, outputs: Vec<TxOut>) -> Transaction {
    let input = |vout| TxIn {
        previous_output: OutPoint { txid: bitcoin::hashes::Hash::from_byte_array([7; 32]), vout },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::default(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: (0..inputs).map(input).collect(),
        output: outputs,
    }
}

fn output(script: ScriptBuf, value: u64) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey: script }
}

/// Bitcoin's headers 0 to 2016.
fn real_headers() -> Option<Vec<Header>> {
    let headers = schism_data::headers()?;
    Some(headers.iter().map(|bytes| deserialize(bytes).expect("a header")).collect())
}

/// Bitcoin's blocks 0 to 170.
fn real_blocks() -> Option<Vec<Block>> {
    let blocks = schism_data::blocks()?;
    Some(blocks.iter().map(|bytes| deserialize(bytes).expect("a block")).collect())
}

fn past(headers: &[Header]) -> impl Fn(u32) -> Past {
    |height| {
        let header = &headers[height as usize];
        Past { bits: header.bits, time: header.time }
    }
}
