//! Stories of one ledger.

use std::sync::Arc;

use bitcoin::{Amount, Block, OutPoint};

use super::forge::Forge;
use super::{NOW, give, ledger};
use crate::chain::Refused;
use crate::control::LedgerState;
use crate::ledger::Judgement;
use crate::messages::Source;

#[test]
fn a_payment_moves_coins_and_keeps_the_supply() {
    let mut forge = Forge::new(1);
    let mut ledger = ledger(&forge.rules);
    let coin = forge.spendable(forge.genesis()).remove(0);
    let payment = forge.pay(&coin, 3, 1_000);
    let block = forge.mine(forge.genesis(), vec![payment]);
    assert_eq!(give(&mut ledger, &block), Judgement::Taken);
    let state = ledger.state();
    assert_eq!((state.tip.height, state.coins, state.signature_checks), (1, 4, 1));
    assert_eq!(state.unclaimed, Amount::from_sat(1_000 + (coin.1.value.to_sat() - 1_000) % 3));
    assert_eq!(state.subsidies, state.unspent + state.unclaimed + state.unspendable);
}

#[test]
fn the_heavier_branch_wins_and_the_first_seen_wins_ties() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let (one, other) = (forge.extend(forge.genesis(), 2), forge.extend(forge.genesis(), 3));
    for block in one.iter().chain(&other[..2]) {
        give(&mut ledger, block);
    }
    assert_eq!(ledger.standing().tip.hash, one[1].block_hash(), "equal work: the first stays");
    let judged = ledger.accept_block(other[2].clone(), NOW, Source::Own).expect("the store works");
    let change = judged.tip.expect("the tip moves");
    assert_eq!(change.disconnected, [one[1].clone(), one[0].clone()]);
    assert_eq!(change.connected, other);
    assert_eq!(ledger.standing().tip.height, 3);
}

#[test]
fn a_good_block_that_lost_a_race_is_known_to_be_good_before_it_matters() {
    let mut forge = Forge::new(2);
    let mut ledger = ledger(&forge.rules);
    let coins = forge.spendable(forge.genesis());
    let (first, rival) = (forge.pay(&coins[0], 3, 1_000), forge.pay(&coins[0], 2, 2_000));
    // What the best chain has spent and made since the fork counts for nothing on the other side.
    let best = forge.mine(forge.genesis(), vec![first]);
    let beside = forge.mine(forge.genesis(), vec![rival.clone()]);
    let made = (
        OutPoint::new(rival.compute_txid(), 0),
        forge.coins(beside.block_hash())[&OutPoint::new(rival.compute_txid(), 0)].clone(),
    );
    let spends_it = forge.pay(&made, 1, 1_000);
    let child = forge.mine(beside.block_hash(), vec![spends_it]);
    let next = forge.mine(best.block_hash(), Vec::new());
    assert_eq!(give(&mut ledger, &best), Judgement::Taken);
    let before = ledger.state();
    assert_eq!(give(&mut ledger, &beside), Judgement::Beside);
    assert_eq!(ledger.state(), LedgerState { signature_checks: 2, ..before });
    assert_eq!(give(&mut ledger, &next), Judgement::Taken);
    assert_eq!(give(&mut ledger, &child), Judgement::Beside, "its parent's coins are those of the branch");
    let last = forge.mine(child.block_hash(), Vec::new());
    assert_eq!(give(&mut ledger, &last), Judgement::Taken);
    assert_eq!(ledger.state().signature_checks, 3, "each was checked once");
}

#[test]
fn a_bad_block_that_lost_a_race_is_refused_at_once() {
    let mut forge = Forge::new(2);
    let mut ledger = ledger(&forge.rules);
    let coins = forge.spendable(forge.genesis());
    let payment = forge.pay(&coins[0], 3, 1_000);
    let best = forge.mine(forge.genesis(), vec![payment.clone()]);
    let mut forged = forge.pay(&coins[1], 1, 1_000);
    forged.output[0].value -= Amount::ONE_SAT;
    let bad = forge.mine_anyhow(forge.genesis(), vec![forged.clone()]);
    let child = forge.mine(bad.block_hash(), Vec::new());
    assert_eq!(give(&mut ledger, &best), Judgement::Taken);
    let reason = Refused::SignatureInvalid { input: 0 }.in_block(forged.compute_txid());
    assert_eq!(give(&mut ledger, &bad), Judgement::Refused(reason));
    let parent = bad.block_hash();
    assert_eq!(give(&mut ledger, &child), Judgement::Refused(Refused::InvalidParent { parent }));
    assert_eq!(ledger.standing().tip.hash, best.block_hash());
}

