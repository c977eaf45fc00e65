//! Agreement: nodes that stand on the same block have the same ledger, to the last coin.

use std::collections::BTreeMap;

use schism_node::control::{Answer, Event, LedgerState};

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Compares every ledger with the first that stood on the same block.
#[derive(Debug, Default)]
pub struct Agreement {
    of: Of,
    /// By the tip's place: what the first node that stood on it reported.
    first: BTreeMap<usize, (usize, LedgerState)>,
    compared: u64,
}

impl Agreement {
    /// Agreement among these nodes.
    pub fn of(of: Of) -> Self {
        Self { of, ..Self::default() }
    }
}

impl Check for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn asked(&self) -> String {
        "nodes on the same block have the same digest and supply".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        let ledger = match &entry.what {
            Happening::Event(Event::TipChanged { ledger, .. } | Event::Started { ledger })
            | Happening::Answer(Answer::Ledger(ledger)) => ledger,
            _ => return None,
        };
        let tip = view.blocks().place(&ledger.tip.hash)?;
        self.compared += 1;
        let Some((other, first)) = self.first.get(&tip) else {
            self.first.insert(tip, (node, ledger.clone()));
            return None;
        };
        // How many signatures a node checked is its own affair.
        let same = LedgerState { signature_checks: first.signature_checks, ..ledger.clone() };
        if same == *first {
            return None;
        }
        let what = format!(
            "{} and {} stand on the same block with different ledgers: {} coins of {} with digest {}, and {} of {} with {}",
            view.name(*other),
            view.name(node),
            first.coins,
            first.unspent,
            short(&first.digest),
            ledger.coins,
            ledger.unspent,
            short(&ledger.digest),
        );
        Some(Finding::violated("agreement", view, what).on_node(node).about(ledger.tip.hash))
    }

    fn seen(&self) -> String {
        format!("{} ledgers compared on {} blocks", self.compared, self.first.len())
    }
}

/// The first digits of a long number.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    #[test]
    fn a_node_that_forgets_undo_is_caught_on_the_next_shared_block() {
        let mut story = Story::of(2).asking(Agreement::default());
        let block = story.mine(0);
        story.hear(1, block);
        assert!(story.findings().is_empty());
        let next = story.mine(0);
        story.tamper(|ledger| ledger.digest = "forgotten".into());
        story.hear(1, next);
        assert_eq!(story.only_finding().node, Some(1));
        assert_eq!(story.only_finding().block, Some(next));
    }
}
