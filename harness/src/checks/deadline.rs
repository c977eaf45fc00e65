//! A deadline: the last moment for something, said in time or in blocks.

use std::time::Duration;

use schism_chaos::quantity::Length;

use super::View;

/// How lengths in a file become deadlines: the chain's interval, and the pace of the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tempo {
    /// Between blocks, as the rules say it.
    pub interval: Duration,
    /// By what every length is multiplied.
    pub pace: f64,
}

/// A moment after which it is too late. Said in blocks it has passed only when that many were mined *and* the time they
/// should take is over: blocks come in bursts, and a burst is nobody's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Duration,
    /// Nothing where it is said in time.
    mined: Option<u64>,
}

impl Tempo {
    /// A length in time.
    pub fn time(self, length: Length) -> Duration {
        length.duration(self.interval, self.pace)
    }

    /// The deadline so long after a moment at which so many blocks had been mined.
    pub fn deadline(self, at: Duration, mined: u64, length: Length) -> Deadline {
        let blocks = match length {
            Length::Time(_) => None,
            Length::Blocks(blocks) => Some(mined + blocks.ceil() as u64),
        };
        Deadline { at: at + self.time(length), mined: blocks }
    }
}

impl Deadline {
    /// Whether it is too late.
    pub fn passed(&self, view: &View) -> bool {
        view.now() > self.at && self.mined.is_none_or(|mined| view.mined() > mined)
    }

    /// Whether that much time and so many blocks have gone by.
    pub fn reached(&self, view: &View) -> bool {
        view.now() >= self.at && self.mined.is_none_or(|mined| view.mined() >= mined)
    }
}
