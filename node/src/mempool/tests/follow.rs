//! The law of following: after any blocks and reorganisations, the pool fits the chain it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, Txid};
use proptest::prelude::*;

use super::lobby::{block, change};
use super::purse::{Inline, Purse, outpoint};
use crate::chain::{Coin, Rules};
use crate::mempool::lobby::Lobby;
use crate::messages::Source;
use crate::surroundings::RealWork;

/// What Ledger is to the pool: a chain and its coins.
struct World {
    lobby: Lobby,
    rules: Rules,
    purse: Purse,
    chain: Vec<Arc<Block>>,
    funds: BTreeMap<OutPoint, Coin>,
}

#[derive(Clone, Debug)]
enum Deed {
    /// Pays from these of all coins there are, spent or not.
    Pay { coins: Vec<usize>, fee: u64 },
    /// A block of some of the pool, and of a payment that the pool does not know.
    Mine { some: usize, rival: Option<usize> },
    /// Goes back so many blocks, and on by one more on the other side.
    Reorganise { back: usize, some: usize },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (prop::collection::vec(0..30_usize, 1..3), 1_000..3_000_u64).prop_map(|(coins, fee)| Deed::Pay { coins, fee }),
        2 => (0..8_usize, any::<Option<usize>>()).prop_map(|(some, rival)| Deed::Mine { some, rival }),
        1 => (1..4_usize, 0..4_usize).prop_map(|(back, some)| Deed::Reorganise { back, some }),
    ]
}

impl World {
    fn new() -> Self {
        let rules = Rules::lab(&[]);
        let mut lobby = Lobby::new(Arc::new(rules.clone()), Arc::new(Inline), Arc::new(RealWork));
        lobby.follow(&change(&rules, 0, &[], &[]));
        let purse = Purse::new();
        let funds = (1..=5).map(|number| (outpoint(number), purse.coin(100_000))).collect();
        Self { lobby, rules, purse, chain: Vec::new(), funds }
    }

    /// The coins of the chain as it stands.
    fn coins(&self) -> BTreeMap<OutPoint, Coin> {
        let mut coins = self.funds.clone();
        for transaction in self.chain.iter().flat_map(|block| &block.txdata) {
            transaction.input.iter().for_each(|input| drop(coins.remove(&input.previous_output)));
            coins.extend(outputs(transaction));
        }
        coins
    }

    fn apply(&mut self, deed: Deed) {
        match deed {
            Deed::Pay { coins, fee } => self.pay(&coins, fee).into_iter().for_each(|paid| self.offer(paid)),
            Deed::Mine { some, rival } => {
                let connected = self.next_block(some, rival);
                self.move_tip(0, vec![connected]);
            }
            Deed::Reorganise { back, some } => {
                let back = back.min(self.chain.len());
                // The other side confirms again what its first block may, in the order of the chain.
                let kept = self.chain.len() - back;
                let again: Vec<Transaction> =
                    self.chain[kept..].iter().flat_map(|block| block.txdata[1..].iter().take(some)).cloned().collect();
                let height = kept as u32 + 1;
                let again: Vec<Arc<Transaction>> = self.valid(again, kept).into_iter().map(Arc::new).collect();
                let first = other_block(&self.rules, height, &again, self.chain.len());
                let rest = (1..=back).map(|more| other_block(&self.rules, height + more as u32, &[], self.chain.len()));
                let side: Vec<Arc<Block>> = std::iter::once(first).chain(rest).collect();
                self.move_tip(back, side);
            }
        }
    }

    /// Those of `transactions` that spend coins of the chain's first `kept` blocks or each other's.
    fn valid(&self, transactions: Vec<Transaction>, kept: usize) -> Vec<Transaction> {
        let mut world = self.funds.clone();
        for transaction in self.chain[..kept].iter().flat_map(|block| &block.txdata) {
            transaction.input.iter().for_each(|input| drop(world.remove(&input.previous_output)));
            world.extend(outputs(transaction));
        }
        let mut valid = Vec::new();
        for transaction in transactions {
            if transaction.input.iter().all(|input| world.contains_key(&input.previous_output)) {
                transaction.input.iter().for_each(|input| drop(world.remove(&input.previous_output)));
                world.extend(outputs(&transaction));
                valid.push(transaction);
            }
        }
        valid
    }

    fn pay(&self, picks: &[usize], fee: u64) -> Option<Arc<Transaction>> {
        let mut all: BTreeMap<OutPoint, Coin> = self.funds.clone();
        all.extend(self.coins());
        all.extend(self.lobby.pool.entries().flat_map(|(_, entry)| outputs(&entry.entrant.transaction)));
        let all: Vec<_> = all.into_iter().filter(|(_, coin)| !coin.script.is_empty()).collect();
        let from: BTreeMap<OutPoint, u64> =
            picks.iter().map(|pick| &all[pick % all.len()]).map(|(at, coin)| (*at, coin.value.to_sat())).collect();
        let left = from.values().sum::<u64>().checked_sub(fee).filter(|left| *left > 2_000)?;
        Some(self.purse.pay(&Vec::from_iter(from), &[left / 2, left / 2], None))
    }

