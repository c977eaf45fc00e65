//! Patience: how long connections wait before they try again, and before they give up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The waits of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Patience {
    /// From a lost segment to its first retransmission, doubled for each next one: Linux' lower bound, 200 ms.
    pub retransmission: Duration,
    /// What doubling stops at. Linux has 120 s; the lab wants to see a heal within its life.
    pub longest_retransmission: Duration,
    /// Without an acknowledgement for this long, a sender gives its connection up. Linux has 15 min; 30 s is what
    /// services set (TCP_USER_TIMEOUT).
    pub stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retransmission: Duration::from_millis(200),
            longest_retransmission: Duration::from_secs(5),
            stall: Duration::from_secs(30),
        }
    }
}

/// Waits before SYNs after the first; when the last has passed, the dial has timed out.
pub(super) const SYN_WAITS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

impl Patience {
    /// The wait before the retransmission that follows `losses` losses of one segment.
    pub(super) fn backoff(&self, losses: u32) -> u64 {
        let doubled = self.retransmission.saturating_mul(1 << losses.min(20));
        nanoseconds(doubled.min(self.longest_retransmission))
    }

    /// When a sender that stalled at `since` tries again, the first time not before `now`.
    pub(super) fn next_retransmission(&self, since: u64, now: u64) -> u64 {
        let mut at = since;
        for losses in 0.. {
            // At least a microsecond a turn, so that a patience of zero ends too.
            at = at.saturating_add(self.backoff(losses).max(1_000));
            if at >= now {
                break;
            }
        }
        at
    }

    pub(super) fn stall_nanoseconds(&self) -> u64 {
        nanoseconds(self.stall)
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retransmissions_double_up_to_the_longest() {
        let patience = Patience::default();
        let second = 1_000_000_000;
        let after = |now| patience.next_retransmission(0, now);
        assert_eq!([after(0), after(second / 5 + 1), after(2 * second)], [second / 5, 3 * second / 5, 3 * second]);
        // 0.2 + 0.4 + 0.8 + 1.6 + 3.2 = 6.2, then every five seconds.
        assert_eq!(after(7 * second), 11 * second + second / 5);
    }
}
