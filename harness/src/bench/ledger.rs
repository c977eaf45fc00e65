//! The ledger alone: how fast it connects blocks, against what their signatures cost by themselves, and opens.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, ecdsa::SerializedSignature};
use schism_chaos::simulation::WorkPrices;
use schism_chaos::simulation::clock::Stopwatch;
use schism_node::chain::sign;
use schism_node::ledger::store::{Disk, FileStore, Store, StoreFailure};
use schism_node::ledger::verifier::Inline;
use schism_node::surroundings::Verifier;

use super::chain::{Chain, Credulous, give, open};
use super::{Figure, Measured, SEED};
use crate::scratch;

/// Blocks connected, with 100 payments each: a second of signatures.
const BLOCKS: usize = 200;
const PAYMENTS: usize = 100;
/// Blocks of a store that is opened.
const OPENED: usize = 1_000;
/// Payments in each of these.
const FEW: usize = 5;
/// Signatures checked to learn what one costs.
const SIGNATURES: usize = 10_000;
/// How often the two rates are measured, one after the other.
const ROUNDS: usize = 5;

/// Measures connecting and opening.
///
/// # Errors
/// When a store fails.
pub fn measure() -> Result<Measured, StoreFailure> {
    let folder = Folder::new().map_err(|error| StoreFailure::new("make its folder", error))?;
    let chain = Chain::make(BLOCKS, PAYMENTS)?;
    let in_memory = || -> Result<Box<dyn Store>, StoreFailure> { Ok(Box::new(Disk::new().open())) };
    let in_files =
        |name: &str| -> Result<Box<dyn Store>, StoreFailure> { Ok(Box::new(FileStore::open(&folder.0.join(name))?)) };
    // In turns, so that what else the machine does falls on both; the middle round speaks.
    let signatures = Signatures::ready();
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let bare = signatures.checked_per_second();
        rounds.push((connect(&chain, in_memory()?, Arc::new(Inline))?, bare));
    }
    let share = |(checked, bare): &(f64, f64)| checked * PAYMENTS as f64 / bare;
    rounds.sort_by(|one, other| share(one).total_cmp(&share(other)));
    let (checked, bare) = rounds[ROUNDS / 2];
    let believed = connect(&chain, in_memory()?, Arc::new(Credulous))?;
    let checked_in_files = connect(&chain, in_files("checked")?, Arc::new(Inline))?;
    let believed_in_files = connect(&chain, in_files("believed")?, Arc::new(Credulous))?;
    let verified = checked * PAYMENTS as f64;
    let mut figures = vec![
        Figure::new("signatures_verified_per_second", bare, "1/s, bare secp256k1, one core"),
        Figure::new("transactions_verified_per_second", verified, "1/s, one core, one signature each"),
        Figure::new("signature_rate_share", verified / bare, "of the bare rate"),
    ];
    let of_blocks = |name: &str, value| Figure::new(name, value, "1/s, 100 payments each, one core");
    figures.extend([
        of_blocks("blocks_connected_per_second", checked),
        of_blocks("blocks_connected_per_second_without_signatures", believed),
        of_blocks("blocks_connected_per_second_in_files", checked_in_files),
        of_blocks("blocks_connected_per_second_in_files_without_signatures", believed_in_files),
    ]);
    // What the virtual clock charges for the same, so that its prices can be held against this machine.
    let prices = WorkPrices::default();
    let bytes: usize = chain.blocks.iter().map(|block| block.total_size()).sum();
    let byte = BLOCKS as f64 / believed / bytes as f64 * 1e9;
    let priced = |price: u64| format!("ns, and {price} of virtual work");
    figures.extend([
        Figure::new("nanoseconds_per_signature_check", 1e9 / bare, &priced(prices.signature_check_nanoseconds)),
        Figure::new("nanoseconds_per_byte", byte, &priced(prices.byte_nanoseconds)),
    ]);
    let long = Chain::make(OPENED, FEW)?;
    let disk = Disk::new();
    let reopened = |again: &dyn Fn() -> Result<Box<dyn Store>, StoreFailure>| {
        connect(&long, again()?, Arc::new(Credulous))?;
        let started = Stopwatch::start();
        open(&long.rules, again()?, Arc::new(Credulous))?;
        Ok(started.elapsed().as_secs_f64())
    };
    let from_memory = reopened(&|| Ok(Box::new(disk.open())))?;
    let from_files = reopened(&|| in_files("long"))?;
    figures.extend([
        Figure::new("seconds_to_open_1000_blocks", from_memory, "s, in memory"),
        Figure::new("seconds_to_open_1000_blocks_in_files", from_files, "s"),
    ]);
    Ok(Measured { figures, ..Measured::default() })
}

/// Blocks a second that a ledger on this store connects, each synced before the next.
fn connect(chain: &Chain, store: Box<dyn Store>, verifier: Arc<dyn Verifier>) -> Result<f64, StoreFailure> {
    let mut ledger = open(&chain.rules, store, verifier)?;
    let started = Stopwatch::start();
    chain.blocks.iter().try_for_each(|block| give(&mut ledger, block))?;
    Ok(chain.blocks.len() as f64 / started.elapsed().as_secs_f64())
}

/// Digests, and the bytes of signatures and keys as transactions carry them.
struct Signatures(Vec<(Message, SerializedSignature, [u8; 33])>);

impl Signatures {
    fn ready() -> Self {
        let context = Secp256k1::new();
        let ready = (0..SIGNATURES as u32).map(|number| {
            let key = sign::key_from(SEED, number);
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            let message = Message::from_digest(digest);
            (message, context.sign_ecdsa(&message, &key).serialize_der(), sign::public(&key).serialize())
        });
        Self(ready.collect())
    }

    /// What secp256k1 does by itself on one core: what `ecdsa_verify` of its own benchmark (libsecp256k1, src/bench.c) counts,
    /// which reads the key and the signature from their bytes and checks.
    fn checked_per_second(&self) -> f64 {
        let context = Secp256k1::verification_only();
        let started = Stopwatch::start();
        let holds = |(message, signature, key): &&(Message, SerializedSignature, [u8; 33])| {
            let (signature, key) = (signature.to_signature(), PublicKey::from_slice(key));
            signature.and_then(|signature| context.verify_ecdsa(message, &signature, &key?)).is_ok()
        };
        self.0.iter().filter(holds).count() as f64 / started.elapsed().as_secs_f64()
    }
}

/// A folder that goes when nobody holds it any more.
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        let path = scratch::claim(scratch::BENCH);
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind all the same the next one removes.
        scratch::remove(&self.0);
    }
}
