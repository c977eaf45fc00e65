//! No lost confirmed transaction: what was once deep enough on an honest node is on the final chain or waits in a pool,
//! unless its inputs were spent otherwise.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, TxIn, Txid};
use schism_node::control::{Dropped, Event};

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Remembers what was confirmed.
#[derive(Debug)]
pub struct NoLostConfirmed {
    depth: u32,
    of: Of,
    /// Blocks that were `depth` deep on some judged node.
    settled: BTreeSet<usize>,
    /// Transactions that pools let go because they were full or had waited too long: bounds, not losses.
    let_go: BTreeSet<Txid>,
    outcome: String,
}

impl NoLostConfirmed {
    /// For transactions with this many confirmations on any of these nodes.
    pub fn new(depth: u32, of: Of) -> Self {
        let outcome = "not looked at yet".to_owned();
        Self { depth: depth.max(1), of, settled: BTreeSet::new(), let_go: BTreeSet::new(), outcome }
    }

    fn settle(&mut self, view: &View, tip: usize) {
        let Some(height) = view.blocks().get(tip).height.checked_sub(self.depth - 1) else { return };
        let mut at = view.blocks().ancestor(tip, height);
        while let Some(place) = at.filter(|&place| self.settled.insert(place)) {
            at = view.blocks().get(place).parent;
        }
    }

    /// The tip with the most work.
    fn best(&self, view: &View) -> Option<usize> {
        let mine = view.expected().filter(|&node| self.of.holds(node));
        mine.filter_map(|node| view.nodes()[node].tip).max_by_key(|&tip| view.blocks().get(tip).work)
    }

    /// Settled transactions that the best chain has another in the place of.
    pub(super) fn replaced(&self, view: &View) -> usize {
        let Some(tip) = self.best(view) else { return 0 };
        let missing = self.missing(view, tip, &BTreeSet::new()).into_keys();
        let known = missing.filter_map(|txid| view.blocks().transaction(&txid));
        let is_replaced =
            |inputs: &[TxIn]| inputs.iter().any(|input| view.blocks().spender(&input.previous_output, tip).is_some());
        known.filter(|known| is_replaced(&known.transaction.input)).count()
    }

    /// Settled transactions that are neither on the chain that ends in `tip` nor in a pool.
    fn missing(&self, view: &View, tip: usize, pooled: &BTreeSet<Txid>) -> BTreeMap<Txid, usize> {
        let blocks = view.blocks();
        let gone = self.settled.iter().filter(|&&place| !blocks.is_on(place, tip));
        let once = gone.flat_map(|&place| blocks.get(place).txids.iter().skip(1).map(move |txid| (*txid, place)));
        once.filter(|(txid, _)| blocks.confirmed(txid, tip).is_none() && !pooled.contains(txid)).collect()
    }

    /// Whether the loss is in order: an input was spent by another, or is itself of something that is rightly gone.
    fn excused(
        &self,
        view: &View,
        tip: usize,
        pool_spends: &BTreeMap<OutPoint, Txid>,
        txid: &Txid,
        gone: &BTreeSet<Txid>,
    ) -> bool {
        let Some(known) = view.blocks().transaction(txid) else { return true };
        self.let_go.contains(txid)
            || known.transaction.input.iter().any(|input| {
                let output = &input.previous_output;
                let otherwise = |spender: Option<&Txid>| spender.is_some_and(|spender| spender != txid);
                let from_lost_coinbase = || {
                    let source = view.blocks().transaction(&output.txid);
                    source.is_some_and(|source| {
                        source.transaction.is_coinbase() && view.blocks().confirmed(&output.txid, tip).is_none()
                    })
                };
                otherwise(view.blocks().spender(output, tip).as_ref())
                    || otherwise(pool_spends.get(output))
                    || gone.contains(&output.txid)
                    || from_lost_coinbase()
            })
    }
}

impl Check for NoLostConfirmed {
    fn name(&self) -> &'static str {
        "no_lost_confirmed"
    }

    fn asked(&self) -> String {
        format!("what had {} confirmations stays, unless its inputs were spent otherwise", self.depth)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        match &entry.what {
            Happening::Event(Event::TipChanged { .. } | Event::Started { .. }) => {
                if let Some(tip) = view.nodes()[node].tip {
                    self.settle(view, tip);
                }
            }
            Happening::Event(Event::TransactionDropped { txid, why: Dropped::Expired | Dropped::Evicted }) => {
                self.let_go.insert(*txid);
            }
            _ => {}
        }
        None
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let tip = self.best(view)?;
        let mine = view.expected().filter(|&node| self.of.holds(node));
        let pools = mine.filter_map(|node| view.nodes()[node].pool.as_ref());
        let pooled: BTreeSet<Txid> = pools.flat_map(|pool| pool.transactions.iter().copied()).collect();
        let pool_spends: BTreeMap<OutPoint, Txid> = pooled
            .iter()
            .filter_map(|txid| view.blocks().transaction(txid).map(|known| (txid, known)))
            .flat_map(|(txid, known)| known.transaction.input.iter().map(|input| (input.previous_output, *txid)))
            .collect();
        let mut missing = self.missing(view, tip, &pooled);
        let lost = missing.len();
        // What is excused excuses its children: until nobody more is.
        let mut gone = BTreeSet::new();
        loop {
            let excused: Vec<Txid> =
                missing.keys().filter(|txid| self.excused(view, tip, &pool_spends, txid, &gone)).copied().collect();
            if excused.is_empty() {
                break;
            }
            for txid in excused {
                missing.remove(&txid);
                gone.insert(txid);
            }
        }
        self.outcome =
            format!("{lost} undone, {} of them because their inputs were spent otherwise", lost - missing.len());
        let (txid, place) = missing.first_key_value()?;
        let block = view.blocks().get(*place);
        let what = format!(
            "{} transactions that had {} confirmations are gone and nothing else spent their inputs, first {txid}, once at height {}",
            missing.len(),
            self.depth,
            block.height,
        );
        Some(Finding::violated("no_lost_confirmed", view, what).about(block.hash))
    }

    fn seen(&self) -> String {
        self.outcome.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::{Story, spending};
    use crate::timeline::Intent;
    use bitcoin::Amount;

    /// Node 0 confirms a payment, then a longer branch without it wins.
    fn undone(otherwise: bool) -> (Story, Vec<Txid>) {
        let mut story = Story::of(2).asking(NoLostConfirmed::new(1, Of::Everyone));
        let payment = story.pay(0, 0, Intent::Conflicting);
        let rival = story.pay(1, 0, Intent::Conflicting);
        let child = spending(OutPoint { txid: payment.compute_txid(), vout: 0 }, Amount::ONE_SAT, 99);
        let txids = vec![payment.compute_txid(), child.compute_txid()];
        story.mine_with(0, vec![payment, child]);
        story.mine_with(1, if otherwise { vec![rival] } else { Vec::new() });
        let last = story.mine(1);
        story.hear(0, last);
        (story, txids)
    }

    #[test]
    fn a_pool_that_forgets_what_a_reorganisation_freed_is_caught() {
        let (mut story, _) = undone(false);
        assert_eq!(story.end().len(), 1);
    }

    #[test]
    fn what_waits_in_a_pool_is_not_lost() {
        let (mut story, txids) = undone(false);
        story.pool(1, txids);
        assert_eq!(story.end(), []);
    }

    #[test]
    fn what_was_spent_otherwise_is_excused_with_its_children() {
        let (mut story, _) = undone(true);
        assert_eq!(story.end(), []);
        assert!(story.seen().starts_with("2 undone, 2"), "{}", story.seen());
    }
}
