//! A link: what one direction between two nodes does to the bytes it carries. One model for every backend.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One direction between two nodes. The other direction is a link of its own.
///
/// Serialised in whole microseconds, bits per second and shares, with the units in the names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Link {
    /// Time a byte travels, without waiting its turn. The virtual clock has a grain of 1 ms: finer latencies keep
    /// their order but arrive on the next millisecond.
    #[serde(rename = "latency_microseconds", with = "microseconds")]
    pub latency: Duration,
    /// Drawn evenly between zero and this and added to the latency. Order within a connection is kept.
    #[serde(rename = "jitter_microseconds", with = "microseconds")]
    pub jitter: Duration,
    /// Bits per second, shared by the connections on this way; `None` is without limit.
    #[serde(rename = "bandwidth_bits_per_second")]
    pub bandwidth: Option<u64>,
    /// Share of segments lost, 0 to 1. Connections are reliable, so loss is delay: a lost segment waits for its
    /// retransmission, and what is behind it waits too.
    pub loss: f64,
    /// Carries nothing: frames are held, as TCP holds what is not acknowledged.
    pub cut: bool,
}

impl Default for Link {
    /// A good local network: 1 ms, no jitter, no limit, no loss.
    fn default() -> Self {
        Self { latency: Duration::from_millis(1), jitter: Duration::ZERO, bandwidth: None, loss: 0.0, cut: false }
    }
}

impl Link {
    /// A link with this latency and nothing else.
    pub fn with_latency(latency: Duration) -> Self {
        Self { latency, ..Self::default() }
    }

    /// Whether anything at all gets through.
    pub fn carries(&self) -> bool {
        !self.cut && self.loss < 1.0 && self.bandwidth != Some(0)
    }

    /// How long `bytes` keep the link busy.
    pub fn serialisation(&self, bytes: usize) -> Duration {
        match self.bandwidth {
            None | Some(0) => Duration::ZERO,
            Some(bits_per_second) => {
                let nanoseconds = bytes as u128 * 8 * 1_000_000_000 / u128::from(bits_per_second);
                Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
            }
        }
    }
}

mod microseconds {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_link_survives_being_written_down(
            latency in 0u64..10_000_000, jitter in 0u64..1_000_000, bandwidth in proptest::option::of(1u64..),
            loss in 0.0f64..=1.0, cut: bool,
        ) {
            let link = Link {
                latency: Duration::from_micros(latency), jitter: Duration::from_micros(jitter), bandwidth, loss, cut,
            };
            let written = serde_json::to_string(&link).unwrap();
            prop_assert_eq!(serde_json::from_str::<Link>(&written).unwrap(), link);
        }
    }

    #[test]
    fn a_word_that_no_link_has_is_refused() {
        assert!(serde_json::from_str::<Link>(r#"{"latency": 5}"#).is_err());
    }

    #[test]
    fn a_megabyte_takes_eight_seconds_at_a_megabit() {
        let link = Link { bandwidth: Some(1_000_000), ..Link::default() };
        assert_eq!(link.serialisation(1_000_000), Duration::from_secs(8));
    }
}
