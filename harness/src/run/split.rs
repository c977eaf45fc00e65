//! Coins being split: once one side of a fork has blocks of its own, every wallet that lives there pays all it has to
//! itself together with a coin that this side alone has, and pays others only when that is confirmed.

use bitcoin::{Amount, OutPoint, ScriptBuf, TxOut, Txid};
use schism_node::chain::Rules;

use super::Run;
use super::experiment::fork_id;
use super::replay::unspent;
use crate::backend::{Backend, draws};
use crate::checks::View;
use crate::experiment::Split;
use crate::payments::{self, Payment, Payments};

/// What each wallet is given of a coinbase, to mix in.
const MIXED: Amount = Amount::from_sat(10_000);
/// What is offered for that: a kilobyte, ten satoshi a byte and more.
const FEE: Amount = Amount::from_sat(20_000);

/// Wallets on their way to coins of their own side.
pub(super) struct Splitting {
    how: Split,
    seed: u64,
    wallets: Vec<Wallet>,
    /// Whose coinbases are given away: nodes of this side.
    miners: Vec<usize>,
    /// Somebody on the other side.
    other: usize,
    /// A payment that has an output for each wallet, in their order.
    gift: Option<Payment>,
}

struct Wallet {
    number: usize,
    home: usize,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Held,
    Split(Txid),
    Free,
}

impl Splitting {
    /// Holds every wallet that lives at one of `side`.
    pub(super) fn of(how: Split, side: &[usize], other: usize, payments: &mut Payments, seed: u64) -> Self {
        let held = payments.hold(side).into_iter();
        let wallets = held.map(|(number, home)| Wallet { number, home, step: Step::Held }).collect();
        Self { how, seed, wallets, miners: side.to_vec(), other, gift: None }
    }

    /// What is to be paid now that there is another block.
    pub(super) fn due<B: Backend>(&mut self, run: &mut Run<B>, payments: &mut Payments) -> Vec<Payment> {
        let mut due = Vec::new();
        if self.how == Split::Coinbase && self.gift.is_none() {
            self.gift = self.give(run, payments);
            due.extend(self.gift.clone());
        }
        let gift = self.gift.as_ref().map(|gift| gift.transaction.compute_txid());
        for (wallet, vout) in self.wallets.iter_mut().zip(0..) {
            match wallet.step {
                Step::Held if ready(run, wallet.home, self.other, gift, self.how) => {
                    let mixed = gift.map(|txid| (OutPoint { txid, vout }, MIXED));
                    let fork_id = fork_id(run, wallet.home);
                    let Some(payment) = payments.split(wallet.number, mixed, fork_id) else { continue };
                    wallet.step = Step::Split(payment.transaction.compute_txid());
                    due.push(payment);
                }
                Step::Split(txid) if confirmed(run.view(), wallet.home, &txid) => {
                    payments.release(wallet.number);
                    wallet.step = Step::Free;
                }
                _ => {}
            }
        }
        due
    }

    /// Something for every wallet out of the first coinbase of this side alone that can be spent; nothing before there is one.
    fn give<B: Backend>(&self, run: &mut Run<B>, payments: &Payments) -> Option<Payment> {
        self.miners.iter().find_map(|&home| {
            let (outpoint, value, payee, miner) = self.spendable(run, home)?;
            let left = value.checked_sub(MIXED * self.wallets.len() as u64)?.checked_sub(FEE)?;
            let given = self.wallets.iter().map(|wallet| (MIXED, payments.script(wallet.number)));
            let given = given.chain([(left, payee.clone())]);
            let outputs = given.map(|(value, script_pubkey)| TxOut { value, script_pubkey }).collect();
            let (key, fork_id) = (draws::purse(self.seed, miner), fork_id(run, home));
            let transaction = payments::signed(&[(outpoint, value)], &payee, &key, outputs, fork_id)?;
            Some(Payment { home, transaction, rival: None })
        })
    }

    /// The newest ripe coinbase on a node's chain that the other side's chain has another block in place of, and who mined it.
    /// Other rules are not enough: the first blocks after a fork may keep those of both sides.
    fn spendable<B: Backend>(&self, run: &mut Run<B>, node: usize) -> Option<(OutPoint, Amount, ScriptBuf, usize)> {
        let [own, other] = [node, self.other].map(|node| run.cluster().rules(node).clone());
        let view = run.view();
        let blocks = view.blocks();
        let [tip, elsewhere] = [view.nodes()[node].tip?, view.nodes()[self.other].tip?];
        let ripe = (blocks.get(tip).height + 1).checked_sub(own.coinbase_maturity)?;
        (1..=ripe).rev().filter(|&height| apart(&own, &other, height)).find_map(|height| {
            let place = blocks.ancestor(tip, height)?;
            if blocks.ancestor(elsewhere, height)? == place {
                return None;
            }
            let block = blocks.get(place);
            let miner = block.miner.filter(|miner| self.miners.contains(miner))?;
            let outpoint = OutPoint { txid: *block.txids.first()?, vout: 0 };
            let output = blocks.output(&outpoint)?;
            let payee = draws::payee(self.seed, miner);
            let ours = output.script_pubkey == payee && unspent(view, node, &outpoint);
            ours.then_some((outpoint, output.value, payee, miner))
        })
    }
}

/// Whether a wallet may split: what it mixes in is there, or its side has gone its own way where it mixes nothing in.
fn ready<B: Backend>(run: &mut Run<B>, home: usize, other: usize, gift: Option<Txid>, how: Split) -> bool {
    match how {
        Split::Coinbase => gift.is_some_and(|gift| confirmed(run.view(), home, &gift)),
        Split::Alone => {
            let view = run.view();
            let height = view.nodes()[home].tip.map(|tip| view.blocks().get(tip).height);
            let [own, other] = [home, other].map(|node| run.cluster().rules(node).clone());
            height.is_some_and(|height| apart(&own, &other, height))
        }
    }
}

/// Whether blocks of this height are held against different rules.
pub(super) fn apart(one: &Rules, other: &Rules, height: u32) -> bool {
    one.at(height) != other.at(height)
}

fn confirmed(view: &View, node: usize, txid: &Txid) -> bool {
    view.nodes()[node].tip.is_some_and(|tip| view.blocks().confirmed(txid, tip).is_some())
}
