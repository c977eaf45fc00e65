//! Signature digest: what a signature of one input stands for.

use bitcoin::consensus::Encodable;
use bitcoin::hashes::{Hash, HashEngine, sha256, sha256d};
use bitcoin::sighash::SighashCache;
use bitcoin::{Amount, Script, Transaction};

/// The bit of a hash type that says a fork id is signed too, as in Bitcoin Cash.
pub const FORK_BIT: u8 = 0x40;
/// The bit that says other inputs are not signed.
pub const ANYONE_CAN_PAY: u8 = 0x80;

/// The digests of one transaction's inputs, with what they share hashed once.
#[derive(Debug)]
pub struct Digests<'a> {
    transaction: &'a Transaction,
    outpoints: Option<sha256d::Hash>,
    sequences: Option<sha256d::Hash>,
    outputs: Option<sha256d::Hash>,
}

impl<'a> Digests<'a> {
    /// The digests of `transaction`.
    pub fn of(transaction: &'a Transaction) -> Self {
        Self { transaction, outpoints: None, sequences: None, outputs: None }
    }

    /// The transaction.
    pub fn transaction(&self) -> &'a Transaction {
        self.transaction
    }

    /// Bitcoin's first digest: commits to no amount. `hash_type` is signed whole, defined or not. An input without
    /// an output of its number under `SIGHASH_SINGLE` signs the number 1, as it always did.
    pub fn legacy(&self, input: usize, script: &Script, hash_type: u8) -> [u8; 32] {
        let digest = SighashCache::new(self.transaction).legacy_signature_hash(input, script, u32::from(hash_type));
        // The only error is an input that is not there, which signs the number 1 too.
        let mut one = [0; 32];
        one[0] = 1;
        digest.map_or(one, |digest| digest.to_byte_array())
    }

    /// BIP143's digest: commits to the amount. With a fork id that stands in the upper 24 bits of the hash type.
    pub fn bip143(
        &mut self,
        input: usize,
        script_code: &Script,
        value: Amount,
        hash_type: u8,
        fork_id: Option<u32>,
    ) -> [u8; 32] {
        let transaction = self.transaction;
        let Some(spending) = transaction.input.get(input) else { return [0; 32] };
        let (all_inputs, base) = (hash_type & ANYONE_CAN_PAY == 0, hash_type & 0x1f);
        let zero = sha256d::Hash::all_zeros();
        let outpoints = if all_inputs { self.outpoints() } else { zero };
        let sequences = if all_inputs && base != NONE && base != SINGLE { self.sequences() } else { zero };
        let outputs = match base {
            NONE => zero,
            SINGLE => transaction.output.get(input).map_or(zero, |output| hash([output])),
            _ => self.outputs(),
        };
        let signed_type = u32::from(hash_type) | fork_id.map_or(0, |id| id << 8);
        let mut engine = sha256d::Hash::engine();
        write(&mut engine, &transaction.version);
        engine.input(outpoints.as_byte_array());
        engine.input(sequences.as_byte_array());
        write(&mut engine, &spending.previous_output);
        write(&mut engine, script_code);
        write(&mut engine, &value);
        write(&mut engine, &spending.sequence);
        engine.input(outputs.as_byte_array());
        write(&mut engine, &transaction.lock_time);
        engine.input(&signed_type.to_le_bytes());
        sha256d::Hash::from_engine(engine).to_byte_array()
    }

    fn outpoints(&mut self) -> sha256d::Hash {
        let inputs = &self.transaction.input;
        *self.outpoints.get_or_insert_with(|| hash(inputs.iter().map(|input| &input.previous_output)))
    }

    fn sequences(&mut self) -> sha256d::Hash {
        let inputs = &self.transaction.input;
        *self.sequences.get_or_insert_with(|| hash(inputs.iter().map(|input| &input.sequence)))
    }

    fn outputs(&mut self) -> sha256d::Hash {
        let outputs = &self.transaction.output;
        *self.outputs.get_or_insert_with(|| hash(outputs))
    }
}

const NONE: u8 = 2;
const SINGLE: u8 = 3;

fn hash<'a, E: Encodable + 'a>(items: impl IntoIterator<Item = &'a E>) -> sha256d::Hash {
    let mut engine = sha256d::Hash::engine();
    for item in items {
        write(&mut engine, item);
    }
    sha256d::Hash::from_engine(engine)
}

fn write<E: Encodable + ?Sized>(engine: &mut sha256::HashEngine, item: &E) {
    // Writing into a hash cannot fail.
    let _ = item.consensus_encode(engine);
}
