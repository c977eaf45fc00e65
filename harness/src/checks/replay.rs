//! Replay: payments made and confirmed on one side of a fork are submitted, as they are, on the other side. Either they
//! are confirmed there too, under one id, and wallets lose what they paid nobody; or every one is refused for its signature.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{ScriptBuf, Txid};
use schism_node::chain::Refused;
use schism_node::control::Event;

use super::{Check, Finding, View};
use crate::experiment::Replayed;
use crate::report::Verdict;
use crate::timeline::{Entry, Happening, Intent, Load};

/// Follows every payment that is submitted a second time.
#[derive(Debug)]
pub struct Replay {
    asked: Replayed,
    /// Scripts of the wallets, in their order.
    wallets: Vec<ScriptBuf>,
    /// What was replayed, and where.
    submitted: BTreeMap<Txid, usize>,
    accepted: BTreeSet<Txid>,
    /// Refused because of what it is signed for.
    refused: BTreeSet<Txid>,
    /// What it all came to, in words.
    told: String,
}

/// What replayed payments have moved on the chain where nobody made them, in satoshi.
#[derive(Debug, Default, PartialEq, Eq)]
struct Moved {
    confirmed: u64,
    /// What wallets have more or less than they would, by number; who has neither is not in it.
    wallets: BTreeMap<usize, i64>,
}

impl Replay {
    /// Asks this of payments between these wallets.
    pub fn new(asked: Replayed, wallets: Vec<ScriptBuf>) -> Self {
        let (submitted, accepted, refused) = Default::default();
        Self { asked, wallets, submitted, accepted, refused, told: "the run never ended".to_owned() }
    }

    fn moved(&self, view: &View) -> Moved {
        let mut moved = Moved::default();
        let blocks = view.blocks();
        for (txid, &node) in &self.submitted {
            let confirmed = view.nodes()[node].tip.is_some_and(|tip| blocks.confirmed(txid, tip).is_some());
            let Some(known) = blocks.transaction(txid).filter(|_| confirmed) else { continue };
            moved.confirmed += 1;
            let transaction = &known.transaction;
            // The last output is the payer's change: it has paid the rest of its coin.
            let (Some(input), Some(change)) = (transaction.input.first(), transaction.output.last()) else { continue };
            let spent = blocks.value(&input.previous_output).map_or(0, |value| value.to_sat() as i64);
            let mut book = |script: &ScriptBuf, sum: i64| {
                if let Some(wallet) = self.wallets.iter().position(|known| known == script) {
                    *moved.wallets.entry(wallet).or_default() += sum;
                }
            };
            book(&change.script_pubkey, -spent);
            transaction.output.iter().for_each(|output| book(&output.script_pubkey, output.value.to_sat() as i64));
        }
        moved.wallets.retain(|_, sum| *sum != 0);
        moved
    }

    fn in_words(&self, moved: &Moved) -> String {
        let lost: i64 = -moved.wallets.values().filter(|sum| **sum < 0).sum::<i64>();
        let wallets: Vec<String> =
            moved.wallets.iter().map(|(wallet, sum)| format!("wallet {wallet}: {sum:+}")).collect();
        let each = if wallets.is_empty() { String::new() } else { format!(" ({})", wallets.join(", ")) };
        format!(
            "{} submitted again, {} accepted, {} refused for their signatures, {} confirmed on both sides; {lost} sat lost{each}",
            self.submitted.len(),
            self.accepted.len(),
            self.refused.len(),
            moved.confirmed,
        )
    }

    fn of(&self, node: Option<usize>, txid: &Txid) -> bool {
        node.is_some() && self.submitted.get(txid).copied() == node
    }
}

impl Check for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn asked(&self) -> String {
        match self.asked {
            Replayed::Refused => "every replayed payment is refused for its signature, and nothing moves".to_owned(),
            Replayed::Confirmed(least) => format!("{least} replayed payments are confirmed on both sides"),
        }
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        match &entry.what {
            Happening::Load(Load::Submitted { transaction, intent: Intent::Replayed }) => {
                self.submitted.insert(transaction.compute_txid(), entry.node?);
                None
            }
            Happening::Event(Event::TransactionRefused { txid, reason, from: None }) if self.of(entry.node, txid) => {
                if let Refused::SignatureKindWrong { .. } | Refused::SignatureInvalid { .. } = reason {
                    self.refused.insert(*txid);
                }
                None
            }
            Happening::Event(Event::TransactionAccepted { txid, .. }) if self.of(entry.node, txid) => {
                self.accepted.insert(*txid);
                let node = entry.node.filter(|_| self.asked == Replayed::Refused)?;
                let what = format!("{} took {txid}, which was paid on the other side", view.name(node));
                Some(Finding::violated("replay", view, what).on_node(node))
            }
            _ => None,
        }
    }

    fn satisfied(&self, view: &View) -> bool {
        match self.asked {
            Replayed::Refused => self.accepted.len() + self.refused.len() >= self.submitted.len(),
            Replayed::Confirmed(least) => self.moved(view).confirmed >= u64::from(least),
        }
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let moved = self.moved(view);
        let seen = self.in_words(&moved);
        self.told.clone_from(&seen);
        if self.submitted.is_empty() {
            let what = "no payment was replayed".to_owned();
            return Some(Finding { verdict: Verdict::Inconclusive, ..Finding::stalled("replay", view, what) });
        }
        match self.asked {
            Replayed::Refused if moved.confirmed > 0 => Some(Finding::violated("replay", view, seen)),
            Replayed::Refused if self.refused.len() < self.submitted.len() => {
                Some(Finding::stalled("replay", view, seen))
            }
            Replayed::Confirmed(least) if moved.confirmed < u64::from(least) => {
                Some(Finding::stalled("replay", view, seen))
            }
            _ => None,
        }
    }

    fn seen(&self) -> String {
        self.told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use bitcoin::Amount;

    fn asked(asked: Replayed) -> Story {
        Story::of(2).asking(Replay::new(asked, Vec::new()))
    }

    #[test]
    fn a_replayed_payment_that_is_taken_is_caught_where_it_should_be_refused() {
        let mut story = asked(Replayed::Refused);
        let txid = story.pay(1, 0, Intent::Replayed).compute_txid();
        story.say(1, Event::TransactionAccepted { txid, fee: Amount::ZERO });
        assert_eq!(story.only_finding().node, Some(1));
    }

    #[test]
    fn a_replayed_payment_that_is_refused_for_its_signature_passes_and_for_another_reason_does_not() {
        let outpoint = Story::of(2).coin(0);
        for (reason, findings) in
            [(Refused::SignatureKindWrong { input: 0 }, 0), (Refused::CoinMissing { outpoint }, 1)]
        {
            let mut story = asked(Replayed::Refused);
            let txid = story.pay(1, 0, Intent::Replayed).compute_txid();
            story.say(1, Event::TransactionRefused { txid, reason, from: None });
            assert_eq!(story.end().len(), findings);
        }
    }

    #[test]
    fn a_replayed_payment_counts_once_the_other_side_has_confirmed_it() {
        for (mined, findings) in [(true, 0), (false, 1)] {
            let mut story = asked(Replayed::Confirmed(1));
            let payment = story.pay(1, 0, Intent::Replayed);
            if mined {
                story.mine_with(1, vec![payment]);
            }
            assert_eq!(story.end().len(), findings);
        }
    }

    #[test]
    fn nothing_replayed_proves_nothing() {
        assert_eq!(asked(Replayed::Refused).end()[0].verdict, Verdict::Inconclusive);
    }
}
