//! Judging: from what was counted to rows, the gate over all of them, and a verdict.
//!
//! Asking that theory lie inside every 95 % interval fails a correct program more often than not, so the gate asks two
//! things of all points together: that no more of them miss than the 99.9 % quantile of the binomial distribution allows,
//! and that the pooled chi-square has p > 0.001. Points with few events, or that could not tell the theory from its
//! nearest rival, are shown and do not count.

use serde::{Deserialize, Serialize};

use super::part::{Tally, deficit};
use super::{Claim, Point, What};
use crate::report::Verdict;
use crate::statistics::{
    binomial, binomial_quantile, chi_square_quantile, chi_square_tail, mean, standard_deviation, wilson,
};
use crate::theory::double_spend::{Table, effective_share, missed};
use crate::theory::race;

/// Standard deviations of a 95 % interval, and of the one-sided 99 % that power is asked with.
const NINETY_FIVE: f64 = 1.959_964;
const NINETY_NINE: f64 = 2.326_348;
/// A point with fewer expected events, or failures, says nothing about a share.
const FEWEST_EVENTS: f64 = 20.0;
/// The power that a point needs to count.
const POWER: f64 = 0.99;
/// How sure the gate is before it fails a correct program.
const CONFIDENCE: f64 = 0.999;

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What is measured, and what it is held against, in words.
    pub claim: String,
    /// One row for each number at each point.
    pub rows: Vec<Row>,
    /// All of them together.
    pub gate: Gate,
    /// What else was seen, in words and numbers.
    pub figures: Vec<Figure>,
    /// Blocks found, by everyone.
    pub blocks: u64,
    /// Blocks found per second of one processor.
    pub blocks_per_second: f64,
}

/// One number at one point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What the number is.
    pub what: String,
    /// Where: parameters by name.
    pub at: Vec<(String, f64)>,
    /// The number.
    pub measured: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// What theory says.
    pub theory: f64,
    /// How far apart the two are, in standard deviations that theory gives; nothing where theory is certain.
    pub deviations: Option<f64>,
    /// Whether theory lies in the interval.
    pub inside: bool,
    /// Why it does not count in the gate; nothing: it does.
    pub left_out: Option<String>,
    /// What it was computed from, by name.
    pub from: Vec<(String, f64)>,
}

/// What is asked of all rows that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Rows that count.
    pub rows: u64,
    /// Of them those whose interval misses theory.
    pub outside: u64,
    /// How many may.
    pub allowed: u64,
    /// The sum of squared deviations.
    pub chi_square: f64,
    /// The probability of as much by chance.
    pub p: f64,
    /// The smallest error, the same at every row, that the pooled test sees in 99 of 100 runs.
    pub smallest_error: f64,
    /// Whether it holds.
    pub holds: bool,
}

/// A number that is shown and not judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

/// The verdict on a claim, why it did not pass, and what was measured. `tallies` has one for each chosen point.
pub fn judge(claim: &Claim, tallies: &[Tally]) -> (Verdict, Option<String>, Measurement) {
    let points = claim.chosen();
    let What::DoubleSpend { table, .. } = &claim.what;
    let both = || points.iter().zip(tallies);
    let rows: Vec<Row> = both().flat_map(|(point, tally)| rows(*table, point, tally)).collect();
    let gate = gate(&rows);
    let mut whole = Tally::default();
    tallies.iter().for_each(|tally| whole.add(tally));
    let (verdict, why) = verdict(&rows, &gate, &whole);
    let measurement = Measurement {
        claim: format!("success of a private branch against the {} table", table.word()),
        rows,
        gate,
        figures: figures(&whole),
        blocks: whole.blocks,
        blocks_per_second: whole.blocks as f64 / whole.real_seconds.max(1e-9),
    };
    (verdict, why, measurement)
}

