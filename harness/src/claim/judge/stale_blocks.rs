//! Rows of stale blocks: at how many heights two blocks were found, against what the measured spread of blocks foretells.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::part::Tally;
use crate::statistics::wilson;
use crate::theory::stale_blocks::{fork, fork_at_one_delay};

/// A point with fewer expected forks says nothing.
const FEWEST_EVENTS: f64 = 20.0;

/// The row of one point.
pub(super) fn rows(point: &Point, tally: &Tally) -> Vec<Row> {
    let seen = tally.propagation;
    let uninformed = seen.uninformed / (seen.blocks as f64).max(1.0);
    let theory = fork(uninformed, seen.interval);
    let (heights, forked) = (seen.heights as f64, seen.forked as f64);
    let interval = wilson(seen.forked, seen.heights, NINETY_FIVE);
    let events = heights * theory;
    vec![Row {
        what: "heights with a fork".into(),
        at: at(point, &["delay"]),
        measured: forked / heights.max(1.0),
        interval,
        theory,
        deviations: Some((forked - events) / (events * (1.0 - theory)).sqrt().max(1e-9)),
        inside: interval.0 <= theory && theory <= interval.1,
        left_out: (events < FEWEST_EVENTS)
            .then(|| format!("{events:.0} forks are expected, which is fewer than {FEWEST_EVENTS}")),
        beyond: None,
        paired: false,
        from: named(&[("heights", heights), ("forks", forked), ("uninformed_seconds", uninformed)]),
    }]
}

/// What one delay between equal miners would give.
pub(super) fn figures(points: &[Point], tallies: &[Tally]) -> Vec<Figure> {
    let of = |(point, tally): (&Point, &Tally)| {
        let delay = point.get("delay").unwrap_or(0.0);
        let share = fork_at_one_delay(delay / 1_000.0, MINERS, tally.propagation.interval);
        figure(&format!("one delay of {delay} ms between {MINERS} equal miners"), share, "of heights forked")
    };
    points.iter().zip(tallies).map(of).collect()
}

/// Miners in the topology that ships with it.
const MINERS: u32 = 10;
