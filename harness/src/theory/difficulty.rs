//! Difficulty: how long so many blocks take, and how hard the next one is, after hash power has changed or miners have begun
//! to lie about the time. The laws of the algorithms on numbers, without blocks: [`Course::expect`] walks through many
//! chains whose intervals are drawn, [`recovery`] says the same of ASERT in closed form where intervals do not scatter.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schism_chaos::adversary::Stamps;
use schism_node::chain::Difficulty;

/// Chains walked through: the mean is then known to a fiftieth of the standard deviation of one.
const WALKS: u64 = 2_500;
/// Blocks whose median bounds the next stamp from below.
const MEDIAN: usize = 11;
/// By how much a retarget changes the target at most.
const CLAMP: f64 = 4.0;

/// What a chain goes through from a moment on. Until then blocks came at the interval, and their stamps were true; with a
/// retarget the next block is the first of a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Course {
    /// How the target follows the blocks.
    pub difficulty: Difficulty,
    /// The interval that it aims at, in seconds.
    pub interval: f64,
    /// How many times as long as that the next block is expected to take.
    pub slow: f64,
    /// Blocks that follow.
    pub blocks: u32,
    /// How far ahead a stamp may be, in seconds.
    pub ahead: f64,
    /// The share of hash power that lies, and how.
    pub liars: Option<(f64, Stamps)>,
}

/// What is expected of a course, and how far single courses are from it (a standard deviation).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// Seconds until the last of the blocks.
    pub seconds: (f64, f64),
    /// How many times the difficulty has doubled after it; negative: halved.
    pub doublings: (f64, f64),
}

impl Course {
    /// The mean over many chains, and the scatter.
    pub fn expect(&self) -> Expected {
        let mut chance = StdRng::seed_from_u64(WALKS);
        let walks: Vec<(f64, f64)> = (0..WALKS).map(|_| self.walk(|mean| drawn(mean, &mut chance))).collect();
        let of = |which: fn(&(f64, f64)) -> f64| {
            let values: Vec<f64> = walks.iter().map(which).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
            (mean, (square / (values.len() as f64 - 1.0)).sqrt())
        };
        Expected { seconds: of(|walk| walk.0), doublings: of(|walk| walk.1) }
    }

    /// One chain: seconds and doublings. `draw` gives a time with this mean, or a share where none is asked for.
    fn walk(&self, mut draw: impl FnMut(Option<f64>) -> f64) -> (f64, f64) {
        // What was before: one true stamp an interval, the last of them at 0.
        let mut stamps: Vec<f64> = (0..MEDIAN).rev().map(|back| (-(back as f64) * self.interval).floor()).collect();
        let (mut now, mut ease, mut began) = (0.0, 1.0, 0.0);
        for number in 1..=self.blocks {
            now += draw(Some(self.slow * self.interval / ease));
            let mut last = stamps[stamps.len() - MEDIAN..].to_vec();
            last.sort_by(f64::total_cmp);
            let earliest = last[MEDIAN / 2] + 1.0;
            let latest = (now.floor() + self.ahead).max(earliest);
            let lie = self.liars.filter(|(share, _)| draw(None) < *share).map(|(_, how)| how);
            let ends = matches!(self.difficulty, Difficulty::Retarget { window } if number.is_multiple_of(window));
            let stamp = match lie {
                None => now.floor().max(earliest),
                Some(Stamps::Latest) => latest,
                Some(Stamps::Warp) if ends => latest,
                Some(Stamps::Warp | Stamps::Earliest) => earliest,
            };
            stamps.push(stamp);
            match self.difficulty {
                Difficulty::Fixed => {}
                Difficulty::Retarget { window } => {
                    if number % window == 1 || window == 1 {
                        began = stamp;
                    }
                    if ends {
                        let due = f64::from(window) * self.interval;
                        ease *= ((stamp - began) / due).clamp(1.0 / CLAMP, CLAMP);
                    }
                }
                Difficulty::Asert { half_life } => {
                    let late = stamp - self.interval * f64::from(number);
                    ease = (late / half_life.as_secs_f64()).exp2();
                }
            }
        }
        (now, -ease.log2())
    }
}

