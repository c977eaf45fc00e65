//! A secret: blocks and transactions that nobody may learn of yet, whichever way they would go out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint, Transaction};
use schism_node::messages::{Announced, TipChange, ToNetwork, Verdict};
use schism_node::ring::Ring;
use schism_node::wire::Response;

/// What is not to be told.
#[derive(Debug, Default)]
pub(super) struct Secret {
    blocks: BTreeMap<BlockHash, Arc<Block>>,
    /// Transactions that spend any of these.
    coins: BTreeSet<OutPoint>,
    /// The last move of the tip to a block of the secret: told when that is.
    tip: Option<(Arc<TipChange>, Arc<Vec<BlockHash>>)>,
}

impl Secret {
    /// Keeps a block.
    pub(super) fn keep(&mut self, block: Arc<Block>) {
        self.blocks.insert(block.block_hash(), block);
    }

    /// Keeps whatever spends these coins.
    pub(super) fn keep_spends(&mut self, coins: impl IntoIterator<Item = OutPoint>) {
        self.coins.extend(coins);
    }

    /// Whether a block is a part of it.
    pub(super) fn keeps(&self, hash: &BlockHash) -> bool {
        self.blocks.contains_key(hash)
    }

    /// Whether a transaction spends a coin of the secret.
    pub(super) fn concerns(&self, transaction: &Transaction) -> bool {
        transaction.input.iter().any(|input| self.coins.contains(&input.previous_output))
    }

    /// Announces a block, which is no secret any more; and that it is the tip, where it is.
    pub(super) fn tell(&mut self, block: Arc<Block>, ring: &Ring) {
        let hash = block.block_hash();
        self.blocks.remove(&hash);
        let source = schism_node::messages::Source::Own;
        ring.network.tell(ToNetwork::Verdict { source, verdict: Verdict::Relay(Announced::Block(block)) });
        if let Some((change, locator)) = self.tip.take_if(|(change, _)| change.tip.hash == hash) {
            ring.network.tell(ToNetwork::TipChanged { change, locator });
        }
    }

    /// Forgets all of it: it is worthless, or known.
    pub(super) fn drop_all(&mut self) {
        *self = Self::default();
    }

    /// Lets a message to Network pass without what it would give away.
    pub(super) fn pass(&mut self, message: ToNetwork, ring: &Ring) {
        match message {
            ToNetwork::Verdict { verdict: Verdict::Relay(Announced::Block(block)), .. }
                if self.blocks.contains_key(&block.block_hash()) => {}
            ToNetwork::Verdict { verdict: Verdict::Relay(Announced::Transaction(transaction)), .. }
                if self.concerns(&transaction) => {}
            ToNetwork::TipChanged { change, locator } if self.blocks.contains_key(&change.tip.hash) => {
                self.tip = Some((change, locator));
            }
            ToNetwork::Tell { ask, response } => {
                ring.network.tell(ToNetwork::Tell { ask, response: self.without(response) });
            }
            other => ring.network.tell(other),
        }
    }

    fn without(&self, response: Response) -> Response {
        let known = |hash: &BlockHash| !self.blocks.contains_key(hash);
        match response {
            Response::Headers(headers) => {
                Response::Headers(headers.into_iter().take_while(|header| known(&header.block_hash())).collect())
            }
            Response::Blocks(mut blocks) => {
                blocks.retain(|block| known(&block.block_hash()));
                Response::Blocks(blocks)
            }
            Response::BlockTransactions(found) => {
                Response::BlockTransactions(found.filter(|found| known(&found.block_hash)))
            }
            Response::Transactions(mut found) => {
                found.retain(|transaction| !self.concerns(transaction));
                Response::Transactions(found)
            }
            // Ids alone: while there is a secret about coins, the whole pool is one.
            Response::Pool(_) if !self.coins.is_empty() => Response::Pool(Vec::new()),
            other => other,
        }
    }
}
