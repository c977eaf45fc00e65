//! A host: a node's place in the fabric, whether or not the node is alive.

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::task::Waker;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::connection::ConnectionId;

/// A node's number in a simulation. Its address follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIndex(pub u16);

/// The port every node listens on.
pub const PORT: u16 = 4001;

impl NodeIndex {
    /// Where it listens: `/ip4/240.x.y.1/tcp/4001`, an ordinary address, so that nothing in libp2p treats it as special, of a
    /// range that nobody was ever given. The number's lower byte comes first: neighbours by number are of different groups
    /// of addresses, as nodes of different people are, and every 256th is of the same one.
    pub fn address(self) -> Multiaddr {
        self.address_with_port(PORT)
    }

    /// The node at an address of that form, whatever its port.
    pub fn at(address: &Multiaddr) -> Option<Self> {
        match address.iter().next()? {
            Protocol::Ip4(ip) => match ip.octets() {
                [240, low, high, 1] => Some(Self(u16::from_be_bytes([high, low]))),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn address_with_port(self, port: u16) -> Multiaddr {
        let [high, low] = self.0.to_be_bytes();
        Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::new(240, low, high, 1))).with(Protocol::Tcp(port))
    }
}

impl fmt::Display for NodeIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Connections that wait to be accepted; SYNs beyond are lost, as from a full backlog.
pub(super) const BACKLOG: usize = 128;

/// One place.
#[derive(Default)]
pub(super) struct Host {
    /// Who listens there, or did last.
    pub(super) peer: Option<PeerId>,
    /// Cut off in silence.
    pub(super) dark: bool,
    pub(super) listener: Option<Listener>,
    /// Connections with an end here.
    pub(super) connections: Vec<ConnectionId>,
}

/// Where dials arrive.
pub(super) struct Listener {
    pub(super) id: ListenerId,
    /// Whether the node was told its address.
    pub(super) announced: bool,
    /// Connections to accept, oldest first.
    pub(super) incoming: VecDeque<ConnectionId>,
    pub(super) waker: Option<Waker>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_back_to_its_node() {
        for node in [NodeIndex(0), NodeIndex(7), NodeIndex(999), NodeIndex(u16::MAX)] {
            assert_eq!(NodeIndex::at(&node.address()), Some(node));
        }
        assert_eq!(NodeIndex::at(&"/ip4/10.2.0.1/tcp/4001".parse().unwrap()), None);
        assert_eq!(NodeIndex::at(&"/dns4/example.org/tcp/4001".parse().unwrap()), None);
    }
}
