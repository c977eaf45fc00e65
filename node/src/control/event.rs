//! What a node says by itself.

use std::sync::Arc;

use bitcoin::{Amount, Block, BlockHash, Txid, Work};
use schism_wire::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::state::LedgerState;
use crate::chain::{Refused, Tip};

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

/// The same of something shared.
mod shared_hex {
    use super::{Arc, Block};
    use crate::control::hex;
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(block: &Arc<Block>, serializer: S) -> Result<S::Ok, S::Error> {
        hex::serialize(block.as_ref(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Block>, D::Error> {
        hex::deserialize(deserializer).map(Arc::new)
    }
}
