//! Refused reasons: every honest node has refused something that a peer sent for each of these reasons. The rules are
//! there, and each of them can be reached from the wire.

use std::collections::{BTreeMap, BTreeSet};

use schism_node::chain::Refused;
use schism_node::control::Event;

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Counts refusals by reason and by node.
#[derive(Debug)]
pub struct RefusedReasons {
    of: Of,
    asked: BTreeSet<&'static str>,
    seen: BTreeMap<&'static str, Seen>,
}

/// Of one reason.
#[derive(Debug, Default)]
struct Seen {
    /// Things refused, and peers charged for one.
    refused: u64,
    charged: u64,
    by: BTreeSet<usize>,
}

impl RefusedReasons {
    /// Asks for each of these, by name as in [`Refused::NAMES`].
    pub fn new(asked: impl IntoIterator<Item = &'static str>) -> Self {
        Self { of: Of::Everyone, asked: asked.into_iter().collect(), seen: BTreeMap::new() }
    }

    /// Of these nodes alone.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn count(&mut self, node: usize, reason: &Refused, charged: bool) {
        let seen = self.seen.entry(reason.name()).or_default();
        seen.by.insert(node);
        *(if charged { &mut seen.charged } else { &mut seen.refused }) += 1;
        if let Refused::InBlock { reason, .. } = reason {
            self.count(node, reason, charged);
        }
    }

    /// What has not been seen yet, with one who has not seen it.
    fn missing(&self, view: &View) -> Vec<(&'static str, usize)> {
        let asked: Vec<usize> = view.expected().filter(|&node| self.of.holds(node)).collect();
        let lacks = |name: &&'static str| {
            let by = self.seen.get(name).map(|seen| &seen.by);
            asked.iter().find(|node| by.is_none_or(|by| !by.contains(node))).map(|node| (*name, *node))
        };
        self.asked.iter().filter_map(lacks).collect()
    }
}

impl Check for RefusedReasons {
    fn name(&self) -> &'static str {
        "refused_reasons"
    }

    fn asked(&self) -> String {
        format!("every node refuses something of a peer's for each of {} reasons", self.asked.len())
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        match &entry.what {
            Happening::Event(
                Event::BlockRefused { reason, from: Some(_), .. }
                | Event::TransactionRefused { reason, from: Some(_), .. },
            ) => self.count(node, reason, false),
            Happening::Event(Event::PeerCharged { refused: Some(reason), .. }) => self.count(node, reason, true),
            _ => {}
        }
        None
    }

    fn satisfied(&self, view: &View) -> bool {
        self.missing(view).is_empty()
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let missing = self.missing(view);
        let (first, node) = missing.first()?;
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let what = format!(
            "{} of {} reasons were not met by everyone, as {first} was not by {}: {}",
            missing.len(),
            self.asked.len(),
            view.name(*node),
            names.join(", ")
        );
        Some(Finding::stalled("refused_reasons", view, what))
    }

    fn seen(&self) -> String {
        let counts = self.seen.iter().map(|(name, seen)| format!("{name} {}/{}", seen.refused, seen.charged));
        format!("refusals/charges: {}", counts.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use bitcoin::Txid;
    use bitcoin::hashes::Hash;
    use schism_node::control::PeerId;

    fn refuse(story: &mut Story, node: usize, reason: Refused) {
        let from = Some(PeerId::from_bytes(&[0, 1, 99]).expect("an identity multihash is a peer id"));
        story.say(node, Event::TransactionRefused { txid: Txid::all_zeros(), reason, from });
    }

    #[test]
    fn a_reason_that_one_node_has_not_met_is_missed() {
        let mut story = Story::of(2).asking(RefusedReasons::new(["NoInputs"]));
        refuse(&mut story, 0, Refused::NoInputs);
        assert!(!story.satisfied());
        refuse(&mut story, 1, Refused::NoOutputs);
        assert_eq!(story.end().len(), 1);
    }

    #[test]
    fn what_is_refused_inside_a_block_counts_twice() {
        let mut story = Story::of(1).asking(RefusedReasons::new(["NoInputs", "InBlock"]));
        refuse(&mut story, 0, Refused::NoInputs.in_block(Txid::all_zeros()));
        assert!(story.satisfied());
        assert!(story.end().is_empty());
    }
}
