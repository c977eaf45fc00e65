//! A measure: the figures of a run, counted along. No verdict; the limits are held against it.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcoin::Txid;
use schism_node::control::{Answer, Event};

use super::View;
use crate::report::Measured;
use crate::statistics::{gini, percentile};
use crate::timeline::{Entry, Happening, Load};

/// The figures so far.
#[derive(Debug, Default)]
pub struct Measure {
    transactions: BTreeMap<Txid, Spread>,
    blocks: BTreeMap<usize, Spread>,
    transaction_times: Vec<f64>,
    block_times: Vec<f64>,
    submitted: u64,
    counters: Vec<Counters>,
}

/// How far something has spread.
#[derive(Debug)]
struct Spread {
    since: Duration,
    /// The state of connections when it began; when that changes, who can be reached changes, and it no longer counts.
    epoch: u64,
    /// Who has yet to get it.
    missing: Vec<bool>,
    count: usize,
}

/// What a node counts since its start, over all its lives.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    served: OverLives,
    checks: OverLives,
}

/// A counter that begins anew when a node restarts.
#[derive(Clone, Copy, Debug, Default)]
struct OverLives {
    former: u64,
    now: u64,
}

impl Measure {
    /// Counts one entry in; the view has it already.
    pub fn feed(&mut self, view: &View, entry: &Entry) {
        self.counters.resize(view.nodes().len(), Counters::default());
        let Some(node) = entry.node.filter(|&node| node < view.nodes().len()) else { return };
        match &entry.what {
            Happening::Load(Load::Submitted { transaction, .. }) => {
                self.submitted += 1;
                if let Some(spread) = Spread::from(view, node) {
                    self.transactions.insert(transaction.compute_txid(), spread);
                }
            }
            Happening::Event(Event::TransactionAccepted { txid, .. }) => {
                arrive(&mut self.transactions, txid, node, view, &mut self.transaction_times);
            }
            Happening::Event(Event::BlockMined { block, .. }) => {
                if let (Some(place), Some(spread)) =
                    (view.blocks().place(&block.block_hash()), Spread::from(view, node))
                {
                    self.blocks.insert(place, spread);
                    arrive(&mut self.blocks, &place, node, view, &mut self.block_times);
                }
            }
            Happening::Event(Event::BlockStored { hash, .. }) => {
                if let Some(place) = view.blocks().place(hash) {
                    arrive(&mut self.blocks, &place, node, view, &mut self.block_times);
                }
            }
            Happening::Event(Event::TipChanged { ledger, connected, .. }) => {
                self.counters[node].checks.count(ledger.signature_checks);
                // Most have arrived before their block does.
                if !self.transactions.is_empty() {
                    let places = connected.iter().filter_map(|hash| view.blocks().place(hash));
                    for txid in places.flat_map(|place| &view.blocks().get(place).txids) {
                        arrive(&mut self.transactions, txid, node, view, &mut self.transaction_times);
                    }
                }
            }
            Happening::Answer(Answer::Ledger(ledger)) => self.counters[node].checks.count(ledger.signature_checks),
            Happening::Answer(Answer::Peers(peers)) => self.counters[node].served.count(peers.bytes_served),
            _ => {}
        }
    }

    /// The figures, as results hold them. What only a backend knows (frames, memo hits) is left at zero.
    pub fn measured(&self, view: &View) -> Measured {
        let blocks = view.blocks();
        let tips = view.expected().filter_map(|node| view.nodes()[node].tip);
        let best = tips.max_by_key(|&tip| blocks.get(tip).work).unwrap_or(0);
        let mined = || blocks.all().iter().enumerate().filter(|(_, block)| block.miner.is_some());
        let confirmed = blocks
            .transactions()
            .filter(|(txid, known)| known.submitted.is_some() && blocks.confirmed(txid, best).is_some());
        let served: Vec<f64> = self.each(view, |counters| counters.served);
        let checks: Vec<f64> = self.each(view, |counters| counters.checks);
        Measured {
            height: blocks.get(best).height,
            blocks_mined: mined().count() as u32,
            blocks_lost: mined().filter(|(place, _)| !blocks.is_on(*place, best)).count() as u32,
            deepest_reorganisation: view
                .nodes()
                .iter()
                .filter(|node| node.judged)
                .map(|node| node.deepest)
                .max()
                .unwrap_or(0),
            transactions_submitted: self.submitted,
            transactions_confirmed: confirmed.count() as u64,
            bytes_served: served.iter().sum::<f64>() as u64,
            gini_bytes_served: gini(&served),
            verifications: checks.iter().sum::<f64>() as u64,
            gini_verifications: gini(&checks),
            transaction_everywhere: percentiles(&self.transaction_times),
            block_everywhere: percentiles(&self.block_times),
            ..Measured::default()
        }
    }

