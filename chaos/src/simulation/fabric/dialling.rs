//! Dialling: SYN, answer, accept, with retransmissions in between.

use std::io::ErrorKind;
use std::task::{Context, Poll, Waker};

use libp2p::PeerId;

use super::NodeIndex;
use super::agenda::Event;
use super::connection::{Connection, ConnectionId, Direction, Frame, Life, Side, Streams};
use super::host::BACKLOG;
use super::patience::{SYN_WAITS, nanoseconds};
use super::state::State;

impl State {
    /// Begins a connection.
    pub(super) fn dial(&mut self, from: NodeIndex, dialler: PeerId, to: NodeIndex) -> ConnectionId {
        let ways = [self.ways.number(from, to), self.ways.number(to, from)];
        let mut sides: [Side; 2] = Default::default();
        sides[0].owned = true;
        let directions: [Direction; 2] = Default::default();
        let (ends, streams) = ([from, to], Streams::default());
        let id = self.connections.add(Connection { ends, dialler, ways, sides, directions, streams });
        self.host(from).connections.push(id);
        self.host(to).connections.push(id);
        self.recorder.note(from, "dial", &to.0.to_be_bytes());
        self.send_syn(id, 0);
        id
    }

    /// Whether a dial has come to something.
    pub(super) fn poll_dial(&mut self, id: ConnectionId, context: &Context<'_>) -> Poll<Result<(), ErrorKind>> {
        let Some(connection) = self.connections.get(id) else { return Poll::Ready(Err(ErrorKind::ConnectionAborted)) };
        let side = &mut connection.sides[0];
        match side.life {
            Life::Opening => {
                wait(&mut side.watching, context);
                Poll::Pending
            }
            Life::Open | Life::Closing => Poll::Ready(Ok(())),
            Life::Ended(reason) => Poll::Ready(Err(reason)),
        }
    }

    pub(super) fn redial(&mut self, id: ConnectionId, attempt: u8) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.sides[0].life != Life::Opening {
            return;
        }
        if usize::from(attempt) < SYN_WAITS.len() {
            self.send_syn(id, attempt);
        } else {
            self.end(id, 0, ErrorKind::TimedOut);
        }
    }

    pub(super) fn syn_arrives(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let (to, [forth, back]) = (connection.ends[1], connection.ways);
        if self.is_way_blocked(forth) {
            self.ways.get_mut(forth).counters.held += 1;
            return;
        }
        let (refused, full) = match &self.host(to).listener {
            Some(listener) => (false, listener.incoming.len() >= BACKLOG),
            None => (true, false),
        };
        if full {
            return;
        }
        if let Some(travel) = self.travel_of_one_segment(back) {
            let at = self.now() + travel;
            self.expect(at, Event::Answer { connection: id, refused });
        }
    }

    pub(super) fn answer_arrives(&mut self, id: ConnectionId, refused: bool) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.sides[0].life != Life::Opening {
            return;
        }
        let back = connection.ways[1];
        if self.is_way_blocked(back) {
            self.ways.get_mut(back).counters.held += 1;
            return;
        }
        if refused {
            return self.end(id, 0, ErrorKind::ConnectionRefused);
        }
        let Some(connection) = self.connections.get(id) else { return };
        connection.sides[0].life = Life::Open;
        let watching = connection.sides[0].watching.take();
        self.wake(watching);
        self.send(id, 0, Frame::Accept, &[]);
    }

    pub(super) fn accept_arrives(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let to = connection.ends[1];
        match &mut self.host(to).listener {
            Some(listener) => {
                listener.incoming.push_back(id);
                let waker = listener.waker.take();
                self.wake(waker);
                if let Some(connection) = self.connections.get(id) {
                    connection.sides[1].life = Life::Open;
                    connection.sides[1].owned = true;
                }
            }
            None => {
                if let Some(connection) = self.connections.get(id) {
                    connection.sides[1].life = Life::Ended(ErrorKind::ConnectionRefused);
                }
                self.refuse(id, 0);
            }
        }
    }

    fn send_syn(&mut self, id: ConnectionId, attempt: u8) {
        let Some(connection) = self.connections.get(id) else { return };
        let way = connection.ways[0];
        let now = self.now();
        if let Some(travel) = self.travel_of_one_segment(way) {
            self.expect(now + travel, Event::Syn { connection: id });
        }
        let wait = SYN_WAITS[usize::from(attempt).min(SYN_WAITS.len() - 1)];
        self.expect(now + nanoseconds(wait), Event::Redial { connection: id, attempt: attempt + 1 });
    }
}

/// Remembers whom to wake; the same waker is not cloned again.
pub(super) fn wait(place: &mut Option<Waker>, context: &Context<'_>) {
    if !place.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *place = Some(context.waker().clone());
    }
}
