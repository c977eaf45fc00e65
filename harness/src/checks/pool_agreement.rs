//! Pool agreement: after reconnecting, pools hold the same transactions, but for those that conflict with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitcoin::{OutPoint, Txid};
use schism_chaos::quantity::Length;
use schism_node::control::Answer;

use super::deadline::Deadline;
use super::{Check, Finding, Of, Tempo, View};
use crate::timeline::{Entry, Happening};

/// Compares samples of pools once everything is healed.
#[derive(Debug)]
pub struct PoolAgreement {
    of: Of,
    within: Length,
    /// How long a transaction may be on its way.
    travel: Duration,
    tempo: Tempo,
    deadline: Option<Deadline>,
    /// Who has answered since the last comparison.
    answered: BTreeSet<usize>,
    /// What differs, as of the last comparison; nothing before the first.
    difference: Option<Result<(), String>>,
    agreed_at: Option<Duration>,
}

impl PoolAgreement {
    /// Pools of these nodes agree so long after everything was healed, at the latest.
    pub fn new(of: Of, within: Length, tempo: Tempo) -> Self {
        let (answered, difference) = (BTreeSet::new(), None);
        let travel = tempo.interval.mul_f64(tempo.pace);
        Self { of, within, travel, tempo, deadline: None, answered, difference, agreed_at: None }
    }

    /// The same where transactions travel so much longer: gossip tells of what was missed once a second, in real time.
    pub fn travelling_longer(self, by: Duration) -> Self {
        Self { travel: self.travel + by, ..self }
    }

    fn compare(&self, view: &View) -> Result<(), String> {
        let nodes: Vec<usize> = view.expected().filter(|&node| self.of.holds(node)).collect();
        let mut pools: BTreeMap<usize, BTreeSet<Txid>> = BTreeMap::new();
        for &node in &nodes {
            let pool = view.nodes()[node].pool.as_ref();
            let pool = pool.ok_or_else(|| format!("{} did not show its pool", view.name(node)))?;
            pools.insert(node, pool.transactions.iter().copied().collect());
        }
        let union: BTreeSet<Txid> = pools.values().flatten().copied().collect();
        for (&node, pool) in &pools {
            // Built only where something is missing: pools mostly agree.
            let mut spent: Option<BTreeSet<OutPoint>> = None;
            for txid in union.difference(pool) {
                let spent = spent.get_or_insert_with(|| inputs(view, pool.iter()).collect());
                if !self.excused(view, node, txid, spent) {
                    return Err(format!("{} lacks {txid}", view.name(node)));
                }
            }
        }
        Ok(())
    }

    /// Whether a node may lack a transaction: it is new, confirmed there, or conflicts with what the node has.
    fn excused(&self, view: &View, node: usize, txid: &Txid, spent: &BTreeSet<OutPoint>) -> bool {
        let Some(known) = view.blocks().transaction(txid) else { return false };
        let new = known.submitted.is_some_and(|(at, _, _)| at + self.travel > view.now());
        let tip = view.nodes()[node].tip;
        new || tip.is_some_and(|tip| view.blocks().confirmed(txid, tip).is_some())
            || known.transaction.input.iter().any(|input| {
                let output = &input.previous_output;
                spent.contains(output) || tip.is_some_and(|tip| view.blocks().spender(output, tip).is_some())
            })
    }
}

/// What these transactions spend, as far as they are known.
fn inputs<'a>(view: &'a View, txids: impl Iterator<Item = &'a Txid> + 'a) -> impl Iterator<Item = OutPoint> + 'a {
    txids
        .filter_map(|txid| view.blocks().transaction(txid))
        .flat_map(|known| known.transaction.input.iter().map(|input| input.previous_output))
}

impl Check for PoolAgreement {
    fn name(&self) -> &'static str {
        "pool_agreement"
    }

    fn asked(&self) -> String {
        let within = self.tempo.time(self.within).as_secs_f64();
        format!("pools agree {within:.0} s after everything is healed, conflicts aside")
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let healed = view.healed_at()?;
        let deadline =
            *self.deadline.get_or_insert_with(|| self.tempo.deadline(healed, view.mined_at_heal(), self.within));
        let Happening::Answer(Answer::Pool(_)) = &entry.what else { return None };
        self.answered.insert(entry.node?);
        let all = view.expected().filter(|&node| self.of.holds(node)).all(|node| self.answered.contains(&node));
        if !all || self.agreed_at.is_some() {
            return None;
        }
        self.answered.clear();
        let difference = self.compare(view);
        if difference.is_ok() {
            self.agreed_at = Some(view.now().saturating_sub(healed));
        }
        let late = difference.as_ref().err().filter(|_| deadline.passed(view)).cloned();
        self.difference = Some(difference);
        late.map(|what| Finding::stalled("pool_agreement", view, what))
    }

    fn satisfied(&self, _view: &View) -> bool {
        self.agreed_at.is_some()
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        if self.agreed_at.is_some() {
            return None;
        }
        let what = match &self.difference {
            Some(Err(difference)) => difference.clone(),
            _ => "pools were never compared".to_owned(),
        };
        Some(Finding::stalled("pool_agreement", view, what))
    }

    fn seen(&self) -> String {
        match self.agreed_at {
            Some(after) => format!("agreed {:.1} s after the heal", after.as_secs_f64()),
            None => "never agreed".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use crate::timeline::Intent;

    fn asked() -> Story {
        let tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
        Story::of(2).asking(PoolAgreement::new(Of::Everyone, Length::Time(Duration::from_secs(30)), tempo))
    }

    #[test]
    fn pools_that_never_reconcile_are_caught() {
        let mut story = asked();
        let payment = story.pay(0, 0, Intent::Payment).compute_txid();
        story.all_healed();
        story.wait(20);
        story.pool(0, vec![payment]);
        story.pool(1, vec![]);
        assert!(!story.satisfied());
        assert_eq!(story.end().len(), 1);
    }

    /// A payment that one node has and the other has not, so many seconds after it was made: whether that is fine.
    fn after(seconds: u64, longer: u64) -> bool {
        let tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
        let check = PoolAgreement::new(Of::Everyone, Length::Time(Duration::from_secs(30)), tempo);
        let mut story = Story::of(2).asking(check.travelling_longer(Duration::from_secs(longer)));
        story.all_healed();
        let payment = story.pay(0, 0, Intent::Payment).compute_txid();
        story.wait(seconds);
        story.pool(0, vec![payment]);
        story.pool(1, vec![]);
        story.satisfied() && story.findings().is_empty()
    }

    #[test]
    fn a_transaction_may_travel_as_long_as_its_backend_takes() {
        assert_eq!([after(9, 0), after(11, 0), after(29, 20), after(31, 20)], [true, false, true, false]);
    }

    #[test]
    fn pools_that_differ_by_conflicts_and_by_what_is_travelling_agree() {
        let mut story = asked();
        let shared = story.pay(0, 0, Intent::Payment).compute_txid();
        let here = story.pay(0, 1, Intent::Conflicting).compute_txid();
        let there = story.pay(1, 1, Intent::Conflicting).compute_txid();
        story.all_healed();
        story.wait(20);
        let new = story.pay(0, 2, Intent::Payment).compute_txid();
        story.pool(0, vec![shared, here, new]);
        story.pool(1, vec![shared, there]);
        assert!(story.satisfied());
        assert_eq!(story.end(), []);
    }
}
