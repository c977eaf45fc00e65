//! A group: the part of the network that an address belongs to. Addresses of one group are cheap to come by together, so they
//! count as little more than one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use schism_wire::Multiaddr;

/// The part of the network that an address belongs to: an IPv4 address's first two bytes, an IPv6 address's first four, as
/// in Bitcoin Core. Where prefixes say nothing of who owns an address (private networks, names, memory) it is a group alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group(String);

impl Group {
    /// The group of an address.
    pub fn of(address: &Multiaddr) -> Self {
        let text = address.to_string();
        let mut parts = text.split('/').skip(1);
        let host = (parts.next(), parts.next());
        match host {
            (Some("ip4"), Some(host)) => Self(host.parse().map_or_else(|_| host.to_owned(), of_ip4)),
            (Some("ip6"), Some(host)) => Self(host.parse().map_or_else(|_| host.to_owned(), of_ip6)),
            (_, Some(host)) => Self(host.to_owned()),
            _ => Self(text),
        }
    }

    /// A group by the name that [`fmt::Display`] gives it.
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Bytes that stand for it.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn of_ip4(host: Ipv4Addr) -> String {
    if host.is_private() || host.is_loopback() || host.is_link_local() {
        return host.to_string();
    }
    let [first, second, ..] = host.octets();
    format!("{first}.{second}")
}

fn of_ip6(host: Ipv6Addr) -> String {
    if host.is_loopback() || host.is_unique_local() || host.is_unicast_link_local() {
        return host.to_string();
    }
    let [first, second, ..] = host.segments();
    format!("{first:x}:{second:x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_of_one_group_and_private_addresses_each_of_their_own() {
        let of = |text: &str| Group::of(&text.parse().expect("an address")).to_string();
        assert_eq!(of("/ip4/240.7.0.1/tcp/4001"), "240.7");
        assert_eq!(of("/ip4/240.7.3.9/tcp/1"), "240.7");
        assert_eq!(of("/ip4/10.77.0.2/tcp/8333"), "10.77.0.2");
        assert_eq!(of("/ip6/2001:db8::1/tcp/1"), "2001:db8");
        assert_eq!(of("/dns4/example.org/tcp/1"), "example.org");
        assert_eq!(of("/memory/7"), "7");
    }
}
