//! Selfish mining (Eyal and Sirer 2013, strategy SM1): the attacker has the share `alpha` of all hash power, and in a tie
//! the share `gamma` of the honest hash power mines on its block.

/// The attacker's share of the blocks that last: equation 8 of the paper.
pub fn revenue(alpha: f64, gamma: f64) -> f64 {
    let ties = alpha * (1.0 - alpha).powi(2) * (4.0 * alpha + gamma * (1.0 - 2.0 * alpha)) - alpha.powi(3);
    ties / (1.0 - alpha * (1.0 + (2.0 - alpha) * alpha))
}

/// How fast [`revenue`] grows with `gamma`, in which it is linear.
pub fn revenue_by_gamma(alpha: f64) -> f64 {
    revenue(alpha, 1.0) - revenue(alpha, 0.0)
}

/// The share of all blocks that go stale, whatever gamma: one block of each height that two were found at. From the
/// states of the paper's figure 1: p₀ = (1 − 2α)/(2α³ − 4α² + 1), p₁ = α p₀, p_k = (α/(1 − α))^(k−1) p₁, and the tie
/// p₀' = (1 − α) p₁; the lasting blocks are what its equations 4 to 7 count.
pub fn stale_share(alpha: f64) -> f64 {
    let none = (1.0 - 2.0 * alpha) / (2.0 * alpha.powi(3) - 4.0 * alpha.powi(2) + 1.0);
    let one = alpha * none;
    let tie = (1.0 - alpha) * one;
    let ratio = alpha / (1.0 - alpha);
    let two = ratio * one;
    let more = two * ratio / (1.0 - ratio);
    let lasting = tie * 2.0 + two * (1.0 - alpha) * 2.0 + more * (1.0 - alpha) + none * (1.0 - alpha);
    1.0 - lasting
}

/// The smallest share from which on selfish mining pays.
pub fn threshold(gamma: f64) -> f64 {
    (1.0 - gamma) / (3.0 - 2.0 * gamma)
}

/// What no strategy exceeds: α/(1 − α) at gamma 1, which bounds it at every gamma; and the values that Sapirshtein,
/// Sompolinsky and Zohar (2016) computed at gamma 0.
pub fn optimum(alpha: f64, gamma: f64) -> f64 {
    const AT_ZERO: [(f64, f64); 4] = [(0.30, 0.30000), (0.35, 0.37077), (0.40, 0.48862), (0.45, 0.66840)];
    let at_one = (alpha / (1.0 - alpha)).min(1.0);
    let at_zero = AT_ZERO.iter().find(|(share, _)| (share - alpha).abs() < 1e-9).map(|(_, optimum)| *optimum);
    // Convex in gamma (a maximum of linear functions), so the chord is above it.
    at_zero.map_or(at_one, |at_zero| at_zero + gamma * (at_one - at_zero))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(measured: f64, expected: f64, error: f64) {
        assert!((measured - expected).abs() <= error, "{measured} is not {expected} ± {error}");
    }

    #[test]
    fn the_table_is_met() {
        for (alpha, gammas, stale) in [
            (0.20, [0.12967, 0.18242, 0.23516], 0.1495),
            (0.30, [0.27313, 0.32687, 0.38062], 0.2118),
            (0.35, [0.36651, 0.41603, 0.46556], 0.2482),
            (0.40, [0.48372, 0.52558, 0.56744], 0.2951),
            (0.45, [0.65177, 0.68060, 0.70942], 0.3657),
        ] {
            for (gamma, expected) in [0.0, 0.5, 1.0].into_iter().zip(gammas) {
                near(revenue(alpha, gamma), expected, 0.6e-5);
            }
            near(stale_share(alpha), stale, 0.6e-4);
        }
    }

    #[test]
    fn it_pays_above_the_threshold_and_not_below() {
        for gamma in [0.0, 0.3, 0.7] {
            let threshold = threshold(gamma);
            near(revenue(threshold, gamma), threshold, 1e-12);
            assert!(revenue(threshold + 0.01, gamma) > threshold + 0.01);
            assert!(revenue(threshold - 0.01, gamma) < threshold - 0.01);
        }
    }

    #[test]
    fn nobody_beats_the_optimum() {
        for alpha in [0.30, 0.35, 0.40, 0.45] {
            for gamma in [0.0, 0.5, 1.0] {
                assert!(revenue(alpha, gamma) <= optimum(alpha, gamma) + 1e-9, "{alpha} {gamma}");
            }
        }
    }
}
