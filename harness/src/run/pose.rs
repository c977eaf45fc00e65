//! Poses the checks an experiment asks for, and those that are asked of every run.

use std::sync::Arc;
use std::time::Duration;

use schism_chaos::draw::NodeDescription;
use schism_chaos::quantity::Length;
use schism_chaos::selector::Selector;
use schism_node::chain::Rules;

use crate::checks::{self, Checks, Of, Tempo};
use crate::experiment::{Check, Expectation, Experiment, Scope};
use crate::payments;
use crate::run::payers::Payer;

/// What checks are made of besides what the file says.
pub struct Means {
    /// The chain's rules with every upgrade; each of `nodes` says what it rejects of them.
    pub rules: Arc<Rules>,
    /// How lengths become times.
    pub tempo: Tempo,
    /// The nodes, newcomers included.
    pub nodes: Vec<NodeDescription>,
    /// Every draw of a selector comes from it.
    pub seed: u64,
    /// How much longer than in a simulation it takes after a heal until what was held has crossed.
    pub grace: Duration,
}

/// Poses every check but payments. Those of `finally` look on from the start too: they begin to ask at the healing.
pub fn from_the_start(checks: &mut Checks, experiment: &Experiment, means: &Means) {
    // What fork choice and signatures mean is asked whether a file says so or not.
    checks.pose(Box::new(checks::MostWork::default()));
    checks.pose(Box::new(checks::NoForgery::default()));
    if let Some(own_side) = checks::OwnSide::of(&means.rules, &means.nodes) {
        checks.pose(Box::new(own_side));
    }
    for expectation in &experiment.always {
        checks.pose(means.check(expectation, false));
    }
    for expectation in experiment.finally.iter().filter(|expectation| !is_payment(expectation)) {
        checks.pose(means.check(expectation, true));
    }
}

/// Poses the checks of payments, each of which waits for what its payers pay; just before the healing is recorded.
pub fn payments(checks: &mut Checks, experiment: &Experiment, means: &Means, payers: &[Payer]) {
    for (place, expectation) in experiment.finally.iter().enumerate() {
        if let Check::Payment { confirmed_within, .. } = &expectation.check {
            let payers = payers.iter().filter(|payer| payer.expectation == place).map(|payer| payer.from);
            let of = means.of(expectation);
            let within = means.with_grace(*confirmed_within);
            checks.pose(Box::new(checks::Payment::new(of, payers.collect(), within, means.tempo)));
        }
    }
}

fn is_payment(expectation: &Expectation) -> bool {
    matches!(expectation.check, Check::Payment { .. })
}

impl Means {
    /// Of whom something is asked.
    fn of(&self, expectation: &Expectation) -> Of {
        expectation.of.as_ref().map_or(Of::Everyone, |selector| Of::Nodes(self.draw(selector)))
    }

