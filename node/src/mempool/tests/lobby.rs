//! How candidates are judged, and how the pool follows the tip.

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, OutPoint, Transaction, Work};
use schism_wire::ItemId;

use super::orphans::peer;
use super::purse::{Inline, Purse, outpoint, output, unsigned};
use crate::bounds;
use crate::chain::{Coin, Refused, Rules, Tip, Upgrade, assemble};
use crate::control::Dropped;
use crate::mempool::lobby::{Judged, Lobby, Outcome};
use crate::messages::{Next, Source, TipChange};
use crate::surroundings::RealWork;

const VALUE: u64 = 100_000;
const PEER: fn() -> Source = || Source::Peer { peer: peer(1), item: ItemId(1) };

/// A lobby whose tip is at height 20, with a purse.
struct Scene {
    lobby: Lobby,
    purse: Purse,
    rules: Rules,
}

impl Scene {
    fn new(rules: Rules) -> Self {
        let mut lobby = Lobby::new(Arc::new(rules.clone()), Arc::new(Inline), Arc::new(RealWork));
        lobby.follow(&change(&rules, 20, &[], &[]));
        Self { lobby, purse: Purse::new(), rules }
    }

    fn pay(&self, from: OutPoint, fee: u64) -> Arc<Transaction> {
        self.purse.pay(&[(from, VALUE)], &[VALUE - fee], None)
    }

    /// Judges a transaction that spends coins of the chain, all of one value.
    fn judge(&mut self, transaction: &Arc<Transaction>) -> Judged {
        let coins = vec![Some(self.purse.coin(VALUE)); transaction.input.len()];
        self.lobby.judge(transaction, &coins, &PEER(), 0)
    }

    /// Judges a transaction none of whose coins is on the chain.
    fn judge_child(&mut self, transaction: &Arc<Transaction>, source: Source) -> Judged {
        self.lobby.judge(transaction, &vec![None; transaction.input.len()], &source, 0)
    }

    fn refusal(&mut self, transaction: &Arc<Transaction>) -> Refused {
        refusal(self.judge(transaction))
    }
}

fn refusal(judged: Judged) -> Refused {
    match judged.outcome {
        Outcome::Refused { reason, .. } => reason,
        other => panic!("{other:?} is no refusal"),
    }
}

pub(crate) fn change(rules: &Rules, height: u32, disconnected: &[Arc<Block>], connected: &[Arc<Block>]) -> TipChange {
    let active = rules.at(height + 1);
    let hash = connected.last().map_or(BlockHash::from_byte_array([height as u8; 32]), |block| block.block_hash());
    TipChange {
        tip: Tip { hash, height, work: Work::from_be_bytes([0; 32]), time: 1_700_000_000 },
        disconnected: disconnected.to_vec(),
        connected: connected.to_vec(),
        next: Next {
            height: height + 1,
            bits: rules.pow_limit,
            min_time: 1_700_000_001,
            max_block_bytes: active.max_block_bytes,
            fork_id: active.fork_id,
            subsidy: rules.subsidy(height + 1),
        },
    }
}

/// A block nobody ground.
pub(crate) fn block(rules: &Rules, height: u32, transactions: &[&Arc<Transaction>]) -> Arc<Block> {
    let coinbase = assemble::coinbase(height, &[], bitcoin::ScriptBuf::new(), Amount::ZERO);
    let transactions = transactions.iter().map(|transaction| Transaction::clone(transaction));
    let parent = BlockHash::from_byte_array([height as u8 - 1; 32]);
    Arc::new(assemble::assemble(parent, 1_700_000_001, rules.pow_limit, coinbase, transactions))
}

fn lab() -> Rules {
    Rules::lab(&[])
}

#[test]
fn a_good_payment_is_taken_once() {
    let mut scene = Scene::new(lab());
    let paid = scene.pay(outpoint(1), 1_000);
    assert_eq!(scene.judge(&paid).outcome, Outcome::Taken { fee: Amount::from_sat(1_000), again: false });
    assert_eq!(scene.judge(&paid).outcome, Outcome::Known);
}

