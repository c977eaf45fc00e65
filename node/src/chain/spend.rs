//! Spending: which signatures an input owes for the coin it spends.

use bitcoin::hashes::{Hash, hash160};
use bitcoin::script::Instruction;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{Script, ScriptBuf, Transaction};

use super::sighash::{Digests, FORK_BIT};
use super::template::Template;
use super::{ActiveRules, Coin, Refused, SignatureCheck};

/// What every input of `transaction` owes, one check an input, in order; `coins` are what they spend. Refused is what
/// shows without verifying a signature.
pub fn checks(transaction: &Transaction, coins: &[Coin], rules: &ActiveRules) -> Result<Vec<SignatureCheck>, Refused> {
    let mut digests = Digests::of(transaction);
    let inputs = transaction.input.iter().enumerate();
    inputs
        .map(|(index, input)| {
            let coin = coins.get(index).ok_or(Refused::CoinMissing { outpoint: input.previous_output })?;
            check(&mut digests, index, coin, rules)
        })
        .collect()
}

/// What one input owes.
pub fn check(
    digests: &mut Digests<'_>,
    input: usize,
    coin: &Coin,
    rules: &ActiveRules,
) -> Result<SignatureCheck, Refused> {
    let unlock = Unlock::of(digests.transaction(), input, coin, rules)?;
    let script_code = unlock.script_code(coin);
    let mut signed = Vec::with_capacity(unlock.signatures.len());
    for signature in &unlock.signatures {
        let Some((&hash_type, der)) = signature.split_last() else { return Err(Refused::SignatureInvalid { input }) };
        if rules.fork_id.is_some() != (hash_type & FORK_BIT != 0) {
            return Err(Refused::SignatureKindWrong { input });
        }
        let read = if rules.strict_signatures { Signature::from_der(der) } else { Signature::from_der_lax(der) };
        let signature = read.map_err(|_| Refused::SignatureInvalid { input })?;
        let digest = match rules.fork_id {
            None if !unlock.in_witness => digests.legacy(input, &script_code, hash_type),
            fork_id => digests.bip143(input, &script_code, coin.value, hash_type, fork_id),
        };
        signed.push((digest, signature));
    }
    Ok(SignatureCheck::new(&signed, &unlock.keys))
}

/// How an input unlocks its coin, taken apart: nothing is verified yet.
#[derive(Debug)]
pub struct Unlock<'a> {
    /// Signatures with their hash type, in the order of their keys.
    pub signatures: Vec<&'a [u8]>,
    /// Keys they may stand under.
    pub keys: Vec<&'a [u8]>,
    /// Whether signature and key come from the witness.
    pub in_witness: bool,
}

impl<'a> Unlock<'a> {
    /// Takes apart how `input` unlocks `coin`.
    pub fn of(
        transaction: &'a Transaction,
        input: usize,
        coin: &'a Coin,
        rules: &ActiveRules,
    ) -> Result<Self, Refused> {
        let malformed = Refused::UnlockMalformed { input };
        let Some(spending) = transaction.input.get(input) else { return Err(malformed) };
        let template = Template::of(&coin.script).ok_or(Refused::TemplateUnknown { input })?;
        let in_witness = matches!(template, Template::WitnessKeyHash(_));
        if in_witness && !rules.witness {
            return Err(Refused::TemplateUnknown { input });
        }
        let pushes: Vec<&[u8]> = match in_witness {
            true if spending.script_sig.is_empty() => spending.witness.iter().collect(),
            false if spending.witness.is_empty() => {
                pushes(&spending.script_sig).ok_or(Refused::UnlockMalformed { input })?
            }
            _ => return Err(malformed),
        };
        let (signatures, keys) = match (template, pushes.as_slice()) {
            (Template::Key(key), &[signature]) => (vec![signature], vec![key]),
            (Template::KeyHash(hash) | Template::WitnessKeyHash(hash), &[signature, key]) => {
                if hash160::Hash::hash(key).to_byte_array() != hash {
                    return Err(Refused::KeyMismatch { input });
                }
                if key.len() > 65 {
                    return Err(Refused::SignatureInvalid { input });
                }
                (vec![signature], vec![key])
            }
            // The empty push is one that OP_CHECKMULTISIG takes too many (BIP147 has it empty).
            (Template::Multisig { needed, keys }, [[], signatures @ ..]) if signatures.len() == needed => {
                (signatures.to_vec(), keys)
            }
            _ => return Err(malformed),
        };
        Ok(Self { signatures, keys, in_witness })
    }

    /// The script that the signature digest holds: the coin's own, or for P2WPKH the P2PKH of its hash (BIP143).
    fn script_code(&self, coin: &Coin) -> ScriptBuf {
        coin.script.p2wpkh_script_code().unwrap_or_else(|| coin.script.clone())
    }
}

/// The data that a script pushes, when it does nothing else.
fn pushes(script: &Script) -> Option<Vec<&[u8]>> {
    script
        .instructions()
        .map(|instruction| match instruction {
            Ok(Instruction::PushBytes(bytes)) => Some(bytes.as_bytes()),
            _ => None,
        })
        .collect()
}
