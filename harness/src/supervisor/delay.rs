//! The delay line: a thread that the kernel hands frames to, and that hands each back when its lane says so. It does
//! what netem would, on kernels that have none, and it knows how long it really took.
//!
//! Numbers are those of `include/uapi/linux/netfilter/nfnetlink_queue.h`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, SockProtocol};
use nix::sys::time::TimeSpec;
use schism_chaos::lane::{Done, Fate, Lane};
use schism_chaos::link::Link;
use schism_chaos::simulation::Stopwatch;

use super::netlink::message::{ACKNOWLEDGE, REQUEST};
use super::netlink::{Attributes, Message, Netlink, Said};

/// The queues' part of netfilter.
const QUEUES: u16 = 3;
const PACKET: u16 = 0;
const VERDICT: u16 = 1;
const CONFIGURE: u16 = 2;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
/// Bytes of a frame that are looked at: the header of IPv4, which says where it comes from.
const LOOK: u32 = 20;
/// Frames the kernel keeps for us at most: every lane's fill, of a hundred nodes.
const LONGEST: u32 = 1 << 18;
/// Reads before those that are due go on, and frames that go on at once.
const AT_ONCE: usize = 64;
/// Bytes of frames that may wait to be read.
const HELD: usize = 8 << 20;

/// A running delay line. It lives as long as its process.
#[derive(Clone, Debug)]
pub struct DelayLine(Arc<Mutex<Lanes>>);

#[derive(Debug, Default)]
struct Lanes {
    of: BTreeMap<Ipv4Addr, Lane>,
    /// Whether nobody takes frames any more; the kernel lets them through then.
    ended: bool,
}

/// Frames on their way, the next to go first: when, in which order they came, the kernel's number, since when, whose.
type Waiting = BinaryHeap<Reverse<(Duration, u64, u32, Duration, Ipv4Addr)>>;

impl DelayLine {
    /// Begins to take frames from queue 0 of this network namespace.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn begin() -> io::Result<Self> {
        let mut netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
        netlink.hold(HELD);
        let configure = || Message::new(QUEUES << 8 | CONFIGURE, REQUEST | ACKNOWLEDGE).with(&[0; 4]);
        let copy_packet = 2;
        let params = [&LOOK.to_be_bytes()[..], &[copy_packet]].concat();
        // Whole bursts as one frame, as the filter counts them.
        let unsegmented = 1_u32 << 2;
        netlink.ask(vec![configure().attribute(1, &[1, 0, 0, 2])])?;
        netlink.ask(vec![configure().attribute(2, &params).number(3, LONGEST)])?;
        netlink.ask(vec![configure().number(4, unsegmented).number(5, unsegmented)])?;
        let line = Self(Arc::default());
        let lanes = line.clone();
        thread::Builder::new().name("delay line".into()).spawn(move || {
            lanes.run(netlink);
            lanes.lanes().ended = true;
        })?;
        Ok(line)
    }

    /// Sets the link of one peer.
    pub fn set(&self, peer: Ipv4Addr, link: Link) {
        self.lanes().of.entry(peer).or_insert_with(|| Lane::new(u32::from(peer).into())).set(link);
    }

    /// Whether it takes no frames any more, which it never should.
    pub fn has_ended(&self) -> bool {
        self.lanes().ended
    }

    /// What was done to the frames of a peer so far.
    pub fn done(&self, peer: Ipv4Addr) -> Done {
        self.lanes().of.get(&peer).map(Lane::done).unwrap_or_default()
    }

    fn run(&self, mut netlink: Netlink) {
        let clock = Stopwatch::start();
        let (mut waiting, mut number) = (Waiting::new(), 0);
        loop {
            let next = waiting.peek().map(|Reverse((at, ..))| at.saturating_sub(clock.elapsed()));
            let mut readable = [PollFd::new(netlink.as_fd(), PollFlags::POLLIN)];
            let arrives = !matches!(ppoll(&mut readable, next.map(TimeSpec::from), None), Ok(0));
            let (mut verdicts, mut gone) = (Vec::new(), Vec::new());
            for _ in 0..if arrives { AT_ONCE } else { 0 } {
                let heard = match netlink.receive(MsgFlags::MSG_DONTWAIT) {
                    Ok(heard) => heard,
                    // Frames that did not fit are lost, as they are on a full wire.
                    Err(Errno::EAGAIN | Errno::ENOBUFS) => break,
                    Err(_) => return,
                };
                for (id, from, bytes) in heard.iter().filter_map(frame) {
                    let now = clock.elapsed();
                    let fate = self.lanes().of.get_mut(&from).map_or(Fate::At(now), |lane| lane.arrive(now, bytes));
                    match fate {
                        Fate::Lost => verdicts.push(verdict(id, DROP)),
                        Fate::At(at) => waiting.push(Reverse((at, number, id, now, from))),
                    }
                    number += 1;
                }
            }
            let now = clock.elapsed();
            while let Some(Reverse((at, _, id, since, from))) = waiting.peek().copied()
                && at <= now
                && gone.len() < AT_ONCE
            {
                waiting.pop();
                verdicts.push(verdict(id, ACCEPT));
                gone.push((from, since, at));
            }
            if verdicts.is_empty() {
                continue;
            }
            // That one of them is gone already does no harm.
            let _ = netlink.send(verdicts);
            let now = clock.elapsed();
            let mut lanes = self.lanes();
            for (from, since, at) in gone {
                if let Some(lane) = lanes.of.get_mut(&from) {
                    lane.go_on(now.saturating_sub(since), now.saturating_sub(at));
                }
            }
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kernel's number of a frame, where it comes from, and how long it is.
fn frame(said: &Said) -> Option<(u32, Ipv4Addr, usize)> {
    if said.kind != QUEUES << 8 | PACKET {
        return None;
    }
    let attributes = Attributes(said.content.get(4..)?);
    let id = u32::from_be_bytes(attributes.value(1)?.get(..4)?.try_into().ok()?);
    let payload = attributes.value(10)?;
    let from: [u8; 4] = payload.get(12..16)?.try_into().ok()?;
    let bytes = attributes.number(13).map_or(payload.len(), |whole| whole as usize);
    Some((id, Ipv4Addr::from(from), bytes))
}

/// Says what becomes of a frame.
fn verdict(id: u32, verdict: u32) -> Message {
    let both = [verdict.to_be_bytes(), id.to_be_bytes()].concat();
    Message::new(QUEUES << 8 | VERDICT, REQUEST).with(&[0; 4]).attribute(2, &both)
}
