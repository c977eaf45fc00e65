//! Work: what computing costs a node on a clock that computing does not move.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schism_node::surroundings::Cost;
use serde::{Deserialize, Serialize};

use crate::simulation::clock;

/// What a node pays for computing, in virtual time. The defaults are a middling server core of 2023; `schism bench` prints
/// them beside what this machine takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkPrices {
    /// Nanoseconds for one signature check: libsecp256k1's ECDSA verification runs at some 20,000 a second.
    pub signature_check_nanoseconds: u64,
    /// Nanoseconds for one byte: parsing, hashing twice and copying run at some 100 MB a second.
    pub byte_nanoseconds: u64,
}

impl Default for WorkPrices {
    fn default() -> Self {
        Self { signature_check_nanoseconds: 50_000, byte_nanoseconds: 10 }
    }
}

/// How far a node may run ahead of what it owes: the grain of tokio's clock. Debts are kept to the nanosecond, so
/// small ones add up instead of being rounded.
const GRAIN: u64 = 1_000_000;

/// A node's budget of time.
#[derive(Debug)]
pub(super) struct Budget {
    prices: Option<WorkPrices>,
    /// Virtual nanoseconds since the simulation's start until which the node is busy.
    busy_until: AtomicU64,
    worked: AtomicU64,
}

impl Budget {
    pub(super) fn new(prices: Option<WorkPrices>) -> Self {
        Self { prices, busy_until: AtomicU64::new(0), worked: AtomicU64::new(0) }
    }

    pub(super) fn charge(&self, cost: Cost) {
        let Some(prices) = self.prices else { return };
        let owed = match cost {
            Cost::SignatureChecks(checks) => u64::from(checks).saturating_mul(prices.signature_check_nanoseconds),
            Cost::Bytes(bytes) => (bytes as u64).saturating_mul(prices.byte_nanoseconds),
        };
        // One thread owns the node: no other can come between the two.
        let busy_from = self.busy_until.load(Ordering::Relaxed).max(nanoseconds(clock::elapsed()));
        self.busy_until.store(busy_from.saturating_add(owed), Ordering::Relaxed);
        self.worked.fetch_add(owed, Ordering::Relaxed);
    }

    /// How long the node must pause before it may be polled again, a whole number of grains.
    pub(super) fn pause(&self, now: Duration) -> Option<Duration> {
        let ahead = self.busy_until.load(Ordering::Relaxed).saturating_sub(nanoseconds(now));
        (ahead >= GRAIN).then(|| Duration::from_nanos(ahead - ahead % GRAIN))
    }

    pub(super) fn worked(&self) -> Duration {
        Duration::from_nanos(self.worked.load(Ordering::Relaxed))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
