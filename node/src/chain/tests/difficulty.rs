//! Compact targets, work, and the three ways in which difficulty follows the blocks.

use std::time::Duration;

use bitcoin::{CompactTarget, Target, Work};
use proptest::prelude::*;
use ruint::aliases::U256;
use serde::Deserialize;

use super::super::work::{self, Past};
use super::super::{Difficulty, Refused, Rules, Upgrade, asert};

fn bits(consensus: u32) -> CompactTarget {
    CompactTarget::from_consensus(consensus)
}

fn parse(hex: &str) -> CompactTarget {
    bits(u32::from_str_radix(hex, 16).unwrap())
}

#[derive(Deserialize)]
struct Vectors {
    set_compact: Vec<Compact>,
    set_compact_overflow: Vec<Compact>,
    must_reject_pow: Vec<Compact>,
    next_work_required: Vec<NextWork>,
    work: Vec<BlockWork>,
}

#[derive(Deserialize)]
struct Compact {
    bits: String,
    target: Option<String>,
    back: Option<String>,
    negative: Option<bool>,
    overflow: Option<bool>,
}

#[derive(Deserialize)]
struct NextWork {
    last_height: u32,
    first_time: u32,
    last_time: u32,
    old_bits: String,
    new_bits: String,
}

#[derive(Deserialize)]
struct BlockWork {
    bits: String,
    work: String,
}

fn vectors() -> Option<Vectors> {
    let text = schism_data::text("vectors/compact_bits_and_retarget.json")?;
    Some(serde_json::from_str(&text).expect("vectors"))
}

#[test]
fn compact_bits_mean_what_bitcoin_core_says() {
    let Some(vectors) = vectors() else { return };
    for row in vectors.set_compact.iter().chain(&vectors.set_compact_overflow) {
        let stated = parse(&row.bits);
        let target = row.target.as_ref().map(|hex| U256::from_str_radix(hex, 16).unwrap());
        match work::decode(stated) {
            Ok(decoded) => {
                assert_eq!((row.negative, row.overflow), (Some(false), Some(false)), "{}", row.bits);
                assert_eq!(Some(decoded), target, "{}", row.bits);
                assert_eq!(work::encode(decoded), parse(row.back.as_ref().unwrap()), "{}", row.bits);
            }
            Err(Refused::BitsNegative { .. }) => assert_eq!(row.negative, Some(true), "{}", row.bits),
            Err(Refused::BitsOverflow { .. }) => assert_eq!(row.overflow, Some(true), "{}", row.bits),
            Err(Refused::BitsZero { .. }) => assert_eq!(target, Some(U256::ZERO), "{}", row.bits),
            Err(other) => panic!("{}: {other}", row.bits),
        }
    }
    assert_eq!(work::encode(U256::from(0x80)), bits(0x0200_8000));
}

#[test]
fn bits_that_no_block_may_have_are_refused_by_their_reason() {
    let Some(vectors) = vectors() else { return };
    let limit = Rules::bitcoin_mainnet().pow_limit;
    let refused: Vec<_> =
        vectors.must_reject_pow.iter().map(|row| work::target(parse(&row.bits), limit).unwrap_err()).collect();
    assert!(
        matches!(
            refused[..],
            [
                Refused::BitsNegative { .. },
                Refused::BitsOverflow { .. },
                Refused::BitsAboveLimit { .. },
                Refused::BitsZero { .. }
            ]
        ),
        "{refused:?}"
    );
}

#[test]
fn blocks_are_worth_what_bitcoin_core_says() {
    let Some(vectors) = vectors() else { return };
    for row in vectors.work {
        let expected = U256::from_str_radix(&row.work, 16).unwrap();
        assert_eq!(work::block_work(parse(&row.bits)), Work::from_be_bytes(expected.to_be_bytes()), "{}", row.bits);
    }
}

