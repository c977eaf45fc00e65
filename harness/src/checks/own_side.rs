//! Own side: where nodes follow different rules, nobody stands on a block that its own rules refuse, and nobody bans a
//! node of its own rules.
//!
//! Asked of every run whose nodes do not all follow the same rules. Each block's target, size and kind of signatures are
//! worked out anew from what its miner published.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schism_chaos::draw::NodeDescription;
use schism_chaos::effect::Effect;
use schism_chaos::progress::Act;
use schism_node::chain::Rules;
use schism_node::chain::sighash::FORK_BIT;
use schism_node::chain::work::{Past, next_bits};
use schism_node::control::Event;

use super::{Check, Finding, View};
use crate::timeline::{Entry, Happening};

/// Knows who follows which rules.
#[derive(Debug)]
pub struct OwnSide {
    /// The rules with every upgrade, and which of them each node rejects.
    whole: Arc<Rules>,
    rejects: Vec<Vec<String>>,
    /// Every opinion once.
    opinions: Vec<Arc<Rules>>,
    /// The opinion of each node.
    sides: Vec<usize>,
    /// Nodes that have changed sides: they may be banned for what they said before.
    changed: BTreeSet<usize>,
    /// Of these those that have not started again since: what they still say they said before.
    parting: BTreeSet<usize>,
    /// Blocks that were looked at, each with the opinion it was held against.
    looked_at: BTreeSet<(usize, usize)>,
    /// Of these those of which not enough is known yet, each with a node that stands on it: lines from real nodes overtake each
    /// other, so that a block may be heard of before its parent's miner has said what is in that.
    unjudged: Vec<(usize, usize, usize)>,
    bans: BTreeMap<(usize, usize), u32>,
}

impl OwnSide {
    /// Of these nodes, each of which rejects some upgrades of these rules; nothing where all reject the same.
    pub fn of(whole: &Arc<Rules>, nodes: &[NodeDescription]) -> Option<Self> {
        let rejects: Vec<Vec<String>> = nodes.iter().map(|node| node.rejects.clone()).collect();
        if rejects.windows(2).all(|pair| pair[0] == pair[1]) {
            return None;
        }
        let mut this = Self {
            whole: whole.clone(),
            sides: vec![0; rejects.len()],
            rejects,
            opinions: Vec::new(),
            changed: BTreeSet::new(),
            parting: BTreeSet::new(),
            looked_at: BTreeSet::new(),
            unjudged: Vec::new(),
            bans: BTreeMap::new(),
        };
        (0..nodes.len()).for_each(|node| this.take_side(node));
        Some(this)
    }

    /// Puts a node on the side that what it rejects says.
    fn take_side(&mut self, node: usize) {
        let rules = self.whole.without(&self.rejects[node]);
        let known = self.opinions.iter().position(|known| **known == rules);
        self.sides[node] = known.unwrap_or_else(|| {
            self.opinions.push(Arc::new(rules));
            self.opinions.len() - 1
        });
    }

    fn acted(&mut self, act: &Act) {
        for effect in &act.effects {
            if let Effect::Upgrade { node, to, .. } = effect {
                self.rejects[*node].retain(|upgrade| !to.contains(upgrade));
                self.take_side(*node);
                self.changed.insert(*node);
                self.parting.insert(*node);
            }
        }
    }

    /// What a block has that these rules refuse; nothing while it is not known what it or those before it hold.
    fn judge(&self, view: &View, place: usize, side: usize) -> Option<Result<(), String>> {
        let (blocks, rules) = (view.blocks(), &self.opinions[side]);
        let block = blocks.get(place);
        let body = block.body.as_ref()?;
        let active = rules.at(block.height);
        let (bytes, most) = (body.total_size(), active.max_block_bytes);
        if bytes > most {
            return Some(Err(format!("has {bytes} bytes where {most} are allowed")));
        }
        let unknown = Cell::new(false);
        let past = |height: u32| {
            let header = blocks.ancestor(place, height).and_then(|place| blocks.get(place).body.as_ref());
            unknown.set(unknown.get() || (header.is_none() && height > 0));
            let header = header.map_or(rules.genesis.header, |body| body.header);
            Past { bits: header.bits, time: header.time }
        };
        let bits = next_bits(rules, block.height - 1, &past);
        if unknown.get() {
            return None;
        }
        if body.header.bits != bits {
            return Some(Err(format!("states the target {:?} where {bits:?} is due", body.header.bits)));
        }
        let witnesses = body.txdata.iter().skip(1).flat_map(|transaction| &transaction.input);
        // A lab's users pay to key hashes: the first item of a witness is the signature, its last byte the kind.
        let mut kinds = witnesses.filter_map(|input| input.witness.nth(0)?.last().copied());
        let other = kinds.any(|kind| (kind & FORK_BIT != 0) != active.fork_id.is_some());
        Some(if other { Err("holds a payment that is signed for another chain".to_owned()) } else { Ok(()) })
    }