fn rows(table: Table, point: &Point, tally: &Tally) -> Vec<Row> {
    let (q, n) = (point.get("q").unwrap_or(0.0), point.whole("confirmations"));
    let effective = effective_share(q, tally.stale_share());
    let at = |names: &[&str]| {
        let known = names.iter().filter_map(|name| Some(((*name).to_owned(), point.get(name)?)));
        known.collect::<Vec<_>>()
    };
    let from = |more: &[(&str, f64)]| {
        let all = [("trials", tally.trials as f64), ("effective_q", effective), ("stale_share", tally.stale_share())];
        all.iter().chain(more).map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>()
    };
    let (trials, successes) = (tally.trials, tally.successes);
    let theory = table.success(effective, n);
    let interval = wilson(successes, trials, NINETY_FIVE);
    let count = trials as f64;
    let spread = (count * theory * (1.0 - theory)).sqrt();
    let power = power(trials, theory, table.rival().success(effective, n));
    let events = count * theory.min(1.0 - theory);
    let certain = theory >= 1.0;
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
        at: at(&["q", "confirmations"]),
        measured: successes as f64 / count.max(1.0),
        interval,
        theory,
        deviations: (spread > 0.0).then(|| (successes as f64 - count * theory) / spread),
        // Rounding shall not put 1 outside of an interval that ends there.
        inside: interval.0 <= theory && (theory <= interval.1 || successes == trials),
        left_out,
        from: from(&[
            ("successes", successes as f64),
            ("power", power),
            ("missed_at_most", missed(effective, deficit(point))),
        ]),
    }];
    let lengths: Vec<f64> = tally.lengths.iter().map(|length| f64::from(*length)).collect();
    if let (true, Some(measured), Some(_)) = (certain, mean(&lengths), standard_deviation(&lengths)) {
        let length = race::length(effective, n);
        let error = length.deviation / (lengths.len() as f64).sqrt();
        let half = NINETY_FIVE * standard_deviation(&lengths).unwrap_or(0.0) / (lengths.len() as f64).sqrt();
        let interval = (measured - half, measured + half);
        rows.push(Row {
            what: "blocks until it wins".into(),
            at: at(&["q", "confirmations"]),
            measured,
            interval,
            theory: length.mean,
            deviations: Some((measured - length.mean) / error),
            inside: interval.0 <= length.mean && length.mean <= interval.1,
            left_out: None,
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

fn gate(rows: &[Row]) -> Gate {
    let counted: Vec<&Row> = rows.iter().filter(|row| row.left_out.is_none()).collect();
    let deviations: Vec<f64> = counted.iter().filter_map(|row| row.deviations).collect();
    let degrees = deviations.len() as u32;
    let chi_square: f64 = deviations.iter().map(|z| z * z).sum();
    let p = if degrees > 0 { chi_square_tail(chi_square, degrees) } else { 1.0 };
    let outside = counted.iter().filter(|row| !row.inside).count() as u64;
    let allowed = binomial_quantile(counted.len() as u64, 0.05, CONFIDENCE);
    // What theory is certain of may not fail once.
    let certain = counted.iter().all(|row| row.deviations.is_some() || row.inside);
    Gate {
        rows: counted.len() as u64,
        outside,
        allowed,
        chi_square,
        p,
        smallest_error: smallest_error(&counted),
        holds: certain && outside <= allowed && p > 1.0 - CONFIDENCE,
    }
}

/// The shift of all shares that raises the pooled chi-square above its bound with a probability of 99 %: its
/// distribution is then noncentral, taken as normal with mean k + λ and variance 2(k + 2λ).
fn smallest_error(rows: &[&Row]) -> f64 {
    let precision = |row: &&Row| {
        let error = (row.measured - row.theory) / row.deviations.filter(|z| *z != 0.0)?;
        (row.what == "success").then(|| 1.0 / (error * error))
    };
    let precisions: Vec<f64> = rows.iter().filter_map(precision).collect();
    let k = precisions.len() as f64;
    if precisions.is_empty() {
        return f64::NAN;
    }
    let bound = chi_square_quantile(CONFIDENCE, precisions.len() as u32);
    let mut lambda = 0.0;
    while k + lambda - NINETY_NINE * (2.0 * (k + 2.0 * lambda)).sqrt() < bound {
        lambda += 0.1;
    }
    (lambda / precisions.iter().sum::<f64>()).sqrt()
}

fn verdict(rows: &[Row], gate: &Gate, whole: &Tally) -> (Verdict, Option<String>) {
    if whole.unfinished > 0 {
        return (Verdict::Stalled, Some(format!("{} races never ended", whole.unfinished)));
    }
    if gate.rows == 0 {
        let why = rows.iter().find_map(|row| row.left_out.clone()).unwrap_or_else(|| "there are none".into());
        return (Verdict::Inconclusive, Some(format!("no point has the power to say anything: {why}")));
    }
    if gate.holds {
        return (Verdict::Passed, None);
    }
    let counted = rows.iter().filter(|row| row.left_out.is_none());
    let far = |row: &Row| row.deviations.map_or(if row.inside { 0.0 } else { f64::INFINITY }, f64::abs);
    let worst = counted.max_by(|a, b| far(a).total_cmp(&far(b)));
    let worst = worst.map_or_else(String::new, |row| {
        let at: Vec<String> = row.at.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("; at {} {} is {:.4} and theory says {:.4}", at.join(", "), row.what, row.measured, row.theory)
    });
    let why = format!(
        "{} of {} points lie outside of their intervals, where {} may, and the pooled chi-square of {:.1} has p = {:.2e}{worst}",
        gate.outside, gate.rows, gate.allowed, gate.chi_square, gate.p
    );
    (Verdict::Refuted, Some(why))
}

fn figures(whole: &Tally) -> Vec<Figure> {
    let figure = |name: &str, value: f64, unit: &str| Figure { name: name.into(), value, unit: unit.into() };
    vec![
        figure("payments tried", whole.trials as f64, "payments"),
        figure("payments undone", whole.successes as f64, "payments"),
        figure("deepest reorganisation", whole.deepest.into(), "blocks"),
        figure("honest blocks undone by branches", whole.undone as f64, "blocks"),
        figure("honest stale share", whole.stale_share(), "of honest blocks"),
        figure("blocks of the attacker in races", whole.attacker_blocks as f64, "blocks"),
        figure("blocks of honest miners in races", whole.honest_blocks as f64, "blocks"),
    ]
}
