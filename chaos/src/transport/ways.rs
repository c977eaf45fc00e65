//! Ways: the links between one node and each of its peers, as its transport obeys them, and what they did.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::lane::Lane;
use crate::link::Link;

/// From a lost segment to its first retransmission: Linux' lower bound.
const AGAIN: Duration = Duration::from_millis(200);

/// All ways of a node. Clones are the same ways.
#[derive(Clone, Debug)]
pub struct Ways {
    began: Instant,
    stall: Duration,
    all: Arc<Mutex<BTreeMap<Ipv4Addr, Way>>>,
}

/// What came in over the link from one peer since the ways began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Pieces of streams, and attempts to connect, that a cut held.
    pub held: u64,
    /// Pieces that were let through.
    pub carried: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Segments lost and sent again.
    pub lost: u64,
    /// How long the pieces let through were kept, summed, but for cuts.
    pub delayed: Duration,
    /// How long of that they waited for their turn and took to leave, summed.
    pub queued: Duration,
    /// How much longer they were kept than they should have been, summed.
    pub late: Duration,
}

#[derive(Debug)]
struct Way {
    /// From the peer to here, and back.
    into: Link,
    back: Link,
    lane: Lane,
    held: u64,
    carried: u64,
    bytes: u64,
    /// Who waits for it to carry.
    waiting: Vec<Waker>,
}

impl Ways {
    /// Ways that carry everything at once. A connection that a cut stalls for so long is given up.
    pub fn new(stall: Duration) -> Self {
        Self { began: Instant::now(), stall, all: Arc::default() }
    }

    /// Sets the link from a peer to here, and the one back.
    pub fn set(&self, peer: Ipv4Addr, into: Link, back: Link) {
        let mut all = self.all();
        let way = all.entry(peer).or_insert_with(|| Way::from(peer));
        (way.into, way.back) = (into, back);
        way.lane.set(into);
        way.waiting.drain(..).for_each(Waker::wake);
    }

    /// What came in from every peer that was ever set or heard.
    pub fn counted(&self) -> Vec<(Ipv4Addr, Counted)> {
        let of = |way: &Way| {
            let done = way.lane.done();
            let Way { held, carried, bytes, .. } = *way;
            Counted {
                held,
                carried,
                bytes,
                lost: done.lost,
                delayed: done.delayed,
                queued: done.queued,
                late: done.late,
            }
        };
        self.all().iter().map(|(peer, way)| (*peer, of(way))).collect()
    }

    /// After how long a stalled connection is given up.
    pub(super) fn stall(&self) -> Duration {
        self.stall
    }

    /// Time since the ways began.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The moment so long after the ways began.
    pub(super) fn moment(&self, since: Duration) -> Instant {
        self.began + since
    }

    /// A piece of a stream has come from a peer: when it may go on, and whether a cut holds it until that is mended.
    pub(super) fn arrive(&self, peer: Ipv4Addr, bytes: usize) -> (Duration, bool) {
        let now = self.now();
        self.way(peer, |way| {
            way.held += u64::from(way.into.cut);
            (way.lane.arrive_in_stream(now, bytes, AGAIN), way.into.cut)
        })
    }

    /// A piece goes on that came and was due then.
    pub(super) fn go_on(&self, peer: Ipv4Addr, bytes: usize, came: Duration, due: Duration, held: bool) {
        let now = if held { due } else { self.now() };
        self.way(peer, |way| {
            way.carried += 1;
            way.bytes += bytes as u64;
            way.lane.go_on(now.saturating_sub(came), now.saturating_sub(due));
        });
    }

    /// Ready when the link from a peer carries.
    pub(super) fn poll_carries(&self, peer: Ipv4Addr, context: &mut Context<'_>) -> Poll<()> {
        self.way(peer, |way| if way.into.cut { way.wait(context) } else { Poll::Ready(()) })
    }

    /// Ready, with the time that there and back take, when both links carry, as a connection needs them.
    pub(super) fn poll_both_carry(&self, peer: Ipv4Addr, context: &mut Context<'_>) -> Poll<Duration> {
        self.way(peer, |way| {
            if way.into.cut || way.back.cut {
                way.wait(context)
            } else {
                Poll::Ready(way.into.latency + way.back.latency)
            }
        })
    }

    /// A connection with a peer is wanted and cannot be had: a cut of the link from it would hold its answer.
    pub(super) fn hold_dial(&self, peer: Ipv4Addr) {
        self.way(peer, |way| way.held += u64::from(way.into.cut));
    }

    fn way<T>(&self, peer: Ipv4Addr, then: impl FnOnce(&mut Way) -> T) -> T {
        then(self.all().entry(peer).or_insert_with(|| Way::from(peer)))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Ipv4Addr, Way>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Way {
    fn from(peer: Ipv4Addr) -> Self {
        let free = Link { latency: Duration::ZERO, ..Link::default() };
        let lane = Lane::new(u32::from(peer).into());
        Self { into: free, back: free, lane, held: 0, carried: 0, bytes: 0, waiting: Vec::new() }
    }

    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<T> {
        if self.waiting.iter().all(|waker| !waker.will_wake(context.waker())) {
            self.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}
