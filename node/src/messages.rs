//! Every message between the actors. One enum an actor: what it can be told.
//!
//! Messages are told, never asked: nobody waits for an answer, and a mailbox is first in, first out. Every item that
//! came from somewhere (a [`Source`]) gets exactly one [`Verdict`].
#![allow(missing_docs)] // every message is documented; its fields are what its sentence names

use std::sync::Arc;

use actix::Message;
use bitcoin::bip152::{BlockTransactions, HeaderAndShortIds};
use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, CompactTarget, Transaction, Txid};
use schism_wire::{AskId, ItemId, PeerId, Request, Response};
use tokio::sync::oneshot;

use crate::chain::{Coin, Refused, Tip};
use crate::control::{Answer, Asked};

/// Where an item came from, and so who is charged when it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From this node itself: its miner, its door, or transactions a reorganisation freed. No verdict is owed.
    Own,
    /// From a peer; `item` is Network's number for it.
    Peer {
        /// Who sent it.
        peer: PeerId,
        /// What the verdict names.
        item: ItemId,
    },
}

impl Source {
    /// The peer it came from.
    pub fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Own => None,
            Self::Peer { peer, .. } => Some(*peer),
        }
    }
}

/// What Ledger can be told.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToLedger {
    /// Attach the coins this transaction spends and pass it to Mempool.
    CheckTransaction { transaction: Arc<Transaction>, source: Source },
    /// Judge a block; its header need not be known yet.
    CheckBlock { block: Arc<Block>, source: Source },
    /// Judge headers, each the child of the one before it.
    CheckHeaders { headers: Vec<Header>, source: Source },
    /// A peer asks for something only Ledger has (headers, blocks, a block's transactions).
    Serve { ask: AskId, request: Request },
    /// The door asks. `Submit` travels on to Mempool as a candidate that carries the answer's way back; `SubmitBlock`
    /// is answered here.
    Asked(Asked),
}

/// What Mempool can be told.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToMempool {
    /// A transaction with the coins Ledger found for it: one a input, `None` where there is none on the chain.
    Candidate {
        /// What is to be judged.
        transaction: Arc<Transaction>,
        /// One a input.
        coins: Vec<Option<Coin>>,
        /// Where it came from.
        source: Source,
        /// Whoever submitted it through the door and waits for Mempool's word.
        answer: Option<oneshot::Sender<Answer>>,
    },
    /// The chain's tip moved; told once at the start as well. Freed transactions follow as candidates.
    TipChanged(Arc<TipChange>),
    /// Build a block from a compact announcement; it goes on to Ledger as `CheckBlock`, or `Want` is told.
    Reconstruct { compact: Arc<HeaderAndShortIds>, source: Source },
    /// What was missing from a compact block, from the peer that announced it; `None` when the peer did not say.
    Missing { peer: PeerId, hash: BlockHash, transactions: Option<BlockTransactions> },
    /// A peer's pool holds these; those that are new here are wanted.
    Offered { peer: PeerId, txids: Vec<Txid> },
    /// Miner needs templates from now on, or no longer: a node that does not mine builds none.
    Templates { wanted: bool },
    /// A peer asks for something only Mempool has (transactions, the list of its pool).
    Serve { ask: AskId, request: Request },
    /// The door asks.
    Asked(Asked),
}

/// What Miner can be told.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToMiner {
    /// A complete job, which replaces the last.
    Template(Arc<Template>),
    /// The door asks.
    Asked(Asked),
}

/// What Network can be told.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum ToNetwork {
    /// The one verdict on an item.
    Verdict { source: Source, verdict: Verdict },
    /// The chain's tip moved: what peers are told and what sync starts from.
    TipChanged { change: Arc<TipChange>, locator: Arc<Vec<BlockHash>> },
    /// Fetch something.
    Want(Want),
    /// The answer to a `Serve`.
    Tell { ask: AskId, response: Response },
    /// The door asks.
    Asked(Asked),
}

/// What becomes of an item.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Good and new: tell the others. Under [`Source::Own`], where no verdict is owed, it asks to publish: what the
    /// door submitted, what a reorganisation freed, an orphan whose parent came.
    Relay(Announced),
    /// Bad: charge its sender by `reason.blame()`.
    Refuse(Refused),
    /// Neither good nor bad for the sender (already known, not yet judgeable, kept as an orphan).
    Drop,
}

/// What is told to others when an item is good.
#[derive(Clone, Debug)]
pub enum Announced {
    /// A block that became part of the best chain, or may soon.
    Block(Arc<Block>),
    /// A transaction that the pool took.
    Transaction(Arc<Transaction>),
    /// Headers travel only when asked for: nothing to tell.
    Headers,
}

/// Something to fetch from peers.
#[derive(Clone, Debug)]
pub enum Want {
    /// Headers after the locator's best match, from the one peer that is known to have more.
    Headers {
        /// Who has them.
        from: PeerId,
        /// Starts at the last header this peer is known to share, which may lie far beyond the tip or beside it: with
        /// the tip's own locator the peer would send the same batch for ever.
        locator: Arc<Vec<BlockHash>>,
    },
    /// Bodies of known headers, in the order wanted, from whoever has them. Replaces the last list.
    Bodies(Vec<BlockHash>),
    /// Transactions of a compact block, by index, from its announcer.
    BlockTransactions { from: PeerId, hash: BlockHash, indexes: Vec<u64> },
    /// Parents of an orphan, from whoever sent it.
    Transactions { from: PeerId, txids: Vec<Txid> },
}

/// What changed when the tip moved.
#[derive(Debug)]
pub struct TipChange {
    /// The new tip.
    pub tip: Tip,
    /// Blocks that left the best chain, the former tip first.
    pub disconnected: Vec<Arc<Block>>,
    /// Blocks that joined it, oldest first.
    pub connected: Vec<Arc<Block>>,
    /// The rules for the next block.
    pub next: Next,
}

/// What the next block must look like.
#[derive(Clone, Debug)]
pub struct Next {
    /// Its height.
    pub height: u32,
    /// Its compact target, were it found now. With ASERT and Bitcoin's retarget it depends on the parent alone.
    pub bits: CompactTarget,
    /// Its time must be at least this (median time past + 1).
    pub min_time: u32,
    /// Its largest serialised size, in bytes.
    pub max_block_bytes: usize,
    /// What its signatures commit to besides the transaction.
    pub fork_id: Option<u32>,
    /// What its coinbase may claim besides fees.
    pub subsidy: bitcoin::Amount,
}

/// A complete job for a miner.
#[derive(Debug)]
pub struct Template {
    /// The parent and its rules.
    pub parent: Tip,
    /// What the block must look like.
    pub next: Next,
    /// Transactions in block order, parents before children, without the coinbase.
    pub transactions: Vec<Arc<Transaction>>,
    /// Their fees.
    pub fees: bitcoin::Amount,
}
