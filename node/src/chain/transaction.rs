//! Transaction: what it must hold by itself, and what it may do with the coins it spends.

use std::collections::BTreeSet;

use bitcoin::{Amount, Transaction, absolute};

use super::{Coin, Refused, Rules};

/// Checks what a transaction shows by itself, coinbase or not.
pub fn check(transaction: &Transaction) -> Result<(), Refused> {
    if transaction.input.is_empty() {
        return Err(Refused::NoInputs);
    }
    if transaction.output.is_empty() {
        return Err(Refused::NoOutputs);
    }
    let mut total = Amount::ZERO;
    for (index, output) in transaction.output.iter().enumerate() {
        if output.value > Amount::MAX_MONEY {
            return Err(Refused::OutputTooLarge { index, value: output.value });
        }
        total = add(total, output.value).ok_or(Refused::OutputsTooLarge)?;
    }
    let mut spent = BTreeSet::new();
    for input in &transaction.input {
        if !spent.insert(input.previous_output) {
            return Err(Refused::InputTwice { outpoint: input.previous_output });
        }
    }
    if transaction.is_coinbase() {
        return Ok(());
    }
    match transaction.input.iter().position(|input| input.previous_output.is_null()) {
        Some(input) => Err(Refused::InputNull { input }),
        None => Ok(()),
    }
}

/// Checks that a transaction's lock time has passed for a block at `height`, where `time` is
/// [`super::ActiveRules::lock_time`].
pub fn check_final(transaction: &Transaction, height: u32, time: u32) -> Result<(), Refused> {
    let lock = transaction.lock_time.to_consensus_u32();
    // A lock below 500,000,000 is a height, others are seconds; the last block or second of it still locks.
    let passed = match transaction.lock_time {
        absolute::LockTime::Blocks(until) => until.to_consensus_u32() < height,
        absolute::LockTime::Seconds(until) => until.to_consensus_u32() < time,
    };
    let unlocked = lock == 0 || passed || transaction.input.iter().all(|input| input.sequence.is_final());
    if unlocked { Ok(()) } else { Err(Refused::NotFinal { lock, height, time }) }
}

/// Checks that the coins a transaction spends (one for each input, in order) may be spent at `height` and hold what
/// it pays out. Returns the fee.
pub fn check_coins(transaction: &Transaction, coins: &[Coin], height: u32, rules: &Rules) -> Result<Amount, Refused> {
    let mut inputs = Amount::ZERO;
    for (index, input) in transaction.input.iter().enumerate() {
        let outpoint = input.previous_output;
        let coin = coins.get(index).ok_or(Refused::CoinMissing { outpoint })?;
        match rules.spendable_from(coin) {
            Some(from) if from <= height => {}
            Some(from) => return Err(Refused::CoinImmature { outpoint, height, from }),
            None => return Err(Refused::CoinMissing { outpoint }),
        }
        inputs = add(inputs, coin.value).ok_or(Refused::InputsTooLarge)?;
    }
    let paid = transaction.output.iter().try_fold(Amount::ZERO, |total, output| add(total, output.value));
    let outputs = paid.ok_or(Refused::OutputsTooLarge)?;
    inputs.checked_sub(outputs).ok_or(Refused::OutputsExceedInputs { inputs, outputs })
}

/// The sum, while it can exist at all.
fn add(left: Amount, right: Amount) -> Option<Amount> {
    left.checked_add(right).filter(|sum| *sum <= Amount::MAX_MONEY)
}
