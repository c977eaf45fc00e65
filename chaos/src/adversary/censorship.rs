//! Censorship: a miner that leaves payments of certain coins out of its blocks; and one that does not build on the blocks
//! of others that hold them either, until its own chain is longer or it is too far behind.
//!
//! It keeps the payments from its own Ledger, so they never come into its pool. A block that it will not build on is kept
//! from its Ledger, too, with all that is built on it; its own blocks are told as everyone's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint, Transaction};
use schism_node::messages::{Source, ToLedger, ToNetwork};
use schism_node::ring::Ring;
use serde::{Deserialize, Serialize};

use super::between::{Strategy, shelve};
use super::leash::{Leash, Phase, Signal};

/// How payments are censored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Censorship {
    /// Whether payments are left out at all.
    pub leave_out: bool,
    /// Blocks behind at which it builds on a block with such a payment after all; 0: at once.
    pub deficit: u32,
}

impl Default for Censorship {
    fn default() -> Self {
        Self { leave_out: true, deficit: 0 }
    }
}

/// Censors what it is told to.
pub(super) struct Censor {
    how: Censorship,
    leash: Leash,
    coins: Vec<OutPoint>,
    /// The last blocks of its chain, the tip last.
    chain: VecDeque<BlockHash>,
    race: Option<Race>,
}

/// Blocks of its own chain that it remembers: no fork is deeper.
const REMEMBERED: usize = 200;

/// Blocks of others that it does not build on, and its own chain beside them, by their height above the fork.
struct Race {
    fork: BlockHash,
    held: BTreeMap<BlockHash, u32>,
    blocks: Vec<Arc<Block>>,
    own: BTreeMap<BlockHash, u32>,
}

impl Censor {
    pub(super) fn new(how: Censorship, leash: Leash) -> Self {
        Self { how, leash, coins: Vec::new(), chain: VecDeque::new(), race: None }
    }

    fn concerns(&self, transaction: &Transaction) -> bool {
        self.how.leave_out && transaction.input.iter().any(|input| self.coins.contains(&input.previous_output))
    }

    /// Whether a block is one not to build on, or built on such a one.
    fn is_shunned(&mut self, block: &Arc<Block>) -> bool {
        if self.how.deficit == 0 {
            return false;
        }
        let (hash, parent) = (block.block_hash(), block.header.prev_blockhash);
        let bad = block.txdata.iter().any(|transaction| self.concerns(transaction));
        match &mut self.race {
            Some(race) => {
                if race.held.contains_key(&hash) {
                    return true;
                }
                // Others may have built on its own chain, too, and put a payment there.
                let own = if parent == race.fork { Some(0) } else { race.own.get(&parent).copied() };
                if let Some(below) = race.held.get(&parent).copied().or(own.filter(|_| bad)) {
                    race.held.insert(hash, below + 1);
                    race.blocks.push(block.clone());
                    return true;
                }
                race.own.extend(own.map(|below| (hash, below + 1)));
                false
            }
            None if bad && self.chain.contains(&parent) => {
                let (held, blocks) = (BTreeMap::from([(hash, 1)]), vec![block.clone()]);
                let own = self.chain.iter().copied().skip_while(|known| *known != parent).skip(1).zip(1..);
                self.race = Some(Race { fork: parent, held, blocks, own: own.collect() });
                self.leash.note(|deeds| (deeds.phase, deeds.begun) = (Phase::Racing, deeds.begun + 1));
                true
            }
            None => false,
        }
    }

    /// Looks at the race after a block.
    fn consider(&mut self, ring: &Ring) {
        let Some(race) = &self.race else { return };
        let longest = |blocks: &BTreeMap<BlockHash, u32>| blocks.values().max().copied().unwrap_or(0);
        let (own, theirs) = (longest(&race.own), longest(&race.held));
        // A race that is won goes on: others may have found one more block meanwhile, or put the payment into the next.
        let phase = if own > theirs { Phase::Released } else { Phase::Racing };
        self.leash.note(|deeds| {
            deeds.released += u64::from(phase == Phase::Released && deeds.phase != phase);
            (deeds.phase, deeds.branch, deeds.public) = (phase, own, theirs);
        });
        if theirs >= own + self.how.deficit {
            self.leash.note(|deeds| deeds.given_up += 1);
            self.give_up(ring);
        }
    }

    fn give_up(&mut self, ring: &Ring) {
        let Some(race) = self.race.take() else { return };
        for block in race.blocks {
            ring.ledger.tell(ToLedger::CheckBlock { block, source: Source::Own });
        }
        self.leash.note(|deeds| deeds.phase = Phase::Resting);
    }
}

impl Strategy for Censor {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        match message {
            ToLedger::CheckTransaction { transaction, source: source @ Source::Peer { .. } }
                if self.concerns(&transaction) =>
            {
                shelve(source, ring);
            }
            ToLedger::CheckBlock { block, source } => {
                if self.is_shunned(&block) {
                    self.leash.note(|deeds| deeds.held_back += 1);
                    shelve(source, ring);
                } else {
                    ring.ledger.tell(ToLedger::CheckBlock { block, source });
                }
                self.consider(ring);
            }
            ToLedger::CheckHeaders { source, .. } if self.race.is_some() => shelve(source, ring),
            other => ring.ledger.tell(other),
        }
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { change, .. } = &message {
            self.chain.truncate(self.chain.len().saturating_sub(change.disconnected.len()));
            self.chain.extend(change.connected.iter().map(|block| block.block_hash()));
            if self.chain.is_empty() {
                self.chain.push_back(change.tip.hash);
            }
            self.chain.drain(..self.chain.len().saturating_sub(REMEMBERED));
        }
        ring.network.tell(message);
    }

    fn signal(&mut self, signal: Signal, ring: &Ring) {
        match signal {
            Signal::Begin { spends } => self.coins = spends,
            Signal::Delivered { .. } => {}
            Signal::Rest => {
                self.coins.clear();
                self.give_up(ring);
            }
        }
    }
}
