//! Selfish mining: blocks are kept back and told when that makes others waste theirs. The strategy SM1 of Eyal and Sirer
//! (2013), by heights: blocks have equal work.
//!
//! | ahead when others find a block | told |
//! |---|---|
//! | by one | that one: a tie, in which the next block decides |
//! | by two | all |
//! | by more | one, to match |
//! | not at all | nothing is left to tell: this node's Ledger follows the others |

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bitcoin::{Block, BlockHash};
use schism_node::messages::{Source, ToLedger, ToNetwork};
use schism_node::ring::Ring;
use serde::{Deserialize, Serialize};

use super::between::Strategy;
use super::leash::{Leash, Phase, Signal};
use super::secret::Secret;

/// Heights remembered: deeper forks than this are not looked at.
const REMEMBERED: u32 = 200;

/// How selfish mining is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfishMining {
    /// Blocks below this height are told as everyone's.
    pub from_height: u32,
}

impl Default for SelfishMining {
    fn default() -> Self {
        Self { from_height: 1 }
    }
}

/// Mines selfishly until it is told to rest.
pub(super) struct Selfish {
    how: SelfishMining,
    leash: Leash,
    secret: Secret,
    /// Heights of blocks heard of or found.
    heights: BTreeMap<BlockHash, u32>,
    /// The greatest height that everyone can know of.
    public: u32,
    /// Own blocks that nobody knows of, lowest first.
    withheld: VecDeque<(u32, Arc<Block>)>,
    /// Two public blocks stand at the greatest height, one of them ours.
    tie: bool,
    resting: bool,
}

impl Selfish {
    pub(super) fn new(how: SelfishMining, leash: Leash) -> Self {
        leash.note(|deeds| deeds.phase = Phase::Racing);
        Self {
            how,
            leash,
            secret: Secret::default(),
            heights: BTreeMap::new(),
            public: 0,
            withheld: VecDeque::new(),
            tie: false,
            resting: false,
        }
    }

    /// The height of a block whose parent is known.
    fn place(&mut self, block: &Block) -> Option<u32> {
        let height = self.heights.get(&block.header.prev_blockhash)? + 1;
        self.heights.insert(block.block_hash(), height);
        if let Some(lowest) = height.checked_sub(REMEMBERED) {
            self.heights.retain(|_, height| *height >= lowest);
        }
        Some(height)
    }

    /// A block of its own: to be kept, unless it decides a tie.
    fn found(&mut self, height: u32, block: Arc<Block>) {
        if self.resting || height < self.how.from_height || (self.tie && height == self.public + 1) {
            // Ledger will tell of it as everyone's does.
            (self.public, self.tie) = (height, false);
            return;
        }
        self.secret.keep(block.clone());
        self.withheld.push_back((height, block));
        self.leash.note(|deeds| deeds.withheld += 1);
    }

    /// A block of the others at this height: tells what SM1 tells then.
    fn heard(&mut self, height: u32, ring: &Ring) {
        if height <= self.public {
            return;
        }
        (self.public, self.tie) = (height, false);
        let Some(top) = self.withheld.back().map(|(top, _)| *top) else { return };
        match top.checked_sub(height) {
            None => {
                self.withheld.clear();
                self.secret.drop_all();
            }
            Some(1) => self.tell(top, ring),
            Some(0) => {
                self.tie = true;
                let ours = self.withheld.back().map(|(_, block)| block.block_hash());
                self.leash.note(|deeds| deeds.ties.extend(ours));
                self.tell(top, ring);
            }
            Some(_) => self.tell(height, ring),
        }
    }

    /// Tells all its blocks up to a height.
    fn tell(&mut self, height: u32, ring: &Ring) {
        while let Some((_, block)) = self.withheld.pop_front_if(|(at, _)| *at <= height) {
            self.secret.tell(block, ring);
        }
        self.public = self.public.max(height);
        self.leash.note(|deeds| deeds.released += 1);
    }
}

impl Strategy for Selfish {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        let ToLedger::CheckBlock { block, source } = message else { return ring.ledger.tell(message) };
        let known = self.heights.contains_key(&block.block_hash());
        let height = if known { None } else { self.place(&block) };
        if let (Some(height), Source::Own) = (height, source) {
            self.found(height, block.clone());
        }
        // Ledger has the block before anybody is told of what follows from it.
        ring.ledger.tell(ToLedger::CheckBlock { block, source });
        if let (Some(height), Source::Peer { .. }) = (height, source) {
            self.heard(height, ring);
        }
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { change, .. } = &message {
            // A tip that came by way of headers, or genesis: its descendants have heights, too.
            self.heights.entry(change.tip.hash).or_insert(change.tip.height);
        }
        self.secret.pass(message, ring);
    }

    fn signal(&mut self, signal: Signal, ring: &Ring) {
        if let Signal::Rest = signal {
            self.resting = true;
            if let Some((top, _)) = self.withheld.back() {
                self.tell(*top, ring);
            }
            self.leash.note(|deeds| deeds.phase = Phase::Resting);
        }
    }
}
