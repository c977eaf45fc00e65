//! A store whose records do not fit together is noticed at the opening, and rebuilt from its bodies.

use std::sync::Arc;

use bitcoin::Amount;

use super::forge::Forge;
use super::{give, open};
use crate::chain::{Rules, Upgrade};
use crate::control::LedgerState;
use crate::ledger::Ledger;
use crate::ledger::store::{Disk, HeaderRecord, Mark, Step, Store};

/// A disk with a payment and a stale block on it, and what the ledger there says.
fn kept() -> (Forge, Disk, LedgerState) {
    let mut forge = Forge::new(2);
    let payment = forge.pay(&forge.spendable(forge.genesis())[0], 2, 1_000);
    let first = forge.mine(forge.genesis(), vec![payment]);
    let stale = forge.mine(forge.genesis(), Vec::new());
    let second = forge.mine(first.block_hash(), Vec::new());
    let disk = Disk::new();
    let mut ledger = open(&forge.rules, disk.open()).ledger;
    [first, stale, second].iter().for_each(|block| drop(give(&mut ledger, block)));
    ledger.sync().expect("syncs");
    let state = shown(&ledger);
    (forge, disk, state)
}

fn shown(ledger: &Ledger) -> LedgerState {
    LedgerState { signature_checks: 0, ..ledger.state() }
}

fn check_rebuilt(rules: &Arc<Rules>, disk: &Disk, state: &LedgerState, damage: &str) {
    let opened = open(rules, disk.open());
    let rebuilt = opened.rebuilt.expect("it is noticed");
    assert!(rebuilt.damage.contains(damage), "{}", rebuilt.damage);
    assert_eq!((rebuilt.blocks, &shown(&opened.ledger)), (3, state));
    assert_eq!(open(rules, disk.open()).rebuilt, None, "once is enough");
}

#[test]
fn a_sound_store_opens_as_it_was_left() {
    let (forge, disk, state) = kept();
    let opened = open(&forge.rules, disk.open());
    assert_eq!((opened.rebuilt, opened.replayed, shown(&opened.ledger)), (None, 0, state));
    assert_eq!(opened.ledger.tree().leaves().len(), 2, "the stale block is remembered");
}

#[test]
fn a_coin_too_few_or_too_many_is_noticed() {
    let (forge, disk, state) = kept();
    let (outpoint, mut coin) = forge.spendable(state.tip.hash).remove(0);
    coin.value += Amount::from_sat(1);
    for coin in [None, Some(coin)] {
        disk.open().step(Step { coins: vec![(outpoint, coin)], ..Step::default() }).expect("writes");
        check_rebuilt(&forge.rules, &disk, &state, "the coins are not those of the tip");
    }
}

#[test]
fn a_standing_with_coins_out_of_nowhere_is_noticed() {
    let (forge, disk, state) = kept();
    let mut standing = disk.open().standing().expect("reads").expect("stands");
    standing.unclaimed += Amount::from_sat(1);
    disk.open().step(Step { standing: Some(standing), ..Step::default() }).expect("writes");
    check_rebuilt(&forge.rules, &disk, &state, "the supply is not what the rules allow");
}

#[test]
fn missing_undo_and_lost_marks_are_noticed() {
    let (forge, disk, state) = kept();
    let tip = state.tip;
    disk.open().step(Step { undo: Some((tip.hash, None)), ..Step::default() }).expect("writes");
    check_rebuilt(&forge.rules, &disk, &state, "the undo of");
    let header = disk.open().block(&tip.hash).expect("reads").expect("is there").header;
    let unmarked = HeaderRecord { header, height: tip.height, mark: Mark::Open };
    disk.open().step(Step { headers: vec![unmarked], ..Step::default() }).expect("writes");
    check_rebuilt(&forge.rules, &disk, &state, "not marked valid");
}

/// Rules that ask for tiny blocks from height 2 on.
fn tiny(rules: &Rules) -> Arc<Rules> {
    let tiny = Upgrade { name: "tiny".into(), height: 2, max_block_bytes: Some(1), ..Upgrade::default() };
    Arc::new(Rules { upgrades: vec![tiny], ..rules.clone() })
}

#[test]
fn other_rules_have_every_block_judged_anew_and_the_former_ones_bring_them_back() {
    let (forge, disk, state) = kept();
    let tiny = tiny(&forge.rules);
    let opened = open(&tiny, disk.open());
    let anew = opened.judged_anew.expect("it is noticed");
    assert_eq!((anew.from, anew.blocks), (state.tip, 3));
    let [(hash, reason)] = &anew.refused[..] else { panic!("one block is too large: {:?}", anew.refused) };
    assert_eq!((*hash, reason.name()), (state.tip.hash, "BlockTooLarge"));
    assert_eq!(opened.ledger.standing().tip.height, 1);
    drop(opened.ledger);
    assert_eq!(open(&tiny, disk.open()).judged_anew, None, "once is enough");
    let opened = open(&forge.rules, disk.open());
    assert_eq!(opened.judged_anew.map(|anew| (anew.from.height, anew.refused)), Some((1, Vec::new())));
    assert_eq!(shown(&opened.ledger), state);
}

#[test]
fn bodies_that_came_before_their_parents_are_judged_anew_as_well() {
    let (forge, disk, state) = kept();
    let turned = Disk::new();
    let mut bodies = disk.open().bodies().expect("reads");
    bodies[1..].reverse();
    let (mut store, kept) = (turned.open(), disk.open());
    for hash in &bodies {
        store.keep(kept.block(hash).expect("reads").expect("is there")).expect("keeps");
    }
    let opened = open(&forge.rules, turned.open());
    assert_eq!(opened.ledger.standing().tip, state.tip);
}
