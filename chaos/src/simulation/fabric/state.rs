//! The state of the fabric: everything behind its one lock, and the verbs that set faults.

use std::task::Waker;

use tokio::time::Instant;

use super::NodeIndex;
use super::agenda::{Agenda, Event};
use super::connection::{ConnectionId, Connections, Life};
use super::host::Host;
use super::patience::{Patience, nanoseconds};
use super::way::{Counters, Way, Ways};
use crate::link::Link;
use crate::simulation::chance::Chance;
use crate::simulation::trace::Recorder;

/// Keeps the fabric's draws apart from the thread's.
const PURPOSE: u64 = 1;

/// Everything behind the lock.
pub(super) struct State {
    pub(super) start: Instant,
    pub(super) closed: bool,
    pub(super) patience: Patience,
    pub(super) recorder: Recorder,
    pub(super) chance: Chance,
    pub(super) hosts: Vec<Host>,
    pub(super) ways: Ways,
    pub(super) connections: Connections,
    pub(super) agenda: Agenda,
    /// Whom to wake once the lock is free.
    pub(super) woken: Vec<Waker>,
}

impl State {
    pub(super) fn new(seed: u64, patience: Patience, recorder: Recorder) -> Self {
        Self {
            start: Instant::now(),
            closed: false,
            patience,
            recorder,
            chance: Chance::for_purpose(seed, PURPOSE),
            hosts: Vec::new(),
            ways: Ways::default(),
            connections: Connections::default(),
            agenda: Agenda::default(),
            woken: Vec::new(),
        }
    }

    /// Nanoseconds since the fabric was made.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(Instant::now().saturating_duration_since(self.start))
    }

    pub(super) fn host(&mut self, node: NodeIndex) -> &mut Host {
        let index = usize::from(node.0);
        if index >= self.hosts.len() {
            self.hosts.resize_with(index + 1, Host::default);
        }
        &mut self.hosts[index]
    }

    pub(super) fn way(&mut self, from: NodeIndex, to: NodeIndex) -> &mut Way {
        let number = self.ways.number(from, to);
        self.ways.get_mut(number)
    }

    /// Writes down what comes, and calls the pump when that is sooner than what it waits for.
    pub(super) fn expect(&mut self, at: u64, event: Event) {
        if self.closed {
            return;
        }
        self.agenda.add(at, event);
        self.woken.extend(self.agenda.call_pump());
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.woken.extend(waker);
    }

    pub(super) fn set_link(&mut self, from: NodeIndex, to: NodeIndex, link: Link) {
        self.note_fault("link", from, to);
        let way = self.way(from, to);
        let was_cut = way.is_cut();
        way.link = link;
        way.explicit = true;
        if was_cut && !way.is_cut() {
            self.mended(from, to);
        }
    }

    pub(super) fn set_default_link(&mut self, link: Link) {
        self.ways.default = link;
        let mut mended = Vec::new();
        for way in self.ways.iter_mut().filter(|way| !way.explicit) {
            let was_cut = way.is_cut();
            way.link = link;
            if was_cut && !way.is_cut() {
                mended.push((way.from, way.to));
            }
        }
        mended.into_iter().for_each(|(from, to)| self.mended(from, to));
    }

    pub(super) fn cut(&mut self, from: NodeIndex, to: NodeIndex) {
        self.note_fault("cut", from, to);
        self.way(from, to).cuts += 1;
    }

    pub(super) fn mend(&mut self, from: NodeIndex, to: NodeIndex) {
        self.note_fault("mend", from, to);
        let way = self.way(from, to);
        let was_cut = way.is_cut();
        way.cuts = way.cuts.saturating_sub(1);
        if was_cut && !way.is_cut() {
            self.mended(from, to);
        }
    }

    pub(super) fn blackhole(&mut self, node: NodeIndex) {
        self.note_fault("blackhole", node, node);
        self.host(node).dark = true;
    }

    pub(super) fn restore(&mut self, node: NodeIndex) {
        self.note_fault("restore", node, node);
        if !std::mem::take(&mut self.host(node).dark) {
            return;
        }
        for connection in self.host(node).connections.clone() {
            self.retry(connection);
        }
    }

    pub(super) fn hang_up(&mut self, node: NodeIndex) {
        self.restore(node);
        self.note_fault("hang_up", node, node);
        if let Some(listener) = self.host(node).listener.take() {
            listener.incoming.into_iter().for_each(|connection| self.release(connection, 1));
        }
        for connection in self.host(node).connections.clone() {
            let Some(known) = self.connections.get(connection) else { continue };
            let side = usize::from(known.ends[0] != node);
            if known.sides[side].life != Life::Open {
                self.refuse(connection, 1 - side);
            }
        }
    }

    /// Whether a way carries nothing: it is cut, or one of its ends is dark.
    pub(super) fn is_blocked(&self, from: NodeIndex, to: NodeIndex) -> bool {
        match self.ways.known(from, to) {
            Some(number) => self.is_way_blocked(number),
            None => !self.ways.default.carries() || self.is_dark(from) || self.is_dark(to),
        }
    }

    /// The same for a way by number.
    pub(super) fn is_way_blocked(&self, number: usize) -> bool {
        self.is_arrival_blocked(number) || self.is_dark(self.ways.get(number).from)
    }

    /// Whether what is under way is held where it arrives. What left before its sender went dark still arrives.
    pub(super) fn is_arrival_blocked(&self, number: usize) -> bool {
        let way = self.ways.get(number);
        way.is_cut() || self.is_dark(way.to)
    }

    pub(super) fn is_dark(&self, node: NodeIndex) -> bool {
        self.hosts.get(usize::from(node.0)).is_some_and(|host| host.dark)
    }

    pub(super) fn counters(&self, from: NodeIndex, to: NodeIndex) -> Counters {
        self.ways.known(from, to).map(|number| self.ways.get(number).counters).unwrap_or_default()
    }

    pub(super) fn totals(&self) -> Counters {
        let mut totals = Counters::default();
        self.ways.iter().for_each(|way| totals += way.counters);
        totals
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
        let pump = self.agenda.pump.take();
        self.agenda = Agenda::default();
        self.wake(pump);
    }

    /// A way carries again: connections that stalled on it, in either direction, find out at their next
    /// retransmission.
    fn mended(&mut self, from: NodeIndex, to: NodeIndex) {
        self.way(from, to).mended = true;
        for connection in self.host(from).connections.clone() {
            if self.connections.get(connection).is_some_and(|known| known.ends.contains(&to)) {
                self.retry(connection);
            }
        }
    }

    /// Has both senders of a connection try again, as far as they have stalled.
    fn retry(&mut self, connection: ConnectionId) {
        let now = self.now();
        for direction in 0..2 {
            let Some(known) = self.connections.get(connection) else { return };
            let Some(since) = known.directions[direction].stalled_since else { continue };
            if known.directions[direction].resuming {
                continue;
            }
            known.directions[direction].resuming = true;
            let way = known.ways[direction];
            let at = self.patience.next_retransmission(since, now) + nanoseconds(self.ways.get(way).link.latency);
            self.expect(at, Event::Resume { connection, direction: direction as u8 });
        }
    }

    fn note_fault(&self, what: &'static str, from: NodeIndex, to: NodeIndex) {
        self.recorder.note(from, what, &to.0.to_be_bytes());
    }
}
