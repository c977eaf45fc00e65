//! Rows of difficulty: how long blocks took and how much harder the next one is, against the law of the algorithm.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::part::{Followed, Tally};
use crate::statistics::{mean, standard_deviation, student_of_normal};
use crate::theory::difficulty::{Course, Expected, recovery};
use crate::topology::DifficultyRule;

/// Standard deviations beyond which lies gain more than they can by more than chance: one in a thousand.
const BEYOND: f64 = 3.090;

/// The rows of one point.
pub(super) fn rows(law: DifficultyRule, point: &Point, tally: &Tally) -> Vec<Row> {
    let expected: Vec<Expected> = tally.followed.iter().map(|seen| course(law, point, seen, true).expect()).collect();
    let of = |which: fn(&Followed) -> f64| tally.followed.iter().map(which).collect::<Vec<f64>>();
    let seconds = row(point, "seconds until the last block", &of(|seen| seen.seconds), &by(&expected, |e| e.seconds));
    let doublings = row(point, "doublings of difficulty", &of(|seen| seen.doublings), &by(&expected, |e| e.doublings));
    let seconds = seconds.map(|row| Row { beyond: too_much(law, point, tally, &row), ..row });
    seconds.into_iter().chain(doublings.filter(|_| law != DifficultyRule::Fixed)).collect()
}

/// What theory says of each stretch, from the difficulty that it began with.
fn course(law: DifficultyRule, point: &Point, seen: &Followed, lies: bool) -> Course {
    let liars = point.get("liars").filter(|share| lies && *share > 0.0);
    Course {
        difficulty: law.into(),
        interval: seen.interval,
        slow: seen.slow,
        blocks: point.whole("blocks"),
        ahead: seen.ahead - MARGIN,
        liars: liars.map(|share| (share, seen.stamps)),
    }
}

/// Liars stay a second below the bound: clocks are read in whole seconds.
const MARGIN: f64 = 1.0;

fn by(expected: &[Expected], which: fn(&Expected) -> (f64, f64)) -> Vec<(f64, f64)> {
    expected.iter().map(which).collect()
}

fn row(point: &Point, what: &str, values: &[f64], expected: &[(f64, f64)]) -> Option<Row> {
    let count = values.len() as f64;
    let measured = mean(values)?;
    let scatter = standard_deviation(values)? / count.sqrt();
    let half = student_of_normal(NINETY_FIVE, values.len() as u32 - 1) * scatter;
    let theory = expected.iter().map(|(mean, _)| mean).sum::<f64>() / count;
    let error = expected.iter().map(|(_, deviation)| deviation * deviation).sum::<f64>().sqrt() / count;
    Some(Row {
        what: what.to_owned(),
        at: at(point, &["power", "liars", "blocks"]),
        measured,
        interval: (measured - half, measured + half),
        theory,
        deviations: Some((measured - theory) / error.max(1e-9)),
        inside: (measured - half..=measured + half).contains(&theory),
        left_out: None,
        beyond: None,
        paired: false,
        from: named(&[("stretches", count), ("standard_error", scatter), ("standard_error_in_theory", error)]),
    })
}

/// Under ASERT no lie gains more than a stamp may be ahead.
fn too_much(law: DifficultyRule, point: &Point, tally: &Tally, row: &Row) -> Option<String> {
    let first = tally.followed.first()?;
    point.get("liars").filter(|share| *share > 0.0)?;
    let DifficultyRule::Asert { .. } = law else { return None };
    let honest: Vec<(f64, f64)> =
        tally.followed.iter().map(|seen| course(law, point, seen, false).expect().seconds).collect();
    let count = honest.len() as f64;
    let least = honest.iter().map(|(mean, _)| mean).sum::<f64>() / count - first.ahead;
    let error = honest.iter().map(|(_, deviation)| deviation * deviation).sum::<f64>().sqrt() / count;
    (row.measured < least - BEYOND * error).then(|| format!("{least:.0} s, the least that any lie makes of it"))
}

/// What ASERT's closed form says, and what lies gained.
pub(super) fn figures(law: DifficultyRule, points: &[Point], tallies: &[Tally]) -> Vec<Figure> {
    let of = |(point, tally): (&Point, &Tally)| {
        let slow = mean(&tally.followed.iter().map(|seen| seen.slow).collect::<Vec<_>>())?;
        let seconds = mean(&tally.followed.iter().map(|seen| seen.seconds).collect::<Vec<_>>())?;
        let first = tally.followed.first()?;
        let honest = course(law, point, first, false).expect().seconds.0;
        Some(match (point.get("liars").filter(|share| *share > 0.0), law) {
            (Some(_), _) => figure(&format!("gained by lies at {point}"), honest - seconds, "s"),
            (None, DifficultyRule::Asert { half_life }) => {
                let (formula, _) =
                    recovery(slow, f64::from(point.whole("blocks")), first.interval, half_life.as_secs_f64());
                figure(&format!("ASERT's closed form, without scatter, at {point}"), formula, "s")
            }
            (None, _) => figure(&format!("at {point} the first block was expected to take"), slow, "intervals"),
        })
    };
    points.iter().zip(tallies).filter_map(of).collect()
}
