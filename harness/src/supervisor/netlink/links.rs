//! Links: the bridge in the middle of a cluster, a wire from it to each node, and addresses. Numbers of attributes and
//! messages are those of `include/uapi/linux/rtnetlink.h`, `if_link.h` and `veth.h`.

use std::io;
use std::net::Ipv4Addr;

use nix::sys::socket::SockProtocol;

use super::message::{ACKNOWLEDGE, CREATE, EXCLUSIVE, Message, REQUEST};
use super::socket::Netlink;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const UP: u32 = 1;
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

/// Lays a wire from the bridge behind `hub` into the network namespace of a process. Its number tells it from others.
///
/// # Errors
/// What the kernel said.
pub fn lay_wire(hub: &mut Netlink, number: u16, process: u32) -> io::Result<()> {
    // The kernel gives the far end the number we ask for only where the near end has one, too.
    let near = OURS + 1 + i32::from(number);
    let wire = Message::new(NEW_LINK, REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE)
        .with(&interface(near, UP))
        .text(NAME, &format!("wire{number}"))
        .attribute(BRIDGE, &OURS.to_ne_bytes())
        .nest(KIND, |kind| {
            kind.text(1, "veth").nest(2, |data| {
                data.nest(1, |peer| {
                    peer.with(&interface(OURS, 0)).text(NAME, "wire").attribute(NAMESPACE_OF, &process.to_ne_bytes())
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

/// The fixed part of a message about an interface: family, type, number, what to set and what of it to look at.
fn interface(number: i32, flags: u32) -> Vec<u8> {
    [&[0; 4][..], &number.to_ne_bytes(), &flags.to_ne_bytes(), &flags.to_ne_bytes()].concat()
}
