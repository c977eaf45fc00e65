//! The agenda: what arrives when, and the pump that lets it. One heap for the whole network, ordered by time and then
//! by the order of writing down, so that equal times have one order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::Fabric;
use super::connection::{ConnectionId, Frame};

/// What is to come, in nanoseconds since the fabric was made.
#[derive(Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Reverse<Entry>>,
    written: u64,
    /// The pump, and the tick it waits for.
    pub(super) pump: Option<Waker>,
    pub(super) armed: u64,
}

/// Something that comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A dial reaches the other side.
    Syn { connection: ConnectionId },
    /// Its answer reaches the dialler.
    Answer { connection: ConnectionId, refused: bool },
    /// The dialler has waited for an answer.
    Redial { connection: ConnectionId, attempt: u8 },
    /// What side `direction` sent reaches the other side.
    Frame { connection: ConnectionId, direction: u8, frame: Frame },
    /// A side hears that the other one knows no such connection.
    Refusal { connection: ConnectionId, side: u8 },
    /// A sender has lacked acknowledgements for as long as it bears.
    GiveUp { connection: ConnectionId, direction: u8, since: u64 },
    /// A retransmission reaches the other side.
    Resume { connection: ConnectionId, direction: u8 },
}

struct Entry {
    at: u64,
    number: u64,
    event: Event,
}

/// tokio's grain: the pump is not woken for less.
const TICK: u64 = 1_000_000;

impl Agenda {
    pub(super) fn add(&mut self, at: u64, event: Event) {
        self.written += 1;
        self.entries.push(Reverse(Entry { at, number: self.written, event }));
    }

    /// The pump, when something comes before what it waits for.
    pub(super) fn call_pump(&mut self) -> Option<Waker> {
        let next = self.next()?;
        if next.div_ceil(TICK) < self.armed { self.pump.take() } else { None }
    }

    /// The next event that is due.
    pub(super) fn due(&mut self, now: u64) -> Option<Event> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| entry.event)
    }

    fn next(&self) -> Option<u64> {
        self.entries.peek().map(|Reverse(entry)| entry.at)
    }

    /// Notes what the pump waits for now.
    fn arm(&mut self) -> Option<u64> {
        let next = self.next();
        self.armed = next.map_or(u64::MAX, |at| at.div_ceil(TICK));
        next
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Delivers what is due, for as long as the fabric lasts.
pub struct Pump {
    fabric: Fabric,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pump {
    pub(super) fn of(fabric: Fabric) -> Self {
        Self { fabric, sleep: None }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let (start, next, closed) = self.fabric.with(|state| {
                state.deliver_due();
                state.agenda.pump = Some(context.waker().clone());
                (state.start, state.agenda.arm(), state.closed)
            });
            if closed {
                return Poll::Ready(());
            }
            let Some(next) = next else { return Poll::Pending };
            let at: Instant = start + Duration::from_nanos(next);
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if sleep.deadline() != at {
                sleep.as_mut().reset(at);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
