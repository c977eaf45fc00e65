//! A draw: how long this miner looks for its next block.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Draws times to the next block from a seed.
#[derive(Debug)]
pub struct Draw(StdRng);

impl Draw {
    /// Draws from `seed`.
    pub fn from_seed(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// The time to the next block for `hashes_per_second` where a block takes `expected_hashes` on average: exponential
    /// with their quotient as its mean, as every hash succeeds by itself. Memoryless, so that a draw for work that
    /// changed needs no regard for the time spent before. `None` when it never comes.
    pub fn time_to_block(&mut self, expected_hashes: f64, hashes_per_second: f64) -> Option<Duration> {
        let mean = expected_hashes / hashes_per_second;
        if !mean.is_finite() || hashes_per_second <= 0.0 {
            return None;
        }
        // In (0, 1]: its logarithm is finite.
        let chance = 1.0 - self.0.random::<f64>();
        let seconds = -chance.ln() * mean;
        (seconds < LONGEST).then(|| Duration::from_secs_f64(seconds))
    }

    /// A number that tells this miner's coinbases from all others'.
    pub fn tag(&mut self) -> u64 {
        self.0.random()
    }
}

/// Ten years: what takes longer is not waited for.
const LONGEST: f64 = 10.0 * 365.25 * 86_400.0;
