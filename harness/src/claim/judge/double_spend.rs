//! Rows of double spends: how often a branch won, and where it always does, how long that took.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::part::{Tally, deficit};
use crate::statistics::{binomial, mean, standard_deviation, wilson};
use crate::theory::double_spend::{Table, effective_share, missed};
use crate::theory::race;

/// A point with fewer expected events, or failures, says nothing about a share.
const FEWEST_EVENTS: f64 = 20.0;
/// The power that a point needs to count.
const POWER: f64 = 0.99;
/// What makes a point.
const AT: [&str; 5] = ["q", "confirmations", "honest", "sybils", "honest_rate"];

/// The rows of one point.
pub(super) fn rows(table: Table, point: &Point, tally: &Tally) -> Vec<Row> {
    let (q, n) = (point.get("q").unwrap_or(0.0), point.whole("confirmations"));
    let effective = effective_share(q, tally.stale_share());
    let from = |more: &[(&str, f64)]| {
        let stale_share = tally.stale_share();
        let all = [("trials", tally.trials as f64), ("effective_q", effective), ("stale_share", stale_share)];
        named(&[&all[..], more].concat())
    };
    let (trials, successes) = (tally.trials, tally.successes);
    let theory = table.success(effective, n);
    let interval = wilson(successes, trials, NINETY_FIVE);
    let count = trials as f64;
    let spread = (count * theory * (1.0 - theory)).sqrt();
    let power = power(trials, theory, table.rival().success(effective, n));
    let events = count * theory.min(1.0 - theory);
    // Who has nothing to hash with never wins, who has more than half always does.
    let certain = theory >= 1.0 || q == 0.0;
    let left_out = match () {
        () if certain => None,
        () if events < FEWEST_EVENTS => {
            Some(format!("{events:.0} events are expected, which is fewer than {FEWEST_EVENTS}"))
        }
        () if power < POWER => {
            Some(format!("it would tell the {} table apart in {:.0} % of runs", table.rival().word(), power * 100.0))
        }
        () => None,
    };
    let mut rows = vec![Row {
        what: "success".into(),
        at: at(point, &AT),
        measured: successes as f64 / count.max(1.0),
        interval,
        theory,
        deviations: (spread > 0.0).then(|| (successes as f64 - count * theory) / spread),
        // Rounding shall not put 1 outside of an interval that ends there.
        inside: (interval.0 <= theory || successes == 0) && (theory <= interval.1 || successes == trials),
        left_out,
        beyond: None,
        paired: false,
        from: from(&[
            ("successes", successes as f64),
            ("power", power),
            ("missed_at_most", missed(effective, deficit(point))),
        ]),
    }];
    let lengths: Vec<f64> = tally.lengths.iter().map(|length| f64::from(*length)).collect();
    if let (true, Some(measured), Some(_)) = (theory >= 1.0, mean(&lengths), standard_deviation(&lengths)) {
        let length = race::length(effective, n);
        let error = length.deviation / (lengths.len() as f64).sqrt();
        let half = NINETY_FIVE * standard_deviation(&lengths).unwrap_or(0.0) / (lengths.len() as f64).sqrt();
        let interval = (measured - half, measured + half);
        rows.push(Row {
            what: "blocks until it wins".into(),
            at: at(point, &AT),
            measured,
            interval,
            theory: length.mean,
            deviations: Some((measured - length.mean) / error),
            inside: interval.0 <= length.mean && length.mean <= interval.1,
            left_out: None,
            beyond: None,
            paired: false,
            from: from(&[("standard_error", error), ("theory_deviation", length.deviation)]),
        });
    }
    rows
}

/// The probability that the interval of so many trials leaves `theory` out when `truth` holds.
fn power(trials: u64, theory: f64, truth: f64) -> f64 {
    let misses = |hits: &u64| {
        let (low, high) = wilson(*hits, trials, NINETY_FIVE);
        theory < low || theory > high
    };
    (0..=trials).filter(misses).map(|hits| binomial(trials, truth, hits)).sum()
}

/// What was undone, and who lost what.
pub(super) fn figures(whole: &Tally) -> Vec<Figure> {
    vec![
        figure("payments tried", whole.trials as f64, "payments"),
        figure("payments undone", whole.successes as f64, "payments"),
        figure("deepest reorganisation", whole.deepest.into(), "blocks"),
        figure("honest blocks undone by branches", whole.undone as f64, "blocks"),
        figure("lost by merchants", whole.lost_by_merchants as f64, "satoshi"),
        figure("lost by honest miners", whole.lost_by_miners as f64 / 1e8, "coins of subsidy"),
        figure("honest stale share", whole.stale_share(), "of honest blocks"),
        figure("blocks of the attacker in races", whole.attacker_blocks as f64, "blocks"),
        figure("blocks of honest miners in races", whole.honest_blocks as f64, "blocks"),
    ]
}
