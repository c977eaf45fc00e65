//! What a run's seed draws for each of its nodes, the same on every backend.

use bitcoin::ScriptBuf;
use bitcoin::secp256k1::SecretKey;
use schism_node::chain::{sign, template};
use schism_node::wire::{Keypair, PeerId};
use sha2::{Digest, Sha256};

/// A number of this run, this node and this life: each life draws other numbers.
pub fn chance(seed: u64, node: usize, life: u64) -> u64 {
    let digest = hash(&[b"chance", &seed.to_be_bytes(), &node.to_be_bytes(), &life.to_be_bytes()]);
    u64::from_be_bytes(digest[..8].try_into().expect("eight of 32 bytes"))
}

/// The secret key of a node's identity.
pub fn secret(seed: u64, node: usize) -> [u8; 32] {
    hash(&[b"identity", &seed.to_be_bytes(), &node.to_be_bytes()])
}

/// A node's identity.
pub fn identity(seed: u64, node: usize) -> Keypair {
    keypair(secret(seed, node))
}

/// The identity of a secret key.
pub fn keypair(mut secret: [u8; 32]) -> Keypair {
    Keypair::ed25519_from_bytes(&mut secret).expect("any 32 bytes are a secret key of ed25519")
}

/// A node's name on the network.
pub fn peer(seed: u64, node: usize) -> PeerId {
    identity(seed, node).public().to_peer_id()
}

/// Whom a node's coinbases pay: nobody but an adversary spends them.
pub fn payee(seed: u64, node: usize) -> ScriptBuf {
    template::pay_to_witness_key_hash(&sign::public(&purse(seed, node)))
}

/// The key of what a node's coinbases pay.
pub fn purse(seed: u64, node: usize) -> SecretKey {
    sign::key_from(seed ^ 0x6d69_6e65, u32::try_from(node).unwrap_or(u32::MAX))
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hasher, part| hasher.chain_update(part)).finalize().into()
}
