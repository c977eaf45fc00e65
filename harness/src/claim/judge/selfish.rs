//! Rows of selfish mining: what the attacker earned and how many blocks went stale, over stretches whose scatter gives the
//! intervals: the share scatters by more than its blocks' number says, as they are not independent.

use super::{Figure, NINETY_FIVE, Row, at, figure, named};
use crate::claim::Point;
use crate::claim::part::{Stretch, Tally};
use crate::statistics::{mean, normal_of_student, standard_deviation, student_of_normal};
use crate::theory::double_spend::effective_share;
use crate::theory::selfish::{optimum, revenue, revenue_by_gamma, stale_share, threshold};

/// Standard deviations beyond which the optimum is exceeded by more than chance: one in a thousand.
const BEYOND: f64 = 3.090;

/// What was counted at one point.
struct Counted {
    alpha: f64,
    /// The share that the attacker has of those blocks that honest miners do not waste on each other.
    effective: f64,
    gamma: f64,
    /// The standard error of `gamma`.
    gamma_error: f64,
    /// Honest blocks beside other honest blocks, of all blocks.
    wasted: f64,
    revenues: Vec<f64>,
    stale: Vec<f64>,
}

impl Counted {
    fn of(point: &Point, tally: &Tally) -> Self {
        let alpha = point.get("alpha").unwrap_or(0.0);
        let sum = |count: fn(&Stretch) -> u64| tally.stretches.iter().map(count).sum::<u64>() as f64;
        let beside = sum(|stretch| stretch.honest_beside) / sum(|stretch| stretch.honest).max(1.0);
        // One tie more on either side keeps the error of a gamma of 0 or 1 from being nothing (Laplace).
        let (ties, ours) = (sum(|stretch| stretch.ties), sum(|stretch| stretch.ties_ours));
        let smoothed = (ours + 1.0) / (ties + 2.0);
        let each = |share: fn(&Stretch) -> f64| tally.stretches.iter().map(share).collect();
        Self {
            alpha,
            effective: effective_share(alpha, beside),
            gamma: ours / ties.max(1.0),
            gamma_error: (smoothed * (1.0 - smoothed) / (ties + 2.0)).sqrt(),
            wasted: beside * (1.0 - alpha),
            revenues: each(|stretch| stretch.ours as f64 / (stretch.lasting as f64).max(1.0)),
            stale: each(|stretch| 1.0 - stretch.lasting as f64 / (stretch.found as f64).max(1.0)),
        }
    }
}

/// The rows of one point.
pub(super) fn rows(point: &Point, tally: &Tally) -> Vec<Row> {
    let counted = Counted::of(point, tally);
    let Counted { alpha, effective, gamma, gamma_error, wasted, .. } = counted;
    let from = |error: f64| {
        named(&[
            ("gamma", gamma),
            ("gamma_error", gamma_error),
            ("effective_alpha", effective),
            ("stretches", tally.stretches.len() as f64),
            ("standard_error", error),
        ])
    };
    let earned = revenue(effective, gamma);
    let stale = wasted + (1.0 - wasted) * stale_share(effective);
    let of_gamma = revenue_by_gamma(effective) * gamma_error;
    let numbers = [("revenue share", &counted.revenues, earned, of_gamma), ("stale share", &counted.stale, stale, 0.0)];
    let row = |(what, values, theory, other_error): (&str, &Vec<f64>, f64, f64)| {
        let measured = mean(values)?;
        let degrees = values.len() as u32 - 1;
        let scatter = standard_deviation(values)? / (values.len() as f64).sqrt();
        let error = scatter.hypot(other_error);
        let half = student_of_normal(NINETY_FIVE, degrees) * error;
        let most = optimum(alpha, gamma);
        let excess = normal_of_student((measured - most) / error, degrees);
        Some(Row {
            what: what.to_owned(),
            at: at(point, &["alpha"]),
            measured,
            interval: (measured - half, measured + half),
            theory,
            deviations: Some(normal_of_student((measured - theory) / error, degrees)),
            inside: (measured - theory).abs() <= half,
            left_out: None,
            beyond: (what == "revenue share" && excess > BEYOND)
                .then(|| format!("what the best strategy earns with a share of {alpha}, {most:.4}")),
            paired: false,
            from: from(error),
        })
    };
    numbers.into_iter().filter_map(row).collect()
}

/// Gamma, and from which share on it paid.
pub(super) fn figures(points: &[Point], tallies: &[Tally]) -> Vec<Figure> {
    let all: Vec<Counted> = points.iter().zip(tallies).map(|(point, tally)| Counted::of(point, tally)).collect();
    let stretches = || tallies.iter().flat_map(|tally| &tally.stretches);
    let (ties, ours): (u64, u64) = stretches().fold((0, 0), |(ties, ours), s| (ties + s.ties, ours + s.ties_ours));
    let gamma = ours as f64 / (ties as f64).max(1.0);
    let mut figures = vec![
        figure("ties that honest blocks decided", ties as f64, "ties"),
        figure("gamma over all of them", gamma, "of honest hash power on the attacker's side"),
        figure("theory: it pays from a share of", threshold(gamma), "of all hash power"),
    ];
    figures
        .extend(paid_from(&all).map(|share| figure("measured: it pays from a share of", share, "of all hash power")));
    figures
}

/// The share at which the revenue crosses the share itself, by a straight line between the two points around it.
fn paid_from(all: &[Counted]) -> Option<f64> {
    let gains = all.iter().filter_map(|counted| Some((counted.alpha, mean(&counted.revenues)? - counted.alpha)));
    let gains: Vec<(f64, f64)> = gains.collect();
    let crossing = gains.windows(2).find(|pair| pair[0].1 < 0.0 && pair[1].1 >= 0.0)?;
    let ((low, loss), (high, gain)) = (crossing[0], crossing[1]);
    Some(low + (high - low) * -loss / (gain - loss))
}
