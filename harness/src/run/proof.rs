//! Proofs: what is noted of every fault while a run goes on, and the evidence it comes to.

use std::collections::BTreeSet;
use std::time::Duration;

use bitcoin::BlockHash;
use schism_chaos::effect::Effect;
use schism_chaos::evidence::{Confirmed, Counting, LinkCounters, NodeCounters, Proof, Witness};
use schism_chaos::progress::{Act, FaultId, Phase, Progress, Verb};
use schism_chaos::schedule::Step;
use schism_node::control::Event;

use super::Run;
use crate::backend::Backend;
use crate::checks::{Standing, View};
use crate::cluster::Cluster;
use crate::report::{Evidence, Requirement, RequirementState};
use crate::timeline::{Entry, Happening};

/// What was noted of every fault so far.
#[derive(Debug, Default)]
pub struct Proofs {
    witnesses: Vec<Witness>,
    skipped: Vec<(FaultId, String)>,
    /// Who stands where, for `tips_differ`.
    standing: Standing,
    /// Writes lost when each witness began.
    lost_before: Vec<u64>,
    /// Blocks that were refused before it was heard who mined them (words of different nodes overtake each other), with the
    /// place of the witness that may be concerned.
    unexplained: Vec<(usize, BlockHash)>,
}

impl Proofs {
    /// Notes how things stand before an act.
    pub fn before<B: Backend>(&mut self, act: &Act, cluster: &Cluster<B>, view: &View) {
        let counting = Reading(cluster);
        if (act.verb, act.phase) == (Verb::Apply, Phase::Whole) {
            self.witnesses.push(Witness::before(act, &counting));
            self.lost_before.push(cluster.writes_lost());
            return;
        }
        let Some(place) = self.place(act.fault) else { return };
        let witness = &mut self.witnesses[place];
        if (act.verb, act.phase) == (Verb::Undo, Phase::Whole) {
            let best = view.expected().filter_map(|node| height(view, node)).max().unwrap_or(0);
            let missed = witness.touched().iter().map(|&node| best.saturating_sub(height(view, node).unwrap_or(0)));
            witness.sighting.blocks_missed = missed.min();
        }
        witness.about_to(act, &counting);
    }

    /// Notes how things stand after an act, and what traffic of the machines' own has shown of it.
    pub fn after<B: Backend>(&mut self, act: &Act, confirmed: Option<Confirmed>, cluster: &Cluster<B>) {
        let Some(place) = self.place(act.fault) else { return };
        self.witnesses[place].done(act, &Reading(cluster));
        confirmed.into_iter().for_each(|confirmed| self.witnesses[place].confirm(confirmed));
        self.witnesses[place].sighting.writes_lost = cluster.writes_lost() - self.lost_before[place];
    }

    /// Notes what happened.
    pub fn notice(&mut self, entry: &Entry, view: &View) {
        self.standing.update(view, entry);
        match (&entry.what, entry.node) {
            (Happening::Skipped { fault, reason }, _) => self.skipped.push((*fault, reason.clone())),
            (Happening::Event(event), Some(node)) => self.event(event, node, view),
            _ => {}
        }
    }

    fn event(&mut self, event: &Event, node: usize, view: &View) {
        self.obedience(event, node);
        if !self.witnesses.iter().any(Witness::in_force) {
            return;
        }
        let tips = self.standing.tips().filter(|(tip, _)| tip.is_some()).count() as u32;
        let in_force = self.witnesses.iter_mut().enumerate().filter(|(_, witness)| witness.in_force());
        for (place, witness) in in_force {
            let touched = |node: usize| witness.touched().contains(&node);
            match event {
                Event::TipChanged { .. } => witness.sighting.tips = witness.sighting.tips.max(tips),
                Event::BlockMined { .. } => {
                    let side = view.sides().iter().position(|side| side.contains(&node));
                    if let Some(count) = side.and_then(|side| witness.sighting.mined_by_side.get_mut(side)) {
                        *count += 1;
                    }
                    let gained = |effect: &Effect| matches!(effect, Effect::HashPower { node: whose, times } if *whose == node && *times > 1.0);
                    let gained = witness.effects().iter().any(gained);
                    witness.sighting.blocks_mined += u32::from(gained);
                }
                Event::PeerDisconnected { .. } => witness.sighting.peers_lost += 1,
                Event::BlockRefused { hash, .. } => {
                    let miner = miner(view, hash);
                    if touched(node) || miner.is_some_and(touched) {
                        witness.sighting.blocks_refused += 1;
                    } else if miner.is_none() {
                        self.unexplained.push((place, *hash));
                    }
                }
                _ => {}
            }
        }
    }

    /// All witnesses, who now know of blocks that were refused which of them they concern.
    fn witnesses(&self, view: &View) -> Vec<Witness> {
        let mut witnesses = self.witnesses.clone();
        for (place, hash) in &self.unexplained {
            let witness = &mut witnesses[*place];
            if miner(view, hash).is_some_and(|miner| witness.touched().contains(&miner)) {
                witness.sighting.blocks_refused += 1;
            }
        }
        witnesses
    }

    /// A node's word that it does what a fault asks of it.
    fn obedience(&mut self, event: &Event, node: usize) {
        for witness in &mut self.witnesses {
            let obeys = witness.effects().iter().any(|effect| match (event, effect) {
                (Event::RulesChanged { follows, .. }, Effect::Upgrade { node: whose, to, .. }) => {
                    *whose == node && to.iter().all(|upgrade| follows.contains(upgrade))
                }
                (Event::HashRateSet { .. }, Effect::HashPower { node: whose, .. }) => *whose == node,
                _ => false,
            });
            if obeys {
                let when = if witness.in_force() { &mut witness.sighting.obeyed } else { &mut witness.sighting.undone };
                when.insert(node);
            }
        }
    }

