//! No forgery: a transaction whose signatures do not hold is taken by nobody, neither into a pool nor into a chain.
//!
//! Asked of every run. It bites where forged transactions are submitted (`Intent::Forged`).

use schism_node::control::Event;

use super::{Check, Finding, NewBlocks, View};
use crate::timeline::{Entry, Happening, Intent};

/// Knows which transactions were forged.
#[derive(Debug, Default)]
pub struct NoForgery {
    new: NewBlocks,
    forged: u64,
}

impl Check for NoForgery {
    fn name(&self) -> &'static str {
        "no_forgery"
    }

    fn asked(&self) -> String {
        "nobody takes a transaction with a false signature".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        use crate::timeline::Load;
        let forged = |txid| {
            let known = view.blocks().transaction(txid);
            known.is_some_and(|known| matches!(known.submitted, Some((_, _, Intent::Forged))))
        };
        let node = entry.node.filter(|&node| view.nodes()[node].judged)?;
        match &entry.what {
            Happening::Load(Load::Submitted { intent: Intent::Forged, .. }) => {
                self.forged += 1;
                None
            }
            Happening::Event(Event::TransactionAccepted { txid, .. }) if forged(txid) => {
                let what = format!("{} took {txid}, whose signature is false, into its pool", view.name(node));
                Some(Finding::violated("no_forgery", view, what).on_node(node))
            }
            Happening::Event(Event::TipChanged { .. }) if self.forged > 0 => {
                for place in self.new.on_chain_of(view, node) {
                    let block = view.blocks().get(place);
                    if let Some(txid) = block.txids.iter().find(|txid| forged(txid)) {
                        let what = format!("{} took a block with {txid}, whose signature is false", view.name(node));
                        return Some(Finding::violated("no_forgery", view, what).on_node(node).about(block.hash));
                    }
                }
                None
            }
            _ => None,
        }
    }

    fn seen(&self) -> String {
        format!("{} forged transactions submitted", self.forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use bitcoin::Amount;

    #[test]
    fn a_ledger_that_skips_signatures_is_caught_by_its_pool_or_by_its_chain() {
        let mut story = Story::of(2).asking(NoForgery::default());
        let forged = story.pay(0, 0, Intent::Forged);
        let honest = story.pay(0, 1, Intent::Payment);
        story.say(1, Event::TransactionAccepted { txid: honest.compute_txid(), fee: Amount::ZERO });
        story.mine_with(0, vec![honest]);
        assert!(story.findings().is_empty());
        story.mine_with(0, vec![forged]);
        assert_eq!(story.only_finding().node, Some(0));

        let mut story = Story::of(2).asking(NoForgery::default());
        let txid = story.pay(0, 0, Intent::Forged).compute_txid();
        story.say(1, Event::TransactionAccepted { txid, fee: Amount::ZERO });
        assert_eq!(story.only_finding().node, Some(1));
    }
}
