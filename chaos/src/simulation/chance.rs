//! Chance: a stream of numbers from a seed (SplitMix64, Steele, Lea and Flood 2014). Small enough for the inside of
//! `getrandom`, fast enough for every frame; not for secrets.

/// The stream. Equal seeds give equal streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub const fn from_seed(seed: u64) -> Self {
        // The constant keeps the fabric's, the thread's and a user's stream of one seed apart from seed 0's zeros.
        Self(seed ^ 0x5348_4953_4d5f_3031)
    }

    /// A stream of its own for each `purpose`, so that drawing more in one place does not move another.
    pub fn for_purpose(seed: u64, purpose: u64) -> Self {
        let mut stream = Self::from_seed(seed.wrapping_add(purpose.wrapping_mul(0xd134_2543_de82_ef95)));
        Self(stream.draw())
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or zero when there is none. The bias is below 2⁻³² for every bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in [0, 1).
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs of SplitMix64 from state 1234567 (the reference implementation's test values).
        let mut stream = Chance(1_234_567);
        assert_eq!([stream.draw(), stream.draw()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn draws_stay_below_their_bound() {
        let mut stream = Chance::from_seed(7);
        assert!((0..1_000).all(|_| stream.below(10) < 10 && (0.0..1.0).contains(&stream.share())));
        assert_eq!(stream.below(0), 0);
    }
}
