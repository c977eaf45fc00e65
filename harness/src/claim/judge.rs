//! Judging: from what was counted to rows, the gate over all of them, and a verdict.
//!
//! Asking that theory lie inside every 95 % interval fails a correct program more often than not, so the gate asks two
//! things of all points together: that no more of them miss than the 99.9 % quantile of the binomial distribution allows,
//! and that the pooled chi-square has p > 0.001. Points with few events, or that could not tell the theory from its
//! nearest rival, are shown and do not count.

mod censorship;
mod difficulty;
mod double_spend;
mod eclipse;
mod selfish;
mod stale_blocks;

use serde::{Deserialize, Serialize};

use super::part::Tally;
use super::{Claim, Point, What};
use crate::report::Verdict;
use crate::statistics::{binomial_quantile, chi_square_quantile, chi_square_tail};

/// Standard deviations of a 95 % interval, and of the one-sided 99 % that power is asked with.
const NINETY_FIVE: f64 = 1.959_964;
const NINETY_NINE: f64 = 2.326_348;
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
    /// Blocks found per second of one processor's work.
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
    /// What nothing can be, and this is by more than chance: a bound, in words.
    #[serde(default)]
    pub beyond: Option<String>,
    /// Whether it is held against the same without something, over the same seeds, which stands under `theory`: then `inside`
    /// says whether it is less by more than chance.
    #[serde(default)]
    pub paired: bool,
    /// What it was computed from, by name.
    pub from: Vec<(String, f64)>,
}

/// What is asked of all rows that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Rows that count and have a theory.
    pub rows: u64,
    /// Of them those whose interval misses theory.
    pub outside: u64,
    /// How many may.
    pub allowed: u64,
    /// Rows that are held against the same without something, all of which must be less.
    #[serde(default)]
    pub pairs: u64,
    /// How many are.
    #[serde(default)]
    pub less: u64,
    /// The sum of squared deviations.
    pub chi_square: f64,
    /// The probability of as much by chance.
    pub p: f64,
    /// The smallest error, the same at every row, that the pooled test sees in 99 of 100 runs.
    /// Nothing where no row has an error that theory gives.
    pub smallest_error: Option<f64>,
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
    let mut whole = Tally::default();
    tallies.iter().for_each(|tally| whole.add(tally));
    let both = || points.iter().zip(tallies);
    let (words, rows, figures): (_, Vec<Row>, _) = match &claim.what {
        What::DoubleSpend { table, .. } => (
            format!("success of a private branch against the {} table", table.word()),
            both().flat_map(|(point, tally)| double_spend::rows(*table, point, tally)).collect(),
            double_spend::figures(&whole),
        ),
        What::Selfish => (
            "revenue and stale blocks of selfish mining against the formulas of Eyal and Sirer".to_owned(),
            both().flat_map(|(point, tally)| selfish::rows(point, tally)).collect(),
            selfish::figures(&points, tallies),
        ),
        What::Censorship { orphaning, .. } => (
            match orphaning {
                true => "blocks undone by censors who do not build on them, against the gambler's ruin",
                false => "blocks that a censored payment waits for, against the geometric distribution",
            }
            .to_owned(),
            both().flat_map(|(point, tally)| censorship::rows(*orphaning, point, tally)).collect(),
            censorship::figures(&whole),
        ),
        What::Eclipse { .. } => (
            "who a node is left with that starts anew, against draws from its book (f^d), and each defence against its absence"
                .to_owned(),
            eclipse::rows(&points, tallies),
            eclipse::figures(&whole),
        ),
        What::StaleBlocks => (
            "heights with two blocks against what their measured spread foretells (Decker and Wattenhofer)".to_owned(),
            both().flat_map(|(point, tally)| stale_blocks::rows(point, tally)).collect(),
            stale_blocks::figures(&points, tallies),
        ),
        What::Difficulty { law } => (
            "how long blocks took and how hard they became, against a law of difficulty".to_owned(),
            both().flat_map(|(point, tally)| difficulty::rows(*law, point, tally)).collect(),
            difficulty::figures(*law, &points, tallies),
        ),
    };
    let gate = gate(&rows);
    let (verdict, why) = verdict(&rows, &gate, &whole);
    let measurement = Measurement {
        claim: words,
        rows,
        gate,
        figures,
        blocks: whole.blocks,
        blocks_per_second: whole.blocks as f64 / whole.processor_seconds.max(1e-9),
    };
    (verdict, why, measurement)
}