#[test]
fn every_reason_against_a_candidate_is_the_expected_one() {
    let mut scene = Scene::new(lab());
    let cheap = scene.pay(outpoint(1), 10);
    assert!(matches!(scene.refusal(&cheap), Refused::FeeTooLow { floor: 1_000, .. }));

    let mut forged = Transaction::clone(&scene.pay(outpoint(1), 1_000));
    forged.output[0].value -= Amount::from_sat(1);
    assert_eq!(scene.refusal(&Arc::new(forged)), Refused::SignatureInvalid { input: 0 });

    let mut locked = unsigned([outpoint(1)], [VALUE - 1_000], &scene.purse.script());
    locked.lock_time = bitcoin::absolute::LockTime::from_consensus(21);
    locked.input[0].sequence = bitcoin::Sequence::ZERO;
    assert!(matches!(scene.refusal(&Arc::new(locked)), Refused::NotFinal { lock: 21, height: 21, .. }));

    let coinbase = assemble::coinbase(21, &[], scene.purse.script(), Amount::ZERO);
    let judged = scene.lobby.judge(&Arc::new(coinbase), &[None], &PEER(), 0);
    assert_eq!(refusal(judged), Refused::CoinbaseLoose);

    let other_kind = scene.purse.pay(&[(outpoint(1), VALUE)], &[VALUE - 1_000], Some(7));
    assert_eq!(scene.refusal(&other_kind), Refused::SignatureKindWrong { input: 0 });

    let young = Coin { height: 12, coinbase: true, ..scene.purse.coin(VALUE) };
    let judged = scene.lobby.judge(&scene.pay(outpoint(1), 1_000), &[Some(young)], &PEER(), 0);
    let immature = Refused::CoinImmature { outpoint: outpoint(1), height: 21, from: 22 };
    assert_eq!(refusal(judged), immature);
}

