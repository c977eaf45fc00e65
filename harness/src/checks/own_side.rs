//! Own side: where nodes follow different rules, nobody stands on a block that its own rules refuse, and nobody bans a
//! node of its own rules.
//!
//! Asked of every run whose nodes do not all follow the same rules. Each block's target, size and kind of signatures are
//! worked out anew from what its miner published.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schism_node::chain::Rules;
use schism_node::chain::sighash::FORK_BIT;
use schism_node::chain::work::{Past, next_bits};
use schism_node::control::Event;

use super::{Check, Finding, View};
use crate::timeline::{Entry, Happening};

/// Knows who follows which rules.
#[derive(Debug)]
pub struct OwnSide {
    /// Every opinion once.
    opinions: Vec<Arc<Rules>>,
    /// The opinion of each node.
    sides: Vec<usize>,
    /// Blocks that were looked at, each with the opinion it was held against.
    looked_at: BTreeSet<(usize, usize)>,
    bans: BTreeMap<(usize, usize), u32>,
}

impl OwnSide {
    /// Of nodes that follow these rules, in their order; nothing where all are the same.
    pub fn of(rules: &[Arc<Rules>]) -> Option<Self> {
        let mut opinions: Vec<Arc<Rules>> = Vec::new();
        let sides = rules.iter().map(|rules| {
            let known = opinions.iter().position(|known| known == rules);
            known.unwrap_or_else(|| {
                opinions.push(rules.clone());
                opinions.len() - 1
            })
        });
        let sides = sides.collect();
        (opinions.len() > 1).then_some(Self { opinions, sides, looked_at: BTreeSet::new(), bans: BTreeMap::new() })
    }

    /// What a block has that these rules refuse.
    fn refuses(&self, view: &View, place: usize, side: usize) -> Option<String> {
        let (blocks, rules) = (view.blocks(), &self.opinions[side]);
        let block = blocks.get(place);
        let body = block.body.as_ref()?;
        let active = rules.at(block.height);
        let (bytes, most) = (body.total_size(), active.max_block_bytes);
        if bytes > most {
            return Some(format!("has {bytes} bytes where {most} are allowed"));
        }
        let past = |height: u32| {
            let header = blocks.ancestor(place, height).and_then(|place| blocks.get(place).body.as_ref());
            let header = header.map_or(rules.genesis.header, |body| body.header);
            Past { bits: header.bits, time: header.time }
        };
        let bits = next_bits(rules, block.height - 1, &past);
        if body.header.bits != bits {
            return Some(format!("states the target {:?} where {bits:?} is due", body.header.bits));
        }
        let witnesses = body.txdata.iter().skip(1).flat_map(|transaction| &transaction.input);
        // A lab's users pay to key hashes: the first item of a witness is the signature, its last byte the kind.
        let mut kinds = witnesses.filter_map(|input| input.witness.nth(0)?.last().copied());
        let other = kinds.any(|kind| (kind & FORK_BIT != 0) != active.fork_id.is_some());
        other.then(|| "holds a payment that is signed for another chain".to_owned())
    }

    fn stands_on(&mut self, view: &View, node: usize) -> Option<Finding> {
        let side = self.sides[node];
        let mut at = view.nodes()[node].tip;
        while let Some(place) = at.filter(|&place| view.blocks().get(place).height > 0) {
            if !self.looked_at.insert((place, side)) {
                return None;
            }
            let block = view.blocks().get(place);
            if let Some(why) = self.refuses(view, place, side) {
                let what = format!("{} stands on a block that its rules refuse: it {why}", view.name(node));
                return Some(Finding::violated("own_side", view, what).on_node(node).about(block.hash));
            }
            at = block.parent;
        }
        None
    }
}

impl Check for OwnSide {
    fn name(&self) -> &'static str {
        "own_side"
    }

    fn asked(&self) -> String {
        "every node stands on blocks of its own rules and bans nobody who follows them".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged)?;
        match &entry.what {
            Happening::Event(Event::TipChanged { .. }) => self.stands_on(view, node),
            Happening::Event(Event::PeerBanned { peer, reason }) => {
                let other = view.known_as(peer).filter(|&other| view.nodes()[other].judged)?;
                *self.bans.entry((self.sides[node], self.sides[other])).or_default() += 1;
                (self.sides[node] == self.sides[other]).then(|| {
                    let what = format!("{} banned {}, of its own side: {reason}", view.name(node), view.name(other));
                    Finding::violated("own_side", view, what).on_node(node)
                })
            }
            _ => None,
        }
    }

    fn seen(&self) -> String {
        let blocks = |side: usize| self.looked_at.iter().filter(|(_, of)| *of == side).count().to_string();
        let blocks: Vec<String> = (0..self.opinions.len()).map(blocks).collect();
        let across: u32 = self.bans.iter().filter(|((by, of), _)| by != of).map(|(_, count)| count).sum();
        format!("{} blocks on the sides' chains, {across} bans between sides, none within", blocks.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use bitcoin::CompactTarget;
    use schism_node::chain::{Difficulty, Upgrade};

    /// Two nodes of the lab's rules and one whose blocks may hold almost nothing from height 2 on.
    fn asked() -> Story {
        let story = Story::of(3);
        let bits = CompactTarget::from_consensus(0x2000_ffff);
        let own = Rules { difficulty: Difficulty::Fixed, pow_limit: bits, ..story.rules().clone() };
        let (mut other, own) = (own.clone(), Arc::new(own));
        other.upgrades.push(Upgrade { name: "tiny".into(), height: 2, max_block_bytes: Some(1), ..Upgrade::default() });
        story.asking(OwnSide::of(&[own.clone(), own, Arc::new(other)]).expect("they differ"))
    }

    #[test]
    fn nodes_of_one_opinion_are_not_asked() {
        let rules = Arc::new(Rules::lab(&[]));
        assert!(OwnSide::of(&[rules.clone(), rules]).is_none());
    }

    #[test]
    fn a_node_that_takes_a_block_of_the_other_rules_is_caught() {
        let mut story = asked();
        let before = story.mine(0);
        story.everyone_hears(before);
        let after = story.mine(0);
        story.hear(1, after);
        assert_eq!(story.findings(), []);
        story.hear(2, after);
        assert_eq!(story.only_finding().node, Some(2));
    }

    #[test]
    fn a_ban_within_a_side_is_caught_and_one_between_sides_is_not() {
        for (banned, findings) in [(2, 0), (1, 1)] {
            let mut story = asked();
            story.ban(0, banned);
            assert_eq!(story.findings().len(), findings);
        }
    }
}