/// Parameters of a point, by name.
fn at(point: &Point, names: &[&str]) -> Vec<(String, f64)> {
    names.iter().filter_map(|name| Some(((*name).to_owned(), point.get(name)?))).collect()
}

/// Numbers by name.
fn named(numbers: &[(&str, f64)]) -> Vec<(String, f64)> {
    numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.into(), value, unit: unit.into() }
}

fn gate(rows: &[Row]) -> Gate {
    let counting = rows.iter().filter(|row| row.left_out.is_none());
    let (paired, counted): (Vec<&Row>, Vec<&Row>) = counting.partition(|row| row.paired);
    let (pairs, less) = (paired.len() as u64, paired.iter().filter(|row| row.inside).count() as u64);
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
        pairs,
        less,
        chi_square,
        p,
        smallest_error: smallest_error(&counted),
        holds: certain && less == pairs && outside <= allowed && p > 1.0 - CONFIDENCE,
    }
}

/// The shift of all shares that raises the pooled chi-square above its bound with a probability of 99 %: its
/// distribution is then noncentral, taken as normal with mean k + λ and variance 2(k + 2λ).
fn smallest_error(rows: &[&Row]) -> Option<f64> {
    let precision = |row: &&Row| {
        let error = (row.measured - row.theory) / row.deviations.filter(|z| *z != 0.0)?;
        (row.what != "blocks until it wins").then(|| 1.0 / (error * error))
    };
    let precisions: Vec<f64> = rows.iter().filter_map(precision).collect();
    let k = precisions.len() as f64;
    if precisions.is_empty() {
        return None;
    }
    let bound = chi_square_quantile(CONFIDENCE, precisions.len() as u32);
    let mut lambda = 0.0;
    while k + lambda - NINETY_NINE * (2.0 * (k + 2.0 * lambda)).sqrt() < bound {
        lambda += 0.1;
    }
    Some((lambda / precisions.iter().sum::<f64>()).sqrt())
}

fn verdict(rows: &[Row], gate: &Gate, whole: &Tally) -> (Verdict, Option<String>) {
    if whole.unfinished > 0 {
        return (Verdict::Stalled, Some(format!("{} races never ended", whole.unfinished)));
    }
    if let Some((row, beyond)) = rows.iter().find_map(|row| Some((row, row.beyond.as_ref()?))) {
        return (Verdict::Refuted, Some(format!("{} is {:.4}, which is beyond {beyond}", row.what, row.measured)));
    }
    if gate.rows + gate.pairs == 0 {
        let why = rows.iter().find_map(|row| row.left_out.clone()).unwrap_or_else(|| "there are none".into());
        return (Verdict::Inconclusive, Some(format!("no point has the power to say anything: {why}")));
    }
    if gate.holds {
        return (Verdict::Passed, None);
    }
    let counted = || rows.iter().filter(|row| row.left_out.is_none());
    let place = |row: &Row| {
        let at: Vec<String> = row.at.iter().map(|(name, value)| format!("{name} {value}")).collect();
        format!("at {} {} is {:.4}", at.join(", "), row.what, row.measured)
    };
    if let Some(row) = counted().find(|row| row.paired && !row.inside) {
        let why = format!("{}, which is not less than without it, {:.4}, by more than chance", place(row), row.theory);
        return (Verdict::Refuted, Some(why));
    }
    let far = |row: &Row| row.deviations.map_or(if row.inside { 0.0 } else { f64::INFINITY }, f64::abs);
    let worst = counted().filter(|row| !row.paired).max_by(|a, b| far(a).total_cmp(&far(b)));
    let worst = worst.map_or_else(String::new, |row| format!("; {} and theory says {:.4}", place(row), row.theory));
    let why = format!(
        "{} of {} points lie outside of their intervals, where {} may, and the pooled chi-square of {:.1} has p = {:.2e}{worst}",
        gate.outside, gate.rows, gate.allowed, gate.chi_square, gate.p
    );
    (Verdict::Refuted, Some(why))
}
