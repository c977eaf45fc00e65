//! Clock lies: blocks stamped at the bounds of what the rules allow, and ground again for it.
//!
//! | lie | stamp |
//! |---|---|
//! | latest | as far in the future as others take it |
//! | earliest | one second after the median of the last eleven |
//! | time warp | the latest for the last block of each of the retarget's periods, the earliest for all others |
//!
//! Bitcoin's retarget measures a period from its first block to its last and not to the next period's first: under a time
//! warp it sees all the time since the warp began in each of them, however short they have become.

use std::sync::Arc;

use bitcoin::{Block, BlockHash};
use schism_node::chain::header::grind;
use schism_node::chain::{Difficulty, Rules};
use schism_node::clock::Clock;
use schism_node::messages::{Source, ToLedger, ToNetwork};
use schism_node::ring::Ring;
use serde::{Deserialize, Serialize};

use super::between::Strategy;
use super::leash::Leash;
use super::rogue::Means;

/// How a miner lies about the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockLies {
    /// Which stamps.
    pub stamps: Stamps,
    /// Blocks below this height are stamped with the time.
    pub from_height: u32,
}

impl Default for ClockLies {
    fn default() -> Self {
        Self { stamps: Stamps::Warp, from_height: 1 }
    }
}

/// Which stamps a block gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stamps {
    /// As late as others take them.
    Latest,
    /// As early as others take them.
    Earliest,
    /// The latest at the end of each period of a retarget, else the earliest.
    #[default]
    Warp,
}

impl Stamps {
    /// Its words in YAML.
    pub const WORDS: [(&str, Self); 3] = [("latest", Self::Latest), ("earliest", Self::Earliest), ("warp", Self::Warp)];

    /// Its word in YAML.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, stamps)| *stamps == self).map_or("", |(word, _)| word)
    }
}

/// Seconds left of what others take, for their clocks are read in whole seconds.
const MARGIN: u32 = 1;
/// Hashes tried for a new stamp before the block is told with its true one: far more than the hardest target asks for.
const MOST_HASHES: u64 = 1 << 26;

/// Stamps its own blocks anew.
pub(super) struct Liar {
    how: ClockLies,
    leash: Leash,
    rules: Arc<Rules>,
    clock: Clock,
    /// The tip that this node's Ledger last told of, the height of its child and the child's earliest time.
    next: Option<(BlockHash, u32, u32)>,
}

impl Liar {
    pub(super) fn new(how: ClockLies, leash: Leash, means: &Means) -> Self {
        Self { how, leash, rules: means.rules.clone(), clock: means.clock.clone(), next: None }
    }

    /// The stamp of a block that is found now; nothing where it is true.
    fn stamp(&self, parent: BlockHash) -> Option<u32> {
        let (_, height, earliest) = self.next.filter(|(tip, ..)| *tip == parent)?;
        if height < self.how.from_height {
            return None;
        }
        let ahead = u32::try_from(self.rules.max_future.as_secs()).unwrap_or(u32::MAX).saturating_sub(MARGIN);
        let latest = self.clock.unix_seconds().saturating_add(ahead).max(earliest);
        Some(match self.how.stamps {
            Stamps::Latest => latest,
            Stamps::Earliest => earliest,
            Stamps::Warp if ends_period(&self.rules, height) => latest,
            Stamps::Warp => earliest,
        })
    }

    fn restamped(&self, block: &Block) -> Option<Block> {
        let mut block = block.clone();
        block.header.time = self.stamp(block.header.prev_blockhash)?;
        grind(&mut block.header, MOST_HASHES).map(|_| block)
    }
}

/// Whether a retarget takes its end from the block at this height.
fn ends_period(rules: &Rules, height: u32) -> bool {
    match rules.at(height).difficulty {
        Difficulty::Retarget { window } => window > 0 && (height + 1).is_multiple_of(window),
        Difficulty::Fixed | Difficulty::Asert { .. } => false,
    }
}

impl Strategy for Liar {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        let ToLedger::CheckBlock { block, source: Source::Own } = message else { return ring.ledger.tell(message) };
        let block = match self.restamped(&block) {
            Some(lie) => {
                self.leash.note(|deeds| deeds.told += 1);
                Arc::new(lie)
            }
            None => block,
        };
        ring.ledger.tell(ToLedger::CheckBlock { block, source: Source::Own });
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { change, .. } = &message {
            self.next = Some((change.tip.hash, change.next.height, change.next.min_time));
        }
        ring.network.tell(message);
    }
}
