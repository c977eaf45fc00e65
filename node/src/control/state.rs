//! What an answer tells of a node's parts.

use bitcoin::block::Header;
use bitcoin::{Amount, BlockHash, Txid, Wtxid};
use schism_wire::PeerId;
use serde::{Deserialize, Serialize};

use super::hex;
use crate::chain::Tip;

/// The ledger in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerState {
    /// The best tip.
    pub tip: Tip,
    /// Sum modulo 2²⁵⁶ of SHA-256 over every unspent output, in hex: for comparing nodes, not a commitment.
    pub digest: String,
    /// How many outputs are unspent.
    pub coins: u64,
    /// What they hold.
    pub unspent: Amount,
    /// Subsidies and fees that coinbases did not claim.
    pub unclaimed: Amount,
    /// Outputs nobody can ever spend.
    pub unspendable: Amount,
    /// What the rules allow up to this height: equals `unspent + unclaimed + unspendable`.
    pub subsidies: Amount,
    /// Signature checks asked of the verifier since start.
    pub signature_checks: u64,
}

/// A header of the block tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderState {
    /// The header.
    #[serde(with = "hex")]
    pub header: Header,
    /// Its hash, its height, and the work of the chain up to it.
    pub tip: Tip,
    /// The median of the times of it and the ten before it.
    pub median_time: u32,
    /// Whether it is on the best chain.
    pub active: bool,
    /// What follows on the best chain.
    pub next: Option<BlockHash>,
}

/// A leaf of the block tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainTip {
    /// The leaf.
    pub tip: Tip,
    /// Blocks between it and the best chain; 0 on the best chain.
    pub branch_length: u32,
    /// How much is known about it.
    pub status: TipStatus,
}

/// How much is known about a leaf; the words of Bitcoin Core's `getchaintips`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TipStatus {
    /// The best tip.
    Active,
    /// Fully validated once, now not on the best chain.
    ValidFork,
    /// All bodies are here, never connected.
    ValidHeaders,
    /// Some bodies are missing.
    HeadersOnly,
    /// Holds an invalid block.
    Invalid,
}

/// The pool in a few numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// What it holds, ordered by id.
    pub transactions: Vec<Txid>,
    /// Serialised bytes held.
    pub bytes: usize,
    /// Orphans waiting for a parent.
    pub orphans: usize,
}

/// One transaction of the pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolEntry {
    /// Its id.
    pub txid: Txid,
    /// Its id with witnesses.
    pub wtxid: Wtxid,
    /// Its weight, in weight units: four a virtual byte.
    pub weight: u64,
    /// What it pays.
    pub fee: Amount,
    /// The height of the best chain when it came.
    pub height: u32,
    /// Whether it, or one that it descends from, says that it may be replaced (BIP125).
    pub replaceable: bool,
    /// Those in the pool whose outputs it spends.
    pub parents: Vec<Txid>,
    /// Those in the pool that spend its outputs.
    pub children: Vec<Txid>,
    /// It and all in the pool that it descends from.
    pub ancestors: PoolFamily,
    /// It and all in the pool that descend from it.
    pub descendants: PoolFamily,
}

/// Several transactions of the pool, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolFamily {
    /// How many.
    pub count: u64,
    /// Their virtual bytes.
    pub virtual_bytes: u64,
    /// What they pay.
    pub fee: Amount,
}

/// The network in a few numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PeersState {
    /// Connected peers, ordered by id.
    pub connected: Vec<PeerState>,
    /// Peers refused, with the reason.
    pub banned: Vec<(PeerId, String)>,
    /// Whether it may have any.
    #[serde(default)]
    pub active: bool,
    /// Addresses known.
    pub addresses: usize,
    /// Payload bytes of responses and announcements sent since start.
    pub bytes_served: u64,
    /// Payload bytes received since start.
    pub bytes_received: u64,
    /// The largest number of items that waited for a verdict at once.
    pub most_unjudged: usize,
}

/// One connected peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerState {
    /// Who.
    pub peer: PeerId,
    /// Whether we dialled.
    pub outbound: bool,
    /// Misbehaviour so far; at `bounds::BAN_SCORE` the peer is banned.
    pub misbehaviour: u32,
    /// The last measured round trip, in seconds.
    pub round_trip: Option<f64>,
}
