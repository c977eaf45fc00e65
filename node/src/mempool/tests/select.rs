//! Which transactions a template holds.

use bitcoin::Amount;

use super::purse::{entrant, outpoint, output};
use crate::mempool::pool::Pool;
use crate::mempool::select::{Room, select};

#[test]
fn a_child_that_pays_for_its_parent_brings_it_in_first() {
    let mut pool = Pool::default();
    let parent = entrant(&[outpoint(1)], 1, 0);
    let child = entrant(&[output(&parent.transaction, 0)], 1, 1_000);
    let rival = entrant(&[outpoint(2)], 1, 300);
    for entrant in [&parent, &child, &rival] {
        pool.insert(entrant.clone(), 0);
    }
    let room = Room { bytes: parent.bytes + child.bytes, signature_operations: 100 };
    let chosen = select(&pool, room);
    assert_eq!(chosen.transactions, [parent.transaction, child.transaction]);
    assert_eq!(chosen.fees, Amount::from_sat(1_000));
}

#[test]
fn a_package_too_large_leaves_its_room_to_smaller_ones() {
    let mut pool = Pool::default();
    let large = entrant(&[outpoint(1)], 50, 10_000);
    let small = entrant(&[outpoint(2)], 1, 10);
    pool.insert(large.clone(), 0);
    pool.insert(small.clone(), 0);
    let chosen = select(&pool, Room { bytes: large.bytes - 1, signature_operations: 100 });
    assert_eq!(chosen.transactions, [small.transaction]);
}
