//! Rules by height, supply, genesis, and the digest of coins.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf};
use proptest::prelude::*;

use super::super::{Coin, Digest, Rules, Upgrade, header, rules::Difficulty};
use super::coin;

#[test]
fn the_presets_begin_where_they_say() {
    let mainnet = Rules::bitcoin_mainnet();
    let first: BlockHash = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f".parse().unwrap();
    assert_eq!(header::check_work(&mainnet.genesis.header, &mainnet), Ok(first));
    assert_eq!(mainnet.subsidies(0), Amount::from_int_btc(50));

    let allocation = (ScriptBuf::from(vec![0x51]), Amount::from_int_btc(7));
    let lab = Rules::lab(std::slice::from_ref(&allocation));
    assert!(header::check_work(&lab.genesis.header, &lab).is_ok());
    assert!(lab.genesis.check_merkle_root());
    assert_eq!(lab, Rules::lab(&[allocation]), "the same allocations give the same chain");
    assert_ne!(lab.genesis.block_hash(), Rules::lab(&[]).genesis.block_hash());
    assert_eq!(lab.subsidies(0), Amount::from_int_btc(7));
    let hashes = super::super::work::expected_hashes(lab.pow_limit);
    assert!((256.0..256.1).contains(&hashes), "{hashes}");
    let hashes = super::super::work::expected_hashes(lab.hardest.unwrap());
    assert!(hashes <= 1_048_576.0 && hashes > 1_048_575.0, "{hashes}");
}

#[test]
fn a_genesis_coin_is_spendable_at_once_in_the_lab_and_never_on_mainnet() {
    let first = Coin { height: 0, coinbase: true, ..coin(ScriptBuf::new(), 1) };
    let later = Coin { height: 7, coinbase: true, ..coin(ScriptBuf::new(), 1) };
    let (lab, mainnet) = (Rules::lab(&[]), Rules::bitcoin_mainnet());
    assert_eq!((lab.spendable_from(&first), mainnet.spendable_from(&first)), (Some(0), None));
    assert_eq!((lab.spendable_from(&later), mainnet.spendable_from(&later)), (Some(17), Some(107)));
}

#[test]
fn upgrades_hold_from_their_height_on() {
    let mut rules = Rules::lab(&[]);
    let upgrade = |name: &str, height| Upgrade { name: name.into(), height, ..Upgrade::default() };
    rules.upgrades = vec![
        Upgrade { fork_id: Some(3), max_block_bytes: Some(7_000), ..upgrade("split", 20) },
        Upgrade { max_block_bytes: Some(5_000), difficulty: Some(Difficulty::Fixed), ..upgrade("small", 10) },
    ];
    let seen = |height| {
        let active = rules.at(height);
        (active.max_block_bytes, active.fork_id, active.anchor)
    };
    assert_eq!((seen(9), seen(10)), ((100_000, None, 0), (5_000, None, 9)));
    assert_eq!((seen(19), seen(20)), ((5_000, None, 9), (7_000, Some(3), 9)));
}

#[test]
fn all_bitcoins_that_will_ever_be() {
    let rules = Rules::bitcoin_mainnet();
    assert_eq!(rules.subsidies(u32::MAX), Amount::from_sat(2_099_999_997_690_000));
    assert_eq!(rules.subsidies(209_999), Amount::from_int_btc(50 * 210_000));
    assert_eq!(rules.subsidy(u32::MAX), Amount::ZERO);
}

proptest! {
    #[test]
    fn the_total_is_the_sum_of_the_subsidies(height in 0_u32..500, halving in 0_u32..50, initial in 0_u64..1 << 40) {
        let mut rules = Rules::lab(&[]);
        rules.halving_interval = halving;
        rules.initial_subsidy = Amount::from_sat(initial);
        let sum: Amount = (1..=height).map(|height| rules.subsidy(height)).sum();
        prop_assert_eq!(rules.subsidies(height), sum);
    }

    #[test]
    fn the_digest_of_a_set_does_not_depend_on_its_history(
        coins in prop::collection::vec((any::<u32>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)), 1..20),
        gone in prop::collection::vec(any::<u64>(), 0..20),
    ) {
        let coins: Vec<_> = coins.into_iter().map(|(vout, value, script)| (OutPoint { vout, ..OutPoint::null() }, coin(script.into(), value))).collect();
        let mut forwards = Digest::default();
        coins.iter().for_each(|(outpoint, coin)| forwards.add(outpoint, coin));
        let mut backwards = Digest::default();
        let passing: Vec<_> = gone.into_iter().map(|value| coin(ScriptBuf::new(), value)).collect();
        passing.iter().for_each(|coin| backwards.add(&OutPoint::null(), coin));
        coins.iter().rev().for_each(|(outpoint, coin)| backwards.add(outpoint, coin));
        passing.iter().for_each(|coin| backwards.remove(&OutPoint::null(), coin));
        prop_assert_eq!(forwards, backwards);
        prop_assert_eq!(Digest::from_bytes(forwards.to_bytes()), forwards);
        prop_assert_eq!(forwards.to_string().len(), 64);
    }
}

#[test]
fn every_part_of_a_coin_counts_in_the_digest() {
    let outpoint = OutPoint::null();
    let digest = |outpoint: OutPoint, coin: &Coin| {
        let mut digest = Digest::default();
        digest.add(&outpoint, coin);
        digest.to_string()
    };
    let plain = coin(ScriptBuf::new(), 1);
    let all = [
        digest(outpoint, &plain),
        digest(OutPoint { vout: 1, ..outpoint }, &plain),
        digest(OutPoint { txid: bitcoin::hashes::Hash::from_byte_array([1; 32]), ..outpoint }, &plain),
        digest(outpoint, &Coin { height: 6, ..plain.clone() }),
        digest(outpoint, &Coin { coinbase: true, ..plain.clone() }),
        digest(outpoint, &Coin { value: Amount::from_sat(2), ..plain.clone() }),
        digest(outpoint, &Coin { script: ScriptBuf::from(vec![0]), ..plain }),
    ];
    assert_eq!(std::collections::BTreeSet::from(all).len(), 7);
}
