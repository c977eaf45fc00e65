//! Rows of eclipses: how often a node without defences chose nobody but the attacker, against draws from its book; how much less
//! often that was so with another defence, over the same seeds; and what an eclipsed merchant lost.
//!
//! Restarts with one book are alike, so what is paired is books: the same victim under the same seed, with a defence and without.
//! Their differences are held against none by Student's test, one-sided.

use super::{Figure, NINETY_FIVE, NINETY_NINE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::eclipse::words;
use crate::claim::part::{Drawn, Eclipsed, Tally};
use crate::statistics::{mean, normal_of_student, standard_deviation, student_of_normal, wilson};

/// A point with fewer expected events, or failures, says nothing about a share.
const FEWEST_EVENTS: f64 = 20.0;
/// Fewer pairs say nothing about their scatter.
const FEWEST_PAIRS: usize = 6;
/// The bit of the defence that concerns who dials the victim; all others concern whom it dials.
const PROTECT_INBOUND: u32 = 16;

/// What two points must have alike to be compared.
const SCENE: [&str; 6] = ["slots", "addresses", "calm", "minutes", "crashes", "down"];

/// What may be the attacker's alone.
type Outcome = (&'static str, fn(&Drawn) -> u64);

const OUTBOUND: Outcome = ("all outbound the attacker's", |drawn| drawn.outbound);
const INBOUND: Outcome = ("all inbound the attacker's", |drawn| drawn.inbound);
const WHOLE: Outcome = ("no honest peer", |drawn| drawn.whole);

/// The rows of all points: each that has more defences than the last of its kind is compared with that.
pub(super) fn rows(points: &[Point], tallies: &[Tally]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, (point, tally)) in points.iter().zip(tallies).enumerate() {
        let eclipsed = &tally.eclipsed;
        if point.whole("defences") == 0 {
            rows.push(chosen(point, eclipsed));
        }
        let alike = |other: &Point| SCENE.iter().all(|name| other.get(name) == point.get(name));
        let without = points[..number].iter().zip(tallies).rfind(|(other, _)| {
            let (less, more) = (other.whole("defences"), point.whole("defences"));
            alike(other) && less & more == less && less != more
        });
        if let Some((other, reference)) = without {
            rows.push(compared(point, eclipsed, other, &reference.eclipsed));
        }
        if point.whole("confirmations") > 0 {
            rows.push(paid(point, eclipsed));
        }
    }
    rows
}

fn chosen(point: &Point, eclipsed: &Eclipsed) -> Row {
    let trials = eclipsed.restarts();
    let hits = eclipsed.books.iter().map(OUTBOUND.1).sum();
    let number = trials as f64;
    let theory = eclipsed.foretold / number.max(1.0);
    let interval = wilson(hits, trials, NINETY_FIVE);
    let events = number * theory.min(1.0 - theory);
    Row {
        what: OUTBOUND.0.into(),
        at: at(point, &["slots", "addresses"]),
        measured: hits as f64 / number.max(1.0),
        interval,
        theory,
        deviations: Some((hits as f64 - number * theory) / (number * theory * (1.0 - theory)).sqrt().max(1e-9)),
        inside: interval.0 <= theory && theory <= interval.1,
        left_out: (events < FEWEST_EVENTS)
            .then(|| format!("{events:.0} events are expected, which is fewer than {FEWEST_EVENTS}")),
        beyond: None,
        paired: false,
        from: named(&[
            ("hits", hits as f64),
            ("of", number),
            ("share_of_book", eclipsed.share / number.max(1.0)),
            ("unfilled", eclipsed.unfilled as f64),
        ]),
    }
}

/// One more defence, against its absence: what it is held against stands where theory would.
fn compared(point: &Point, eclipsed: &Eclipsed, other: &Point, reference: &Eclipsed) -> Row {
    let added = point.whole("defences") & !other.whole("defences");
    let (what, outcome) = match added {
        PROTECT_INBOUND => INBOUND,
        _ if added & PROTECT_INBOUND == 0 => OUTBOUND,
        _ => WHOLE,
    };
    let shares = |eclipsed: &Eclipsed| -> Vec<f64> {
        let share = |drawn: &Drawn| outcome(drawn) as f64 / (drawn.restarts as f64).max(1.0);
        eclipsed.books.iter().map(share).collect()
    };
    let (with, without) = (shares(eclipsed), shares(reference));
    let differences: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    let difference = mean(&differences).unwrap_or(0.0);
    let error = error_of_mean(&differences);
    let normal = match (difference == 0.0, differences.len() as u32) {
        (true, _) | (_, 0 | 1) => 0.0,
        (_, pairs) => normal_of_student(difference / error, pairs - 1),
    };
    Row {
        what: format!("{what}, with {}", words(added)),
        at: at(point, &[&SCENE[..], &["defences"]].concat()),
        measured: mean(&with).unwrap_or(0.0),
        interval: of_books(&with, eclipsed.books.iter().map(outcome).sum(), eclipsed.restarts()),
        theory: mean(&without).unwrap_or(0.0),
        deviations: None,
        inside: normal < -NINETY_NINE,
        left_out: (differences.len() < FEWEST_PAIRS)
            .then(|| format!("{} pairs are fewer than {FEWEST_PAIRS}", differences.len())),
        beyond: None,
        paired: true,
        from: named(&[
            ("difference", difference),
            ("standard_error", error),
            ("pairs", differences.len() as f64),
            ("unfilled", eclipsed.unfilled as f64),
        ]),
    }
}

/// The standard error of a mean of values that are independent of each other.
fn error_of_mean(values: &[f64]) -> f64 {
    standard_deviation(values).unwrap_or(f64::INFINITY) / (values.len() as f64).sqrt()
}

/// The 95 % interval of a share: by the scatter of books, and no narrower than were all restarts independent.
fn of_books(shares: &[f64], hits: u64, trials: u64) -> (f64, f64) {
    let (low, high) = wilson(hits, trials, NINETY_FIVE);
    let Some(mean) = mean(shares).filter(|_| shares.len() > 1) else { return (low, high) };
    let half = student_of_normal(NINETY_FIVE, shares.len() as u32 - 1) * error_of_mean(shares);
    (low.min(mean - half).max(0.0), high.max(mean + half).min(1.0))
}

fn paid(point: &Point, eclipsed: &Eclipsed) -> Row {
    let measured = eclipsed.undone as f64 / (eclipsed.paid as f64).max(1.0);
    Row {
        what: "an eclipsed merchant's payment undone".into(),
        at: at(point, &["slots", "addresses", "defences", "q", "confirmations"]),
        measured,
        interval: wilson(eclipsed.undone, eclipsed.paid, NINETY_FIVE),
        theory: 1.0,
        deviations: None,
        inside: eclipsed.undone == eclipsed.paid,
        left_out: (eclipsed.paid == 0).then(|| "nobody was eclipsed and paid".to_owned()),
        beyond: None,
        paired: false,
        from: named(&[("undone", eclipsed.undone as f64), ("paid", eclipsed.paid as f64)]),
    }
}

/// What merchants lost.
pub(super) fn figures(whole: &Tally) -> Vec<Figure> {
    let eclipsed = &whole.eclipsed;
    let each = |amount: u64| amount as f64 / (eclipsed.undone as f64).max(1.0);
    vec![
        figure("restarts", eclipsed.restarts() as f64, "restarts"),
        figure("books they drew from", eclipsed.books.len() as f64, "books"),
        figure(
            "attacker's share of the book, on average",
            eclipsed.share / (eclipsed.restarts() as f64).max(1.0),
            "of 1",
        ),
        figure("payments to eclipsed merchants", eclipsed.paid as f64, "payments"),
        figure("of those undone", eclipsed.undone as f64, "payments"),
        figure("blocks a merchant undid for that, on average", each(eclipsed.blocks), "blocks"),
        figure("lost by merchants", eclipsed.lost as f64 / 1e8, "coins"),
    ]
}