#[test]
fn bodies_may_come_before_their_parents_once_headers_are_known() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), 4);
    let headers: Vec<_> = chain.iter().map(|block| block.header).collect();
    assert_eq!(ledger.accept_headers(&headers, NOW, Source::Own).judgement, Judgement::Taken);
    assert_eq!(ledger.missing(), chain.iter().map(|block| block.block_hash()).collect::<Vec<_>>());
    for block in chain[1..].iter().rev() {
        assert_eq!(give(&mut ledger, block), Judgement::Kept);
    }
    assert_eq!(ledger.missing(), [chain[0].block_hash()]);
    assert_eq!(give(&mut ledger, &chain[0]), Judgement::Taken);
    assert_eq!(ledger.standing().tip.height, 4);
    assert!(ledger.missing().is_empty());
}

#[test]
fn a_mutated_copy_does_not_poison_the_good_block() {
    let mut forge = Forge::new(1);
    let mut ledger = ledger(&forge.rules);
    let payment = forge.pay(&forge.spendable(forge.genesis())[0], 1, 1_000);
    let good = forge.mine(forge.genesis(), vec![payment]);
    let mut witness_altered = Block::clone(&good);
    witness_altered.txdata[1].input[0].witness.push([1]);
    let mut witness_stripped = Block::clone(&good);
    witness_stripped.txdata[1].input[0].witness.clear();
    let mut repeated = Block::clone(&good);
    repeated.txdata.extend(good.txdata.clone());
    let mut emptied = Block::clone(&good);
    emptied.txdata.clear();
    for mutant in [witness_altered, witness_stripped, repeated, emptied] {
        let judgement = give(&mut ledger, &Arc::new(mutant));
        assert!(matches!(judgement, Judgement::Refused(_)), "{judgement:?}");
        assert_eq!(ledger.missing(), [good.block_hash()], "still wanted");
    }
    assert_eq!(give(&mut ledger, &good), Judgement::Taken);
}

#[test]
fn an_invalid_block_on_a_heavier_branch_leads_back_to_the_best_valid_one() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let good = forge.extend(forge.genesis(), 3);
    good.iter().for_each(|block| drop(give(&mut ledger, block)));
    let before = ledger.state();
    let first = forge.mine(forge.genesis(), Vec::new());
    let greedy = forge.mine_claiming(first.block_hash(), Vec::new(), Amount::from_int_btc(51));
    let rest = forge.extend(greedy.block_hash(), 2);
    assert_eq!(give(&mut ledger, &first), Judgement::Kept);
    assert_eq!(give(&mut ledger, &greedy), Judgement::Kept, "nobody looks at it before it matters");
    assert_eq!(give(&mut ledger, &rest[0]), Judgement::Kept);
    let judged = ledger.accept_block(rest[1].clone(), NOW, Source::Own).expect("the store works");
    assert!(judged.tip.is_none(), "the tip is where it was");
    assert_eq!(ledger.state(), before);
    assert_eq!(give(&mut ledger, &greedy), Judgement::Refused(Refused::KnownInvalid));
    let parent = rest[0].block_hash();
    assert_eq!(give(&mut ledger, &rest[1]), Judgement::Refused(Refused::InvalidParent { parent }));
    let next = forge.mine(good[2].block_hash(), Vec::new());
    assert_eq!(give(&mut ledger, &next), Judgement::Taken);
}

#[test]
fn a_block_refused_for_its_future_time_is_accepted_later() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let block = forge.mine(forge.genesis(), Vec::new());
    let early = block.header.time - 121;
    let judged = ledger.accept_block(block.clone(), early, Source::Own).expect("the store works");
    let refused = Refused::TimeTooNew { time: block.header.time, latest: block.header.time - 1 };
    assert_eq!(judged.judgement, Judgement::Refused(refused));
    let judged = ledger.accept_block(block, early + 1, Source::Own).expect("the store works");
    assert_eq!(judged.judgement, Judgement::Taken);
}
