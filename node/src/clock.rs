//! A clock: what time a node thinks it is. It shapes what the node says and accepts as time, not its timers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

/// Seconds since the Unix epoch as one node sees them: `epoch + offset + rate × elapsed`, where elapsed is tokio's
/// clock. Clones are handles to the same clock, so that a fault can set it from outside.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Unix time, in seconds, at `since`.
    base: f64,
    since: Instant,
    rate: f64,
}

impl Clock {
    /// A clock that shows `unix_seconds` now and runs true.
    pub fn starting_at(unix_seconds: f64) -> Self {
        Self(Arc::new(Mutex::new(State { base: unix_seconds, since: Instant::now(), rate: 1.0 })))
    }

    /// What it shows, in whole seconds since the Unix epoch.
    pub fn unix_seconds(&self) -> u32 {
        self.show() as u32
    }

    /// How long it takes until it shows so many seconds more.
    pub fn passing(&self, seconds: f64) -> Duration {
        let rate = self.lock().rate;
        // A clock that stands still is asked again when a true one would have come so far.
        Duration::try_from_secs_f64(seconds / if rate > 0.0 { rate } else { 1.0 }).unwrap_or(Duration::MAX)
    }

    /// Moves what it shows by `offset` seconds from now on; negative is back.
    pub fn shift(&self, offset_seconds: f64) {
        let shown = self.show();
        let mut state = self.lock();
        state.base = shown + offset_seconds;
        state.since = Instant::now();
    }

    /// Runs at `rate` seconds a second from now on; 1 is true.
    pub fn set_rate(&self, rate: f64) {
        let shown = self.show();
        let mut state = self.lock();
        *state = State { base: shown, since: Instant::now(), rate };
    }

    fn show(&self) -> f64 {
        let state = self.lock();
        state.base + state.since.elapsed().as_secs_f64() * state.rate
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The lab's epoch: virtual time starts here (2023-11-14 22:13:20 UTC).
pub const LAB_EPOCH: Duration = Duration::from_secs(1_700_000_000);
