//! Signing: what wallets and tests need to spend a coin of each template.

use std::sync::LazyLock;

use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, SecretKey, SignOnly};
use bitcoin::{ScriptBuf, Transaction, Witness};
use sha2::{Digest as _, Sha256};

use super::Coin;
use super::sighash::{Digests, FORK_BIT};
use super::template::Template;

/// `SIGHASH_ALL`.
pub const ALL: u8 = 1;

/// Why an input could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotSign {
    /// The transaction has no such input.
    #[error("the transaction has no input {0}")]
    NoInput(usize),
    /// The coin's script is none of the templates.
    #[error("the coin has no known template")]
    TemplateUnknown,
    /// Too few of the given keys are the coin's.
    #[error("the coin's keys are not among those given")]
    KeyMissing,
}

/// The `index`th secret key of a seed: SHA-256 over both, again while it is none.
pub fn key_from(seed: u64, index: u32) -> SecretKey {
    let mut bytes: [u8; 32] = Sha256::new()
        .chain_update(b"schism key")
        .chain_update(seed.to_le_bytes())
        .chain_update(index.to_le_bytes())
        .finalize()
        .into();
    loop {
        match SecretKey::from_slice(&bytes) {
            Ok(key) => return key,
            Err(_) => bytes = Sha256::digest(bytes).into(),
        }
    }
}

/// The public key of a secret one.
pub fn public(key: &SecretKey) -> PublicKey {
    PublicKey::from_secret_key(&CONTEXT, key)
}

/// Signs one input over all of the transaction, under the fork id that holds.
pub fn sign_input(
    transaction: &mut Transaction,
    input: usize,
    coin: &Coin,
    keys: &[SecretKey],
    fork_id: Option<u32>,
) -> Result<(), CannotSign> {
    sign_input_as(transaction, input, coin, keys, fork_id, ALL)
}

/// The same with a hash type: 1 all, 2 none, 3 single, with 0x80 for this input alone. The fork bit is added.
pub fn sign_input_as(
    transaction: &mut Transaction,
    input: usize,
    coin: &Coin,
    keys: &[SecretKey],
    fork_id: Option<u32>,
    hash_type: u8,
) -> Result<(), CannotSign> {
    let template = Template::of(&coin.script).ok_or(CannotSign::TemplateUnknown)?;
    if input >= transaction.input.len() {
        return Err(CannotSign::NoInput(input));
    }
    let hash_type = hash_type | if fork_id.is_some() { FORK_BIT } else { 0 };
    let in_witness = matches!(template, Template::WitnessKeyHash(_));
    let script_code = coin.script.p2wpkh_script_code().unwrap_or_else(|| coin.script.clone());
    let mut digests = Digests::of(transaction);
    let digest = match fork_id {
        None if !in_witness => digests.legacy(input, &script_code, hash_type),
        fork_id => digests.bip143(input, &script_code, coin.value, hash_type, fork_id),
    };
    let sign = |key: &SecretKey| {
        let mut signature = CONTEXT.sign_ecdsa(&Message::from_digest(digest), key).serialize_der().to_vec();
        signature.push(hash_type);
        signature
    };
    let spending = &mut transaction.input[input];
    match template {
        Template::Key(wanted) => {
            let (key, _) = find(keys, |public| encodings(public).iter().any(|key| key == wanted))?;
            spending.script_sig = push_all(&[&sign(key)]);
        }
        Template::KeyHash(wanted) => {
            let (key, public) = find(keys, |public| hash(&public.serialize()) == wanted)?;
            spending.script_sig = push_all(&[&sign(key), &public.serialize()]);
        }
        Template::WitnessKeyHash(wanted) => {
            let (key, public) = find(keys, |public| hash(&public.serialize()) == wanted)?;
            spending.witness = Witness::from_slice(&[sign(key), public.serialize().to_vec()]);
        }
        Template::Multisig { needed, keys: wanted } => {
            let owned = wanted
                .iter()
                .filter_map(|wanted| find(keys, |public| encodings(public).iter().any(|key| key == wanted)).ok());
            let signatures: Vec<Vec<u8>> = owned.take(needed).map(|(key, _)| sign(key)).collect();
            if signatures.len() < needed {
                return Err(CannotSign::KeyMissing);
            }
            let dummy: &[u8] = &[];
            let pushes: Vec<&[u8]> = std::iter::once(dummy).chain(signatures.iter().map(Vec::as_slice)).collect();
            spending.script_sig = push_all(&pushes);
        }
    }
    Ok(())
}

/// Never randomised: the keys of a lab are no secrets, and runs must repeat.
static CONTEXT: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

fn find(keys: &[SecretKey], wanted: impl Fn(&PublicKey) -> bool) -> Result<(&SecretKey, PublicKey), CannotSign> {
    let mut pairs = keys.iter().map(|key| (key, public(key)));
    pairs.find(|(_, public)| wanted(public)).ok_or(CannotSign::KeyMissing)
}

/// A key compressed and not.
fn encodings(key: &PublicKey) -> [Vec<u8>; 2] {
    [key.serialize().to_vec(), key.serialize_uncompressed().to_vec()]
}

fn hash(key: &[u8]) -> [u8; 20] {
    let hash: bitcoin::hashes::hash160::Hash = bitcoin::hashes::Hash::hash(key);
    bitcoin::hashes::Hash::to_byte_array(hash)
}

pub(super) fn push_all(pushes: &[&[u8]]) -> ScriptBuf {
    let script = pushes.iter().fold(Builder::new(), |script, push| match PushBytesBuf::try_from(push.to_vec()) {
        Ok(push) => script.push_slice(push),
        Err(_) => script, // only beyond 4 GiB
    });
    script.into_script()
}