    fn stands_on(&mut self, view: &View, node: usize) -> Option<Finding> {
        let side = self.sides[node];
        let mut at = view.nodes()[node].tip;
        while let Some(place) = at.filter(|&place| view.blocks().get(place).height > 0)
            && self.looked_at.insert((place, side))
        {
            self.unjudged.push((node, place, side));
            at = view.blocks().get(place).parent;
        }
        let mut found = None;
        for (node, place, side) in std::mem::take(&mut self.unjudged) {
            match self.judge(view, place, side) {
                None => self.unjudged.push((node, place, side)),
                Some(Ok(())) => {}
                Some(Err(why)) => {
                    let what = format!("{} stands on a block that its rules refuse: it {why}", view.name(node));
                    let finding = Finding::violated("own_side", view, what).on_node(node);
                    found.get_or_insert(finding.about(view.blocks().get(place).hash));
                }
            }
        }
        found
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
        if let Happening::Acted(act) = &entry.what {
            self.acted(act);
        }
        let node = entry.node.filter(|&node| view.nodes()[node].judged)?;
        if matches!(entry.what, Happening::Event(Event::Started { .. })) {
            self.parting.remove(&node);
        }
        match &entry.what {
            _ if self.parting.contains(&node) => None,
            Happening::Event(Event::TipChanged { .. } | Event::Started { .. }) => self.stands_on(view, node),
            Happening::Event(Event::PeerBanned { peer, reason }) => {
                let other = view.known_as(peer).filter(|&other| view.nodes()[other].judged)?;
                *self.bans.entry((self.sides[node], self.sides[other])).or_default() += 1;
                let own = self.sides[node] == self.sides[other] && !self.changed.contains(&other);
                own.then(|| {
                    let what = format!("{} banned {}, of its own side: {reason}", view.name(node), view.name(other));
                    // Who is minutes behind tells the past as news.
                    Finding::violated("own_side", view, what).timed().on_node(node)
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
    use crate::checks::story::{Story, described};
    use bitcoin::CompactTarget;
    use schism_chaos::fault::CrashKind;
    use schism_node::chain::{Difficulty, Upgrade};

    /// Two nodes of the lab's rules and one whose blocks may hold almost nothing from height 2 on.
    fn asked() -> Story {
        let story = Story::of(3);
        let bits = CompactTarget::from_consensus(0x2000_ffff);
        let mut whole = Rules { difficulty: Difficulty::Fixed, pow_limit: bits, ..story.rules().clone() };
        whole.upgrades.push(Upgrade { name: "tiny".into(), height: 2, max_block_bytes: Some(1), ..Upgrade::default() });
        let mut nodes = described(3);
        nodes[..2].iter_mut().for_each(|node| node.rejects = vec!["tiny".into()]);
        story.asking(OwnSide::of(&Arc::new(whole), &nodes).expect("they differ"))
    }

    #[test]
    fn nodes_of_one_opinion_are_not_asked() {
        let rules = Arc::new(Rules::lab(&[]));
        assert!(OwnSide::of(&rules, &described(2)).is_none());
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
    fn a_block_is_judged_when_what_came_before_it_is_known() {
        let story = Story::of(2);
        // Each block states the target of the one before it, which these rules would not guess.
        let mut whole = Rules { difficulty: Difficulty::Retarget { window: 2_016 }, ..story.rules().clone() };
        whole.genesis.header.bits = CompactTarget::from_consensus(0x1f00_ffff);
        let size = |name: &str, height, most| Upgrade {
            name: name.into(),
            height,
            max_block_bytes: Some(most),
            ..Upgrade::default()
        };
        whole.upgrades.extend([size("tiny", 1, 1), size("roomy", 2, 100_000)]);
        let mut nodes = described(2);
        nodes[0].rejects = vec!["tiny".into()];
        let mut story = story.asking(OwnSide::of(&Arc::new(whole), &nodes).expect("they differ"));
        let first = story.mine_untold(0);
        story.hear(1, first);
        let second = story.mine(1);
        assert_eq!(story.findings(), []);
        story.tell_mined(0, first);
        story.hear(0, second);
        assert_eq!((story.only_finding().node, story.only_finding().block), (Some(1), Some(first)));
    }

    #[test]
    fn a_node_that_changes_sides_is_asked_by_its_new_rules_and_may_be_banned_for_its_past() {
        let mut story = asked();
        let before = story.mine(0);
        story.everyone_hears(before);
        let after = story.mine(0);
        let kind = CrashKind::Process;
        let upgrade = |node| Effect::Upgrade { node, to: vec!["tiny".into()], kind };
        story.apply(vec![upgrade(1)], Vec::new());
        story.ban(2, 1);
        // Its last word under the rules it had.
        story.hear(1, after);
        assert_eq!(story.findings(), []);
        story.start(1);
        assert_eq!(story.only_finding().node, Some(1));
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
