//! Common prefix: chains of honest nodes agree on all but their last `k` blocks, now and ever after, among nodes that
//! have been connected for a while. (Garay, Kiayias, Leonardos 2015, definition 3; the partial synchrony is Δ.)

use std::time::Duration;

use schism_node::control::Event;

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Keeps, for each component, the deepest block that anyone there holds `k` deep; it may never be contradicted.
#[derive(Debug)]
pub struct CommonPrefix {
    k: u32,
    /// How long nodes must have been connected; nothing: all are compared, connected or not.
    connected_for: Option<Duration>,
    of: Of,
    epoch: Option<u64>,
    /// By component: the block, and the node that first held it `k` deep.
    anchors: Vec<Option<(usize, usize)>>,
    deepest: u32,
}

impl CommonPrefix {
    /// Common prefix of all but `k` blocks, among nodes connected for this long; nothing: among all.
    pub fn new(k: u32, connected_for: Option<Duration>) -> Self {
        Self { k, connected_for, of: Of::Everyone, epoch: None, anchors: Vec::new(), deepest: 0 }
    }

    /// The same, of these nodes only.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    /// The group of nodes that a node is compared with: its place, and its members.
    fn peers(&self, view: &View, node: usize) -> Option<(usize, Vec<usize>)> {
        let Some(connected_for) = self.connected_for else {
            return Some((0, view.expected().filter(|&node| self.of.holds(node)).collect()));
        };
        let place = view.components().place(node)?;
        let component = &view.components().all()[place];
        let ready = view.now() >= component.since + connected_for;
        ready.then(|| {
            (
                place,
                component
                    .members
                    .iter()
                    .copied()
                    .filter(|&node| view.nodes()[node].judged && self.of.holds(node))
                    .collect(),
            )
        })
    }

    /// Whether the chain that ends in `tip` contradicts the anchor: holds another block where the anchor's chain has one.
    fn contradicts(view: &View, tip: usize, anchor: usize) -> bool {
        let blocks = view.blocks();
        let height = blocks.get(tip).height.min(blocks.get(anchor).height);
        blocks.ancestor(tip, height) != blocks.ancestor(anchor, height)
    }

    fn finding(&self, view: &View, node: usize, anchor: (usize, usize)) -> Finding {
        let (block, holder) = (view.blocks().get(anchor.0), anchor.1);
        let what = format!(
            "{} holds {} at height {} under {} blocks, and {} has another block there",
            view.name(holder),
            block.hash,
            block.height,
            self.k,
            view.name(node),
        );
        Finding::violated("common_prefix", view, what).timed().on_node(node).about(block.hash)
    }
}

impl Check for CommonPrefix {
    fn name(&self) -> &'static str {
        "common_prefix"
    }

    fn asked(&self) -> String {
        match self.connected_for {
            Some(time) => format!("all but the last {} blocks agree among nodes connected for {time:?}", self.k),
            None => format!("all but the last {} blocks agree among all nodes", self.k),
        }
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let Happening::Event(Event::TipChanged { disconnected, .. }) = &entry.what else { return None };
        let node = entry.node.filter(|&node| view.nodes()[node].expected() && self.of.holds(node))?;
        self.deepest = self.deepest.max(disconnected.len() as u32);
        let epoch = Some(view.components().epoch());
        if self.connected_for.is_some() && self.epoch != epoch {
            self.epoch = epoch;
            self.anchors.clear();
        }
        let (place, members) = self.peers(view, node)?;
        self.anchors.resize(self.anchors.len().max(place + 1), None);
        let tip = view.nodes()[node].tip?;
        if let Some(anchor) = self.anchors[place]
            && Self::contradicts(view, tip, anchor.0)
        {
            return Some(self.finding(view, node, anchor));
        }
        let height = view.blocks().get(tip).height.checked_sub(self.k)?;
        let settled = view.blocks().ancestor(tip, height)?;
        if self.anchors[place].is_some_and(|(anchor, _)| view.blocks().get(anchor).height >= height) {
            return None;
        }
        // The anchor moves up once per height, not once per node: only then all others are looked at.
        self.anchors[place] = Some((settled, node));
        let known = members.into_iter().filter(|&member| !view.nodes()[member].silent);
        let mut tips = known.filter_map(|member| Some((member, view.nodes()[member].tip?)));
        let (other, _) = tips.find(|&(_, tip)| Self::contradicts(view, tip, settled))?;
        Some(self.finding(view, other, (settled, node)))
    }

    fn seen(&self) -> String {
        format!("deepest reorganisation {} blocks", self.deepest)
    }
}

#[cfg(test)]
mod tests {
    use schism_chaos::effect::Effect;
    use schism_chaos::fault::CrashKind;

    use super::*;
    use crate::checks::story::Story;

    fn within_a_second(k: u32) -> CommonPrefix {
        CommonPrefix::new(k, Some(Duration::from_secs(1)))
    }

    #[test]
    fn a_partition_that_nobody_admits_is_caught_at_depth_k() {
        let mut story = Story::of(4).asking(within_a_second(3));
        story.wait(5);
        for _ in 0..3 {
            let ours = story.mine(0);
            story.hear(1, ours);
            let theirs = story.mine(2);
            story.hear(3, theirs);
        }
        assert!(story.findings().is_empty());
        story.mine(0);
        assert_eq!(story.findings().len(), 1);
    }

    #[test]
    fn sides_of_a_real_partition_may_differ_and_have_time_to_meet() {
        let mut story = Story::of(4).asking(within_a_second(3));
        story.wait(5);
        let split = story.split(&[vec![0, 1], vec![2, 3]]);
        story.wait(5);
        let mut last = story.mine(0);
        for _ in 0..6 {
            story.mine(2);
            last = story.mine(0);
            story.hear(1, last);
        }
        story.heal(split);
        story.hear(2, last);
        story.hear(3, last);
        story.wait(5);
        let next = story.mine(3);
        story.hear(0, next);
        assert!(story.findings().is_empty());
    }

    #[test]
    fn a_deep_reorganisation_on_one_side_is_caught_though_the_other_is_cut_off() {
        let mut story = Story::of(4).asking(within_a_second(2));
        let split = story.split(&[vec![0, 1], vec![2, 3]]);
        story.wait(5);
        for _ in 0..4 {
            let block = story.mine(0);
            if story.height(0) < 2 {
                story.hear(1, block);
            }
        }
        assert!(story.findings().is_empty());
        for _ in 0..3 {
            story.mine(1);
        }
        assert_eq!(story.findings().len(), 1);
        story.heal(split);
    }

    #[test]
    fn who_was_stopped_is_not_asked_until_it_has_said_that_it_is_back() {
        let mut story = Story::of(3).asking(within_a_second(2));
        story.wait(5);
        let fork = story.mine(2);
        let crash = story.apply(vec![Effect::Stop { node: 2, kind: CrashKind::Machine }], Vec::new());
        let first = story.mine(0);
        story.hear(1, first);
        story.heal(crash);
        story.wait(5);
        for _ in 0..3 {
            story.mine(0);
        }
        assert!(story.findings().is_empty(), "{fork} was the stopped node's");
        story.start(2);
        story.mine(0);
        assert_eq!(story.only_finding().node, Some(2));
    }
}
