//! Rows of censorship: how long payments waited, and how often the blocks that held them were undone.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::part::Tally;
use crate::statistics::{mean, standard_deviation, wilson};
use crate::theory::censorship::{deviation_of_wait, left_out, mean_wait, undone};

/// A point with fewer expected events, or failures, says nothing about a share.
const FEWEST_EVENTS: f64 = 20.0;

/// The rows of one point: of waits where censors leave payments out, else of races.
pub(super) fn rows(orphaning: bool, point: &Point, tally: &Tally) -> Vec<Row> {
    if orphaning { races(point, tally) } else { waits(point, tally) }
}

fn waits(point: &Point, tally: &Tally) -> Vec<Row> {
    let (c, k) = (point.get("c").unwrap_or(0.0), point.whole("k").max(1));
    // The two rows are of different payments, so that they are independent.
    let waits: Vec<f64> = tally.censored.waits.iter().map(|wait| f64::from(*wait)).collect();
    let (first, second) = waits.split_at(waits.len() / 2);
    let mut rows = Vec::new();
    if let (Some(measured), Some(scatter)) = (mean(first), standard_deviation(first)) {
        let root = (first.len() as f64).sqrt();
        let (theory, half) = (mean_wait(c), NINETY_FIVE * scatter / root);
        rows.push(Row {
            what: "blocks until confirmed".into(),
            at: at(point, &["c"]),
            measured,
            interval: (measured - half, measured + half),
            theory,
            deviations: Some((measured - theory) * root / deviation_of_wait(c)),
            inside: (measured - theory).abs() <= half,
            left_out: None,
            beyond: None,
            paired: false,
            from: named(&[("payments", first.len() as f64), ("standard_error", scatter / root)]),
        });
    }
    let late = second.iter().filter(|wait| **wait > f64::from(k)).count() as u64;
    rows.push(share("left out of k blocks", point, &["c", "k"], (late, second.len() as u64), left_out(c, k)));
    rows
}

fn races(point: &Point, tally: &Tally) -> Vec<Row> {
    let (c, deficit, rounds) = (point.get("c").unwrap_or(0.0), point.whole("deficit"), point.whole("rounds"));
    let theory = undone(c, deficit);
    let (censored, names) = (&tally.censored, ["c", "deficit"]);
    let trials = censored.paid + censored.frozen;
    vec![
        share("blocks with it undone", point, &names, (censored.undone, censored.included), theory),
        share("paid in the end", point, &names, (censored.paid, trials), 1.0 - theory.powi(rounds as i32)),
    ]
}

/// A share of so many, held against its probability.
fn share(what: &str, point: &Point, names: &[&str], (hits, count): (u64, u64), theory: f64) -> Row {
    let (interval, number) = (wilson(hits, count, NINETY_FIVE), count as f64);
    let spread = (number * theory * (1.0 - theory)).sqrt();
    let events = number * theory.min(1.0 - theory);
    // What happens less than once in a hundred such measurements is taken for certain.
    let certain = events < 0.01;
    let measured = hits as f64 / number.max(1.0);
    Row {
        what: what.into(),
        at: at(point, names),
        measured,
        interval,
        theory,
        deviations: (!certain).then(|| (hits as f64 - number * theory) / spread),
        inside: if certain {
            (measured - theory).abs() < 0.5 / number.max(1.0)
        } else {
            interval.0 <= theory && theory <= interval.1
        },
        left_out: (!certain && events < FEWEST_EVENTS)
            .then(|| format!("{events:.0} events are expected, which is fewer than {FEWEST_EVENTS}")),
        beyond: None,
        paired: false,
        from: named(&[("hits", hits as f64), ("of", number)]),
    }
}

/// What became of all payments.
pub(super) fn figures(whole: &Tally) -> Vec<Figure> {
    let censored = &whole.censored;
    vec![
        figure("payments censored", whole.trials as f64, "payments"),
        figure("longest wait", censored.waits.iter().max().copied().unwrap_or(0).into(), "blocks"),
        figure("blocks with a payment", censored.included as f64, "blocks"),
        figure("of those undone", censored.undone as f64, "blocks"),
        figure("payments that stayed", censored.paid as f64, "payments"),
        figure("payments undone every time", censored.frozen as f64, "payments"),
    ]
}
