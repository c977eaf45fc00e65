//! A quantity: a number that says its unit, as people write it in files and read it in reports.

mod text;

pub use text::Unreadable;

use std::time::Duration;

/// A stretch of a run, in time or in blocks. Lengths follow an experiment's `pace`; plain [`Duration`]s (latency, a
/// slow actor's delay, a clock's offset) do not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// `90s`, `5m`, `500ms`, `2h`.
    Time(Duration),
    /// `12 blocks`. A schedule counts blocks mined by anyone ([`crate::progress`]); a deadline waits for both, that many
    /// blocks and the time they should take; everything else is that many times the interval the rules aim at.
    Blocks(f64),
}

impl Length {
    /// No time at all.
    pub const ZERO: Self = Self::Time(Duration::ZERO);

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Time(Duration::ZERO)) || matches!(self, Self::Blocks(blocks) if blocks == 0.0)
    }

    /// So many times as long.
    pub fn times(self, factor: f64) -> Self {
        match self {
            Self::Time(time) => Self::Time(time.mul_f64(factor)),
            Self::Blocks(blocks) => Self::Blocks(blocks * factor),
        }
    }

    /// How long that is where blocks aim at `interval` (as the rules say it, before any pace) and everything is
    /// scaled by `pace` (1 leaves it alone, 0.1 is ten times as fast).
    pub fn duration(self, interval: Duration, pace: f64) -> Duration {
        match self {
            Self::Time(time) => time.mul_f64(pace),
            Self::Blocks(blocks) => interval.mul_f64(blocks * pace),
        }
    }
}

/// A plain duration as files say it: `50ms`. It does not follow a simulation's pace; on real backends everything does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pause(pub Duration);

/// A part of a whole, 0 to 1, said in percent: `30%`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// How often something happens, per second: `1/s`, `30/m`, `2/h`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// Bits per second: `10 Mbit/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub u64);

/// Bytes: `100 kB`, `1 MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Hashes per second: `25 H/s`, `1.5 kH/s`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct HashRate(pub f64);
