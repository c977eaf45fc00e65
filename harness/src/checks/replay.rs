//! Replay: payments made and confirmed on one side of a fork are submitted, as they are, on the other side. Either they
//! are confirmed there too, under one id, and wallets lose what they paid nobody; or every one is refused, for its
//! signature or because it spends coins that were split from those of the other side.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{OutPoint, ScriptBuf, TxOut, Txid};
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
    /// Refused because it spends what is not there.
    strange: BTreeSet<Txid>,
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
        let (submitted, accepted, refused, strange) = Default::default();
        Self { asked, wallets, submitted, accepted, refused, strange, told: "the run never ended".to_owned() }
    }

    fn wallet(&self, script: &ScriptBuf) -> Option<usize> {
        self.wallets.iter().position(|known| known == script)
    }

    fn moved(&self, view: &View) -> Moved {
        let mut moved = Moved::default();
        let blocks = view.blocks();
        for (txid, &node) in &self.submitted {
            let confirmed = view.nodes()[node].tip.is_some_and(|tip| blocks.confirmed(txid, tip).is_some());
            let Some(known) = blocks.transaction(txid).filter(|_| confirmed) else { continue };
            moved.confirmed += 1;
            let mut book = |output: &TxOut, sign: i64| {
                if let Some(wallet) = self.wallet(&output.script_pubkey) {
                    *moved.wallets.entry(wallet).or_default() += sign * output.value.to_sat() as i64;
                }
            };
            let spent = known.transaction.input.iter().filter_map(|input| blocks.output(&input.previous_output));
            spent.for_each(|output| book(output, -1));
            known.transaction.output.iter().for_each(|output| book(output, 1));
        }
        moved.wallets.retain(|_, sum| *sum != 0);
        moved
    }

    /// What wallets whose payments were replayed have on the other side, by number, in satoshi.
    fn kept(&self, view: &View) -> BTreeMap<usize, i64> {
        let blocks = view.blocks();
        let Some(tip) = self.submitted.values().next().and_then(|&node| view.nodes()[node].tip) else {
            return BTreeMap::new();
        };
        let spent = |txid| blocks.transaction(txid).into_iter().flat_map(|known| &known.transaction.input);
        let payers = self.submitted.keys().flat_map(spent).filter_map(|input| blocks.output(&input.previous_output));
        let mut kept: BTreeMap<usize, i64> =
            payers.filter_map(|output| Some((self.wallet(&output.script_pubkey)?, 0))).collect();
        for (txid, known) in blocks.transactions().filter(|(txid, _)| blocks.confirmed(txid, tip).is_some()) {
            for (output, vout) in known.transaction.output.iter().zip(0..) {
                let unspent = blocks.spender(&OutPoint { txid: *txid, vout }, tip).is_none();
                let wallet = self.wallet(&output.script_pubkey).filter(|_| unspent);
                if let Some(sum) = wallet.and_then(|wallet| kept.get_mut(&wallet)) {
                    *sum += output.value.to_sat() as i64;
                }
            }
        }
        kept
    }

    fn in_words(&self, view: &View, moved: &Moved) -> String {
        let lost: i64 = -moved.wallets.values().filter(|sum| **sum < 0).sum::<i64>();
        let wallets: Vec<String> =
            moved.wallets.iter().map(|(wallet, sum)| format!("wallet {wallet}: {sum:+}")).collect();
        let each = if wallets.is_empty() { String::new() } else { format!(" ({})", wallets.join(", ")) };
        let kept = self.kept(view);
        let whole = |(wallet, sum): (&usize, &i64)| sum - moved.wallets.get(wallet).unwrap_or(&0);
        let (all, least) = (kept.values().sum::<i64>(), kept.values().min().copied().unwrap_or_default());
        format!(
            "{} submitted again, {} accepted, {} refused for their signatures and {} for coins that are not there, {} \
             confirmed on both sides; {lost} sat lost{each}; {} wallets keep {all} of {} sat there, each {least} or more",
            self.submitted.len(),
            self.accepted.len(),
            self.refused.len(),
            self.strange.len(),
            moved.confirmed,
            kept.len(),
            kept.iter().map(whole).sum::<i64>(),
        )
    }

    /// Payments that were refused as they should be.
    fn as_asked(&self) -> usize {
        match self.asked {
            Replayed::Refused => self.refused.len(),
            Replayed::Kept(_) => self.strange.len(),
            Replayed::Confirmed(_) => 0,
        }
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
            Replayed::Kept(least) => {
                format!("{least} replayed payments of split coins, all refused, and nothing moves on the other side")
            }
        }
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        match &entry.what {
            Happening::Load(Load::Submitted { transaction, intent: Intent::Replayed }) => {
                self.submitted.insert(transaction.compute_txid(), entry.node?);
                None
            }
            Happening::Event(Event::TransactionRefused { txid, reason, from: None }) if self.of(entry.node, txid) => {
                match reason {
                    Refused::SignatureKindWrong { .. } | Refused::SignatureInvalid { .. } => self.refused.insert(*txid),
                    Refused::CoinMissing { .. } => self.strange.insert(*txid),
                    _ => false,
                };
                None
            }
            Happening::Event(Event::TransactionAccepted { txid, .. }) if self.of(entry.node, txid) => {
                self.accepted.insert(*txid);
                let node = entry.node.filter(|_| !matches!(self.asked, Replayed::Confirmed(_)))?;
                let what = format!("{} took {txid}, which was paid on the other side", view.name(node));
                Some(Finding::violated("replay", view, what).on_node(node))
            }
            _ => None,
        }
    }

    fn satisfied(&self, view: &View) -> bool {
        let judged = self.accepted.len() + self.as_asked() >= self.submitted.len();
        match self.asked {
            Replayed::Refused => judged,
            Replayed::Confirmed(least) => self.moved(view).confirmed >= u64::from(least),
            Replayed::Kept(least) => judged && self.submitted.len() >= least as usize,
        }
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let moved = self.moved(view);
        let seen = self.in_words(view, &moved);
        self.told.clone_from(&seen);
        let submitted = self.submitted.len();
        if submitted == 0 {
            let what = "no payment was replayed".to_owned();
            return Some(Finding { verdict: Verdict::Inconclusive, ..Finding::stalled("replay", view, what) });
        }
        match self.asked {
            Replayed::Confirmed(least) => {
                (moved.confirmed < u64::from(least)).then(|| Finding::stalled("replay", view, seen))
            }
            _ if moved.confirmed > 0 => Some(Finding::violated("replay", view, seen)),
            Replayed::Kept(least) if submitted < least as usize => Some(Finding::stalled("replay", view, seen)),
            _ => (self.as_asked() < submitted).then(|| Finding::stalled("replay", view, seen)),
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
    fn a_replayed_payment_that_is_refused_as_it_should_be_passes_and_for_another_reason_does_not() {
        let outpoint = Story::of(2).coin(0);
        let signature = Refused::SignatureKindWrong { input: 0 };
        let coin = Refused::CoinMissing { outpoint };
        for (why, reason, findings) in [
            (Replayed::Refused, &signature, 0),
            (Replayed::Refused, &coin, 1),
            (Replayed::Kept(1), &coin, 0),
            (Replayed::Kept(1), &signature, 1),
            (Replayed::Kept(2), &coin, 1),
        ] {
            let mut story = asked(why);
            let txid = story.pay(1, 0, Intent::Replayed).compute_txid();
            story.say(1, Event::TransactionRefused { txid, reason: reason.clone(), from: None });
            assert_eq!(story.end().len(), findings, "{why:?} {reason}");
        }
    }

    #[test]
    fn what_moved_is_what_wallets_spent_and_were_paid_and_the_rest_is_kept() {
        let story = Story::of(2);
        let outputs = &story.rules().genesis.txdata[0].output;
        let wallets = outputs.iter().map(|output| output.script_pubkey.clone()).collect();
        let mut story = story.asking(Replay::new(Replayed::Kept(1), wallets));
        let payment = story.pay(1, 3, Intent::Replayed);
        story.mine_with(1, vec![payment]);
        let found = story.end();
        assert!(found[0].what.contains("1000 sat lost (wallet 3: -1000); 1 wallets keep 0 of 1000 sat"), "{found:?}");
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
