//! No double spend: no best chain spends an output twice, or one that its blocks never made.

use std::collections::BTreeSet;

use bitcoin::OutPoint;
use schism_node::control::Event;

use super::{Check, Finding, NewBlocks, Of, View};
use crate::timeline::{Entry, Happening};

/// Looks, once per block, at what its chain spent before.
#[derive(Debug, Default)]
pub struct NoDoubleSpend {
    of: Of,
    new: NewBlocks,
    inputs: u64,
}

impl NoDoubleSpend {
    /// The same, of these nodes only.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn broken(&mut self, view: &View, place: usize) -> Option<String> {
        let blocks = view.blocks();
        let block = blocks.get(place);
        let body = block.body.as_ref()?;
        let mut spent: BTreeSet<OutPoint> = BTreeSet::new();
        for (transaction, txid) in body.txdata.iter().zip(&block.txids).skip(1) {
            for input in &transaction.input {
                let output = input.previous_output;
                self.inputs += 1;
                let earlier =
                    blocks.spends(&output).iter().find(|(other, _)| *other != place && blocks.is_on(*other, place));
                if let Some((other, first)) = earlier {
                    let height = blocks.get(*other).height;
                    return Some(format!("{txid} spends {output}, which {first} spent at height {height}"));
                }
                if !spent.insert(output) {
                    return Some(format!("{txid} spends {output} a second time within its block"));
                }
                if blocks.output(&output).is_none() || blocks.confirmed(&output.txid, place).is_none() {
                    return Some(format!("{txid} spends {output}, which its chain never made"));
                }
            }
        }
        None
    }
}

impl Check for NoDoubleSpend {
    fn name(&self) -> &'static str {
        "no_double_spend"
    }

    fn asked(&self) -> String {
        "no best chain spends an output twice".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let Happening::Event(Event::TipChanged { .. } | Event::Started { .. }) = &entry.what else { return None };
        let node = entry.node.filter(|&node| self.of.holds(node))?;
        for place in self.new.on_chain_of(view, node) {
            if let Some(broken) = self.broken(view, place) {
                let block = view.blocks().get(place);
                let what = format!("in the block at height {} {broken}", block.height);
                return Some(Finding::violated("no_double_spend", view, what).on_node(node).about(block.hash));
            }
        }
        None
    }

    fn seen(&self) -> String {
        format!("{} inputs looked at", self.inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::{Story, spending};
    use crate::timeline::Intent;
    use bitcoin::{Amount, Txid, hashes::Hash};

    #[test]
    fn the_same_coin_on_two_branches_passes_and_on_one_chain_is_caught() {
        let mut story = Story::of(2).asking(NoDoubleSpend::default());
        let here = story.pay(0, 3, Intent::Conflicting);
        let there = story.pay(1, 3, Intent::Conflicting);
        story.mine_with(0, vec![here]);
        story.mine(1);
        story.mine_with(1, vec![there.clone()]);
        assert!(story.findings().is_empty());
        story.mine_with(0, vec![there]);
        assert_eq!(story.only_finding().node, Some(0));
    }

    #[test]
    fn a_coin_from_nowhere_is_caught() {
        let mut story = Story::of(1).asking(NoDoubleSpend::default());
        let nowhere = OutPoint { txid: Txid::all_zeros(), vout: 0 };
        story.mine_with(0, vec![spending(nowhere, Amount::ONE_SAT, 1)]);
        assert!(story.only_finding().what.contains("never made"));
    }

    #[test]
    fn a_transaction_may_spend_what_one_before_it_in_the_block_made() {
        let mut story = Story::of(1).asking(NoDoubleSpend::default());
        let first = story.pay(0, 0, Intent::Payment);
        let child = spending(OutPoint { txid: first.compute_txid(), vout: 0 }, Amount::ONE_SAT, 77);
        story.mine_with(0, vec![first, child]);
        assert!(story.findings().is_empty());
    }
}
