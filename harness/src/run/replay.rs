//! A replay being played: payments of one side of a fork wait until they are confirmed there and their coins can be spent
//! on the other side, and are then due on it, as they are.

use bitcoin::{OutPoint, Transaction};

use super::Run;
use crate::backend::Backend;
use crate::checks::View;
use crate::experiment::Replay;
use crate::payments::Payment;

/// What waits to be replayed, and where.
pub(super) struct Replaying {
    from: Vec<usize>,
    to: Vec<usize>,
    waiting: Vec<Payment>,
    /// How many have been due.
    turn: usize,
    /// Blocks mined when it was last looked: nothing falls due without one.
    mined: u64,
}

impl Replaying {
    /// Nothing yet; who is meant is drawn from `seed` once.
    pub(super) fn of<B: Backend>(replay: &Replay, run: &mut Run<B>, seed: u64) -> Self {
        let nodes = run.cluster().described(|_| 0);
        let nodes: Vec<_> = nodes
            .into_iter()
            .map(|node| schism_chaos::draw::NodeDescription { state: schism_chaos::draw::NodeState::Alive, ..node })
            .collect();
        let draw = |selector: &schism_chaos::selector::Selector| selector.draw(&nodes, &[], seed).unwrap_or_default();
        Self { from: draw(&replay.from), to: draw(&replay.to), waiting: Vec::new(), turn: 0, mined: 0 }
    }

    /// Notes a payment that was made.
    pub(super) fn note(&mut self, payment: &Payment) {
        if self.from.contains(&payment.home) {
            self.waiting.push(payment.clone());
        }
    }

    /// What is to be submitted now, and at whom.
    pub(super) fn due<B: Backend>(&mut self, run: &mut Run<B>) -> Vec<(usize, Transaction)> {
        let mined = run.view().mined();
        if self.to.is_empty() || std::mem::replace(&mut self.mined, mined) == mined {
            return Vec::new();
        }
        let (mut due, mut waiting) = (Vec::new(), Vec::new());
        for payment in std::mem::take(&mut self.waiting) {
            let node = self.to[self.turn % self.to.len()];
            if ready(run, &payment, node) {
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

/// Whether a payment is in a block that only one side has, and the other side could confirm it, too.
fn ready<B: Backend>(run: &mut Run<B>, payment: &Payment, node: usize) -> bool {
    let txid = payment.transaction.compute_txid();
    let (view, input) = (run.view(), payment.transaction.input[0].previous_output);
    let confirmed = view.nodes()[payment.home].tip.and_then(|tip| view.blocks().confirmed(&txid, tip));
    let Some(height) = confirmed.map(|place| view.blocks().get(place).height) else { return false };
    if !unspent(view, node, &input) {
        return false;
    }
    let [own, other] = [payment.home, node].map(|node| run.cluster().rules(node).at(height));
    own != other
}

/// Whether a coin is on a node's best chain and nothing there has spent it.
pub(super) fn unspent(view: &View, node: usize, coin: &OutPoint) -> bool {
    let (blocks, tip) = (view.blocks(), view.nodes()[node].tip);
    tip.is_some_and(|tip| blocks.confirmed(&coin.txid, tip).is_some() && blocks.spender(coin, tip).is_none())
}