    fn check(&self, expectation: &Expectation, finally: bool) -> Box<dyn checks::Check> {
        let of = self.of(expectation);
        let tempo = self.tempo;
        match &expectation.check {
            Check::Agreement => Box::new(checks::Agreement::of(of)),
            Check::CommonPrefix { k, within } => {
                let connected_for = match within {
                    Scope::Connected { since } => Some(tempo.time(*since) + self.grace),
                    Scope::Everyone => None,
                };
                Box::new(checks::CommonPrefix::new(*k, connected_for).among(of))
            }
            Check::ChainGrowth { at_least, over } => {
                Box::new(checks::ChainGrowth::new(at_least.0, tempo.time(*over), tempo, finally).among(of))
            }
            Check::ChainQuality { at_least, over } => Box::new(checks::ChainQuality::new(at_least.0, *over).among(of)),
            Check::Supply => Box::new(checks::Supply::new(self.rules.clone()).among(of)),
            Check::NoDoubleSpend => Box::new(checks::NoDoubleSpend::default().among(of)),
            Check::NoLostConfirmed { depth } => Box::new(checks::NoLostConfirmed::new(*depth, of)),
            Check::PoolAgreement { within } => {
                let check = checks::PoolAgreement::new(of, self.with_grace(*within), tempo);
                Box::new(check.travelling_longer(self.grace))
            }
            Check::BoundedPeersData { pool } => {
                Box::new(checks::BoundedPeersData::new(pool.map(|size| size.0 as usize)).among(of))
            }
            Check::Converged { within, fresh_blocks, from_each_side, stable } => {
                let asked = checks::Asked {
                    within: self.with_grace(*within),
                    fresh_blocks: *fresh_blocks,
                    from_each_side: *from_each_side,
                    stable: *stable,
                };
                Box::new(checks::Converged::new(of, asked, tempo))
            }
            // Where nobody pays; who does is known when all is healed.
            Check::Payment { confirmed_within, .. } => {
                Box::new(checks::Payment::new(of, Vec::new(), self.with_grace(*confirmed_within), tempo))
            }
            Check::Served { to, by_at_least, by, while_syncing } => {
                let by = by.as_ref().map(|by| self.draw(by));
                Box::new(checks::Served::new(self.draw(to), *by_at_least, by, *while_syncing))
            }
            Check::Replay(asked) => Box::new(checks::Replay::new(*asked, payments::wallets(self.seed))),
            Check::Unaltered => Box::new(checks::Unaltered::of(of)),
            Check::OnlyLiarsBanned { at_least, charges } => {
                Box::new(checks::OnlyLiarsBanned::new(*at_least, *charges).among(of))
            }
            Check::KeepsHonestPeers { strangers } => Box::new(checks::KeepsHonestPeers::new(*strangers).among(of)),
            Check::Equivocated { heights } => Box::new(checks::Equivocated::at(*heights).among(of)),
            Check::Rewritten { deep } => Box::new(checks::Rewritten::by(*deep, of)),
            Check::RefusedReasons(names) => Box::new(checks::RefusedReasons::new(names.iter().copied()).among(of)),
            Check::Limits(limits) => Box::new(checks::Limits::new(limits.clone(), tempo).among(of)),
        }
    }

    /// A length after a heal, and the grace.
    fn with_grace(&self, length: Length) -> Length {
        match length {
            Length::Time(time) => Length::Time(time + self.grace),
            Length::Blocks(blocks) => {
                Length::Blocks(blocks + self.grace.as_secs_f64() / self.tempo.interval.as_secs_f64())
            }
        }
    }

    /// Whom a selector means, whether or not they are there yet.
    fn draw(&self, selector: &Selector) -> Vec<usize> {
        let mut nodes = self.nodes.clone();
        nodes.iter_mut().for_each(|node| node.state = schism_chaos::draw::NodeState::Alive);
        selector.draw(&nodes, &[], self.seed).unwrap_or_default()
    }
}

/// How long `finally` may take: the most patient of its checks. Blocks come in bursts and lulls, so that lengths in
/// blocks are given six times the time they should take; the checks themselves are stricter.
pub fn time_for_finally(experiment: &Experiment, tempo: Tempo) -> Duration {
    const LULL: f64 = 6.0;
    let time = |length: Length| match length {
        Length::Time(_) => tempo.time(length),
        Length::Blocks(_) => tempo.time(length).mul_f64(LULL),
    };
    let patience = |check: &Check| match check {
        Check::Converged { within, fresh_blocks, from_each_side, stable } => {
            // Each side's fresh blocks are waited for, and a side may be small.
            let sides = if *from_each_side { 6.0 } else { 1.0 };
            time(*within) + time(*stable) + time(Length::Blocks(f64::from(*fresh_blocks) * sides))
        }
        Check::Payment { confirmed_within, .. } => time(*confirmed_within),
        Check::PoolAgreement { within } => time(*within),
        Check::ChainGrowth { over, .. } => tempo.time(*over),
        _ => Duration::ZERO,
    };
    let longest = experiment.finally.iter().map(|expectation| patience(&expectation.check)).max();
    longest.unwrap_or_default() + time(Length::Blocks(1.0))
}
