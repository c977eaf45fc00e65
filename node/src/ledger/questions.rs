//! Questions: what others ask of a ledger, peers and the door.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Block, BlockHash, OutPoint, Script, ScriptBuf, Transaction};
use schism_wire::{Request, Response};

use super::Ledger;
use super::store::{Mark, StoreFailure};
use super::tree::Id;
use crate::bounds::{BLOCKS_PER_RESPONSE, HEADERS_PER_RESPONSE, RESPONSE_BYTES};
use crate::chain::{Coin, header};
use crate::control::{Answer, HeaderState, LedgerState, Question};
use crate::messages::TipChange;

impl Ledger {
    /// The ledger in a few numbers.
    pub fn state(&self) -> LedgerState {
        self.standing.show(&self.rules, self.signature_checks)
    }

    /// The chain's tip as it would be told, had nothing moved.
    pub fn tip_at_rest(&self) -> TipChange {
        TipChange { tip: self.standing.tip, disconnected: Vec::new(), connected: Vec::new(), next: self.next() }
    }

    /// The coins on the chain that a transaction spends, one for each input.
    pub fn coins_of(&self, transaction: &Transaction) -> Result<Vec<Option<Coin>>, StoreFailure> {
        transaction.input.iter().map(|input| self.store.coin(&input.previous_output)).collect()
    }

    /// Transactions that a move of the tip freed: in the order of their blocks, without those confirmed again.
    pub fn freed(change: &TipChange) -> Vec<Arc<Transaction>> {
        let confirmed: BTreeSet<_> = change.connected.iter().flat_map(|block| &block.txdata).map(wtxid).collect();
        let blocks = change.disconnected.iter().rev();
        let freed = blocks.flat_map(|block| block.txdata.iter().skip(1));
        freed.filter(|transaction| !confirmed.contains(&wtxid(transaction))).cloned().map(Arc::new).collect()
    }

    /// Answers a peer, as far as a ledger can; `None` for what is not its to answer.
    pub fn serve(&self, request: &Request) -> Result<Option<Response>, StoreFailure> {
        Ok(Some(match request {
            Request::Headers { locator } => Response::Headers(self.tree.headers_after(locator, HEADERS_PER_RESPONSE)),
            Request::Blocks { hashes } => Response::Blocks(self.blocks(hashes)?),
            Request::BlockTransactions(request) => Response::BlockTransactions(self.block_transactions(request)?),
            _ => return Ok(None),
        }))
    }

    /// Answers the door, as far as a ledger can without changing; `None` for what is not its to answer.
    pub fn answer(&self, question: &Question) -> Result<Option<Answer>, StoreFailure> {
        Ok(Some(match question {
            Question::Ledger => Answer::Ledger(self.state()),
            Question::Tips => Answer::Tips { tips: self.tree.leaves() },
            Question::Block { hash } => {
                Answer::Block { hex: self.store.block(hash)?.map(|block| serialize_hex(block.as_ref())) }
            }
            Question::HashAt { height } => {
                Answer::Hash { hash: self.tree.active_at(*height).map(|id| self.tree.hash(id)) }
            }
            Question::Header { hash } => Answer::Header { state: self.tree.find(hash).map(|id| self.header_state(id)) },
            Question::Coin { outpoint } => Answer::Coin { coin: self.store.coin(outpoint)? },
            Question::Coins { scripts, limit } => Answer::Coins { coins: self.coins(scripts, *limit)? },
            _ => return Ok(None),
        }))
    }

    fn header_state(&self, id: Id) -> HeaderState {
        let (tip, active) = (self.tree.tip(id), self.tree.is_active(id));
        let next = active.then(|| self.tree.active_at(tip.height + 1)).flatten();
        HeaderState {
            header: *self.tree.header(id),
            tip,
            median_time: header::median_time_past(tip.height, &self.tree.pasts(id)),
            active,
            next: next.map(|next| self.tree.hash(next)),
        }
    }

    /// Unspent outputs that pay to any of these scripts, ordered by outpoint.
    fn coins(&self, scripts: &[ScriptBuf], limit: usize) -> Result<Vec<(OutPoint, Coin)>, StoreFailure> {
        let scripts: BTreeSet<&Script> = scripts.iter().map(|script| script.as_script()).collect();
        let mut coins = Vec::new();
        self.store.each_coin(&mut |outpoint, coin| {
            if coins.len() < limit && scripts.contains(coin.script.as_script()) {
                coins.push((*outpoint, coin.clone()));
            }
            coins.len() < limit
        })?;
        Ok(coins)
    }

    /// As many of these bodies as fit a response, but at least one.
    fn blocks(&self, hashes: &[BlockHash]) -> Result<Vec<Arc<Block>>, StoreFailure> {
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for hash in hashes.iter().take(BLOCKS_PER_RESPONSE) {
            let Some(block) = self.sound_block(hash)? else { continue };
            bytes += block.total_size();
            if bytes > RESPONSE_BYTES && !blocks.is_empty() {
                break;
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// A body that this node vouches for: one that it connected once. Whoever is served another might charge us for it.
    fn sound_block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        match self.tree.find(hash) {
            Some(id) if self.tree.mark(id) == Mark::Valid => self.store.block(hash),
            _ => Ok(None),
        }
    }

    fn block_transactions(
        &self,
        request: &BlockTransactionsRequest,
    ) -> Result<Option<BlockTransactions>, StoreFailure> {
        let block = self.sound_block(&request.block_hash)?;
        Ok(block.and_then(|block| BlockTransactions::from_request(request, &block).ok()))
    }
}

fn wtxid(transaction: &Transaction) -> bitcoin::Wtxid {
    transaction.compute_wtxid()
}