    /// What Ledger does with any transaction: attach the coins of the chain, and pass it on.
    fn offer(&mut self, transaction: Arc<Transaction>) {
        let coins = self.coins();
        let coins: Vec<_> = transaction.input.iter().map(|input| coins.get(&input.previous_output).cloned()).collect();
        let judged = self.lobby.judge(&transaction, &coins, &Source::Own, 0);
        judged.retry.into_iter().for_each(|retry| self.offer(retry));
    }

    fn next_block(&self, some: usize, rival: Option<usize>) -> Arc<Block> {
        let mut chosen: Vec<Arc<Transaction>> = Vec::new();
        let mut entries: Vec<_> = self.lobby.pool.entries().map(|(_, entry)| entry).collect();
        entries.sort_by_key(|entry| entry.arrival);
        chosen.extend(entries.iter().take(some).map(|entry| entry.entrant.transaction.clone()));
        if let Some(rival) = rival {
            let spent: BTreeSet<OutPoint> =
                chosen.iter().flat_map(|one| &one.input).map(|input| input.previous_output).collect();
            let free: Vec<(OutPoint, u64)> = self
                .coins()
                .into_iter()
                .filter(|(at, coin)| !spent.contains(at) && !coin.script.is_empty() && coin.value.to_sat() > 9_000)
                .map(|(at, coin)| (at, coin.value.to_sat()))
                .collect();
            if let Some(coin) = free.get(rival % free.len().max(1)) {
                chosen.push(self.purse.pay(&[*coin], &[coin.1 - 5_000], None));
            }
        }
        block(&self.rules, self.chain.len() as u32 + 1, &Vec::from_iter(&chosen))
    }

    fn move_tip(&mut self, back: usize, connected: Vec<Arc<Block>>) {
        let mut disconnected = self.chain.split_off(self.chain.len() - back);
        disconnected.reverse();
        self.chain.extend(connected.clone());
        let height = self.chain.len() as u32;
        let followed = self.lobby.follow(&change(&self.rules, height, &disconnected, &connected));
        let confirmed: BTreeSet<Txid> =
            connected.iter().flat_map(|block| &block.txdata).map(Transaction::compute_txid).collect();
        let freed = disconnected.iter().rev().flat_map(|block| block.txdata[1..].iter());
        let freed: Vec<_> = freed.filter(|one| !confirmed.contains(&one.compute_txid())).cloned().collect();
        freed.into_iter().map(Arc::new).chain(followed.retry).for_each(|one| self.offer(one));
    }

    /// Every coin that a pooled transaction spends is on the chain or in the pool.
    fn fits(&self) -> Result<(), TestCaseError> {
        let coins = self.coins();
        for (txid, entry) in self.lobby.pool.entries() {
            for input in &entry.entrant.transaction.input {
                let at = input.previous_output;
                let there = coins.contains_key(&at) || self.lobby.pool.coin(&at).is_some();
                prop_assert!(there, "{} spends {}, which is nowhere", txid, at);
            }
        }
        Ok(())
    }

    /// Whether every input of a transaction could still be spent.
    fn possible(&self, transaction: &Transaction) -> bool {
        let coins = self.coins();
        transaction.input.iter().all(|input| {
            coins.contains_key(&input.previous_output) || self.lobby.pool.coin(&input.previous_output).is_some()
        })
    }
}

fn outputs(of: &Transaction) -> Vec<(OutPoint, Coin)> {
    let txid = of.compute_txid();
    let coin = |value: Amount, script: &ScriptBuf| Coin { height: 1, coinbase: false, value, script: script.clone() };
    let outputs = of.output.iter().zip(0..);
    outputs.map(|(output, vout)| (OutPoint::new(txid, vout), coin(output.value, &output.script_pubkey))).collect()
}

/// A block unlike that of the same height on any other side.
fn other_block(rules: &Rules, height: u32, transactions: &[Arc<Transaction>], side: usize) -> Arc<Block> {
    let mut other = Block::clone(&block(rules, height, &Vec::from_iter(transactions)));
    other.header.time += side as u32;
    Arc::new(other)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pool_fits_the_chain_after_any_blocks_and_reorganisations(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut world = World::new();
        for deed in deeds {
            world.apply(deed);
            world.fits()?;
        }
    }

    #[test]
    fn what_was_confirmed_is_in_the_pool_or_on_the_chain_unless_its_coins_are_spent_otherwise(
        deeds in prop::collection::vec(deed(), 1..40),
    ) {
        let mut world = World::new();
        for deed in deeds {
            let before: Vec<Transaction> =
                world.chain.iter().flat_map(|block| block.txdata[1..].iter()).cloned().collect();
            world.apply(deed);
            let after: BTreeSet<Txid> =
                world.chain.iter().flat_map(|block| &block.txdata).map(Transaction::compute_txid).collect();
            for transaction in before {
                let txid = transaction.compute_txid();
                let lost = !after.contains(&txid) && !world.lobby.pool.contains(&txid);
                // It may have lost to a better-paying one that was pooled; then its coins are spent in the pool.
                let beaten = transaction.input.iter().any(|i| world.lobby.pool.spender(&i.previous_output).is_some());
                prop_assert!(!lost || beaten || !world.possible(&transaction), "{} is lost", txid);
            }
        }
    }
}
