//! The node's only door: `Question` → `Answer`, and the stream of `Event`s it emits. All of it can be serialised,
//! so the same words work in one process, over a pipe and in a file.
//!
//! - this file: what is asked, and what is answered. `state`: what answers tell of a node's parts.
//! - `event`: what a node says by itself. [`hex`]: how blocks and transactions are written.

mod event;
pub mod hex;
mod state;

use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
pub use schism_wire::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

pub use event::{Dropped, Event};
pub use state::{
    ChainTip, HeaderState, LedgerState, PeerState, PeersState, PoolEntry, PoolFamily, PoolState, TipStatus,
};

use crate::chain::Coin;

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

/// A question on its way to the actor that can answer it.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// Where the answer goes; whoever asked may have left.
    pub answer: oneshot::Sender<Answer>,
}
