//! Eclipse: how likely all peers that a node chooses are one owner's, where everyone in its book has the same chance.

/// The probability that all of `slots` peers, drawn one after the other without putting back, are of the `owned` among `all`. For
/// books much larger than `slots` it is f^d, with f = owned ÷ all.
pub fn all_owned(owned: u64, all: u64, slots: u32) -> f64 {
    let draws =
        (0..u64::from(slots)).map(|drawn| owned.saturating_sub(drawn) as f64 / (all - drawn.min(all)).max(1) as f64);
    draws.product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_slots_at_917_of_a_thousand_are_lost_about_every_second_time() {
        assert!((all_owned(917, 1_000, 8) - 0.5).abs() < 0.01);
        assert!((all_owned(917_000, 1_000_000, 8) - 0.917_f64.powi(8)).abs() < 1e-4);
    }

    #[test]
    fn who_owns_too_few_never_has_all_and_who_owns_all_always() {
        assert_eq!(all_owned(3, 100, 4), 0.0);
        assert_eq!(all_owned(100, 100, 8), 1.0);
        assert_eq!(all_owned(0, 0, 1), 0.0);
    }
}
