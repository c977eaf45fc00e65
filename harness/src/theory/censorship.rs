//! Censorship: miners with the share `c` of all hash power leave a payment out of their blocks. The others' blocks hold it,
//! so the blocks until it is confirmed are geometric; and a race decides whether a block that holds it stays.

/// Blocks that a payment waits for on average, the one that holds it included: 1/(1 − c).
pub fn mean_wait(c: f64) -> f64 {
    1.0 / (1.0 - c)
}

/// Their standard deviation: √c/(1 − c).
pub fn deviation_of_wait(c: f64) -> f64 {
    c.sqrt() / (1.0 - c)
}

/// The probability that none of `k` blocks holds it: cᵏ.
pub fn left_out(c: f64, k: u32) -> f64 {
    c.powi(k as i32)
}

/// The probability that censors who do not build on a block with the payment undo it: they are one block behind, have won
/// when one ahead, and give up when `deficit` behind. The gambler's ruin (Feller, volume 1, chapter XIV).
pub fn undone(c: f64, deficit: u32) -> f64 {
    let steps = f64::from(deficit);
    let ratio = (1.0 - c) / c;
    if (ratio - 1.0).abs() < 1e-9 {
        return (steps - 1.0) / (steps + 1.0);
    }
    (1.0 - ratio.powf(steps - 1.0)) / (1.0 - ratio.powf(steps + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(measured: f64, expected: f64) {
        assert!((measured - expected).abs() < 1e-9, "{measured} is not {expected}");
    }

    #[test]
    fn half_of_the_hash_power_makes_it_wait_twice_as_long() {
        near(mean_wait(0.5), 2.0);
        near(mean_wait(0.9), 10.0);
        near(left_out(0.5, 3), 0.125);
        near(deviation_of_wait(0.5), 2.0_f64.sqrt());
    }

    #[test]
    fn patient_censors_undo_as_often_as_a_race_of_two_is_won() {
        // Without an end the walk from one behind to one ahead succeeds with (c/(1 − c))².
        near(undone(0.3, 200), (0.3_f64 / 0.7).powi(2));
        assert!(undone(0.6, 40) > 1.0 - 1e-6);
        near(undone(0.5, 9), 0.8);
        near(undone(0.4, 1), 0.0);
    }

    #[test]
    fn two_behind_is_the_end_of_the_shortest_race() {
        // From one behind: up (tie), up: won; up, down: back; down: lost. u = c², plus c(1 − c) u.
        let c: f64 = 0.35;
        near(undone(c, 2), c * c / (1.0 - c * (1.0 - c)));
    }
}
