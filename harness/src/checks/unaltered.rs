//! Unaltered: whatever an honest node takes, into its pool or into its chain, is as somebody made it. Users of the cluster
//! made every transaction, and miners of the cluster every block.

use schism_node::control::Event;

use super::{Check, Finding, NewBlocks, Of, View};
use crate::timeline::{Entry, Happening};

/// Holds what is taken against what was made.
#[derive(Debug, Default)]
pub struct Unaltered {
    of: Of,
    new: NewBlocks,
    transactions: u64,
    blocks: u64,
}

impl Unaltered {
    /// Of these nodes.
    pub fn of(of: Of) -> Self {
        Self { of, ..Self::default() }
    }
}

impl Check for Unaltered {
    fn name(&self) -> &'static str {
        "unaltered"
    }

    fn asked(&self) -> String {
        "nobody takes a transaction that no user made, nor a block that no miner found".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        let made = |txid| view.blocks().transaction(txid).is_some_and(|known| known.submitted.is_some());
        let altered = |what: String| Finding::violated("unaltered", view, what).on_node(node);
        match &entry.what {
            Happening::Event(Event::TransactionAccepted { txid, .. }) => {
                self.transactions += 1;
                (!made(txid)).then(|| altered(format!("{} took {txid}, which no user made", view.name(node))))
            }
            Happening::Event(Event::TipChanged { .. }) => {
                for place in self.new.on_chain_of(view, node) {
                    self.blocks += 1;
                    let block = view.blocks().get(place);
                    let txid = block.txids.iter().skip(1).find(|txid| !made(txid));
                    if let Some(txid) = txid {
                        let what = format!("{} took a block with {txid}, which no user made", view.name(node));
                        return Some(altered(what).about(block.hash));
                    }
                    if block.miner.is_none() {
                        let what = format!("{} stands on a block that no miner found", view.name(node));
                        return Some(altered(what).about(block.hash));
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn seen(&self) -> String {
        format!("{} transactions and {} blocks taken, as they were made", self.transactions, self.blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use crate::checks::story::spending;
    use crate::timeline::Intent;
    use bitcoin::Amount;

    #[test]
    fn a_transaction_that_no_user_made_is_caught_in_a_pool_and_in_a_block() {
        let mut story = Story::of(1).asking(Unaltered::default());
        let honest = story.pay(0, 0, Intent::Payment);
        story.say(0, Event::TransactionAccepted { txid: honest.compute_txid(), fee: Amount::ZERO });
        let altered = spending(honest.input[0].previous_output, Amount::ONE_SAT, 77);
        story.mine_with(0, vec![honest]);
        assert!(story.findings().is_empty());
        story.say(0, Event::TransactionAccepted { txid: altered.compute_txid(), fee: Amount::ZERO });
        assert_eq!(story.only_finding().node, Some(0));

        let mut story = Story::of(1).asking(Unaltered::default());
        story.mine_with(0, vec![altered]);
        assert_eq!(story.only_finding().node, Some(0));
    }
}
