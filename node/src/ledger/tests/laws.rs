//! Laws: what holds for every tree of blocks in every order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, Block, Transaction};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::forge::Forge;
use super::{NOW, give, ledger};
use crate::chain::Refused;
use crate::ledger::coins::{Change, Standing};
use crate::ledger::store::{Step, Undo};
use crate::ledger::{Judgement, Ledger};
use crate::messages::Source;

/// How one block of a random tree is made.
#[derive(Clone, Debug)]
struct Plan {
    /// Which of the blocks before it is its parent.
    parent: prop::sample::Index,
    /// Which coin it spends, into how many, if any.
    spend: Option<(prop::sample::Index, u64)>,
    /// Whether it claims too much.
    greedy: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let spend = prop::option::of((any::<prop::sample::Index>(), 1..4_u64));
    (any::<prop::sample::Index>(), spend, prop::bool::weighted(0.1)).prop_map(|(parent, spend, greedy)| Plan {
        parent,
        spend,
        greedy,
    })
}

/// A tree of blocks with one best valid leaf, which is the last.
fn grow(forge: &mut Forge, plans: &[Plan]) -> Vec<Arc<Block>> {
    let mut tips = vec![(forge.genesis(), 0, true)];
    let mut blocks = Vec::new();
    for plan in plans {
        let (parent, height, valid) = tips[plan.parent.index(tips.len())];
        let coins = forge.spendable(parent);
        let payments = match &plan.spend {
            Some((coin, parts)) if !coins.is_empty() => vec![forge.pay(&coins[coin.index(coins.len())], *parts, 100)],
            _ => Vec::new(),
        };
        let block = match plan.greedy {
            true => forge.mine_claiming(parent, payments, Amount::from_int_btc(60)),
            false => forge.mine(parent, payments),
        };
        tips.push((block.block_hash(), height + 1, valid && !plan.greedy));
        blocks.push(block);
    }
    let best = tips.iter().filter(|(_, _, valid)| *valid).max_by_key(|(_, height, _)| *height);
    let (best, ..) = best.copied().expect("genesis is valid");
    blocks.push(forge.mine(best, Vec::new()));
    blocks
}

/// Gives every block until none has news; one whose parent is unknown is given again, as a peer would.
fn give_all(ledger: &mut Ledger, blocks: &[Arc<Block>]) {
    let mut left: Vec<_> = blocks.to_vec();
    loop {
        let before = left.len();
        left.retain(|block| matches!(give(ledger, block), Judgement::Refused(Refused::UnknownParent { .. })));
        if left.len() == before {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_of_the_same_blocks_ends_at_the_same_tip_and_coins(
        plans in prop::collection::vec(plan(), 1..14),
        seeds in prop::array::uniform2(any::<u64>()),
        headers_first in any::<bool>(),
    ) {
        let mut forge = Forge::new(3);
        let mut blocks = grow(&mut forge, &plans);
        let best = blocks.last().map(|block| block.block_hash());
        let mut states = Vec::new();
        for seed in seeds {
            let mut ledger = ledger(&forge.rules);
            if headers_first {
                for block in &blocks {
                    ledger.accept_headers(&[block.header], NOW, Source::Own);
                }
            }
            blocks.shuffle(&mut StdRng::seed_from_u64(seed));
            give_all(&mut ledger, &blocks);
            let state = ledger.state();
            prop_assert_eq!(Some(state.tip.hash), best);
            prop_assert_eq!(state.subsidies, state.unspent + state.unclaimed + state.unspendable);
            states.push((state.tip, state.digest, state.coins, state.unspent, state.unclaimed));
        }
        prop_assert_eq!(&states[0], &states[1]);
    }

    #[test]
    fn undo_after_apply_is_nothing(plans in prop::collection::vec(plan(), 1..8)) {
        let mut forge = Forge::new(3);
        for block in grow(&mut forge, &plans) {
            let parent = block.header.prev_blockhash;
            let mut coins: BTreeMap<_, _> = forge.coins(parent).clone();
            let mut standing = Standing::genesis(&forge.rules).0;
            standing.tip.hash = parent;
            (standing.digest, standing.coins, standing.unspent) = Default::default();
            coins.iter().for_each(|(outpoint, coin)| standing.take_in(outpoint, coin));
            let before = (coins.clone(), standing);

            let change = || Change::of(&block, &txids(&block), tip(&forge, &block), standing.tip, undo(&forge, &block), &forge.rules);
            if block.txdata[0].output[0].value > forge.rules.subsidy(1) {
                continue; // no valid block: there is nothing to apply
            }
            let (step, after) = change().apply(&before.1);
            apply(&mut coins, step);
            prop_assert_eq!(&coins, forge.coins(block.block_hash()));
            let (step, standing) = change().undo(&after);
            apply(&mut coins, step);
            prop_assert_eq!((coins, standing), before);
        }
    }

    #[test]
    fn ancestors_forks_and_locators_are_those_of_a_slow_walk(parents in prop::collection::vec(any::<prop::sample::Index>(), 1..60)) {
        let mut forge = Forge::without_work();
        let mut ledger = ledger(&forge.rules);
        let mut hashes = vec![forge.genesis()];
        for parent in parents {
            // Mostly long branches: of two picks the later.
            let parent = hashes[parent.index(hashes.len()).max(hashes.len() / 2)];
            let block = forge.mine(parent, Vec::new());
            give(&mut ledger, &block);
            hashes.push(block.block_hash());
        }
        let tree = ledger.tree();
        for hash in &hashes {
            let id = tree.find(hash).expect("known");
            let line: Vec<_> = tree.walk(id).collect();
            for (back, ancestor) in line.iter().enumerate() {
                prop_assert_eq!(tree.ancestor(id, (line.len() - 1 - back) as u32), Some(*ancestor));
            }
            prop_assert_eq!(tree.ancestor(id, line.len() as u32), None);
            let best: BTreeSet<_> = tree.walk(tree.active_tip()).collect();
            let fork = line.iter().find(|id| best.contains(id)).copied();
            prop_assert_eq!(Some(tree.fork(id, tree.active_tip())), fork);
            // Whoever gets the locator finds the fork, or a block at most as far below it again.
            let after = tree.headers_after(&tree.locator(id), 1);
            let from = after.first().map_or(tree.active_tip(), |header| tree.find(&header.prev_blockhash).expect("known"));
            let (fork, from) = (tree.height(fork.expect("genesis at last")), tree.height(from));
            prop_assert!(from <= fork && fork - from <= line.len() as u32 - fork);
        }
    }
}

fn txids(block: &Block) -> Vec<bitcoin::Txid> {
    block.txdata.iter().map(Transaction::compute_txid).collect()
}

fn tip(forge: &Forge, block: &Block) -> crate::chain::Tip {
    let (mut tip, height) = (Standing::genesis(&forge.rules).0.tip, forge.height(block.block_hash()));
    (tip.hash, tip.height) = (block.block_hash(), height);
    tip
}

fn undo(forge: &Forge, block: &Block) -> Undo {
    let coins = forge.coins(block.header.prev_blockhash);
    let inputs = block.txdata[1..].iter().flat_map(|tx| &tx.input);
    Undo(inputs.map(|input| coins[&input.previous_output].clone()).collect())
}

fn apply(coins: &mut BTreeMap<bitcoin::OutPoint, crate::chain::Coin>, step: Step) {
    for (outpoint, coin) in step.coins {
        match coin {
            Some(coin) => assert!(coins.insert(outpoint, coin).is_none(), "made twice"),
            None => assert!(coins.remove(&outpoint).is_some(), "spent twice"),
        }
    }
}
