//! Policy: what a pool refuses although a block may hold it, so that what is relayed cannot be altered on its way.

use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{EcdsaSighashType, Transaction};

use super::sighash::FORK_BIT;
use super::spend::Unlock;
use super::template::{self, Template};
use super::{ActiveRules, Coin, Refused};

/// The largest transaction a pool takes, in bytes: Bitcoin Core's.
pub const MAX_TRANSACTION_BYTES: usize = 100_000;

/// Checks a transaction that is otherwise in order against policy: size, templates and dust of outputs, and for every
/// input strict DER (BIP66), the lower S (BIP146), a defined hash type and minimal pushes. `coins` are what it spends.
pub fn check(transaction: &Transaction, coins: &[Coin], rules: &ActiveRules) -> Result<(), Refused> {
    let most = MAX_TRANSACTION_BYTES.min(rules.max_block_bytes / 2);
    let bytes = transaction.total_size();
    if bytes > most {
        return Err(Refused::TransactionTooLarge { bytes, most });
    }
    for (index, output) in transaction.output.iter().enumerate() {
        let script = &output.script_pubkey;
        if template::is_unspendable(script) {
            continue;
        }
        if Template::of(script).is_none() {
            return Err(Refused::OutputNotStandard { index });
        }
        let floor = script.minimal_non_dust();
        if output.value < floor {
            return Err(Refused::OutputDust { index, value: output.value, floor });
        }
    }
    coins
        .iter()
        .enumerate()
        .take(transaction.input.len())
        .try_for_each(|(input, coin)| check_input(transaction, input, coin, rules))
}

fn check_input(transaction: &Transaction, input: usize, coin: &Coin, rules: &ActiveRules) -> Result<(), Refused> {
    let unlock = Unlock::of(transaction, input, coin, rules)?;
    for signature in unlock.signatures {
        let Some((hash_type, der)) = signature.split_last() else { return Err(Refused::SignatureInvalid { input }) };
        if EcdsaSighashType::from_standard(u32::from(hash_type & !FORK_BIT)).is_err() {
            return Err(Refused::HashTypeUndefined { input });
        }
        let strict = Signature::from_der(der).map_err(|_| Refused::SignatureNotStrict { input })?;
        let mut lower = strict;
        lower.normalize_s();
        if lower != strict {
            return Err(Refused::SignatureHighS { input });
        }
    }
    let script = &transaction.input[input].script_sig;
    if script.instructions_minimal().any(|instruction| instruction.is_err()) {
        return Err(Refused::PushNotMinimal { input });
    }
    Ok(())
}
