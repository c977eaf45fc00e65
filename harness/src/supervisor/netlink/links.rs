//! Links: the bridge in the middle of a cluster, a wire from it to each node, addresses, and whose they are. Numbers of attributes and
//! messages are those of `include/uapi/linux/rtnetlink.h`, `if_link.h`, `neighbour.h` and `veth.h`.

use std::io;
use std::net::Ipv4Addr;

use nix::sys::socket::SockProtocol;
use serde::{Deserialize, Serialize};

use super::message::{ACKNOWLEDGE, CREATE, DUMP, EXCLUSIVE, Message, REPLACE, REQUEST};
use super::socket::{Netlink, Said};

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const NEW_NEIGHBOUR: u16 = 28;
const UP: u32 = 1;
const IS_LOOPBACK: u32 = 8;
/// The kernel neither asks for such a neighbour nor forgets it.
const PERMANENT: u16 = 0x80;
const HARDWARE: u16 = 1;
const NAME: u16 = 3;
const BRIDGE: u16 = 10;
const KIND: u16 = 18;
const NAMESPACE_OF: u16 = 19;
/// The loopback's number in every network namespace.
pub(super) const LOOPBACK: i32 = 1;
/// The bridge's number, and the wire's at a node's end: far above those that the kernel gives out by itself.
const OURS: i32 = 1_000;
/// Bits of an address that all nodes share.
const SHARED_BITS: u8 = 16;
/// Neighbours that are told at once: the kernel's answers to all of them have to fit where they wait.
const AT_ONCE: usize = 64;

/// The address of a wire's end: Ethernet's.
pub type Hardware = [u8; 6];

/// Whom a machine can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its wire's, where it has one and somebody knows it.
    pub hardware: Option<Hardware>,
}

/// Makes the bridge in this network namespace.
///
/// # Errors
/// What the kernel said.
pub fn make_bridge() -> io::Result<()> {
    let bridge = Message::new(NEW_LINK, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE)
        .with(&interface(OURS, UP))
        .text(NAME, "hub")
        .nest(KIND, |kind| kind.text(1, "bridge"));
    open()?.ask(vec![bridge])
}

/// A way to the links of the network namespace that this process is in now.
///
/// # Errors
/// What the kernel said.
pub fn open() -> io::Result<Netlink> {
    Netlink::open(SockProtocol::NetlinkRoute)
}

/// The address of the wire of a node with this address: one that nobody was ever given by a maker.
pub fn hardware(address: Ipv4Addr) -> Hardware {
    let [a, b, c, d] = address.octets();
    [0x02, 0x73, a, b, c, d]
}

/// Lays a wire from the bridge behind `hub` into the network namespace of a process. Its number tells it from others.
///
/// # Errors
/// What the kernel said.
pub fn lay_wire(hub: &mut Netlink, number: u16, process: u32, hardware: Hardware) -> io::Result<()> {
    // The kernel gives the far end the number we ask for only where the near end has one, too.
    let near = OURS + 1 + i32::from(number);
    let wire = Message::new(NEW_LINK, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE)
        .with(&interface(near, UP))
        .text(NAME, &format!("wire{number}"))
        .attribute(BRIDGE, &OURS.to_ne_bytes())
        .nest(KIND, |kind| {
            kind.text(1, "veth").nest(2, |data| {
                data.nest(1, |peer| {
                    let peer = peer.with(&interface(OURS, 0)).attribute(HARDWARE, &hardware).text(NAME, "wire");
                    peer.attribute(NAMESPACE_OF, &process.to_ne_bytes())
                })
            })
        });
    hub.ask(vec![wire])
}

/// Switches this network namespace's loopback and wire on and gives the wire an address.
///
/// # Errors
/// What the kernel said.
pub fn settle_in(address: Ipv4Addr) -> io::Result<()> {
    let up = |number| Message::new(NEW_LINK, REQUEST | ACKNOWLEDGE).with(&interface(number, UP));
    let number = OURS.to_ne_bytes();
    let own = Message::new(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE)
        .with(&[2, SHARED_BITS, 0, 0, number[0], number[1], number[2], number[3]])
        .attribute(1, &address.octets())
        .attribute(2, &address.octets());
    let mut netlink = open()?;
    [up(LOOPBACK), own, up(OURS)].into_iter().try_for_each(|message| netlink.ask(vec![message]))
}

/// Says where these are, once and for all, so that the kernel asks nobody. What it learns by asking counts against a limit that
/// all network namespaces of a system share (`net.ipv4.neigh.default.gc_thresh3`, 1,024 as it comes): two clusters of
/// thirty fill it, and then nobody new is found.
///
/// # Errors
/// What the kernel said.
pub fn know(neighbours: &[Neighbour]) -> io::Result<()> {
    let known = neighbours.iter().filter_map(|one| Some((one.address, one.hardware?)));
    let known: Vec<(Ipv4Addr, Hardware)> = known.collect();
    if known.is_empty() {
        return Ok(());
    }
    let mut netlink = open()?;
    let wire = wire(&mut netlink)?;
    for some in known.chunks(AT_ONCE) {
        netlink.ask(some.iter().map(|(address, hardware)| neighbour(wire, *address, *hardware)).collect())?;
    }
    Ok(())
}

fn neighbour(wire: i32, address: Ipv4Addr, hardware: Hardware) -> Message {
    let fixed = [&[2, 0, 0, 0][..], &wire.to_ne_bytes(), &PERMANENT.to_ne_bytes(), &[0, 0]].concat();
    Message::new(NEW_NEIGHBOUR, REQUEST | ACKNOWLEDGE | CREATE | REPLACE)
        .with(&fixed)
        .attribute(1, &address.octets())
        .attribute(2, &hardware)
}

/// The number of the wire at this end, whoever laid it: there is one besides the loopback.
fn wire(netlink: &mut Netlink) -> io::Result<i32> {
    let all = netlink.list(Message::new(GET_LINK, REQUEST | DUMP).with(&interface(0, 0)))?;
    let number = |at: &[u8]| at.try_into().ok().map(u32::from_ne_bytes);
    let of = |said: &Said| {
        let (wire, flags) = (number(said.content.get(4..8)?)?, number(said.content.get(8..12)?)?);
        (flags & UP != 0 && flags & IS_LOOPBACK == 0).then_some(wire.cast_signed())
    };
    all.iter().find_map(of).ok_or_else(|| io::Error::other("this machine has no wire"))
}

/// The fixed part of a message about an interface: family, type, number, what to set and what of it to look at.
fn interface(number: i32, flags: u32) -> Vec<u8> {
    [&[0; 4][..], &number.to_ne_bytes(), &flags.to_ne_bytes(), &flags.to_ne_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::netlink::Attributes;
    use crate::supervisor::netlink::message::HEADER;

    #[test]
    fn a_neighbour_is_said_as_the_kernel_reads_it() {
        let address = Ipv4Addr::new(10, 77, 1, 2);
        let bytes = neighbour(7, address, hardware(address)).numbered(1);
        assert_eq!(u16::from_ne_bytes([bytes[4], bytes[5]]), 28);
        let fixed = [&[2, 0, 0, 0][..], &7_i32.to_ne_bytes(), &[0x80, 0, 0, 0]].concat();
        assert_eq!(bytes[HEADER..HEADER + 12], fixed);
        let attributes = Attributes(&bytes[HEADER + 12..]);
        assert_eq!(
            (attributes.value(1), attributes.value(2)),
            (Some(&[10, 77, 1, 2][..]), Some(&[2, 115, 10, 77, 1, 2][..]))
        );
    }
}
