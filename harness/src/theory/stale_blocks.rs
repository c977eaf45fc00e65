//! Stale blocks (Decker and Wattenhofer 2013): a second block is found at a height while whoever finds it has not heard of
//! the first.

/// The probability that a height has two blocks: `uninformed` is the integral of 1 − f(t), the share of hash power that has
/// not heard of a block t after it was found; blocks come at intervals of `interval` on average, exponentially.
pub fn fork(uninformed: f64, interval: f64) -> f64 {
    1.0 - (-uninformed / interval).exp()
}

/// The same for `miners` equal ones, all of whom but the finder hear of a block after one delay.
pub fn fork_at_one_delay(delay: f64, miners: u32, interval: f64) -> f64 {
    fork(delay * (1.0 - 1.0 / f64::from(miners)), interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_miners_twenty_seconds_apart_fork_at_three_of_a_hundred_heights() {
        // theory.md: complete graph of ten, 20 s, T = 600 s: 2.93 % of blocks go stale; of heights it is 2.96 %.
        assert!((fork_at_one_delay(20.0, 10, 600.0) - 0.0296).abs() < 1e-4);
        // The form of the paper, with one draw a second.
        let a_second = 1.0 - (1.0_f64 - 1.0 / 600.0).powf(18.0);
        assert!((fork(18.0, 600.0) - a_second).abs() < 1e-4);
    }
}