    /// Payload bytes a node has served, over all its lives.
    pub fn bytes_served(&self, node: usize) -> u64 {
        self.counters.get(node).map_or(0, |counters| counters.served.total())
    }

    /// Signature checks a node has asked for, over all its lives.
    pub fn verifications(&self, node: usize) -> u64 {
        self.counters.get(node).map_or(0, |counters| counters.checks.total())
    }

    fn each(&self, view: &View, which: impl Fn(&Counters) -> OverLives) -> Vec<f64> {
        let judged = view.nodes().iter().zip(&self.counters).filter(|(node, _)| node.judged && node.ledger.is_some());
        judged.map(|(_, counters)| which(counters)).map(|counter| counter.total() as f64).collect()
    }
}

impl OverLives {
    fn total(self) -> u64 {
        self.former + self.now
    }

    fn count(&mut self, now: u64) {
        if now < self.now {
            self.former += self.now;
        }
        self.now = now;
    }
}

impl Spread {
    /// From a node to all that it can reach.
    fn from(view: &View, node: usize) -> Option<Self> {
        let mut missing = vec![false; view.nodes().len()];
        let component = view.components().of(node)?;
        let reachable = component.members.iter().filter(|&&member| view.nodes()[member].judged);
        reachable.for_each(|&member| missing[member] = true);
        let count = missing.iter().filter(|missing| **missing).count();
        Some(Self { since: view.now(), epoch: view.components().epoch(), missing, count })
    }
}

/// Counts an arrival; with the last one, or when connections have changed, the spread is over.
fn arrive<K: Ord>(spreads: &mut BTreeMap<K, Spread>, key: &K, node: usize, view: &View, times: &mut Vec<f64>) {
    let Some(spread) = spreads.get_mut(key) else { return };
    let counts = spread.epoch == view.components().epoch();
    if counts && std::mem::take(&mut spread.missing[node]) {
        spread.count -= 1;
    }
    if counts && spread.count == 0 {
        // What began while the cluster was starting began before zero.
        times.push(view.now().saturating_sub(spread.since).as_secs_f64());
    }
    if !counts || spread.count == 0 {
        spreads.remove(key);
    }
}

fn percentiles(times: &[f64]) -> BTreeMap<String, f64> {
    let names = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
    names.iter().filter_map(|(name, share)| Some(((*name).to_owned(), percentile(times, *share)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Limits;
    use crate::checks::story::Story;
    use crate::experiment::{Limits as Asked, Percentiles};
    use crate::timeline::Intent;
    use bitcoin::Amount;
    use schism_node::control::PeersState;

    fn limits(asked: Asked) -> Story {
        let tempo = crate::checks::Tempo { interval: Duration::from_secs(10), pace: 1.0 };
        Story::of(2).asking(Limits::new(asked, tempo))
    }

    #[test]
    fn a_reorganisation_deeper_than_the_limit_is_caught() {
        for (limit, findings) in [(2, 0), (1, 1)] {
            let mut story = limits(Asked { reorganisation: Some(limit), ..Asked::default() });
            for _ in 0..2 {
                story.mine(0);
            }
            for _ in 0..2 {
                story.mine(1);
            }
            let last = story.mine(1);
            story.hear(0, last);
            assert_eq!(story.end().len(), findings);
        }
    }

    #[test]
    fn a_transaction_that_travels_too_long_is_caught() {
        for (seconds, findings) in [(1, 0), (5, 1)] {
            let p99 = Some(Duration::from_secs(3));
            let asked = Some(Percentiles { p99, ..Percentiles::default() });
            let mut story = limits(Asked { transaction_everywhere: asked, ..Asked::default() });
            let txid = story.pay(0, 0, Intent::Payment).compute_txid();
            story.say(0, Event::TransactionAccepted { txid, fee: Amount::ZERO });
            story.wait(seconds);
            story.say(1, Event::TransactionAccepted { txid, fee: Amount::ZERO });
            assert_eq!(story.end().len(), findings);
        }
    }

    #[test]
    fn one_node_that_serves_everything_is_caught() {
        for (second, findings) in [(100, 0), (0, 1)] {
            let mut story = limits(Asked { gini_bytes_served: Some(0.3), ..Asked::default() });
            for (node, bytes_served) in [(0, 100), (1, second)] {
                story.answer(node, Answer::Peers(PeersState { bytes_served, ..Default::default() }));
            }
            assert_eq!(story.end().len(), findings);
        }
    }
}
