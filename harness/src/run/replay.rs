//! A replay being played: payments of one side of a fork wait until they are confirmed there and their coins can be spent
//! on the other side, and are then due on it, as they are: at a node that is there already, for before the fork there are no
//! sides. Payments of coins that were split do not wait for their coins.

use bitcoin::{OutPoint, Transaction};
use schism_node::chain::Rules;

use super::Run;
use super::split::{Splitting, apart};
use crate::backend::Backend;
use crate::checks::View;
use crate::experiment::Replay;
use crate::payments::{Payment, Payments};

/// What waits to be replayed, and where.
pub(super) struct Replaying {
    from: Vec<usize>,
    to: Vec<usize>,
    waiting: Vec<Payment>,
    /// How many have been due.
    turn: usize,
    /// Blocks mined when it was last looked: nothing falls due without one.
    mined: u64,
    splitting: Option<Splitting>,
}

impl Replaying {
    /// Nothing yet; who is meant is drawn from `seed` once. Wallets that are to split their coins are held.
    pub(super) fn of<B: Backend>(replay: &Replay, run: &mut Run<B>, payments: &mut Payments, seed: u64) -> Self {
        let nodes = run.cluster().described(|_| 0);
        let nodes: Vec<_> = nodes
            .into_iter()
            .map(|node| schism_chaos::draw::NodeDescription { state: schism_chaos::draw::NodeState::Alive, ..node })
            .collect();
        let draw = |selector: &schism_chaos::selector::Selector| selector.draw(&nodes, &[], seed).unwrap_or_default();
        let (from, to) = (draw(&replay.from), draw(&replay.to));
        let split = replay.split.zip(to.first());
        let splitting = split.map(|(how, &other)| Splitting::of(how, &from, other, payments, seed));
        Self { from, to, waiting: Vec::new(), turn: 0, mined: 0, splitting }
    }

    /// Notes a payment that was made.
    pub(super) fn note(&mut self, payment: &Payment) {
        if self.from.contains(&payment.home) {
            self.waiting.push(payment.clone());
        }
    }

    /// Whether there is a block that was not there when this was last asked.
    pub(super) fn another_block(&mut self, view: &View) -> bool {
        let mined = view.mined();
        std::mem::replace(&mut self.mined, mined) != mined && !self.to.is_empty()
    }

    /// What wallets pay in order to split their coins.
    pub(super) fn split<B: Backend>(&mut self, run: &mut Run<B>, payments: &mut Payments) -> Vec<Payment> {
        self.splitting.as_mut().map_or_else(Vec::new, |splitting| splitting.due(run, payments))
    }

    /// What is to be submitted now, and at whom.
    pub(super) fn due<B: Backend>(&mut self, run: &mut Run<B>) -> Vec<(usize, Transaction)> {
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for payment in std::mem::take(&mut self.waiting) {
            let node = self.to[self.turn % self.to.len()];
            let known =
                self.splitting.is_some() || unspent(run.view(), node, &payment.transaction.input[0].previous_output);
            if known && of_one_side(run, &payment, node) {
                self.turn += 1;
                due.push((node, payment.transaction));
            } else {
                waiting.push(payment);
            }
        }
        self.waiting = waiting;
        due
    }
}

/// Whether a payment is confirmed on its own side alone, and `node` is on the other.
fn of_one_side<B: Backend>(run: &mut Run<B>, payment: &Payment, node: usize) -> bool {
    let (view, txid) = (run.view(), payment.transaction.compute_txid());
    let confirmed = view.nodes()[payment.home].tip.and_then(|tip| view.blocks().confirmed(&txid, tip));
    let Some(height) = confirmed.map(|place| view.blocks().get(place).height) else { return false };
    let next = view.nodes()[node].tip.map_or(0, |tip| view.blocks().get(tip).height + 1);
    let [own, other] = [payment.home, node].map(|node| run.cluster().rules(node).clone());
    on_two_sides(&own, &other, height, next)
}

/// Whether a block of height `confirmed` under these rules, and the next one under those, of height `next`, are on two sides of a
/// fork: before it there are none.
fn on_two_sides(own: &Rules, other: &Rules, confirmed: u32, next: u32) -> bool {
    apart(own, other, confirmed) && apart(own, other, next)
}

/// Whether a coin is on a node's best chain and nothing there has spent it.
pub(super) fn unspent(view: &View, node: usize, coin: &OutPoint) -> bool {
    let (blocks, tip) = (view.blocks(), view.nodes()[node].tip);
    tip.is_some_and(|tip| blocks.confirmed(&coin.txid, tip).is_some() && blocks.spender(coin, tip).is_none())
}

#[cfg(test)]
mod tests {
    use schism_node::chain::Upgrade;

    use super::*;

    #[test]
    fn before_a_fork_nobody_is_on_another_side() {
        let old = Rules::lab(&[]);
        let reform = Upgrade { name: "reform".into(), height: 8, fork_id: Some(9), ..Upgrade::default() };
        let new = Rules { upgrades: vec![reform], ..old.clone() };
        assert!(on_two_sides(&old, &new, 8, 8));
        assert!(!on_two_sides(&old, &new, 7, 9), "paid before the fork");
        assert!(!on_two_sides(&old, &new, 9, 7), "sent to a node that has not come to the fork");
        assert!(!on_two_sides(&old, &old, 9, 9));
    }
}
