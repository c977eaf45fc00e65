//! A purse: what tests pay with.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::secp256k1::SecretKey;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute, transaction};

use crate::chain::{Coin, SignatureCheck, sign, template};
use crate::mempool::pool::Entrant;
use crate::surroundings::Verifier;

/// One key, and what it can sign.
pub(crate) struct Purse {
    key: SecretKey,
}

impl Purse {
    pub(crate) fn new() -> Self {
        Self { key: sign::key_from(1, 0) }
    }

    pub(crate) fn script(&self) -> ScriptBuf {
        template::pay_to_key_hash(&sign::public(&self.key))
    }

    /// A coin of the chain.
    pub(crate) fn coin(&self, value: u64) -> Coin {
        Coin { height: 1, coinbase: false, value: Amount::from_sat(value), script: self.script() }
    }

    /// A signed payment from these coins to oneself.
    pub(crate) fn pay(&self, from: &[(OutPoint, u64)], to: &[u64], fork_id: Option<u32>) -> Arc<Transaction> {
        let mut paid = unsigned(from.iter().map(|(outpoint, _)| *outpoint), to.iter().copied(), &self.script());
        for (input, (_, value)) in from.iter().enumerate() {
            sign::sign_input(&mut paid, input, &self.coin(*value), &[self.key], fork_id).expect("the purse's own coin");
        }
        Arc::new(paid)
    }
}

/// A coin of the chain, told from others by a number.
pub(crate) fn outpoint(number: u8) -> OutPoint {
    OutPoint::new(Txid::from_byte_array([number; 32]), 0)
}

pub(crate) fn output(of: &Transaction, index: u32) -> OutPoint {
    OutPoint::new(of.compute_txid(), index)
}

/// A transaction nobody signed, for what does not look at signatures.
pub(crate) fn unsigned(
    from: impl IntoIterator<Item = OutPoint>,
    to: impl IntoIterator<Item = u64>,
    script: &ScriptBuf,
) -> Transaction {
    let input = |previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |value| TxOut { value: Amount::from_sat(value), script_pubkey: script.clone() };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: from.into_iter().map(input).collect(),
        output: to.into_iter().map(output).collect(),
    }
}

/// What the pool takes: an unsigned transaction with a fee that nobody checks.
pub(crate) fn entrant(from: &[OutPoint], outputs: u32, fee: u64) -> Entrant {
    // The value makes transactions differ that spend the same.
    let transaction = unsigned(from.iter().copied(), (0..outputs).map(|_| fee), &ScriptBuf::new());
    Entrant {
        txid: transaction.compute_txid(),
        wtxid: transaction.compute_wtxid(),
        fee: Amount::from_sat(fee),
        bytes: transaction.total_size(),
        signature_operations: 1,
        spendable_from: 0,
        height: 0,
        transaction: Arc::new(transaction),
    }
}

/// Checks signatures where it stands.
pub(crate) struct Inline;

impl Verifier for Inline {
    fn verify(&self, checks: &[SignatureCheck]) -> Result<(), usize> {
        checks.iter().position(|check| !check.holds()).map_or(Ok(()), Err)
    }
}
