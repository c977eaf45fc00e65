//! Draws are exponential.

use crate::miner::draw::Draw;

/// Enough for a mean within 4 standard errors to be within 4 %.
const DRAWS: usize = 10_000;

fn seconds(seed: u64) -> Vec<f64> {
    let mut draw = Draw::from_seed(seed);
    // A mean of 256 ÷ 25.6 = 10 s.
    (0..DRAWS).map(|_| draw.time_to_block(256.0, 25.6).expect("it comes").as_secs_f64()).collect()
}

#[test]
fn the_mean_time_is_work_over_rate() {
    let mean = seconds(7).iter().sum::<f64>() / DRAWS as f64;
    // The standard error is 10 s ÷ √10,000 = 0.1 s.
    assert!((mean - 10.0).abs() < 0.4, "{mean}");
}

#[test]
fn times_are_spread_as_an_exponential_is() {
    let mut bins = [0.0_f64; 10];
    for time in seconds(7) {
        // Where the draw lies in its distribution: even, if that is the right one.
        let quantile = 1.0 - (-time / 10.0).exp();
        bins[((quantile * 10.0) as usize).min(9)] += 1.0;
    }
    let expected = DRAWS as f64 / 10.0;
    let chi_square: f64 = bins.iter().map(|bin| (bin - expected).powi(2) / expected).sum();
    // Of 10,000 good generators one exceeds 33.7 at 9 degrees of freedom.
    assert!(chi_square < 33.7, "{chi_square}");
}

#[test]
fn the_same_seed_draws_the_same_and_another_draws_another() {
    assert_eq!(seconds(7), seconds(7));
    assert_ne!(seconds(7), seconds(8));
}

#[test]
fn what_never_comes_is_not_waited_for() {
    let mut draw = Draw::from_seed(7);
    assert_eq!(draw.time_to_block(256.0, 0.0), None);
    assert_eq!(draw.time_to_block(f64::INFINITY, 1.0), None);
    assert_eq!(draw.time_to_block(1e300, 1e-10), None);
}
