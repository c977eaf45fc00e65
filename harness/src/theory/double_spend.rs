//! Double spending by a private branch: the attacker has the share `q` of all hash power, the payment counts as final
//! after `n` confirmations.

use super::found_meanwhile;

/// Which of the three tables of the literature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Nothing is mined before the payment, and only strictly more work wins: what first-seen nodes do.
    Strict,
    /// One block is mined before the payment (Rosenfeld 2014); the same as winning ties.
    Rosenfeld,
    /// The attacker's progress is taken to be Poisson (Nakamoto 2008, section 11).
    Nakamoto,
}

impl Table {
    /// Their words in YAML.
    pub const WORDS: [(&str, Self); 3] =
        [("strict", Self::Strict), ("rosenfeld", Self::Rosenfeld), ("nakamoto", Self::Nakamoto)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, table)| *table == self).map_or("", |(word, _)| word)
    }

    /// The probability that the branch ever wins; 1 from half of the hash power on.
    pub fn success(self, q: f64, n: u32) -> f64 {
        if q >= 0.5 {
            return 1.0;
        }
        match self {
            Self::Strict => ahead(q, n, n, 1),
            Self::Rosenfeld => ahead(q, n, n, 0),
            Self::Nakamoto => nakamoto(q, n),
        }
    }

    /// The table that a measurement of this one must be able to tell it from.
    pub fn rival(self) -> Self {
        match self {
            Self::Strict => Self::Rosenfeld,
            Self::Rosenfeld | Self::Nakamoto => Self::Strict,
        }
    }
}

/// 1 − Σ_{m ≤ most} C(m+n−1, m) pⁿ qᵐ (1 − (q/p)^(n + lead − m)): who found m blocks meanwhile must still gain n + lead − m.
fn ahead(q: f64, n: u32, most: u32, lead: u32) -> f64 {
    let ratio = q / (1.0 - q);
    let fails = |m: u32| found_meanwhile(q, n, m) * (1.0 - ratio.powf((n + lead - m).into()));
    1.0 - (0..=most).map(fails).sum::<f64>()
}

fn nakamoto(q: f64, z: u32) -> f64 {
    let ratio = q / (1.0 - q);
    let lambda = f64::from(z) * ratio;
    let mut poisson = (-lambda).exp();
    let mut sum = 0.0;
    for k in 0..=z {
        if k > 0 {
            poisson *= lambda / f64::from(k);
        }
        sum += poisson * (1.0 - ratio.powf((z - k).into()));
    }
    1.0 - sum
}

/// What the share amounts to where honest miners waste the share `stale` of their blocks on each other: only the rest
/// races against the attacker.
pub fn effective_share(q: f64, stale: f64) -> f64 {
    q / (q + (1.0 - q) * (1.0 - stale))
}

/// What giving up at a deficit misses at most, in probability: from there the attacker would have to gain one more.
pub fn missed(q: f64, deficit: u32) -> f64 {
    if q >= 0.5 { 1.0 } else { (q / (1.0 - q)).powf(f64::from(deficit) + 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(measured: f64, expected: f64, error: f64) {
        assert!((measured - expected).abs() <= error, "{measured} is not {expected} ± {error}");
    }

    #[test]
    fn the_strict_table_is_met() {
        let confirmations = [1, 2, 3, 4, 6];
        for (q, row) in [
            (0.10, [0.03111, 0.00951, 0.00303, 0.00099, 0.00011]),
            (0.20, [0.13000, 0.07240, 0.04168, 0.02448, 0.00875]),
            (0.30, [0.30857, 0.23297, 0.18005, 0.14116, 0.08911]),
            (0.40, [0.58667, 0.52907, 0.48299, 0.44428, 0.38141]),
            (0.45, [0.77318, 0.73977, 0.71220, 0.68833, 0.64774]),
        ] {
            for (n, expected) in confirmations.into_iter().zip(row) {
                near(Table::Strict.success(q, n), expected, 0.6e-5);
            }
        }
    }

    #[test]
    fn rosenfelds_table_is_met() {
        near(Table::Rosenfeld.success(0.3, 1), 0.600, 0.5e-3);
        near(Table::Rosenfeld.success(0.3, 2), 0.432, 0.5e-3);
        near(Table::Rosenfeld.success(0.3, 6), 0.15645, 0.6e-5);
        near(Table::Rosenfeld.success(0.1, 6), 0.00059, 0.6e-5);
    }

    #[test]
    fn nakamotos_table_is_met() {
        near(Table::Nakamoto.success(0.1, 1), 0.204_587_3, 1e-7);
        near(Table::Nakamoto.success(0.1, 2), 0.050_977_9, 1e-7);
        near(Table::Nakamoto.success(0.1, 5), 0.000_913_7, 1e-7);
        near(Table::Nakamoto.success(0.3, 5), 0.177_352_3, 1e-7);
        near(Table::Nakamoto.success(0.3, 10), 0.041_660_5, 1e-7);
    }

    #[test]
    fn half_of_the_hash_power_is_enough() {
        for table in Table::WORDS.map(|(_, table)| table) {
            near(table.success(0.499_999, 6), 1.0, 1e-3);
            near(table.success(0.6, 6), 1.0, 0.0);
        }
    }

    #[test]
    fn stale_blocks_of_the_others_help_the_attacker() {
        near(effective_share(0.3, 0.0), 0.3, 1e-12);
        near(effective_share(0.3, 0.1), 0.3 / 0.93, 1e-12);
        assert!(missed(0.3, 20) < 1e-7 && missed(0.4, 35) < 1e-6);
    }
}
