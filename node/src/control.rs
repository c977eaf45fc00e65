//! The node's only door: `Question` → `Answer`, and the stream of `Event`s it emits. All of it can be serialised,
//! so the same words work in one process, over a pipe and in a file.

use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid, Work, Wtxid};
pub use schism_wire::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::chain::{Coin, Refused, Tip};

/// What can be asked of a node, or asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Question {
    /// The best tip, the ledger's digest and its supply.
    Ledger,
    /// Every leaf of the block tree.
    Tips,
    /// One block of the tree.
    Block {
        /// Its hash.
        hash: BlockHash,
    },
    /// The hash of the best chain's block at this height.
    HashAt {
        /// Which height.
        height: u32,
    },
    /// One header of the tree, and where it stands.
    Header {
        /// Its hash.
        hash: BlockHash,
    },
    /// One unspent coin of the best chain.
    Coin {
        /// The output it is.
        outpoint: OutPoint,
    },
    /// One transaction of the pool.
    Pooled {
        /// Its id.
        txid: Txid,
    },
    /// Everything the pool holds, one by one.
    PoolEntries,
    /// What the pool does with one coin.
    PoolCoin {
        /// The output it is.
        outpoint: OutPoint,
    },
    /// Unspent coins that pay to any of these scripts, at most `limit`.
    Coins {
        /// Scripts to look for, whole.
        scripts: Vec<ScriptBuf>,
        /// How many at most.
        limit: usize,
    },
    /// What the pool holds.
    Pool,
    /// Judge a transaction and relay it.
    Submit {
        /// The transaction.
        #[serde(with = "hex")]
        transaction: Transaction,
    },
    /// Judge a block and relay it.
    SubmitBlock {
        /// The block.
        #[serde(with = "hex")]
        block: Block,
    },
    /// Mine this many blocks at once, one on the other, on the current template.
    Mine {
        /// How many.
        blocks: u32,
        /// Whom their coinbases pay; whom the node's always do where nothing is said.
        #[serde(default)]
        payee: Option<ScriptBuf>,
    },
    /// Change the miner's hash rate, in hashes per second; 0 stops it.
    SetHashRate {
        /// Hashes per second.
        hashes_per_second: f64,
    },
    /// Connected peers, scores, bans, traffic.
    Peers,
    /// Keep a connection to this peer.
    Dial {
        /// Who.
        peer: PeerId,
        /// Where.
        address: Multiaddr,
    },
    /// Close the connections to this peer and do not redial it by oneself.
    Hang {
        /// Who.
        peer: PeerId,
    },
    /// Refuse this peer until told otherwise.
    Ban {
        /// Who.
        peer: PeerId,
    },
    /// Lift a ban.
    Unban {
        /// Who.
        peer: PeerId,
    },
    /// Close every connection and have no other until told so, or seek peers again.
    SetNetwork {
        /// Whether it has connections.
        active: bool,
    },
}

/// What a node answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Ledger`].
    Ledger(LedgerState),
    /// To [`Question::Tips`], best first.
    Tips {
        /// Leaves of the tree with whether each is on the best chain, fully validated, or headers only.
        tips: Vec<ChainTip>,
    },
    /// To [`Question::Block`]: consensus bytes as hex, or nothing when the body is not here.
    Block {
        /// The block.
        hex: Option<String>,
    },
    /// To [`Question::HashAt`]; nothing above the tip.
    Hash {
        /// The hash.
        hash: Option<BlockHash>,
    },
    /// To [`Question::Header`].
    Header {
        /// Nothing where it is not known.
        state: Option<HeaderState>,
    },
    /// To [`Question::Coin`].
    Coin {
        /// Nothing where there is none, or it is spent.
        coin: Option<Coin>,
    },
    /// To [`Question::Pooled`]: consensus bytes as hex, or nothing where it is not in the pool.
    Pooled {
        /// The transaction.
        hex: Option<String>,
        /// What it pays.
        fee: Amount,
    },
    /// To [`Question::PoolEntries`], ordered by id.
    PoolEntries {
        /// Each of them.
        entries: Vec<PoolEntry>,
    },
    /// To [`Question::PoolCoin`].
    PoolCoin {
        /// Whether a transaction of the pool spends it.
        spent: bool,
        /// What it is, where a transaction of the pool makes it; at the height of no block.
        made: Option<Coin>,
    },
    /// To [`Question::Coins`].
    Coins {
        /// Outpoint and coin, ordered by outpoint.
        coins: Vec<(OutPoint, Coin)>,
    },
    /// To [`Question::Pool`].
    Pool(PoolState),
    /// To [`Question::Submit`] and [`Question::SubmitBlock`]: it was accepted.
    Accepted,
    /// To the same: it was not.
    Refused {
        /// Why, in words.
        reason: String,
    },
    /// To [`Question::Mine`]: the hashes, oldest first.
    Mined {
        /// Hashes.
        blocks: Vec<BlockHash>,
    },
    /// To [`Question::Peers`].
    Peers(PeersState),
    /// Done; there is nothing to say.
    Done,
}

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

