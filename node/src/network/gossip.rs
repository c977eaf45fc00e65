//! Gossip: which blocks this node tells others of, and in what words.
//!
//! An announcement that was judged in time is passed on as it came. What nobody announced to us in time (a block of
//! our own, a tip reached by sync or by a reorganisation, a verdict that came too late) is told in words of our own:
//! a compact block with a nonce nobody else has, or the others would take it for the announcement they dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::bip152::HeaderAndShortIds;
use bitcoin::{Block, BlockHash};
use rand::Rng;
use rand::rngs::StdRng;
use schism_wire::Announcement;

/// Blocks remembered as told.
const TOLD: usize = 128;
/// While catching up, the tip is told at most this often: for peers that catch up from us.
const WHILE_BUSY: Duration = Duration::from_secs(2);

/// What others have been told and are to be told.
#[derive(Debug)]
pub struct Announcer {
    chance: StdRng,
    told: VecDeque<BlockHash>,
    due: Option<Arc<Block>>,
    last: Option<Duration>,
}

impl Announcer {
    /// An announcer that has told nothing; `chance` makes its nonces.
    pub fn new(chance: StdRng) -> Self {
        Self { chance, told: VecDeque::new(), due: None, last: None }
    }

    /// A block was passed on as it came: there is nothing left to tell of it.
    pub fn passed_on(&mut self, hash: BlockHash) {
        if !self.told.contains(&hash) {
            self.told.push_back(hash);
        }
        if self.told.len() > TOLD {
            self.told.pop_front();
        }
    }

    /// The best tip moved to this block: it is told soon, unless others have been told or it moves again.
    pub fn tip(&mut self, block: Arc<Block>) {
        self.due = Some(block);
    }

    /// The words for a block, unless others have been told of it.
    pub fn tell(&mut self, block: &Block) -> Option<Announcement> {
        let hash = block.block_hash();
        if self.told.contains(&hash) {
            return None;
        }
        self.passed_on(hash);
        // Version 2: short ids of whole transactions, witnesses included. The coinbase is always sent along.
        let compact = HeaderAndShortIds::from_block(block, self.chance.next_u64(), 2, &[]);
        compact.ok().map(|compact| Announcement::Block(Arc::new(compact)))
    }

    /// The words for the tip, if it is to be told now; `busy` while bodies are still to come.
    pub fn next(&mut self, now: Duration, busy: bool) -> Option<Announcement> {
        let recently = self.last.is_some_and(|last| now.saturating_sub(last) < WHILE_BUSY);
        if self.due.is_none() || (busy && recently) {
            return None;
        }
        let block = self.due.take()?;
        let words = self.tell(&block)?;
        self.last = Some(now);
        Some(words)
    }
}

#[cfg(test)]
mod tests {
    use bitcoin::Network;
    use bitcoin::constants::genesis_block;
    use rand::SeedableRng;

    use super::*;

    fn announcer() -> Announcer {
        Announcer::new(StdRng::seed_from_u64(1))
    }

    fn blocks(count: u32) -> Vec<Arc<Block>> {
        let block = |nonce| {
            let mut block = genesis_block(Network::Regtest);
            block.header.nonce = nonce;
            Arc::new(block)
        };
        (0..count).map(block).collect()
    }

    #[test]
    fn a_tip_that_was_passed_on_is_not_told_again() {
        let (mut announcer, blocks) = (announcer(), blocks(1));
        announcer.tip(blocks[0].clone());
        announcer.passed_on(blocks[0].block_hash());
        assert_eq!(announcer.next(Duration::ZERO, false), None);
    }

    #[test]
    fn a_tip_reached_by_sync_is_told_once() {
        let (mut announcer, blocks) = (announcer(), blocks(1));
        announcer.tip(blocks[0].clone());
        assert!(announcer.next(Duration::ZERO, false).is_some());
        announcer.tip(blocks[0].clone());
        assert_eq!(announcer.next(Duration::ZERO, false), None);
    }

    #[test]
    fn of_hundreds_of_blocks_caught_up_with_a_few_are_told_and_the_last_is() {
        let (mut announcer, blocks) = (announcer(), blocks(300));
        let mut told = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            announcer.tip(block.clone());
            let busy = number < 299;
            told.extend(announcer.next(Duration::from_millis(10 * number as u64), busy));
        }
        assert_eq!(told.len(), 3);
        let last = blocks.last().map(|block| block.header);
        assert!(matches!(told.last(), Some(Announcement::Block(compact)) if Some(compact.header) == last));
    }

    #[test]
    fn two_nodes_tell_of_a_block_in_different_words() {
        let blocks = blocks(1);
        let other = Announcer::new(StdRng::seed_from_u64(2)).tell(&blocks[0]);
        assert_ne!(announcer().tell(&blocks[0]), other);
    }
}
