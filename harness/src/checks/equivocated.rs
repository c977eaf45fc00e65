//! Equivocated: at so many heights an adversary told honest nodes of different blocks, so that each saw another one first. It
//! says what came of that: how deep anyone had to go back, and how many blocks honest miners lost.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::BlockHash;
use schism_node::control::Event;

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Knows which block each honest node saw first at each height.
#[derive(Debug)]
pub struct Equivocated {
    of: Of,
    least: u32,
    first: BTreeMap<u32, BTreeMap<usize, BlockHash>>,
    seen: Seen,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    heights: u32,
    /// Of the nodes, how many saw the block first that fewer saw, over all those heights.
    fewer: usize,
    nodes: usize,
    deepest: u32,
    mined: usize,
    lost: usize,
}

impl Equivocated {
    /// At so many heights at least.
    pub fn at(least: u32) -> Self {
        Self { of: Of::Everyone, least, first: BTreeMap::new(), seen: Seen::default() }
    }

    /// Of these nodes alone.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    /// How many nodes saw each block of a height first; nothing where an honest miner found one of them, or all saw the same.
    fn parted(view: &View, first: &BTreeMap<usize, BlockHash>) -> Option<BTreeMap<BlockHash, usize>> {
        let mut counts: BTreeMap<BlockHash, usize> = BTreeMap::new();
        first.values().for_each(|hash| *counts.entry(*hash).or_default() += 1);
        let honest = |hash: &BlockHash| {
            let miner = view.blocks().place(hash).and_then(|place| view.blocks().get(place).miner);
            miner.is_some_and(|miner| view.nodes()[miner].judged)
        };
        (counts.len() > 1 && !counts.keys().any(honest)).then_some(counts)
    }

    fn count(&self, view: &View) -> Seen {
        let mut seen = Seen::default();
        for counts in self.first.values().filter_map(|first| Self::parted(view, first)) {
            seen.heights += 1;
            seen.nodes += counts.values().sum::<usize>();
            seen.fewer += counts.values().min().copied().unwrap_or(0);
        }
        let judged = || view.nodes().iter().filter(|node| node.judged);
        seen.deepest = judged().map(|node| node.deepest).max().unwrap_or(0);
        let tips: BTreeSet<usize> = judged().filter_map(|node| node.tip).collect();
        let best = tips.into_iter().max_by_key(|tip| view.blocks().get(*tip).work);
        for (place, block) in view.blocks().all().iter().enumerate() {
            if block.miner.is_some_and(|miner| view.nodes()[miner].judged) {
                seen.mined += 1;
                seen.lost += usize::from(best.is_some_and(|best| !view.blocks().is_on(place, best)));
            }
        }
        seen
    }
}

impl Check for Equivocated {
    fn name(&self) -> &'static str {
        "equivocated"
    }

    fn asked(&self) -> String {
        format!("at {} heights honest nodes see different blocks of an adversary first", self.least)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        if let Happening::Event(Event::BlockStored { hash, height, .. }) = &entry.what {
            self.first.entry(*height).or_default().entry(node).or_insert(*hash);
        }
        None
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        self.seen = self.count(view);
        let few = self.seen.heights < self.least;
        few.then(|| Finding::stalled("equivocated", view, format!("it was so at {} heights", self.seen.heights)))
    }

    fn seen(&self) -> String {
        let Seen { heights, fewer, nodes, deepest, mined, lost } = self.seen;
        let share = 100.0 * fewer as f64 / (nodes as f64).max(1.0);
        format!(
            "{heights} heights at which {share:.0} % of the nodes saw one block first and the others another; at most {deepest} \
             blocks undone at once, {lost} of {mined} blocks of honest miners lost"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    /// Two adversaries stand for the one that makes two blocks.
    fn told(different: bool) -> Story {
        let mut story = Story::of(11).asking(Equivocated::at(1));
        let (one, other) = (story.mine(9), story.mine(10));
        (0..9).for_each(|node| story.hear(node, if different && node < 4 { one } else { other }));
        story
    }

    #[test]
    fn halves_that_were_told_of_different_blocks_are_counted() {
        let mut story = told(true);
        assert!(story.end().is_empty());
        assert!(story.seen().starts_with("1 heights at which 44 %"), "{}", story.seen());
    }

    #[test]
    fn one_block_told_to_all_or_a_fork_of_honest_miners_is_none() {
        assert_eq!(told(false).end().len(), 1);
        let mut story = Story::of(10).asking(Equivocated::at(1));
        let (one, other) = (story.mine(0), story.mine(1));
        story.hear(2, one);
        story.hear(3, other);
        assert_eq!(story.end().len(), 1);
    }
}
