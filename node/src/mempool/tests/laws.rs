//! Laws: what holds of a pool whatever is done to it.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, OutPoint, Txid};
use proptest::prelude::*;

use super::purse::{entrant, outpoint};
use crate::mempool::pool::{Limits, Pool};
use crate::mempool::rate::Rate;
use crate::mempool::select::{Room, select};

const LIMITS: Limits =
    Limits { bytes: 500, family: 4, replaced: 3, floor: Rate { fee: Amount::from_sat(1), bytes: 10 } };

/// Something done to a pool. Numbers pick among what is there.
#[derive(Clone, Debug)]
enum Deed {
    Enter { coins: Vec<usize>, outputs: u32, fee: u64, returning: bool },
    Confirm(usize),
    Remove(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let enter = (prop::collection::vec(0..40_usize, 1..4), 1..4_u32, 0..500_u64, prop::bool::weighted(0.1));
    prop_oneof![
        8 => enter.prop_map(|(coins, outputs, fee, returning)| Deed::Enter { coins, outputs, fee, returning }),
        1 => any::<usize>().prop_map(Deed::Confirm),
        1 => any::<usize>().prop_map(Deed::Remove),
    ]
}

/// Does it; what a deed picks may not be there, then nothing is done.
fn apply(pool: &mut Pool, deed: &Deed) {
    match deed {
        Deed::Enter { coins, outputs, fee, returning } => {
            let from: BTreeSet<OutPoint> = coins.iter().map(|pick| pick_coin(pool, *pick)).collect();
            let entrant = entrant(&Vec::from_iter(from), *outputs, *fee);
            if pool.contains(&entrant.txid) {
                return;
            }
            if let Ok(plan) = pool.plan(&entrant, *returning) {
                pool.admit(entrant, plan, 0);
            }
        }
        // A block confirms parents before children.
        Deed::Confirm(pick) => {
            let ready: Vec<Txid> =
                pool.entries().filter(|(_, entry)| entry.parents.is_empty()).map(|(txid, _)| *txid).collect();
            if let Some(txid) = ready.get(pick % ready.len().max(1)) {
                pool.confirm(txid);
            }
        }
        Deed::Remove(pick) => {
            let txids: Vec<Txid> = pool.entries().map(|(txid, _)| *txid).collect();
            if let Some(txid) = txids.get(pick % txids.len().max(1)) {
                pool.remove(txid);
            }
        }
    }
}

/// The first ten picks are coins of the chain, the others outputs in the pool.
fn pick_coin(pool: &Pool, pick: usize) -> OutPoint {
    let entry = pool.entries().nth(pick.saturating_sub(10) / 3).filter(|_| pick >= 10);
    match entry {
        Some((txid, entry)) => OutPoint::new(*txid, pick as u32 % entry.entrant.transaction.output.len() as u32),
        None => outpoint(pick as u8),
    }
}

/// The laws, each from scratch.
fn holds(pool: &Pool) -> Result<(), TestCaseError> {
    let mut spent = BTreeMap::new();
    let mut bytes = 0;
    for (txid, entry) in pool.entries() {
        bytes += entry.entrant.bytes;
        let mut parents = BTreeSet::new();
        for input in &entry.entrant.transaction.input {
            let coin = input.previous_output;
            prop_assert_eq!(spent.insert(coin, *txid), None, "two spend {}", coin);
            prop_assert_eq!(pool.spender(&coin), Some(*txid));
            match pool.get(&coin.txid) {
                Some(parent) => {
                    prop_assert!(parent.arrival < entry.arrival, "a child came before its parent");
                    parents.insert(coin.txid);
                }
                None => prop_assert!(coin.txid != *txid),
            }
        }
        prop_assert_eq!(&entry.parents, &parents);
        prop_assert!(parents.iter().all(|parent| pool.get(parent).is_some_and(|p| p.children.contains(txid))));
        prop_assert!(entry.children.iter().all(|child| pool.get(child).is_some_and(|c| c.parents.contains(txid))));
    }
    prop_assert_eq!(pool.bytes(), bytes);
    prop_assert!(bytes <= LIMITS.bytes);
    prop_assert_eq!(pool.worst(), worst(pool));
    Ok(())
}

fn worst(pool: &Pool) -> Option<(Rate, Txid)> {
    let worth = |txid: &Txid| {
        let own = pool.get(txid).expect("it is there").entrant.rate();
        let family = pool.descendants(txid).into_iter().filter_map(|member| pool.get(&member));
        let sum = family.fold(own, |sum, e| Rate::of(sum.fee + e.entrant.fee, sum.bytes + e.entrant.bytes));
        own.max(sum)
    };
    let worths = pool.entries().map(|(txid, entry)| (worth(txid), std::cmp::Reverse(entry.arrival), *txid));
    worths.min().map(|(rate, _, txid)| (rate, txid))
}

proptest! {
    #[test]
    fn no_coin_is_spent_twice_and_bytes_stay_bounded_whatever_comes(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut pool = Pool::with_limits(LIMITS);
        for deed in &deeds {
            apply(&mut pool, deed);
            holds(&pool)?;
        }
    }

    #[test]
    fn nobody_has_more_relatives_than_allowed_unless_returning(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut pool = Pool::with_limits(LIMITS);
        for deed in deeds.iter().filter(|deed| !matches!(deed, Deed::Enter { returning: true, .. })) {
            apply(&mut pool, deed);
            for (txid, entry) in pool.entries() {
                prop_assert!(pool.ancestors(&entry.parents).len() < LIMITS.family);
                prop_assert!(pool.descendants(txid).len() < LIMITS.family);
            }
        }
    }

    #[test]
    fn a_template_is_a_valid_order_that_fits(
        deeds in prop::collection::vec(deed(), 1..60),
        bytes in 0..600_usize,
        signature_operations in 0..12_usize,
    ) {
        let mut pool = Pool::with_limits(LIMITS);
        deeds.iter().for_each(|deed| apply(&mut pool, deed));
        let selection = select(&pool, Room { bytes, signature_operations });
        let mut earlier = BTreeSet::new();
        let (mut size, mut fees) = (0, Amount::ZERO);
        for transaction in &selection.transactions {
            let txid = transaction.compute_txid();
            let entry = pool.get(&txid).expect("only what is pooled is chosen");
            prop_assert!(entry.parents.is_subset(&earlier), "a parent is missing");
            prop_assert!(earlier.insert(txid), "chosen twice");
            size += transaction.total_size();
            fees += entry.entrant.fee;
        }
        prop_assert_eq!((selection.bytes, selection.fees), (size, fees));
        prop_assert!(size <= bytes && selection.signature_operations <= signature_operations);
        if bytes >= pool.bytes() && signature_operations >= pool.len() {
            prop_assert_eq!(selection.transactions.len(), pool.len(), "there was room for all");
        }
    }
}
