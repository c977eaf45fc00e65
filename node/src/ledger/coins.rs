//! Coins: what connecting a block makes and spends, and the totals that follow.
//!
//! A [`Change`] is computed once from a block and the coins it spent, and applied or undone: undo after apply is nothing.

use std::collections::BTreeMap;

use bitcoin::{Amount, Block, OutPoint, Transaction, Txid};

use super::store::{Step, Undo};
use crate::chain::template::is_unspendable;
use crate::chain::work::block_work;
use crate::chain::{Coin, Digest, Fingerprint, Rules, Tip};
use crate::control::LedgerState;

/// Where a ledger stands: its tip, and totals over the coins that the chain up to it leaves unspent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The last block connected.
    pub tip: Tip,
    /// The digest of all unspent outputs.
    pub digest: Digest,
    /// How many there are.
    pub coins: u64,
    /// What they hold.
    pub unspent: Amount,
    /// Subsidies and fees that coinbases did not claim.
    pub unclaimed: Amount,
    /// What outputs hold that nobody can ever spend.
    pub unspendable: Amount,
    /// The rules that all of it was judged under.
    pub rules: Fingerprint,
}

impl Standing {
    /// The standing after genesis, and the coins it makes.
    pub fn genesis(rules: &Rules) -> (Self, Vec<(OutPoint, Coin)>) {
        let header = &rules.genesis.header;
        let tip = Tip { hash: header.block_hash(), height: 0, work: block_work(header.bits), time: header.time };
        let nothing = Amount::ZERO;
        let mut standing = Self {
            tip,
            digest: Digest::default(),
            coins: 0,
            unspent: nothing,
            unclaimed: nothing,
            unspendable: nothing,
            rules: rules.fingerprint(),
        };
        let mut coins = Vec::new();
        for (outpoint, coin) in rules.genesis.txdata.iter().flat_map(|tx| outputs(tx, tx.compute_txid(), 0)) {
            if rules.genesis_spendable && !is_unspendable(&coin.script) {
                standing.take_in(&outpoint, &coin);
                coins.push((outpoint, coin));
            } else {
                standing.unspendable += coin.value;
            }
        }
        (standing, coins)
    }

    /// All that was ever paid out or could have been: equals the rules' subsidies up to the tip.
    pub fn supply(&self) -> Amount {
        self.unspent + self.unclaimed + self.unspendable
    }

    /// The standing as the door shows it.
    pub fn show(&self, rules: &Rules, signature_checks: u64) -> LedgerState {
        LedgerState {
            tip: self.tip,
            digest: self.digest.to_string(),
            coins: self.coins,
            unspent: self.unspent,
            unclaimed: self.unclaimed,
            unspendable: self.unspendable,
            subsidies: rules.subsidies(self.tip.height),
            signature_checks,
        }
    }

    /// Counts a coin in.
    pub fn take_in(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.digest.add(outpoint, coin);
        self.coins += 1;
        self.unspent += coin.value;
    }

    /// Counts a coin out: the inverse of [`Standing::take_in`].
    pub fn let_go(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.digest.remove(outpoint, coin);
        self.coins -= 1;
        self.unspent -= coin.value;
    }
}

/// What a block changes. Coins made and spent within it leave no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    block: Tip,
    parent: Tip,
    spent: Vec<(OutPoint, Coin)>,
    made: Vec<(OutPoint, Coin)>,
    unclaimed: Amount,
    unspendable: Amount,
    undo: Undo,
}

impl Change {
    /// What a valid block changes that stands at `block`, the child of `parent`. `undo` are the coins its inputs
    /// spend, in order, without the coinbase's; `txids` are its transactions'.
    pub fn of(block: &Block, txids: &[Txid], tip: Tip, parent: Tip, undo: Undo, rules: &Rules) -> Self {
        let mut made = BTreeMap::new();
        let mut spent = Vec::new();
        let mut unspendable = Amount::ZERO;
        let (mut paid_in, mut paid_out) = (rules.subsidy(tip.height), Amount::ZERO);
        let mut coins = undo.0.iter();
        for (transaction, txid) in block.txdata.iter().zip(txids) {
            let inputs = if transaction.is_coinbase() { &[][..] } else { &transaction.input };
            for (input, coin) in inputs.iter().zip(&mut coins) {
                paid_in += coin.value;
                if made.remove(&input.previous_output).is_none() {
                    spent.push((input.previous_output, coin.clone()));
                }
            }
            for (outpoint, coin) in outputs(transaction, *txid, tip.height) {
                paid_out += coin.value;
                if is_unspendable(&coin.script) {
                    unspendable += coin.value;
                } else {
                    made.insert(outpoint, coin);
                }
            }
        }
        let unclaimed = paid_in - paid_out;
        Self { block: tip, parent, spent, made: made.into_iter().collect(), unclaimed, unspendable, undo }
    }

    /// The step that connects the block, and the standing after it.
    pub fn apply(self, before: &Standing) -> (Step, Standing) {
        let mut standing = Standing {
            tip: self.block,
            unclaimed: before.unclaimed + self.unclaimed,
            unspendable: before.unspendable + self.unspendable,
            ..*before
        };
        // In before out, so that no total dips below zero on the way.
        self.made.iter().for_each(|(outpoint, coin)| standing.take_in(outpoint, coin));
        self.spent.iter().for_each(|(outpoint, coin)| standing.let_go(outpoint, coin));
        let spent = self.spent.into_iter().map(|(outpoint, _)| (outpoint, None));
        let made = self.made.into_iter().map(|(outpoint, coin)| (outpoint, Some(coin)));
        let step = Step {
            headers: Vec::new(),
            coins: spent.chain(made).collect(),
            undo: Some((self.block.hash, Some(self.undo))),
            standing: Some(standing),
        };
        (step, standing)
    }

    /// The step that disconnects the block, and the standing after it: the inverse of [`Change::apply`].
    pub fn undo(self, after: &Standing) -> (Step, Standing) {
        let mut standing = Standing {
            tip: self.parent,
            unclaimed: after.unclaimed - self.unclaimed,
            unspendable: after.unspendable - self.unspendable,
            ..*after
        };
        self.spent.iter().for_each(|(outpoint, coin)| standing.take_in(outpoint, coin));
        self.made.iter().for_each(|(outpoint, coin)| standing.let_go(outpoint, coin));
        let made = self.made.into_iter().map(|(outpoint, _)| (outpoint, None));
        let spent = self.spent.into_iter().map(|(outpoint, coin)| (outpoint, Some(coin)));
        let step = Step {
            headers: Vec::new(),
            coins: made.chain(spent).collect(),
            undo: Some((self.block.hash, None)),
            standing: Some(standing),
        };
        (step, standing)
    }
}

/// The coins that a transaction in the block at `height` makes, spendable or not.
pub fn outputs(transaction: &Transaction, txid: Txid, height: u32) -> impl Iterator<Item = (OutPoint, Coin)> + use<'_> {
    let coinbase = transaction.is_coinbase();
    (0..).zip(&transaction.output).map(move |(vout, output)| {
        let coin = Coin { height, coinbase, value: output.value, script: output.script_pubkey.clone() };
        (OutPoint { txid, vout }, coin)
    })
}
