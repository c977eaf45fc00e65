//! Block: what its transactions must be by themselves, before any coin is looked up.
//!
//! The order of the checks is their point. First it is shown that the transactions and witnesses are those that the
//! header commits to; what fails there is a bad *copy*, and the block of that hash may still be good. Only then is the
//! block itself judged, so that whatever fails later is the block's own fault and lasts.

use std::collections::BTreeSet;

use bitcoin::hashes::{Hash, HashEngine, sha256d};
use bitcoin::{Block, Transaction, TxMerkleNode, Txid};

use super::{ActiveRules, Refused, transaction};

/// Checks all that a block of a known height shows by itself. Its header is checked elsewhere. Returns the ids of its
/// transactions, in order.
pub fn check(block: &Block, rules: &ActiveRules) -> Result<Vec<Txid>, Refused> {
    let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
    check_copy(block, &txids, rules)?;
    let bytes = block.total_size();
    if bytes > rules.max_block_bytes {
        return Err(Refused::BlockTooLarge { bytes, most: rules.max_block_bytes });
    }
    check_coinbase(block)?;
    let mut seen = BTreeSet::new();
    let mut operations = 0;
    for (transaction, &txid) in block.txdata.iter().zip(&txids) {
        transaction::check(transaction).map_err(|reason| reason.in_block(txid))?;
        if !seen.insert(txid) {
            return Err(Refused::TransactionTwice { txid });
        }
        operations += signature_operations(transaction);
    }
    match rules.max_signature_operations() {
        most if operations > most => Err(Refused::TooManySignatureOperations { operations, most }),
        _ => Ok(txids),
    }
}

/// Checks that transactions and witnesses are those that the header commits to.
fn check_copy(block: &Block, txids: &[Txid], rules: &ActiveRules) -> Result<(), Refused> {
    let leaves: Vec<sha256d::Hash> = txids.iter().map(|txid| txid.to_raw_hash()).collect();
    let (root, repeated) = merkle_root(leaves).ok_or(Refused::BlockEmpty)?;
    let computed = TxMerkleNode::from_raw_hash(root);
    if computed != block.header.merkle_root {
        return Err(Refused::MerkleRootWrong { stated: block.header.merkle_root, computed });
    }
    // Two inner nodes make 64 bytes: a list of those could pass for transactions (CVE-2017-12842), though none of
    // them is a coinbase.
    let inner_nodes = !block.txdata[0].is_coinbase() && block.txdata.iter().any(|tx| tx.base_size() == 64);
    if repeated || inner_nodes {
        return Err(Refused::MerkleTreeMutated);
    }
    check_witnesses(block, rules)
}

/// The root of a merkle tree, and whether two equal neighbours were hashed together anywhere: a list whose end is
/// repeated has the root of the list without the repetition (CVE-2012-2459). `None` without leaves.
pub fn merkle_root(mut row: Vec<sha256d::Hash>) -> Option<(sha256d::Hash, bool)> {
    let mut repeated = false;
    while row.len() > 1 {
        repeated |= row.chunks_exact(2).any(|pair| pair[0] == pair[1]);
        row = row.chunks(2).map(|pair| join(pair[0], *pair.last().unwrap_or(&pair[0]))).collect();
    }
    row.first().map(|root| (*root, repeated))
}

fn join(left: sha256d::Hash, right: sha256d::Hash) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    engine.input(left.as_byte_array());
    engine.input(right.as_byte_array());
    sha256d::Hash::from_engine(engine)
}

/// Checks that the coinbase commits to the witnesses (BIP141), or that there are none.
fn check_witnesses(block: &Block, rules: &ActiveRules) -> Result<(), Refused> {
    let carried = block.txdata.iter().flat_map(|tx| &tx.input).any(|input| !input.witness.is_empty());
    let coinbase = &block.txdata[0];
    let Some(committed) = witness_commitment(coinbase).filter(|_| rules.witness && coinbase.is_coinbase()) else {
        return if carried { Err(Refused::WitnessUncommitted) } else { Ok(()) };
    };
    let witness = &coinbase.input[0].witness;
    let nonce: [u8; 32] = match witness.nth(0).map(<[u8; 32]>::try_from) {
        Some(Ok(nonce)) if witness.len() == 1 => nonce,
        _ => return Err(Refused::WitnessNonceWrong),
    };
    let computed = commit_to_witnesses(&block.txdata, nonce);
    if computed.as_byte_array() == committed { Ok(()) } else { Err(Refused::WitnessCommitmentWrong) }
}

/// What a coinbase with this witness nonce must commit to.
pub fn commit_to_witnesses(transactions: &[Transaction], nonce: [u8; 32]) -> sha256d::Hash {
    let others = transactions.iter().skip(1).map(|transaction| transaction.compute_wtxid().to_raw_hash());
    let leaves = std::iter::once(sha256d::Hash::all_zeros()).chain(others).collect();
    let (root, _) = merkle_root(leaves).unwrap_or((sha256d::Hash::all_zeros(), false));
    join(root, sha256d::Hash::from_byte_array(nonce))
}

/// The bytes before a witness commitment in a coinbase's output: `OP_RETURN`, a push of 36, and BIP141's mark.
pub const WITNESS_COMMITMENT_PREFIX: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];

/// The commitment in the last output that looks like one.
fn witness_commitment(coinbase: &Transaction) -> Option<&[u8]> {
    let scripts = coinbase.output.iter().rev().map(|output| output.script_pubkey.as_bytes());
    scripts.filter_map(|script| script.strip_prefix(&WITNESS_COMMITMENT_PREFIX)?.get(..32)).next()
}

fn check_coinbase(block: &Block) -> Result<(), Refused> {
    if !block.txdata[0].is_coinbase() {
        return Err(Refused::CoinbaseMissing);
    }
    if let Some(later) = block.txdata.iter().skip(1).position(Transaction::is_coinbase) {
        return Err(Refused::CoinbaseSecond { index: later + 1 });
    }
    match block.txdata[0].input[0].script_sig.len() {
        2..=100 => Ok(()),
        bytes => Err(Refused::CoinbaseScriptSize { bytes }),
    }
}

/// Signature operations as Bitcoin counted them first: all that scripts name, 20 for every multisig.
pub fn signature_operations(transaction: &Transaction) -> usize {
    let unlocking = transaction.input.iter().map(|input| input.script_sig.count_sigops_legacy());
    let locking = transaction.output.iter().map(|output| output.script_pubkey.count_sigops_legacy());
    unlocking.chain(locking).sum()
}
