//! A moment: what a schedule waits for, said in time, in blocks, or by what else happens.

use std::time::Duration;

use crate::quantity::Length;
use crate::schedule::Start;

/// A length in blocks counts blocks mined by anyone; where mining has all but stopped, it is over after so many times
/// the time those blocks should have taken, or a fault that stops mining would never be healed.
pub const PATIENCE: u32 = 5;

/// A moment that can be waited for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum When {
    Time(Duration),
    Mined { count: u64, at_the_latest: Duration },
    Met(Start),
}

/// How lengths become moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) factor: f64,
}

impl Pace {
    /// The moment so much later.
    pub(super) fn since(self, at: Duration, mined: u64, length: Length) -> When {
        match length {
            Length::Time(_) => When::Time(at + self.time(length)),
            Length::Blocks(blocks) => {
                When::Mined { count: mined + blocks.ceil() as u64, at_the_latest: at + self.time(length) * PATIENCE }
            }
        }
    }

    /// A length as it is expected in time.
    pub(super) fn time(self, length: Length) -> Duration {
        length.duration(self.interval, self.factor)
    }
}

impl When {
    pub(super) fn time(&self) -> Option<Duration> {
        match self {
            Self::Time(at) | Self::Mined { at_the_latest: at, .. } => Some(*at),
            Self::Met(_) => None,
        }
    }
}
