//! Queueing disciplines: which of those that shape traffic this kernel knows. The delay line does what they would for
//! each pair of nodes, so that none is needed; who looks for the reason of a figure wants to know. Numbers are those of
//! `include/uapi/linux/rtnetlink.h`.

use std::io;

use nix::errno::Errno;

use super::links::{self, LOOPBACK};
use super::message::{ACKNOWLEDGE, CREATE, Message, REQUEST};
use super::socket::Netlink;

/// Those that are looked for.
pub const SOUGHT: [&str; 3] = ["netem", "tbf", "htb"];
const NEW_DISCIPLINE: u16 = 36;
const KIND: u16 = 1;
/// In place of the one that an interface has.
const ROOT: u32 = u32::MAX;
/// Any number that nobody else gives.
const HANDLE: u32 = 1 << 16;

/// Those that the kernel knows. It may leave one on the loopback of this network namespace, which is a node's own.
///
/// # Errors
/// What the kernel said.
pub fn known() -> io::Result<Vec<String>> {
    let mut netlink = links::open()?;
    let known = SOUGHT.into_iter().filter(|name| is_known(&mut netlink, name));
    Ok(known.map(str::to_owned).collect())
}

/// Without options most are refused: it is what they are refused for that tells.
fn is_known(netlink: &mut Netlink, name: &str) -> bool {
    match netlink.ask(vec![begin(name)]) {
        Ok(()) => true,
        Err(error) => error.raw_os_error() != Some(Errno::ENOENT as i32),
    }
}

/// To begin one on the loopback.
fn begin(name: &str) -> Message {
    let fixed = [&[0; 4][..], &LOOPBACK.to_ne_bytes(), &HANDLE.to_ne_bytes(), &ROOT.to_ne_bytes(), &[0; 4]].concat();
    Message::new(NEW_DISCIPLINE, REQUEST | ACKNOWLEDGE | CREATE).with(&fixed).text(KIND, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::netlink::Attributes;
    use crate::supervisor::netlink::message::HEADER;

    #[test]
    fn a_discipline_is_asked_for_as_the_kernel_reads_it() {
        let bytes = begin("netem").numbered(1);
        let of = |from: usize, to: usize| bytes[HEADER + from..HEADER + to].to_vec();
        assert_eq!(u16::from_ne_bytes([bytes[4], bytes[5]]), 36);
        assert_eq!((of(4, 8), of(12, 16)), (1_i32.to_ne_bytes().to_vec(), vec![0xff; 4]));
        assert_eq!(Attributes(&bytes[HEADER + 20..]).value(KIND), Some(&b"netem\0"[..]));
    }
}