    fn place(&self, fault: FaultId) -> Option<usize> {
        self.witnesses.iter().rposition(|witness| witness.id() == fault)
    }
}

impl<B: Backend> Run<B> {
    /// What each step of the schedule left, in its order. Times count from when the load started.
    pub fn evidence(&self, progress: &Progress) -> Vec<Evidence> {
        let mut witnesses = self.proofs.witnesses(self.checks.view());
        witnesses.iter_mut().for_each(|witness| witness.last(&Reading(&self.cluster)));
        let of_step = |(number, step): (usize, &Step)| {
            let occurrences = witnesses.iter().filter(|witness| witness.id().step == number);
            let judged: Vec<_> = occurrences.map(|witness| witness.judge(&step.fault, &step.prove)).collect();
            let skipped = self.proofs.skipped.iter().filter(|(fault, _)| fault.step == number);
            let mut requirements: Vec<Requirement> =
                judged.iter().flat_map(|judged| &judged.proofs).map(said).collect();
            requirements.extend(skipped.map(|(_, reason)| not_applied(reason)));
            if requirements.is_empty() {
                requirements.push(not_applied("what it waits for never came"));
            }
            let seconds = |at: Duration| self.since_load(at).as_secs_f64();
            let acted = judged.iter().map(|evidence| (seconds(evidence.acted.0), evidence.acted.1.map(seconds)));
            let nodes: BTreeSet<usize> = judged.iter().flat_map(|evidence| evidence.nodes.iter().copied()).collect();
            Evidence {
                step: step.name.clone(),
                fault: step.fault.name().to_owned(),
                acted: acted.collect(),
                nodes: nodes.iter().map(|&node| self.cluster.plan().nodes[node].name.clone()).collect(),
                requirements,
            }
        };
        progress.steps().iter().enumerate().map(of_step).collect()
    }
}

fn said(proof: &Proof) -> Requirement {
    Requirement {
        name: proof.name.clone(),
        asked: proof.asked.clone(),
        seen: proof.seen.clone(),
        state: if proof.shown { RequirementState::Met } else { RequirementState::Missing },
    }
}

fn not_applied(reason: &str) -> Requirement {
    Requirement {
        name: "applied".to_owned(),
        asked: "that it happens".to_owned(),
        seen: reason.to_owned(),
        state: RequirementState::Missing,
    }
}

fn miner(view: &View, hash: &BlockHash) -> Option<usize> {
    view.blocks().place(hash).and_then(|place| view.blocks().get(place).miner)
}

fn height(view: &View, node: usize) -> Option<u32> {
    view.nodes()[node].tip.map(|tip| view.blocks().get(tip).height)
}

/// A cluster's counters.
struct Reading<'a, B>(&'a Cluster<B>);

impl<B: Backend> Counting for Reading<'_, B> {
    fn link(&self, from: usize, to: usize) -> LinkCounters {
        self.0.link_counters(from, to)
    }

    fn node(&self, node: usize) -> NodeCounters {
        self.0.node_counters(node)
    }

    fn nodes(&self) -> usize {
        self.0.plan().nodes.len()
    }

    fn at(&self) -> Duration {
        self.0.now()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bitcoin::Block;
    use bitcoin::block::Header;
    use schism_node::chain::{Refused, Rules};

    use super::*;
    use crate::checks::story::described;
    use crate::checks::{Checks, Wiring};

    /// Counters that never move.
    struct Still;

    impl Counting for Still {
        fn link(&self, _: usize, _: usize) -> LinkCounters {
            LinkCounters::default()
        }
        fn node(&self, _: usize) -> NodeCounters {
            NodeCounters::default()
        }
        fn nodes(&self) -> usize {
            3
        }
        fn at(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// Blocks refused for the wrong clock of node 1, when these nodes say these things.
    fn refused(said: &[(usize, &Event)], genesis: &Block) -> u32 {
        let fault = FaultId { step: 0, occurrence: 0 };
        let effects = vec![Effect::Clock { node: 1, by_seconds: 180.0, rate: 1.0 }];
        let act = Act { fault, verb: Verb::Apply, phase: Phase::Whole, effects, sides: Vec::new() };
        let mut checks = Checks::new(View::new(&described(3), Wiring::Any, genesis));
        let mut proofs = Proofs { witnesses: vec![Witness::before(&act, &Still)], ..Proofs::default() };
        proofs.witnesses[0].done(&act, &Still);
        for (node, event) in said {
            let entry = Entry { at: Duration::ZERO, node: Some(*node), what: Happening::Event(Event::clone(event)) };
            checks.feed(&entry);
            proofs.notice(&entry, checks.view());
        }
        proofs.witnesses(checks.view())[0].sighting.blocks_refused
    }

    #[test]
    fn who_mined_a_refused_block_may_be_heard_before_and_after() {
        let genesis = Rules::lab(&[]).genesis;
        let header = Header { prev_blockhash: genesis.block_hash(), ..genesis.header };
        let block = Arc::new(Block { header, ..genesis.clone() });
        let reason = Refused::TimeTooNew { time: 2, latest: 1 };
        let refusal = Event::BlockRefused { hash: block.block_hash(), reason, from: None };
        let mined = Event::BlockMined { block, height: 1 };
        assert_eq!(refused(&[(1, &mined), (0, &refusal)], &genesis), 1);
        assert_eq!(refused(&[(0, &refusal), (1, &mined)], &genesis), 1);
        assert_eq!(refused(&[(1, &refusal), (0, &mined)], &genesis), 1);
        assert_eq!(refused(&[(2, &refusal), (0, &mined)], &genesis), 0);
    }
}
