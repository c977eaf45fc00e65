//! Who pays whom once everything is healed, where checks ask whether payments work.

use schism_chaos::selector::Selector;

use super::Run;
use crate::backend::Backend;
use crate::experiment::{Check, Experiment};
use crate::payments::Payments;

/// One payment that a check of `finally` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The check's place in `finally`.
    pub expectation: usize,
    /// The node at which it is submitted.
    pub from: usize,
    /// It goes to a wallet whose home is one of these.
    pub to: Vec<usize>,
}

/// For each check of payments one payer on each former side and one among those who follow the same rules, of the nodes
/// that it names and that must keep up. Nobody where no wallet lives where the check wants it paid.
pub(super) fn payers<B: Backend>(
    run: &mut Run<B>,
    experiment: &Experiment,
    payments: &Payments,
    seed: u64,
) -> Vec<Payer> {
    let nodes = run.cluster().described(|_| 0);
    let draw = |selector: &Selector| selector.draw(&nodes, &[], seed).unwrap_or_default();
    let homes = payments.homes();
    let rules: Vec<_> = (0..nodes.len()).map(|node| run.cluster().rules(node).clone()).collect();
    let view = run.view();
    let everyone: Vec<usize> = (0..nodes.len()).collect();
    let sides = if view.sides().is_empty() { std::slice::from_ref(&everyone) } else { view.sides() };
    let mut payers = Vec::new();
    for (expectation, asked) in experiment.finally.iter().enumerate() {
        let Check::Payment { from, to, .. } = &asked.check else { continue };
        let of = asked.of.as_ref().map_or_else(|| everyone.clone(), draw);
        let to: Vec<usize> = draw(to).into_iter().filter(|node| homes.contains(node)).collect();
        if to.is_empty() {
            continue;
        }
        // Where wallets live first: their coins are surely known there.
        let mut able: Vec<usize> =
            draw(from).into_iter().filter(|node| of.contains(node) && view.nodes()[*node].expected()).collect();
        able.sort_by_key(|node| (!homes.contains(node), *node));
        for side in sides {
            let mut chosen: Vec<usize> = Vec::new();
            for &from in able.iter().filter(|node| side.contains(node)) {
                if chosen.iter().all(|other| rules[*other] != rules[from]) {
                    chosen.push(from);
                }
            }
            payers.extend(chosen.into_iter().map(|from| Payer { expectation, from, to: to.clone() }));
        }
    }
    payers
}
