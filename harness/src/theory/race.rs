//! A race: how many blocks, of both sides together, a private branch takes to win. No closed formula: its states are
//! walked through one block at a time.

use super::found_meanwhile;

/// How long a race lasts until the branch has strictly more work and the others have found `n` blocks; the attacker has
/// the share `q`, which is above one half. Blocks, counted from the payment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
}

/// The length of a race. The others' `n`-th block is the m + n-th of all when the attacker has m then; from there the
/// walk must gain n + 1 − m where m ≤ n: a hitting time with mean d/(2q − 1) and variance d(1 − (2q − 1)²)/(2q − 1)³ for
/// a distance d (Feller, volume 1, chapter XIV).
pub fn length(q: f64, n: u32) -> Length {
    let drift = 2.0 * q - 1.0;
    let (mut mean, mut square) = (0.0, 0.0);
    // What comes after is below a part in 10¹² of the whole.
    let mut m = 0;
    let mut seen = 0.0;
    while seen < 1.0 - 1e-13 && m < 10_000 {
        let chance = found_meanwhile(q, n, m);
        seen += chance;
        let distance = f64::from((n + 1).saturating_sub(m));
        let expected = f64::from(n + m) + distance / drift;
        let variance = distance * (1.0 - drift * drift) / drift.powi(3);
        mean += chance * expected;
        square += chance * (variance + expected * expected);
        m += 1;
    }
    Length { mean, deviation: (square - mean * mean).max(0.0).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_for_six_confirmations_at_sixty_percent_takes_twenty_blocks() {
        let length = length(0.6, 6);
        assert!((length.mean - 19.6).abs() < 0.1, "{length:?}");
        // Twenty thousand races drawn block by block have a standard deviation of 11.98.
        assert!((length.deviation - 11.96).abs() < 0.05, "{length:?}");
    }

    #[test]
    fn the_stronger_the_attacker_the_shorter_the_race() {
        assert!(length(0.51, 6).mean > length(0.6, 6).mean);
        // Nobody against it: the others' n blocks are what it waits for.
        assert!(length(0.999, 1).mean > 900.0);
    }
}
