//! The network of one node as its supervisor sees it: the links into it, and what they did.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use schism_chaos::lane::needs_lane;
use schism_chaos::link::Link;

use super::delay::DelayLine;
use super::filter::{Filter, Queueing, Set};
use super::netlink::links::{self, Neighbour};
use super::protocol::Counted;

/// The links into a node.
pub trait Network {
    /// How frames come to the delay line; nothing: links can be cut, but not made slow.
    fn queueing(&self) -> Option<Queueing>;

    /// Sets some of them; when it returns they are in force.
    ///
    /// # Errors
    /// Why they are not.
    fn set(&mut self, links: &[(Ipv4Addr, Link)]) -> io::Result<()>;

    /// What each has done.
    ///
    /// # Errors
    /// Why that cannot be known.
    fn count(&mut self) -> io::Result<Vec<(Ipv4Addr, Counted)>>;

    /// Lets nothing in or out, or everything again.
    ///
    /// # Errors
    /// Why it does not.
    fn silence(&mut self, silent: bool) -> io::Result<()>;
}

/// Links that the kernel obeys: this process has a network namespace of its own.
#[derive(Debug)]
pub struct Kernel {
    filter: Filter,
    delay_line: Option<DelayLine>,
    links: BTreeMap<Ipv4Addr, Link>,
}

impl Kernel {
    /// Takes charge of the network namespace this process is in. There are no other peers than these.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn take_charge(peers: &[Neighbour]) -> io::Result<Self> {
        links::know(peers)?;
        let peers: Vec<Ipv4Addr> = peers.iter().map(|peer| peer.address).collect();
        let filter = Filter::make(&peers)?;
        let delay_line = filter.queueing().map(|_| DelayLine::begin()).transpose()?;
        let free = Link { latency: Duration::ZERO, ..Link::default() };
        Ok(Self { filter, delay_line, links: peers.into_iter().map(|peer| (peer, free)).collect() })
    }
}

impl Network for Kernel {
    fn queueing(&self) -> Option<Queueing> {
        self.filter.queueing()
    }

    fn set(&mut self, links: &[(Ipv4Addr, Link)]) -> io::Result<()> {
        let mut changes: [(Set, bool, Vec<Ipv4Addr>); 4] =
            [(Set::Cut, true), (Set::Cut, false), (Set::Kept, true), (Set::Kept, false)]
                .map(|(set, put)| (set, put, Vec::new()));
        for (peer, link) in links {
            let before = self.links.get(peer).ok_or_else(|| io::Error::other(format!("{peer} is no peer")))?;
            if needs_lane(link) && self.delay_line.is_none() {
                return Err(io::Error::other("this kernel can neither delay nor queue frames"));
            }
            let sets = [(before.cut, link.cut), (needs_lane(before), needs_lane(link))];
            for (number, (before, after)) in sets.into_iter().enumerate() {
                if before != after {
                    changes[2 * number + usize::from(!after)].2.push(*peer);
                }
            }
            self.delay_line.iter().for_each(|line| line.set(*peer, *link));
        }
        self.filter.change(&changes)?;
        self.links.extend(links.iter().copied());
        Ok(())
    }

    fn count(&mut self) -> io::Result<Vec<(Ipv4Addr, Counted)>> {
        if self.delay_line.as_ref().is_some_and(DelayLine::has_ended) {
            return Err(io::Error::other("the delay line has ended: no link into this node is slow any more"));
        }
        let (held, carried) = (self.filter.counted(Set::Held)?, self.filter.counted(Set::Carried)?);
        let of = |peer: &Ipv4Addr| {
            let (through, bytes) = carried.get(peer).copied().unwrap_or_default();
            let done = self.delay_line.as_ref().map(|line| line.done(*peer)).unwrap_or_default();
            Counted {
                held: held.get(peer).map_or(0, |(frames, _)| *frames),
                carried: through,
                bytes,
                lost: done.lost,
                kept: done.kept,
                meant_microseconds: microseconds(done.meant),
                delayed_microseconds: microseconds(done.delayed),
                queued_microseconds: microseconds(done.queued),
                late_microseconds: microseconds(done.late),
            }
        };
        Ok(self.links.keys().map(|peer| (*peer, of(peer))).collect())
    }

    fn silence(&mut self, silent: bool) -> io::Result<()> {
        self.filter.silence(silent)
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// No network to be in charge of: links cannot be hurt here. A node's own transport may do it, and its peers' theirs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unowned;

impl Network for Unowned {
    fn queueing(&self) -> Option<Queueing> {
        None
    }

    fn set(&mut self, links: &[(Ipv4Addr, Link)]) -> io::Result<()> {
        if links.is_empty() { Ok(()) } else { Err(io::Error::other("this node has no network of its own")) }
    }

    fn count(&mut self) -> io::Result<Vec<(Ipv4Addr, Counted)>> {
        Ok(Vec::new())
    }

    /// It is its peers that do not hear it.
    fn silence(&mut self, _: bool) -> io::Result<()> {
        Ok(())
    }
}
