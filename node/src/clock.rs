//! A clock: what time a node thinks it is. It shapes what the node says and accepts as time, not its timers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Seconds since the Unix epoch as one node sees them: true time, which runs with tokio's clock, and a skew on top. Clones
/// are handles to the same clock, so that a fault can skew it from outside.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// True Unix time, in seconds, at `began`, and how many of its seconds pass in one of tokio's.
    epoch: f64,
    began: Instant,
    pace: f64,
    /// Seconds it has been ahead since `skewed`, when it began to run at `rate` seconds a second.
    ahead: f64,
    skewed: Instant,
    rate: f64,
}

impl Clock {
    /// A clock that shows `unix_seconds` now and runs true.
    pub fn starting_at(unix_seconds: f64) -> Self {
        Self::with_pace(unix_seconds, 1.0)
    }

    /// The same in a world where so many seconds pass in each of ours.
    pub fn with_pace(unix_seconds: f64, pace: f64) -> Self {
        let now = Instant::now();
        let state = State { epoch: unix_seconds, began: now, pace, ahead: 0.0, skewed: now, rate: 1.0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// What it shows, in whole seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u32 {
        let state = self.lock();
        (state.truth() + state.offset()) as u32
    }

    /// How long it takes until it shows so many seconds more.
    pub fn passing(&self, seconds: f64) -> Duration {
        let state = self.lock();
        // A clock that stands still is asked again when a true one would have come so far.
        let rate = state.pace * if state.rate > 0.0 { state.rate } else { 1.0 };
        Duration::try_from_secs_f64(seconds / rate).unwrap_or(Duration::MAX)
    }

    /// From now on it is so many seconds ahead of the truth (behind, when negative) and runs at `rate` seconds a second.
    /// `0.0, 1.0` makes it right, however far it has drifted.
    pub fn skew(&self, ahead_seconds: f64, rate: f64) {
        let mut state = self.lock();
        *state = State { ahead: ahead_seconds, skewed: Instant::now(), rate, ..*state };
    }

    /// Seconds it is ahead of the truth.
    pub fn offset_seconds(&self) -> f64 {
        self.lock().offset()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn truth(&self) -> f64 {
        self.epoch + self.began.elapsed().as_secs_f64() * self.pace
    }

    fn offset(&self) -> f64 {
        self.ahead + self.skewed.elapsed().as_secs_f64() * self.pace * (self.rate - 1.0)
    }
}

/// The lab's epoch: virtual time starts here (2023-11-14 22:13:20 UTC).
pub const LAB_EPOCH: Duration = Duration::from_secs(1_700_000_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_drifted_is_right_again_when_it_is_made_right() {
        let clock = Clock::with_pace(1_000.0, 10.0);
        clock.skew(60.0, 1.5);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!((clock.unix_seconds(), clock.offset_seconds()), (1_000 + 40 + 80, 80.0));
        assert_eq!(clock.passing(30.0), Duration::from_secs(2));
        clock.skew(0.0, 1.0);
        assert_eq!((clock.unix_seconds(), clock.offset_seconds()), (1_040, 0.0));
    }
}
