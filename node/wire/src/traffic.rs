//! Traffic: payload bytes that crossed the wire, for reports. What a report needs is a share, not an invoice: gossip
//! sent is counted by the peers it is meant for.

use std::sync::atomic::{AtomicU64, Ordering};

/// Two counters that only grow.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    served: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    pub(crate) fn served(&self, bytes: usize) {
        self.served.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes_served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
