//! Who may replace whom, and who leaves a full pool.

use bitcoin::Amount;

use super::purse::{entrant, outpoint, output};
use crate::chain::Refused;
use crate::control::Dropped;
use crate::mempool::admission::Admitted;
use crate::mempool::pool::{Entrant, Limits, Pool};
use crate::mempool::rate::Rate;

fn pool() -> Pool {
    Pool::with_limits(Limits { floor: Rate::of(Amount::from_sat(1), 10), ..Limits::default() })
}

fn enter(pool: &mut Pool, entrant: &Entrant) -> Result<Admitted, Refused> {
    let plan = pool.plan(entrant, false)?;
    Ok(pool.admit(entrant.clone(), plan, 0))
}

#[test]
fn a_second_spender_that_pays_no_better_is_refused() {
    let mut pool = pool();
    let first = entrant(&[outpoint(1)], 1, 100);
    let second = entrant(&[outpoint(1)], 2, 100);
    enter(&mut pool, &first).unwrap();
    let refused = enter(&mut pool, &second).unwrap_err();
    assert_eq!(refused, Refused::ConflictInPool { outpoint: outpoint(1), with: first.txid });
}

#[test]
fn a_better_paying_spender_replaces_the_first_and_its_descendants() {
    let mut pool = pool();
    let first = entrant(&[outpoint(1)], 1, 100);
    let child = entrant(&[output(&first.transaction, 0)], 1, 50);
    let better = entrant(&[outpoint(1)], 1, 200);
    enter(&mut pool, &first).unwrap();
    enter(&mut pool, &child).unwrap();
    let dropped = enter(&mut pool, &better).unwrap().dropped;
    assert_eq!(dropped, [(first.txid, Dropped::Replaced), (child.txid, Dropped::Replaced)]);
    assert_eq!(pool.len(), 1);
    assert!(pool.contains(&better.txid));
}

#[test]
fn a_replacement_pays_for_all_it_replaces_and_for_its_own_way() {
    let mut pool = pool();
    let first = entrant(&[outpoint(1)], 1, 100);
    let child = entrant(&[output(&first.transaction, 0)], 1, 150);
    enter(&mut pool, &first).unwrap();
    enter(&mut pool, &child).unwrap();
    let needed = 250 + (first.bytes as u64).div_ceil(10);
    let cheap = entrant(&[outpoint(1)], 1, needed - 1);
    let refused = enter(&mut pool, &cheap).unwrap_err();
    let (offered, needed) = (Amount::from_sat(needed - 1), Amount::from_sat(needed));
    assert_eq!(refused, Refused::ReplacementTooCheap { offered, needed });
    enter(&mut pool, &entrant(&[outpoint(1)], 1, needed.to_sat())).unwrap();
}

#[test]
fn nobody_replaces_what_it_spends_from() {
    let mut pool = pool();
    let first = entrant(&[outpoint(1)], 1, 100);
    enter(&mut pool, &first).unwrap();
    let cannibal = entrant(&[outpoint(1), output(&first.transaction, 0)], 1, 5_000);
    assert_eq!(enter(&mut pool, &cannibal).unwrap_err(), Refused::ReplacesAncestor { txid: first.txid });
}

#[test]
fn a_replacement_of_too_many_is_refused() {
    let limits = Limits { replaced: 2, floor: Rate::of(Amount::from_sat(1), 10), ..Limits::default() };
    let mut pool = Pool::with_limits(limits);
    let coins = [outpoint(1), outpoint(2), outpoint(3)];
    for coin in coins {
        enter(&mut pool, &entrant(&[coin], 1, 100)).unwrap();
    }
    let refused = enter(&mut pool, &entrant(&coins, 1, 5_000)).unwrap_err();
    assert_eq!(refused, Refused::ReplacesTooMany { count: 3, most: 2 });
}

#[test]
fn the_worst_paying_package_leaves_a_full_pool() {
    let one = entrant(&[outpoint(1)], 1, 100).bytes;
    let limits = Limits { bytes: 3 * one, floor: Rate::of(Amount::from_sat(1), 100), ..Limits::default() };
    let mut pool = Pool::with_limits(limits);
    // The parent pays worst of all, but its child pays for both.
    let parent = entrant(&[outpoint(1)], 1, 10);
    let child = entrant(&[output(&parent.transaction, 0)], 1, 400);
    let middling = entrant(&[outpoint(2)], 1, 100);
    for entrant in [&parent, &child, &middling] {
        enter(&mut pool, entrant).unwrap();
    }
    let admitted = enter(&mut pool, &entrant(&[outpoint(3)], 1, 150)).unwrap();
    assert_eq!(admitted.dropped, [(middling.txid, Dropped::Evicted)]);
    assert_eq!(admitted.evicted, None);
    let refused = enter(&mut pool, &entrant(&[outpoint(4)], 1, 90)).unwrap_err();
    assert!(matches!(refused, Refused::PoolFull { .. }), "{refused}");
}

#[test]
fn the_twenty_sixth_of_a_chain_is_refused() {
    let mut pool = pool();
    let mut last = entrant(&[outpoint(1)], 1, 100);
    for _ in 0..25 {
        enter(&mut pool, &last).unwrap();
        last = entrant(&[output(&last.transaction, 0)], 1, 100);
    }
    assert_eq!(enter(&mut pool, &last).unwrap_err(), Refused::TooManyRelatives { count: 26, most: 25 });
    // Freed by a reorganisation it was in a block before, and is let in.
    assert!(pool.plan(&last, true).is_ok());
}
