//! Payment: a payment made after everything is healed is confirmed on every node that must keep up.

use std::time::Duration;

use bitcoin::Txid;
use schism_chaos::quantity::Length;
use schism_node::control::Event;

use super::deadline::Deadline;
use super::{Check, Finding, Of, Tempo, View};
use crate::report::Verdict;
use crate::timeline::{Entry, Happening, Intent, Load};

/// Follows the first payment that each payer makes once everything is healed.
#[derive(Debug)]
pub struct Payment {
    of: Of,
    confirmed_within: Length,
    tempo: Tempo,
    /// How many there will be, and the nodes at which they are yet to be submitted.
    expected: usize,
    payers: Vec<usize>,
    waiting: Vec<(Txid, usize, Duration, Deadline)>,
    confirmed: usize,
    slowest: Duration,
}

impl Payment {
    /// A payment submitted at each of these payers, confirmed on the nodes `of` so long after that at the latest.
    pub fn new(of: Of, payers: Vec<usize>, confirmed_within: Length, tempo: Tempo) -> Self {
        let (expected, waiting) = (payers.len(), Vec::new());
        Self { of, confirmed_within, tempo, expected, payers, waiting, confirmed: 0, slowest: Duration::ZERO }
    }

    /// A node that has not confirmed it.
    fn without(&self, view: &View, txid: &Txid) -> Option<usize> {
        let confirmed = |node: &usize| {
            let tip = view.nodes()[*node].tip;
            tip.is_some_and(|tip| view.blocks().confirmed(txid, tip).is_some())
        };
        view.expected().filter(|&node| self.of.holds(node)).find(|node| !confirmed(node))
    }
}

impl Check for Payment {
    fn name(&self) -> &'static str {
        "payment"
    }

    fn asked(&self) -> String {
        let within = self.tempo.time(self.confirmed_within).as_secs_f64();
        format!("{} payments confirmed everywhere within {within:.0} s", self.expected)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        match &entry.what {
            Happening::Load(Load::Submitted { transaction, intent: Intent::Payment }) if view.healed_at().is_some() => {
                let node = entry.node?;
                let payer = self.payers.iter().position(|payer| *payer == node)?;
                self.payers.swap_remove(payer);
                let deadline = self.tempo.deadline(view.now(), view.mined(), self.confirmed_within);
                self.waiting.push((transaction.compute_txid(), node, view.now(), deadline));
                None
            }
            Happening::Load(Load::Refused { txid, reason })
                if self.waiting.iter().any(|waiting| waiting.0 == *txid) =>
            {
                let what =
                    format!("{} refused the payment {txid}: {reason}", view.name(entry.node.unwrap_or_default()));
                // No lateness of frames excuses a node that does not run.
                Some(Finding { timed: false, ..Finding::stalled("payment", view, what) })
            }
            Happening::Event(Event::TransactionRefused { txid, reason, from: None })
                if self.waiting.iter().any(|waiting| waiting.0 == *txid && entry.node == Some(waiting.1)) =>
            {
                let what = format!("{} refused the payment {txid}: {reason}", view.name(entry.node?));
                Some(Finding::stalled("payment", view, what))
            }
            Happening::Event(Event::TipChanged { .. }) if !self.waiting.is_empty() => {
                let waiting = std::mem::take(&mut self.waiting);
                for (txid, home, at, deadline) in waiting {
                    let Some(node) = self.without(view, &txid) else {
                        self.confirmed += 1;
                        self.slowest = self.slowest.max(view.now().saturating_sub(at));
                        continue;
                    };
                    if deadline.passed(view) {
                        let what = format!(
                            "{txid}, paid at {}, is not confirmed at {} in time",
                            view.name(home),
                            view.name(node)
                        );
                        return Some(Finding::stalled("payment", view, what).on_node(node));
                    }
                    self.waiting.push((txid, home, at, deadline));
                }
                None
            }
            _ => None,
        }
    }

    fn satisfied(&self, _view: &View) -> bool {
        self.waiting.is_empty() && self.confirmed >= self.expected
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        if self.expected == 0 {
            let what = "no payment could be made".to_owned();
            let verdict = Verdict::Inconclusive;
            return Some(Finding { verdict, ..Finding::stalled("payment", view, what) });
        }
        if self.satisfied(view) {
            return None;
        }
        let what = format!("{} of {} payments were confirmed everywhere", self.confirmed, self.expected);
        Some(Finding::stalled("payment", view, what))
    }

    fn seen(&self) -> String {
        format!("{} confirmed everywhere, the slowest after {:.1} s", self.confirmed, self.slowest.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    fn asked() -> Story {
        let tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
        let mut story = Story::of(2).asking(Payment::new(Of::Everyone, vec![0], Length::Blocks(2.0), tempo));
        story.all_healed();
        story
    }

    #[test]
    fn a_payment_confirmed_everywhere_passes() {
        let mut story = asked();
        assert!(!story.satisfied());
        let payment = story.pay(0, 0, Intent::Payment);
        let block = story.mine_with(0, vec![payment]);
        assert!(!story.satisfied());
        story.hear(1, block);
        assert!(story.satisfied());
        assert_eq!(story.end(), []);
    }

    #[test]
    fn a_payment_that_miners_leave_out_is_caught() {
        let mut story = asked();
        story.pay(0, 0, Intent::Payment);
        for _ in 0..3 {
            story.wait(10);
            let block = story.mine(1);
            story.hear(0, block);
        }
        assert_eq!(story.findings().len(), 1);
    }

    #[test]
    fn that_the_payer_does_not_run_is_excused_by_no_lateness() {
        let mut story = asked();
        let txid = story.pay(0, 0, Intent::Payment).compute_txid();
        let reason = "the node does not run".to_owned();
        story.happen(Some(0), Happening::Load(Load::Refused { txid, reason }));
        assert!(!story.only_finding().timed);
    }

    #[test]
    fn a_payment_that_was_never_made_is_caught() {
        assert_eq!(asked().end().len(), 1);
    }

    #[test]
    fn a_payment_of_somebody_else_is_none() {
        let mut story = asked();
        let payment = story.pay(1, 0, Intent::Payment);
        let block = story.mine_with(0, vec![payment]);
        story.hear(1, block);
        assert!(!story.satisfied());
    }
}
