//! Statistics: what measured numbers allow to be said. Formulas with their sources; no state.

/// The value below which (or at which) a share of the values lies: nearest rank. Nothing of nothing.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).or(sorted.last()).copied()
}

/// The mean; nothing of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample's standard deviation (n − 1); nothing of fewer than two.
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Gini index of values that are not negative: 0 when all are equal, (n − 1)/n when one has everything.
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total: f64 = sorted.iter().sum();
    if total <= 0.0 {
        return 0.0;
    }
    let weighted: f64 = (1..).zip(&sorted).map(|(rank, value)| f64::from(rank) * value).sum();
    let count = sorted.len() as f64;
    2.0 * weighted / (count * total) - (count + 1.0) / count
}

/// Wilson's interval for a proportion (Wilson 1927), at `z` standard deviations: 1.96 for 95 %.
pub fn wilson(hits: u64, trials: u64, z: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The smallest k for which at most k of `trials` happen with a probability of at least `confidence`, each with `p`.
pub fn binomial_quantile(trials: u64, p: f64, confidence: f64) -> u64 {
    let mut below = 0.0;
    for k in 0..=trials {
        below += binomial(trials, p, k);
        if below >= confidence {
            return k;
        }
    }
    trials
}

/// The probability of exactly `k` of `trials`, each with `p`.
pub fn binomial(trials: u64, p: f64, k: u64) -> f64 {
    if p <= 0.0 || p >= 1.0 {
        return f64::from(u8::from(k == if p <= 0.0 { 0 } else { trials }));
    }
    let (n, x) = (trials as f64, k as f64);
    let choose = ln_gamma(n + 1.0) - ln_gamma(x + 1.0) - ln_gamma(n - x + 1.0);
    (choose + x * p.ln() + (n - x) * (1.0 - p).ln()).exp()
}

/// The probability that chi-square with so many degrees of freedom is at least `value`.
pub fn chi_square_tail(value: f64, degrees: u32) -> f64 {
    1.0 - regularised_gamma(f64::from(degrees) / 2.0, value / 2.0)
}

/// The value that chi-square with so many degrees of freedom stays below with this probability.
pub fn chi_square_quantile(probability: f64, degrees: u32) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while 1.0 - chi_square_tail(high, degrees) < probability && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if 1.0 - chi_square_tail(middle, degrees) < probability { low = middle } else { high = middle }
    }
    high
}

/// The normal deviate as unlikely as this one of Student's distribution (Wallace 1959; to two parts in a hundred from
/// five degrees of freedom on).
pub fn normal_of_student(t: f64, degrees: u32) -> f64 {
    let n = f64::from(degrees);
    (8.0 * n + 1.0) / (8.0 * n + 3.0) * (n * (1.0 + t * t / n).ln()).sqrt().copysign(t)
}

/// The other way round.
pub fn student_of_normal(z: f64, degrees: u32) -> f64 {
    let n = f64::from(degrees);
    let scaled = z * (8.0 * n + 3.0) / (8.0 * n + 1.0);
    (n * ((scaled * scaled / n).exp() - 1.0)).sqrt().copysign(z)
}

/// ln Γ(x) for x > 0: Lanczos, g = 7, n = 9 (Numerical Recipes, third edition, 6.1); relative error below 1e-14.
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let base = x + 7.5;
    let series = COEFFICIENTS[1..].iter().zip(1..).map(|(c, k)| c / (x + f64::from(k))).sum::<f64>() + COEFFICIENTS[0];
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * base.ln() - base + series.ln()
}

/// The regularised lower incomplete gamma function P(a, x): by its series below a + 1, by its continued fraction above
/// (Numerical Recipes, third edition, 6.2).
fn regularised_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let scale = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term.abs() > sum.abs() * 1e-16 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return sum * scale;
    }
    let tiny = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / tiny;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..10_000 {
        let factor = -f64::from(i) * (f64::from(i) - a);
        b += 2.0;
        d = 1.0 / non_zero(factor * d + b, tiny);
        c = non_zero(b + factor / c, tiny);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 - scale * fraction
}

fn non_zero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(measured: f64, expected: f64, error: f64) {
        assert!((measured - expected).abs() <= error, "{measured} is not {expected} ± {error}");
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(50.0));
        assert_eq!(percentile(&values, 0.99), Some(99.0));
        assert_eq!(percentile(&values, 1.0), Some(100.0));
        assert_eq!(percentile(&[3.0], 0.0), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn gini_is_zero_for_equals_and_nearly_one_for_a_monopoly() {
        near(gini(&[5.0; 10]), 0.0, 1e-12);
        let mut monopoly = [0.0; 10];
        monopoly[3] = 7.0;
        near(gini(&monopoly), 0.9, 1e-12);
        near(gini(&[1.0, 3.0]), 0.25, 1e-12);
        assert_eq!(gini(&[]), 0.0);
    }

    #[test]
    fn tables_are_met() {
        // Wilson: 10 of 100 at 95 % (Newcombe 1998's worked form).
        let (low, high) = wilson(10, 100, 1.959_964);
        near(low, 0.055_23, 1e-4);
        near(high, 0.174_37, 1e-4);
        // The gate of theory.md: at most 5 of 20 points outside their 95 % intervals.
        assert_eq!(binomial_quantile(20, 0.05, 0.999), 5);
        near(binomial(10, 0.5, 5), 252.0 / 1_024.0, 1e-12);
        // Student's distribution: 97.5 % quantiles for 5, 9 and 30 degrees of freedom from the usual table.
        for (degrees, quantile) in [(5, 2.570_6), (9, 2.262_2), (30, 2.042_3)] {
            near(student_of_normal(1.959_964, degrees), quantile, 0.01);
            near(normal_of_student(quantile, degrees), 1.959_964, 0.01);
        }
        // Chi-square quantiles from the usual table.
        near(chi_square_quantile(0.95, 1), 3.841_459, 1e-5);
        near(chi_square_quantile(0.999, 20), 45.314_7, 1e-3);
        near(chi_square_tail(18.307, 10), 0.05, 1e-5);
        near(standard_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap_or(0.0), 2.138_09, 1e-4);
    }
}