/// A time with this mean, exponentially distributed; a share where none is asked for.
fn drawn(mean: Option<f64>, chance: &mut StdRng) -> f64 {
    let uniform: f64 = chance.random();
    mean.map_or(uniform, |mean| -mean * (1.0 - uniform).ln())
}

/// Seconds that so many blocks take under ASERT when each takes exactly as long as is expected, and how many times as long as
/// the interval the next one takes then. Intervals w with dw/dn = k (slow − w), w(0) = 1 and k = ln 2 · T ÷ half-life give
/// w = slow + (1 − slow) e^(−k n) and t = T n + (T ÷ k) ln w: what is too slow is halved every half-life ÷ T blocks.
pub fn recovery(slow: f64, blocks: f64, interval: f64, half_life: f64) -> (f64, f64) {
    let k = std::f64::consts::LN_2 * interval / half_life;
    let eased = slow + (1.0 - slow) * (-k * blocks).exp();
    (interval * blocks + interval / k * eased.ln(), slow / eased)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn course(difficulty: Difficulty, slow: f64, blocks: u32) -> Course {
        Course { difficulty, interval: 10.0, slow, blocks, ahead: 120.0, liars: None }
    }

    /// Without scatter, and with nobody or everybody a liar.
    fn even(course: Course) -> (f64, f64) {
        course.walk(|mean| mean.unwrap_or(0.0))
    }

    fn asert(intervals: u64) -> Difficulty {
        Difficulty::Asert { half_life: Duration::from_secs(10 * intervals) }
    }

    #[test]
    fn what_is_too_slow_under_asert_is_halved_every_half_life() {
        // A fifth of the hash power is left: five times too slow, then three, then two.
        let excess = |blocks: f64| {
            let (_, next) = recovery(5.0, blocks, 10.0, 1_000.0);
            5.0 / next // how much easier it has become
        };
        assert!((excess(100.0) - 3.0).abs() < 1e-9 && (excess(200.0) - 4.0).abs() < 1e-9);
        for slow in [0.25, 0.5, 2.0, 5.0] {
            let (seconds, doublings) = even(course(asert(200), slow, 150));
            let (formula, next) = recovery(slow, 150.0, 10.0, 2_000.0);
            assert!((seconds / formula - 1.0).abs() < 0.02, "{slow}: {seconds} {formula}");
            assert!((doublings + (slow / next).log2()).abs() < 0.02, "{slow}: {doublings}");
        }
    }

    #[test]
    fn a_retarget_waits_for_the_end_of_its_period_and_is_then_right_but_for_one_interval() {
        let windows = Difficulty::Retarget { window: 20 };
        let (seconds, doublings) = even(course(windows, 3.0, 20));
        assert!((seconds - 600.0).abs() < 1e-6);
        // 19 intervals of 20 were seen.
        assert!((doublings + (3.0 * 19.0 / 20.0_f64).log2()).abs() < 1e-6, "{doublings}");
        // Scatter slows the next period down: E[1 ÷ took] of n − 1 intervals is 1 ÷ (n − 2).
        let second = course(windows, 1.0, 40).expect().seconds.0 - course(windows, 1.0, 20).expect().seconds.0;
        assert!((second / 200.0 - 20.0 / 18.0).abs() < 0.02, "{second}");
        let (_, fixed) = even(course(Difficulty::Fixed, 3.0, 20));
        assert_eq!(fixed, 0.0);
    }

    #[test]
    fn a_time_warp_lets_a_retarget_fall_in_every_period_and_asert_but_once() {
        let windows = Difficulty::Retarget { window: 20 };
        let warped =
            |difficulty, stamps, blocks| even(Course { liars: Some((1.0, stamps)), ..course(difficulty, 1.0, blocks) });
        let falls: Vec<f64> = (1..=4).map(|periods| warped(windows, Stamps::Warp, 20 * periods).1).collect();
        assert!(falls.windows(2).all(|pair| pair[1] < pair[0] - 0.5), "{falls:?}");
        // ASERT: so many blocks take at least their intervals less what a stamp may be ahead.
        for blocks in [50, 200] {
            let (seconds, _) = warped(asert(50), Stamps::Latest, blocks);
            let least = 10.0 * f64::from(blocks) - 120.0;
            assert!(seconds > least && seconds < least + 120.0, "{blocks}: {seconds}");
        }
    }
}
