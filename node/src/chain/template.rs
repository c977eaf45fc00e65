//! Template: one of the few shapes of script that this chain knows how to spend. There is no script interpreter.

use bitcoin::hashes::hash160;
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_PUSHNUM_1, OP_PUSHNUM_16, OP_RETURN};
use bitcoin::script::{Builder, Instruction, PushBytesBuf};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{PubkeyHash, Script, ScriptBuf, WPubkeyHash};

/// A known shape of script, taken apart. Keys are bytes: that a coin names a key that is none is its owner's loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template<'a> {
    /// P2PK: a key, 33 or 65 bytes.
    Key(&'a [u8]),
    /// P2PKH: RIPEMD-160 of SHA-256 of a key.
    KeyHash([u8; 20]),
    /// P2WPKH: the same, with the signature in the witness.
    WitnessKeyHash([u8; 20]),
    /// Bare multisig: `needed` signatures in the order of their keys, 1 to 16.
    Multisig {
        /// How many signatures it takes.
        needed: usize,
        /// The keys, 33 or 65 bytes each.
        keys: Vec<&'a [u8]>,
    },
}

impl<'a> Template<'a> {
    /// The template of a script, if it has one.
    pub fn of(script: &'a Script) -> Option<Self> {
        let bytes = script.as_bytes();
        match bytes {
            [0x76, 0xa9, 20, hash @ .., 0x88, 0xac] => Some(Self::KeyHash(hash.try_into().ok()?)),
            [0x00, 20, hash @ ..] => Some(Self::WitnessKeyHash(hash.try_into().ok()?)),
            [length, key @ .., 0xac] if is_key(key) && usize::from(*length) == key.len() => Some(Self::Key(key)),
            _ => multisig(script),
        }
    }
}

/// Whether a script can never be spent by anybody, so that its output need not be kept: data after `OP_RETURN`.
pub fn is_unspendable(script: &Script) -> bool {
    script.as_bytes().first() == Some(&OP_RETURN.to_u8()) || script.len() > 10_000
}

/// P2PK to a key in compressed form.
pub fn pay_to_key(key: &PublicKey) -> ScriptBuf {
    ScriptBuf::new_p2pk(&bitcoin::PublicKey::new(*key))
}

/// P2PKH to a key in compressed form.
pub fn pay_to_key_hash(key: &PublicKey) -> ScriptBuf {
    ScriptBuf::new_p2pkh(&PubkeyHash::from_raw_hash(hash(key)))
}

/// P2WPKH.
pub fn pay_to_witness_key_hash(key: &PublicKey) -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_raw_hash(hash(key)))
}

/// Bare multisig: `needed` of `keys`, at most 16.
pub fn pay_to_multisig(needed: usize, keys: &[PublicKey]) -> ScriptBuf {
    let start = Builder::new().push_int(needed as i64);
    let keyed = keys.iter().fold(start, |script, key| script.push_slice(PushBytesBuf::from(key.serialize())));
    keyed.push_int(keys.len() as i64).push_opcode(OP_CHECKMULTISIG).into_script()
}

fn hash(key: &PublicKey) -> hash160::Hash {
    bitcoin::hashes::Hash::hash(&key.serialize())
}

fn is_key(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 33 | 65)
}

fn multisig(script: &Script) -> Option<Template<'_>> {
    if script.as_bytes().last() != Some(&OP_CHECKMULTISIG.to_u8()) {
        return None;
    }
    let mut instructions = script.instructions();
    let needed = number(instructions.next()?.ok()?)?;
    let mut keys = Vec::new();
    loop {
        match instructions.next()?.ok()? {
            Instruction::PushBytes(key) if is_key(key.as_bytes()) => keys.push(key.as_bytes()),
            other if number(other)? == keys.len() => break,
            _ => return None,
        }
    }
    let ends =
        matches!(instructions.next(), Some(Ok(Instruction::Op(OP_CHECKMULTISIG)))) && instructions.next().is_none();
    (ends && needed <= keys.len()).then_some(Template::Multisig { needed, keys })
}

/// 1 to 16, as an opcode.
fn number(instruction: Instruction<'_>) -> Option<usize> {
    match instruction {
        Instruction::Op(opcode) if (OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8()).contains(&opcode.to_u8()) => {
            Some(usize::from(opcode.to_u8() - OP_PUSHNUM_1.to_u8()) + 1)
        }
        _ => None,
    }
}