#[test]
fn a_child_spends_its_parent_in_the_pool() {
    let mut scene = Scene::new(lab());
    let parent = scene.pay(outpoint(1), 1_000);
    scene.judge(&parent);
    let child = scene.purse.pay(&[(output(&parent, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
    let taken = Outcome::Taken { fee: Amount::from_sat(1_000), again: false };
    assert_eq!(scene.judge_child(&child, PEER()).outcome, taken);
    let beyond = scene.purse.pay(&[(output(&parent, 9), VALUE)], &[VALUE - 1_000], None);
    let missing = Refused::CoinMissing { outpoint: output(&parent, 9) };
    assert_eq!(refusal(scene.judge_child(&beyond, PEER())), missing);
}

#[test]
fn an_orphan_goes_round_again_when_its_parent_comes() {
    let mut scene = Scene::new(lab());
    let parent = scene.pay(outpoint(1), 1_000);
    let child = scene.purse.pay(&[(output(&parent, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
    let orphaned = Outcome::Orphaned { wanted: vec![parent.compute_txid()] };
    assert_eq!(scene.judge_child(&child, PEER()).outcome, orphaned);
    assert_eq!(scene.judge(&parent).retry, std::slice::from_ref(&child));
    assert!(matches!(scene.judge_child(&child, Source::Own).outcome, Outcome::Taken { .. }));
}

#[test]
fn our_own_transaction_without_its_parent_is_refused() {
    let mut scene = Scene::new(lab());
    let child = scene.pay(outpoint(1), 1_000);
    let missing = Refused::CoinMissing { outpoint: outpoint(1) };
    assert_eq!(refusal(scene.judge_child(&child, Source::Own)), missing);
}

#[test]
fn a_block_confirms_some_and_drops_what_conflicts_with_it() {
    let mut scene = Scene::new(lab());
    let confirmed = scene.pay(outpoint(1), 1_000);
    let child = scene.purse.pay(&[(output(&confirmed, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
    let double = scene.pay(outpoint(2), 1_000);
    let grandchild = scene.purse.pay(&[(output(&double, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
    scene.judge(&confirmed);
    scene.judge_child(&child, PEER());
    scene.judge(&double);
    scene.judge_child(&grandchild, PEER());
    let rival = scene.pay(outpoint(2), 5_000);
    let block = block(&scene.rules, 21, &[&confirmed, &rival]);
    let followed = scene.lobby.follow(&change(&scene.rules, 21, &[], &[block]));
    let gone = [(double.compute_txid(), Dropped::Conflicting), (grandchild.compute_txid(), Dropped::Conflicting)];
    assert_eq!(followed.dropped, gone);
    let left: Vec<_> = scene.lobby.pool.entries().map(|(txid, _)| *txid).collect();
    assert_eq!(left, [child.compute_txid()]);
    // A late copy of what is confirmed is neither an orphan nor news.
    assert_eq!(scene.judge_child(&confirmed, PEER()).outcome, Outcome::Known);
}

#[test]
fn what_was_confirmed_long_ago_is_charged_to_a_peer_and_not_to_ourselves() {
    let mut scene = Scene::new(lab());
    let confirmed = scene.pay(outpoint(1), 1_000);
    let block = block(&scene.rules, 21, &[&confirmed]);
    scene.lobby.follow(&change(&scene.rules, 21, &[], &[block]));
    let old = 21 + bounds::OLD_NEWS_BLOCKS - 1;
    scene.lobby.follow(&change(&scene.rules, old - 1, &[], &[]));
    assert_eq!(scene.judge_child(&confirmed, PEER()).outcome, Outcome::Known);
    scene.lobby.follow(&change(&scene.rules, old, &[], &[]));
    assert_eq!(scene.judge_child(&confirmed, Source::Own).outcome, Outcome::Known);
    let reason = refusal(scene.judge_child(&confirmed, PEER()));
    assert_eq!(reason, Refused::LongKnown { depth: bounds::OLD_NEWS_BLOCKS });
    assert!((1..bounds::BAN_SCORE / 10).contains(&reason.blame()), "a few are no reason for a ban, many are");
}

#[test]
fn what_a_reorganisation_frees_comes_back_with_its_children_behind_it() {
    let mut scene = Scene::new(lab());
    let freed = scene.pay(outpoint(1), 10); // below the floor: no matter, it was in a block
    let child = scene.purse.pay(&[(output(&freed, 0), VALUE - 10)], &[VALUE - 2_000], None);
    let former = block(&scene.rules, 21, &[&freed]);
    scene.lobby.follow(&change(&scene.rules, 21, &[], std::slice::from_ref(&former)));
    let coins = [Some(scene.purse.coin(VALUE - 10))];
    assert!(matches!(scene.lobby.judge(&child, &coins, &PEER(), 0).outcome, Outcome::Taken { again: false, .. }));
    let other = block(&scene.rules, 21, &[]);
    let followed = scene.lobby.follow(&change(&scene.rules, 22, &[former], &[other]));
    assert_eq!(followed.retry, std::slice::from_ref(&child));
    assert!(scene.lobby.pool.is_empty(), "nobody may spend what is nowhere");
    let coins = [Some(scene.purse.coin(VALUE))];
    let back = scene.lobby.judge(&freed, &coins, &Source::Own, 0).outcome;
    assert!(matches!(back, Outcome::Taken { again: false, .. }), "{back:?}");
    let back = scene.judge_child(&child, Source::Own).outcome;
    assert!(matches!(back, Outcome::Taken { again: true, .. }), "{back:?}");
}

#[test]
fn a_new_fork_id_sends_all_round_and_lets_only_the_newly_signed_back() {
    let fork = Upgrade { name: "split".into(), height: 22, fork_id: Some(7), ..Upgrade::default() };
    let mut scene = Scene::new(Rules { upgrades: vec![fork], ..lab() });
    let old = scene.pay(outpoint(1), 1_000);
    scene.judge(&old);
    let followed = scene.lobby.follow(&change(&scene.rules, 21, &[], &[]));
    assert_eq!(followed.retry, std::slice::from_ref(&old));
    let refused = Outcome::Refused { reason: Refused::SignatureKindWrong { input: 0 }, again: true };
    assert_eq!(scene.judge(&old).outcome, refused);
    let new = scene.purse.pay(&[(outpoint(1), VALUE)], &[VALUE - 1_000], Some(7));
    assert!(matches!(scene.judge(&new).outcome, Outcome::Taken { .. }));
    assert!(scene.lobby.near_fork());
    scene.lobby.follow(&change(&scene.rules, 40, &[], &[]));
    assert!(!scene.lobby.near_fork());
}

#[test]
fn a_coin_that_became_too_young_drops_its_spender() {
    let mut scene = Scene::new(lab());
    let old_enough = Coin { height: 11, coinbase: true, ..scene.purse.coin(VALUE) };
    let paid = scene.pay(outpoint(1), 1_000);
    scene.lobby.judge(&paid, &[Some(old_enough)], &PEER(), 0);
    let former = block(&scene.rules, 20, &[]);
    let followed = scene.lobby.follow(&change(&scene.rules, 19, &[former], &[]));
    assert_eq!(followed.dropped, [(paid.compute_txid(), Dropped::Unmineable)]);
}

#[test]
fn what_waits_too_long_expires_with_its_children() {
    let mut scene = Scene::new(lab());
    let parent = scene.pay(outpoint(1), 1_000);
    let child = scene.purse.pay(&[(output(&parent, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
    scene.judge(&parent);
    scene.lobby.judge(&child, &[None], &PEER(), 50);
    assert_eq!(scene.lobby.expire(bounds::POOL_EXPIRY_SECONDS - 1), []);
    let gone = [(parent.compute_txid(), Dropped::Expired), (child.compute_txid(), Dropped::Expired)];
    assert_eq!(scene.lobby.expire(bounds::POOL_EXPIRY_SECONDS), gone);
}
