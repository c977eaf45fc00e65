//! What peers say to each other, in Bitcoin's encodings.

#![allow(missing_docs)] // of fields: a variant's sentence names them

use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, Transaction, Txid};
use libp2p::{Multiaddr, PeerId};

/// Network's number for something a peer sent and that is owed a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

/// Network's number for a request that awaits our response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What is gossiped to everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A new block, compactly (BIP152).
    Block(Arc<HeaderAndShortIds>),
    /// A new transaction, whole.
    Transaction(Arc<Transaction>),
}

/// What an announcement is about; each has a gossip topic of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Compact blocks.
    Blocks,
    /// Transactions.
    Transactions,
}

impl Announcement {
    /// The topic it travels on.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Block(_) => Topic::Blocks,
            Self::Transaction(_) => Topic::Transactions,
        }
    }
}

/// What one peer asks of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Headers after the last one both know. The locator runs from the tip back, ever more sparsely.
    Headers {
        /// Hashes the asker knows, its tip first.
        locator: Vec<BlockHash>,
    },
    /// Blocks by hash.
    Blocks {
        /// Which, in the order wanted.
        hashes: Vec<BlockHash>,
    },
    /// Transactions of one block by index (BIP152).
    BlockTransactions(BlockTransactionsRequest),
    /// Pooled transactions by id.
    Transactions {
        /// Which.
        txids: Vec<Txid>,
    },
    /// Ids of everything in the pool: to reconcile after a connection came up.
    Pool,
    /// Addresses of other nodes.
    Addresses,
}

/// What it answers. A request is answered with its own kind; what is not here is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// To [`Request::Headers`].
    Headers(Vec<Header>),
    /// To [`Request::Blocks`].
    Blocks(Vec<Arc<Block>>),
    /// To [`Request::BlockTransactions`]; `None` when the block is not here.
    BlockTransactions(Option<BlockTransactions>),
    /// To [`Request::Transactions`].
    Transactions(Vec<Arc<Transaction>>),
    /// To [`Request::Pool`].
    Pool(Vec<Txid>),
    /// To [`Request::Addresses`].
    Addresses(Vec<(PeerId, Multiaddr)>),
}

impl Response {
    /// Whether it is of the kind that `request` asks for.
    pub fn answers(&self, request: &Request) -> bool {
        matches!(
            (request, self),
            (Request::Headers { .. }, Self::Headers(_))
                | (Request::Blocks { .. }, Self::Blocks(_))
                | (Request::BlockTransactions(_), Self::BlockTransactions(_))
                | (Request::Transactions { .. }, Self::Transactions(_))
                | (Request::Pool, Self::Pool(_))
                | (Request::Addresses, Self::Addresses(_))
        )
    }

    /// One short line that stands for it in a trace.
    pub fn summary(&self) -> String {
        match self {
            Self::Headers(headers) => {
                format!("headers {} {:?}", headers.len(), headers.last().map(Header::block_hash))
            }
            Self::Blocks(blocks) => format!("blocks {:?}", blocks.iter().map(|b| b.block_hash()).collect::<Vec<_>>()),
            Self::BlockTransactions(found) => {
                format!(
                    "block transactions {:?}",
                    found.as_ref().map(|found| (found.block_hash, found.transactions.len()))
                )
            }
            Self::Transactions(found) => {
                format!("transactions {:?}", found.iter().map(|t| t.compute_txid()).collect::<Vec<_>>())
            }
            Self::Pool(ids) => format!("pool {} {:?}", ids.len(), ids.first()),
            Self::Addresses(found) => format!("addresses {found:?}"),
        }
    }
}
