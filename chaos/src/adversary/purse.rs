//! A purse: coins that genesis gave an adversary, and payments of them to itself.

use std::collections::VecDeque;

use bitcoin::secp256k1::SecretKey;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, absolute, transaction};
use schism_node::bounds::FEE_FLOOR_PER_KILOBYTE;
use schism_node::chain::{Coin, Rules, sign, template};

/// Bytes that such a payment has at most.
const BYTES: u64 = 200;

/// Coins of one key.
pub(super) struct Purse {
    key: SecretKey,
    script: ScriptBuf,
    fork_id: Option<u32>,
    /// What may be spent, what has waited longest first: the last payment's output stands for its coin.
    coins: VecDeque<(OutPoint, Amount)>,
}

impl Purse {
    /// What genesis pays to this key.
    pub(super) fn of(key: SecretKey, rules: &Rules) -> Self {
        let script = script(&key);
        let funding = &rules.genesis.txdata[0];
        let txid = funding.compute_txid();
        let outputs = funding.output.iter().zip(0..).filter(|(output, _)| output.script_pubkey == script);
        let coins = outputs.map(|(output, vout)| (OutPoint { txid, vout }, output.value)).collect();
        Self { key, script, fork_id: rules.at(1).fork_id, coins }
    }

    /// Pays a coin to itself for the least fee; nothing where there is none left that could pay it.
    pub(super) fn spend(&mut self) -> Option<Transaction> {
        let (outpoint, value) = self.coins.pop_front()?;
        let left = value.checked_sub(Amount::from_sat(FEE_FLOOR_PER_KILOBYTE * BYTES / 1_000))?;
        let mut payment = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: vec![TxOut { value: left, script_pubkey: self.script.clone() }],
        };
        let coin = Coin { height: 0, coinbase: false, value, script: self.script.clone() };
        sign::sign_input(&mut payment, 0, &coin, &[self.key], self.fork_id).ok()?;
        self.coins.push_back((OutPoint { txid: payment.compute_txid(), vout: 0 }, left));
        Some(payment)
    }
}

/// What pays to a key.
pub(super) fn script(key: &SecretKey) -> ScriptBuf {
    template::pay_to_witness_key_hash(&sign::public(key))
}