#[test]
fn mainnet_retargets_as_it_did() {
    let Some(vectors) = vectors() else { return };
    for row in vectors.next_work_required {
        let (old, last) = (parse(&row.old_bits), row.last_height);
        let ancestors = |height| Past { bits: old, time: if height == last { row.last_time } else { row.first_time } };
        let next = work::next_bits(&Rules::bitcoin_mainnet(), last, &ancestors);
        assert_eq!(next, parse(&row.new_bits), "after {last}");
    }
}

#[test]
fn asert_follows_the_specification_to_the_bit() {
    // Anchor, seconds late, half life, next: computed from the specification with exact integers, not by this code.
    let rows = [
        (0x1d00ffff, 0, 172_800, 0x1d00ffff),
        (0x1804dafe, 86_400, 172_800, 0x1806ddb4),
        (0x1804dafe, -86_400, 172_800, 0x18036eda),
        (0x1804dafe, -1, 172_800, 0x1804dafe),
        (0x1804dafe, 172_799, 172_800, 0x1809b5f7),
        (0x2000ffff, -2_880, 2_880, 0x1f7fff80),
        (0x2000ffff, -10_000, 2_880, 0x1f1710b8),
        (0x1f00aaaa, 12_345, 2_880, 0x1f0d025d),
        (0x1f00aaaa, -12_345, 2_880, 0x1e08bef7),
        (0x1b04864c, -4_000_000, 172_800, 0x18082ac0),
        (0x1804dafe, 7_777_777, 172_800, 0x1e009c7d),
        (0x01010000, 34_560_003, 172_800, 0x1a010001),
    ];
    for (anchor, late, half_life, next) in rows {
        let anchor = work::decode(bits(anchor)).unwrap();
        let target = asert::next_target(anchor, late, Duration::from_secs(half_life)).unwrap();
        assert_eq!(work::encode(target), bits(next), "{late} s late");
    }
}

#[test]
fn asert_leaves_a_chain_on_schedule_alone() {
    let lab = Rules::lab(&[]);
    let start = lab.genesis.header.time;
    let anchor = bits(0x1f00_ffff); // harder than the limit, which would hide a chain that is taken to be late
    let on_schedule = |height| Past { bits: anchor, time: start + 10 * height };
    for parent in [0, 1, 2, 100, 100_000] {
        assert_eq!(work::next_bits(&lab, parent, &on_schedule), anchor);
    }
}

#[test]
fn asert_of_an_upgrade_measures_from_the_block_before_it() {
    let mut rules = Rules::lab(&[]);
    rules.difficulty = Difficulty::Fixed;
    let half_life = Duration::from_secs(600);
    let asert = Some(Difficulty::Asert { half_life });
    rules.upgrades = vec![Upgrade { name: "asert".into(), height: 100, difficulty: asert, ..Upgrade::default() }];
    // Before the upgrade blocks came every second; from the anchor on every ten, but the first comes 600 s early.
    let time = |height: u32| if height < 100 { height } else { 99 + 10 * (height - 99) };
    let ancestors = |height| Past { bits: bits(0x1f00ffff), time: 1_000_000 + time(height) };
    assert_eq!(work::next_bits(&rules, 98, &ancestors), rules.pow_limit);
    // The anchor came 9 s early after its parent.
    let expected = asert::next_target(work::decode(bits(0x1f00ffff)).unwrap(), -9, half_life).unwrap();
    for parent in [99, 100, 500] {
        assert_eq!(work::next_bits(&rules, parent, &ancestors), work::encode(expected), "after {parent}");
    }
}

/// Ancestors of which only parent and window start matter.
fn window(start: u32, took: i64, stated: CompactTarget, last: u32) -> impl Fn(u32) -> Past {
    let end = u32::try_from(i64::from(start) + took).unwrap_or(0);
    move |height| Past { bits: stated, time: if height == last { end } else { start } }
}

