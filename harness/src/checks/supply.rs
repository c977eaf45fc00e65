//! Supply: coins, unclaimed and unspendable amounts are exactly what the rules allow, on every node at every tip, and no
//! block pays its miner more than subsidy and fees.

use std::sync::Arc;

use bitcoin::Amount;
use schism_node::chain::Rules;
use schism_node::control::{Answer, Event, LedgerState};

use super::{Check, Finding, NewBlocks, Of, View};
use crate::timeline::{Entry, Happening};

/// Adds up what nodes report, and what blocks pay.
#[derive(Debug)]
pub struct Supply {
    rules: Arc<Rules>,
    of: Of,
    new: NewBlocks,
    ledgers: u64,
}

impl Supply {
    /// Supply under these rules.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules, of: Of::Everyone, new: NewBlocks::default(), ledgers: 0 }
    }

    /// The same, of these nodes only.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn ledger(&mut self, view: &View, node: usize, ledger: &LedgerState) -> Option<Finding> {
        self.ledgers += 1;
        let allowed = self.rules.subsidies(ledger.tip.height);
        let held = [ledger.unspent, ledger.unclaimed, ledger.unspendable];
        let total = held.iter().try_fold(Amount::ZERO, |total, amount| total.checked_add(*amount));
        if total == Some(allowed) && ledger.subsidies == allowed {
            return None;
        }
        let what = format!(
            "{} holds {} unspent, {} unclaimed and {} unspendable and counts {} of subsidies; the rules allow {allowed} at height {}",
            view.name(node),
            held[0],
            held[1],
            held[2],
            ledger.subsidies,
            ledger.tip.height,
        );
        Some(Finding::violated("supply", view, what).on_node(node).about(ledger.tip.hash))
    }

    /// What a block pays its miner beyond subsidy and fees; nothing where it does not, or its coins are not known.
    fn minted(&self, view: &View, place: usize) -> Option<Amount> {
        let block = view.blocks().get(place);
        let (coinbase, others) = block.body.as_ref()?.txdata.split_first()?;
        let sum = |amounts: &mut dyn Iterator<Item = Amount>| amounts.map(Amount::to_sat).sum::<u64>();
        let mut fees = 0;
        for transaction in others {
            let spent: Option<Vec<Amount>> = transaction
                .input
                .iter()
                .map(|input| view.blocks().output(&input.previous_output).map(|output| output.value))
                .collect();
            let paid = sum(&mut transaction.output.iter().map(|output| output.value));
            fees += sum(&mut spent?.into_iter()).saturating_sub(paid);
        }
        let claimed = sum(&mut coinbase.output.iter().map(|output| output.value));
        let allowed = self.rules.subsidy(block.height).to_sat() + fees;
        (claimed > allowed).then(|| Amount::from_sat(claimed - allowed))
    }
}

impl Check for Supply {
    fn name(&self) -> &'static str {
        "supply"
    }

    fn asked(&self) -> String {
        "coins, unclaimed and unspendable are exactly the subsidies".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        match &entry.what {
            Happening::Event(Event::TipChanged { ledger, .. } | Event::Started { ledger }) => {
                for place in self.new.on_chain_of(view, node) {
                    if let Some(minted) = self.minted(view, place) {
                        let block = view.blocks().get(place);
                        let what = format!("the block at height {} pays its miner {minted} too much", block.height);
                        return Some(Finding::violated("supply", view, what).on_node(node).about(block.hash));
                    }
                }
                self.ledger(view, node, ledger)
            }
            Happening::Answer(Answer::Ledger(ledger)) => self.ledger(view, node, ledger),
            _ => None,
        }
    }

    fn seen(&self) -> String {
        format!("{} ledgers added up", self.ledgers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    fn asked() -> Story {
        let story = Story::of(2);
        let rules = Arc::new(story.rules().clone());
        story.asking(Supply::new(rules))
    }

    #[test]
    fn a_ledger_that_mints_is_caught() {
        let mut story = asked();
        let block = story.mine(0);
        assert!(story.findings().is_empty());
        story.tamper(|ledger| ledger.unspent += Amount::ONE_SAT);
        story.hear(1, block);
        assert_eq!(story.only_finding().node, Some(1));
    }

    #[test]
    fn a_ledger_that_also_forges_its_count_of_subsidies_is_caught() {
        let mut story = asked();
        let block = story.mine(0);
        story.tamper(|ledger| {
            ledger.unspent += Amount::ONE_SAT;
            ledger.subsidies += Amount::ONE_SAT;
        });
        story.hear(1, block);
        assert_eq!(story.only_finding().node, Some(1));
    }

    #[test]
    fn a_block_that_pays_its_miner_too_much_is_caught_even_when_everyone_agrees() {
        let mut story = asked();
        let subsidy = story.rules().subsidy(1);
        story.mine_claiming(0, Vec::new(), subsidy);
        assert!(story.findings().is_empty());
        story.mine_claiming(0, Vec::new(), subsidy + Amount::ONE_SAT);
        assert!(story.only_finding().what.contains("too much"));
    }
}
