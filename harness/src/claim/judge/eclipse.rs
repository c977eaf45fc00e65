//! Rows of eclipses: how often a node without defences chose nobody but the attacker, against draws from its book; how much less
//! often one with another defence was left without an honest peer, over the same seeds; and what an eclipsed merchant lost.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::eclipse::{Eclipsed, words};
use crate::claim::part::Tally;
use crate::statistics::wilson;

/// A point with fewer expected events, or failures, says nothing about a share.
const FEWEST_EVENTS: f64 = 20.0;
/// Standard errors by which a defence must have made it better: a one-sided test that is wrong one time in a hundred.
const BETTER: f64 = 2.326_348;

/// The rows of all points: each that has more defences than the last of its kind is compared with that.
pub(super) fn rows(points: &[Point], tallies: &[Tally]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, (point, tally)) in points.iter().zip(tallies).enumerate() {
        let eclipsed = &tally.eclipsed;
        if point.whole("defences") == 0 {
            rows.push(chosen(point, eclipsed));
        }
        let alike = |other: &Point| {
            ["slots", "addresses", "minutes", "down"].iter().all(|name| other.get(name) == point.get(name))
        };
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
    let (trials, hits) = (eclipsed.trials(), eclipsed.outbound());
    let number = trials as f64;
    let theory = eclipsed.foretold / number.max(1.0);
    let interval = wilson(hits, trials, NINETY_FIVE);
    let events = number * theory.min(1.0 - theory);
    Row {
        what: "all outbound the attacker's".into(),
        at: at(point, &["slots", "addresses"]),
        measured: hits as f64 / number.max(1.0),
        interval,
        theory,
        deviations: Some((hits as f64 - number * theory) / (number * theory * (1.0 - theory)).sqrt().max(1e-9)),
        inside: interval.0 <= theory && theory <= interval.1,
        left_out: (events < FEWEST_EVENTS)
            .then(|| format!("{events:.0} events are expected, which is fewer than {FEWEST_EVENTS}")),
        beyond: None,
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
    let share = |eclipsed: &Eclipsed| eclipsed.whole() as f64 / (eclipsed.trials() as f64).max(1.0);
    let (measured, before) = (share(eclipsed), share(reference));
    // The books are the same seeds' on both sides; what is left to chance is what each restart drew from them.
    let variance = |share: f64, eclipsed: &Eclipsed| share * (1.0 - share) / (eclipsed.trials() as f64).max(1.0);
    let error = (variance(measured, eclipsed) + variance(before, reference)).sqrt();
    let difference = measured - before;
    let added = point.whole("defences") & !other.whole("defences");
    Row {
        what: format!("no honest peer, with {}", words(added)),
        at: at(point, &["slots", "addresses", "minutes", "down", "defences"]),
        measured,
        interval: wilson(eclipsed.whole(), eclipsed.trials(), NINETY_FIVE),
        theory: before,
        deviations: None,
        inside: difference + BETTER * error < 0.0,
        left_out: None,
        beyond: None,
        from: named(&[
            ("without", before),
            ("difference", difference),
            ("standard_error", error),
            ("pairs", eclipsed.parts.len().min(reference.parts.len()) as f64),
        ]),
    }
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
        from: named(&[("undone", eclipsed.undone as f64), ("paid", eclipsed.paid as f64)]),
    }
}

/// What merchants lost.
pub(super) fn figures(whole: &Tally) -> Vec<Figure> {
    let eclipsed = &whole.eclipsed;
    let each = |amount: u64| amount as f64 / (eclipsed.undone as f64).max(1.0);
    vec![
        figure("restarts", eclipsed.trials() as f64, "restarts"),
        figure(
            "attacker's share of the book, on average",
            eclipsed.share / (eclipsed.trials() as f64).max(1.0),
            "of 1",
        ),
        figure("payments to eclipsed merchants", eclipsed.paid as f64, "payments"),
        figure("of those undone", eclipsed.undone as f64, "payments"),
        figure("blocks a merchant undid for that, on average", each(eclipsed.blocks), "blocks"),
        figure("lost by merchants", eclipsed.lost as f64 / 1e8, "coins"),
    ]
}
