//! Genesis: the first block of a chain, which nobody judges.

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode,
    TxOut, Witness, absolute, blockdata, transaction,
};

use super::{Allocation, header};
use crate::clock::LAB_EPOCH;

/// The lab's first block: it pays to `allocations` at [`LAB_EPOCH`], and its nonce is ground on the spot, so that
/// the same allocations always give the same block.
pub fn lab(allocations: &[Allocation], bits: CompactTarget) -> Block {
    let mut output: Vec<TxOut> =
        allocations.iter().map(|(script, value)| TxOut { value: *value, script_pubkey: script.clone() }).collect();
    if output.is_empty() {
        // A transaction must have an output; this one nobody can spend.
        output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new_op_return([]) });
    }
    let coinbase = Transaction {
        version: transaction::Version::ONE,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new().push_slice(b"schism: a laboratory for peer-to-peer money").into_script(),
            sequence: Sequence::MAX,
            witness: Witness::default(),
        }],
        output,
    };
    let mut first = Header {
        version: Version::ONE,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::from_raw_hash(coinbase.compute_txid().to_raw_hash()),
        time: u32::try_from(LAB_EPOCH.as_secs()).unwrap_or(u32::MAX),
        bits,
        nonce: 0,
    };
    // 2³² tries at 2⁸ expected: this always ends with a nonce.
    header::grind(&mut first, 1 << 32);
    Block { header: first, txdata: vec![coinbase] }
}

/// Bitcoin's first block.
pub fn bitcoin_mainnet() -> Block {
    blockdata::constants::genesis_block(Network::Bitcoin)
}
