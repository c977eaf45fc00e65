//! A lease: for how long a supervisor stays without hearing that its harness lives. Where its line ends with its harness
//! it needs none.

use std::time::Duration;

use schism_chaos::simulation::Stopwatch;

/// For how long it stays.
#[derive(Debug)]
pub struct Lease {
    since: Stopwatch,
    lasts: Option<Duration>,
}

impl Lease {
    /// One without an end.
    pub fn endless() -> Self {
        Self { since: Stopwatch::start(), lasts: None }
    }

    /// One that lasts so long from now on.
    pub fn of(lasts: Duration) -> Self {
        Self { since: Stopwatch::start(), lasts: Some(lasts) }
    }

    /// What is left of it; nothing: it has no end.
    pub fn left(&self) -> Option<Duration> {
        self.lasts.map(|lasts| lasts.saturating_sub(self.since.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_out_and_an_endless_one_does_not() {
        assert_eq!(Lease::endless().left(), None);
        assert_eq!(Lease::of(Duration::ZERO).left(), Some(Duration::ZERO));
        assert!(Lease::of(Duration::from_secs(100)).left() > Some(Duration::from_secs(50)));
    }
}