proptest! {
    #[test]
    fn decoding_undoes_encoding(mantissa in 0x8000_u32..0x7f_ffff, exponent in 3_u32..=32) {
        let stated = bits(exponent << 24 | mantissa);
        if let Ok(target) = work::decode(stated) {
            prop_assert_eq!(work::encode(target), stated);
        }
    }

    #[test]
    fn no_bits_cause_a_panic(stated: u32) {
        let stated = bits(stated);
        let work = work::block_work(stated);
        match work::target_without_limit(stated) {
            Ok(target) => {
                prop_assert_eq!(target, Target::from_compact(stated)); // where it is sound, the crate is the oracle
                prop_assert_eq!(work, target.to_work());
                prop_assert!(work::expected_hashes(stated) >= 1.0);
            }
            Err(_) => prop_assert_eq!(work, Work::from_be_bytes([0; 32])),
        }
    }

    #[test]
    fn mainnet_retarget_agrees_with_the_crate(
        mantissa in 0x8000_u32..0x7f_ffff, exponent in 0x10_u32..=0x1c, took in 0_i64..10_000_000,
    ) {
        let old = bits(exponent << 24 | mantissa);
        let ancestors = window(1_300_000_000, took, old, 4_031);
        let next = work::next_bits(&Rules::bitcoin_mainnet(), 4_031, &ancestors);
        let oracle = CompactTarget::from_next_work_required(old, took as u64, &bitcoin::params::MAINNET);
        prop_assert_eq!(next, oracle);
    }

    #[test]
    fn retarget_cannot_wrap_at_lab_difficulty(took in -200_i64..2_000, exponent in 0x1d_u32..=0x1f) {
        let mut rules = Rules::lab(&[]);
        rules.difficulty = Difficulty::Retarget { window: 20 };
        rules.hardest = None;
        let old = bits(exponent << 24 | 0x7f_ffff);
        let next = work::next_bits(&rules, 39, &window(1_700_000_000, took, old, 39));
        let due = work::expected_hashes(old) * 200.0 / took.clamp(50, 800) as f64;
        let due = due.max(work::expected_hashes(rules.pow_limit));
        prop_assert!((0.9999..1.0001).contains(&(work::expected_hashes(next) / due)), "{next:?}");
    }

    #[test]
    fn asert_cannot_wrap_and_never_punishes_lateness(
        height in 1_u32..2_000_000, first in -600_f64..600.0, second in -600_f64..600.0, half_life in 1_u64..100_000,
    ) {
        let mut rules = Rules::lab(&[]);
        rules.difficulty = Difficulty::Asert { half_life: Duration::from_secs(half_life) };
        let anchor = rules.genesis.header;
        let next = |half_lives_late: f64| {
            let due = f64::from(anchor.time) + 10.0 * f64::from(height);
            let time = (due + half_lives_late * half_life as f64) as u32; // saturates at both ends
            let ancestors = |at| Past { bits: anchor.bits, time: if at == height { time } else { anchor.time } };
            work::target(work::next_bits(&rules, height, &ancestors), rules.pow_limit).expect("within the limit")
        };
        let (early, late) = (next(first.min(second)), next(first.max(second)));
        prop_assert!(early <= late);
        prop_assert!(early >= Target::from_compact(rules.hardest.unwrap()));
    }

    #[test]
    fn asert_is_an_exponential(anchor in 1_u64.., late in -1_000_000_i64..1_000_000, half_life in 1_000_u64..1_000_000) {
        let wide = U256::from(anchor) << 100;
        let exponent = late as f64 / half_life as f64;
        match asert::next_target(wide, i128::from(late), Duration::from_secs(half_life)) {
            Some(target) if exponent > -90.0 => {
                let ratio = f64::from(target) / f64::from(wide) / exponent.exp2();
                prop_assert!((0.9997..1.0003).contains(&ratio), "{ratio}"); // the cubic's error and a 65,536th rounded
            }
            Some(_) => {}
            None => prop_assert!(exponent > 91.9, "{exponent}"),
        }
    }
}