/// Something that happened in a node. Who and when are added by whoever listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The node opened its store and stands at this tip.
    Started {
        /// Where it stands.
        ledger: LedgerState,
    },
    /// The best tip moved.
    TipChanged {
        /// Where the ledger stands now.
        ledger: LedgerState,
        /// Hashes that left the best chain, the former tip first.
        disconnected: Vec<BlockHash>,
        /// Hashes that joined it, oldest first.
        connected: Vec<BlockHash>,
    },
    /// This node's miner found a block.
    BlockMined {
        /// The block; consensus bytes as hex in files.
        #[serde(with = "shared_hex")]
        block: Arc<Block>,
        /// Its height.
        height: u32,
    },
    /// This node's miner hashes at another rate from now on.
    HashRateSet {
        /// Hashes per second.
        hashes_per_second: f64,
    },
    /// A block's body was stored, on the best chain or beside it.
    BlockStored {
        /// Its hash.
        hash: BlockHash,
        /// Its parent.
        parent: BlockHash,
        /// Its height.
        height: u32,
        /// The work of the chain up to it.
        work: Work,
        /// Who sent it; nothing for our own.
        #[serde(default)]
        from: Option<PeerId>,
    },
    /// A block was refused.
    BlockRefused {
        /// Its hash.
        hash: BlockHash,
        /// Why.
        reason: Refused,
        /// Who sent it; nothing for our own.
        from: Option<PeerId>,
    },
    /// The pool took a transaction.
    TransactionAccepted {
        /// Its id.
        txid: Txid,
        /// Its fee.
        fee: Amount,
    },
    /// A transaction was refused.
    TransactionRefused {
        /// Its id.
        txid: Txid,
        /// Why.
        reason: Refused,
        /// Who sent it; nothing for our own.
        from: Option<PeerId>,
    },
    /// The pool let a transaction go without confirming it.
    TransactionDropped {
        /// Its id.
        txid: Txid,
        /// Why.
        why: Dropped,
    },
    /// The node listens here: its port is known even if it was left to the system.
    Listening {
        /// Where, without the node's id.
        address: Multiaddr,
    },
    /// A peer is connected.
    PeerConnected {
        /// Who.
        peer: PeerId,
        /// Whether we dialled.
        outbound: bool,
    },
    /// The last connection to a peer ended.
    PeerDisconnected {
        /// Who.
        peer: PeerId,
        /// Why, in words.
        reason: String,
    },
    /// A peer was charged for misbehaviour.
    PeerCharged {
        /// Who.
        peer: PeerId,
        /// How much.
        points: u32,
        /// For what.
        reason: String,
        /// The same as the rule that was broken, where it is one.
        #[serde(default)]
        refused: Option<Refused>,
    },
    /// A peer was banned.
    PeerBanned {
        /// Who.
        peer: PeerId,
        /// For what.
        reason: String,
    },
    /// The store was judged under other rules, and all its blocks were judged anew.
    RulesChanged {
        /// The named upgrades that the rules have now.
        follows: Vec<String>,
        /// Blocks judged.
        blocks: u64,
        /// Where the ledger stood under the former rules.
        from: Tip,
    },
    /// The store was damaged and was rebuilt from the block file.
    StoreRebuilt {
        /// What was found.
        damage: String,
        /// Blocks read back.
        blocks: u64,
    },
    /// The store no longer takes writes; the node stops, as it may not tell what is not durable.
    StoreFailed {
        /// What the store said.
        error: String,
    },
}

/// Why the pool let a transaction go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// A better-paying transaction spends the same coin.
    Replaced,
    /// A block spent the same coin, or an ancestor went.
    Conflicting,
    /// It waited too long.
    Expired,
    /// The pool was full of better-paying ones.
    Evicted,
    /// The rules at the next height, or the new chain, no longer allow it.
    Unmineable,
}

/// A question on its way to the actor that can answer it.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Where the answer goes; whoever asked may have left.
    pub answer: oneshot::Sender<Answer>,
}

/// Consensus bytes as hex. (The `bitcoin` crate's own way panics where bytes are missing.)
pub mod hex {
    use bitcoin::consensus::encode::{Decodable, Encodable, deserialize_hex, serialize_hex};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes it.
    ///
    /// # Errors
    /// The serialiser's own.
    pub fn serialize<T: Encodable, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serialize_hex(value))
    }

    /// Reads it.
    ///
    /// # Errors
    /// Where it is not all of it, and nothing else.
    pub fn deserialize<'de, T: Decodable, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        deserialize_hex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The same of something shared.
mod shared_hex {
    use super::{Arc, Block, hex};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(block: &Arc<Block>, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(block.as_ref(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Block>, D::Error> {
        hex::deserialize(deserializer).map(Arc::new)
    }
}
