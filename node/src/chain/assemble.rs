//! Assembling: putting a coinbase and transactions together into a block whose header is ready to be ground.

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Witness, absolute, transaction,
};

use super::block;

/// A coinbase that pays `value` to `payee`. Height and `extra` (at most 80 bytes are used) make it unlike any other.
pub fn coinbase(height: u32, extra: &[u8], payee: ScriptBuf, value: Amount) -> Transaction {
    let extra = &extra[..extra.len().min(80)];
    let script = Builder::new().push_int(i64::from(height));
    let script_sig = match PushBytesBuf::try_from(extra.to_vec()) {
        Ok(extra) => script.push_slice(extra),
        Err(_) => script,
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: script_sig.into_script(),
            sequence: Sequence::MAX,
            witness: Witness::default(),
        }],
        output: vec![TxOut { value, script_pubkey: payee }],
    }
}

/// The height that a block's coinbase begins with, which no rule checks.
pub fn said_height(block: &Block) -> Option<u32> {
    let input = block.txdata.first()?.input.first()?;
    let first = input.script_sig.instructions().next()?.ok()?;
    u32::try_from(first.script_num()?).ok()
}

/// A block of `coinbase` and `transactions`, with the merkle root and, where a transaction carries a witness, the
/// coinbase's commitment to it. Its nonce is 0: [`super::header::grind`] finds the right one.
pub fn assemble(
    parent: BlockHash,
    time: u32,
    bits: CompactTarget,
    coinbase: Transaction,
    transactions: impl IntoIterator<Item = Transaction>,
) -> Block {
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time,
        bits,
        nonce: 0,
    };
    let mut block = Block { header, txdata: std::iter::once(coinbase).chain(transactions).collect() };
    if block.txdata.iter().flat_map(|transaction| &transaction.input).any(|input| !input.witness.is_empty()) {
        commit_to_witnesses(&mut block);
    }
    repair_merkle_root(&mut block);
    block
}

/// Makes the header commit to the transactions as they are.
pub fn repair_merkle_root(block: &mut Block) {
    let leaves = block.txdata.iter().map(|transaction| transaction.compute_txid().to_raw_hash()).collect();
    if let Some((root, _)) = block::merkle_root(leaves) {
        block.header.merkle_root = TxMerkleNode::from_raw_hash(root);
    }
}

/// Adds an output to the coinbase that commits to the witnesses as they are, under a nonce of zeros (BIP141).
fn commit_to_witnesses(block: &mut Block) {
    let nonce = [0; 32];
    let commitment = block::commit_to_witnesses(&block.txdata, nonce);
    let script = [&block::WITNESS_COMMITMENT_PREFIX[..], commitment.as_byte_array()].concat();
    let coinbase = &mut block.txdata[0];
    coinbase.input[0].witness = Witness::from_slice(&[nonce]);
    coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from(script) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coinbase_says_its_height_however_the_script_spells_it() {
        let with = |transactions: Vec<Transaction>| {
            let coinbase = coinbase(9, &[], ScriptBuf::new(), Amount::ZERO);
            let block = assemble(BlockHash::all_zeros(), 0, CompactTarget::from_consensus(0), coinbase, []);
            Block { txdata: transactions, ..block }
        };
        for height in [0, 1, 16, 17, 128, 70_000, i32::MAX as u32] {
            let coinbase = coinbase(height, b"extra", ScriptBuf::new(), Amount::ZERO);
            assert_eq!(said_height(&with(vec![coinbase])), Some(height));
        }
        assert_eq!(said_height(&with(Vec::new())), None);
    }
}
