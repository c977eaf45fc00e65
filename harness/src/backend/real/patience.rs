//! Patience: how long the kernel's TCP waits in a node's network namespace, so that it keeps the story's pace, as block
//! times and latencies do. The waits are those that the simulation has (`chaos::simulation::fabric::Patience`); Linux
//! itself would try again for a quarter of an hour, and after a long cut only every two minutes.

use std::fs;
use std::time::Duration;

use schism_chaos::simulation::fabric::Patience;

/// The kernel takes no less for the longest wait between retransmissions.
const LEAST_LONGEST: Duration = Duration::from_secs(1);

/// Sets the waits of this network namespace. A kernel that does not know one of them keeps its own.
pub fn follow(pace: f64) {
    for (name, value) in settings(pace) {
        let _ = fs::write(format!("/proc/sys/net/{name}"), value.to_string());
    }
}

/// The settings at a pace, by their names below `/proc/sys/net`.
fn settings(pace: f64) -> [(&'static str, u64); 5] {
    let patience = Patience::default();
    let longest = patience.longest_retransmission.mul_f64(pace).max(LEAST_LONGEST);
    let stall = patience.stall.mul_f64(pace);
    [
        // Nobody here speaks it, and its own chatter would be counted.
        ("ipv6/conf/all/disable_ipv6", 1),
        ("ipv4/tcp_rto_max_ms", u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)),
        ("ipv4/tcp_retries2", retries(patience.retransmission, longest, stall)),
        ("ipv4/tcp_syn_retries", 2),
        ("ipv4/tcp_synack_retries", 2),
    ]
}

/// Retransmissions after which a connection has stalled for so long.
fn retries(first: Duration, longest: Duration, stall: Duration) -> u64 {
    let mut waited = Duration::ZERO;
    let mut retries = 0;
    while waited < stall && retries < 15 {
        waited += first.saturating_mul(1 << retries).min(longest);
        retries += 1;
    }
    retries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_time_is_a_tenth_of_the_patience() {
        let find = |pace: f64, name: &str| settings(pace).into_iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(find(1.0, "ipv4/tcp_rto_max_ms"), 5_000);
        // 0.2 + 0.4 + 0.8 + 1.6 + 3.2, then five seconds each: ten waits make 31.2.
        assert_eq!(find(1.0, "ipv4/tcp_retries2"), 10);
        assert_eq!(find(0.1, "ipv4/tcp_rto_max_ms"), 1_000);
        // 0.2 + 0.4 + 0.8 + 1 + 1 = 3.4.
        assert_eq!(find(0.1, "ipv4/tcp_retries2"), 5);
    }
}
