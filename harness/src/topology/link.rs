//! Link classes: how good a link is, said once for many links.

use std::time::Duration;

use schism_chaos::quantity::{Bandwidth, Share};

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkClass {
    /// From sender to receiver.
    pub latency: Duration,
    /// Added for each frame, uniformly drawn between 0 and this.
    pub jitter: Duration,
    /// Carries at most this; nothing: no limit.
    pub bandwidth: Option<Bandwidth>,
    /// Of the frames, independently; the transport sends them again.
    pub loss: Share,
}

impl Default for LinkClass {
    /// A decent line within a continent.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(50),
            jitter: Duration::from_millis(10),
            bandwidth: Some(Bandwidth(50_000_000)),
            loss: Share(0.0),
        }
    }
}

/// Somewhere nodes are: one row of the latency matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// To each region, itself included, one way; complete after parsing (what only the other region's row says is
    /// filled in), in the order of the regions.
    pub latency: Vec<(String, Duration)>,
    /// Jitter of frames that leave it.
    pub jitter: Duration,
    /// What one of its nodes sends at most; a link carries the lesser of the sender's upload and receiver's download.
    pub upload: Option<Bandwidth>,
    /// What one of its nodes receives at most.
    pub download: Option<Bandwidth>,
    /// Of the frames that leave it, independently.
    pub loss: Share,
}
