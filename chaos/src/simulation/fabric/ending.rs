//! Ending: closing, giving up, being refused, being forgotten.

use std::io::ErrorKind;

use super::NodeIndex;
use super::agenda::Event;
use super::connection::{ConnectionId, Frame, Life};
use super::state::State;

impl State {
    /// The node lets go of its side: politely, or in silence when it is dark.
    pub(super) fn release(&mut self, id: ConnectionId, side: usize) {
        let Some(connection) = self.connections.get(id) else { return };
        connection.sides[side].owned = false;
        let (life, node) = (connection.sides[side].life, connection.ends[side]);
        if self.is_dark(node) {
            self.end(id, side, ErrorKind::ConnectionAborted);
        } else if life == Life::Open {
            self.close_side(id, side);
        }
        self.forget_if_unowned(id);
    }

    /// Says goodbye; what was sent before still arrives before it.
    pub(super) fn close_side(&mut self, id: ConnectionId, side: usize) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.sides[side].life == Life::Open {
            connection.sides[side].life = Life::Closing;
            self.send(id, side, Frame::Close, &[]);
        }
    }

    /// One side ends now. The other does not know yet.
    pub(super) fn end(&mut self, id: ConnectionId, side: usize, reason: ErrorKind) {
        let Some(connection) = self.connections.get(id) else { return };
        if matches!(connection.sides[side].life, Life::Ended(_)) {
            return;
        }
        connection.sides[side].life = Life::Ended(reason);
        let ended = &mut connection.sides[side];
        self.woken.extend(ended.accepting.take());
        self.woken.extend(ended.watching.take());
        let direction = &mut connection.directions[side];
        direction.held.clear();
        direction.stalled_since = None;
        for stream in connection.streams.iter() {
            let [mine, theirs] = if side == 0 { [0, 1] } else { [1, 0] };
            stream.pipes[theirs].end.get_or_insert(reason);
            self.woken.extend(stream.pipes[theirs].reader.take());
            self.woken.extend(stream.pipes[mine].writer.take());
        }
        let (node, other) = (connection.ends[side], connection.ends[1 - side]);
        self.note_end(node, other, reason);
        self.forget_if_unowned(id);
    }

    /// Tells a side that the other one knows no such connection, as a reset does: once, and not across a cut.
    pub(super) fn refuse(&mut self, id: ConnectionId, side: usize) {
        let Some(connection) = self.connections.get(id) else { return };
        let way = connection.ways[1 - side];
        if let Some(travel) = self.travel_of_one_segment(way) {
            let at = self.now() + travel;
            self.expect(at, Event::Refusal { connection: id, side: side as u8 });
        }
    }

    pub(super) fn refusal_arrives(&mut self, id: ConnectionId, side: usize) {
        let Some(connection) = self.connections.get(id) else { return };
        let way = connection.ways[1 - side];
        if self.is_way_blocked(way) {
            self.ways.get_mut(way).counters.held += 1;
        } else {
            self.end(id, side, ErrorKind::ConnectionReset);
        }
    }

    pub(super) fn give_up(&mut self, id: ConnectionId, side: usize, since: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.directions[side].stalled_since == Some(since) {
            let way = connection.ways[side];
            self.ways.get_mut(way).counters.given_up += 1;
            self.end(id, side, ErrorKind::TimedOut);
        }
    }

    /// A stream's holder lets go of it: the other side hears of it unless the stream was finished.
    pub(super) fn release_stream(&mut self, id: ConnectionId, side: usize, number: u32, finished: bool) {
        let Some(connection) = self.connections.get(id) else { return };
        let Some(stream) = connection.streams.get(number) else { return };
        stream.owned[side] = false;
        stream.pipes[1 - side].abandon();
        self.woken.extend(stream.pipes[1 - side].writer.take());
        stream.pipes[side].writer = None;
        let (life, node) = (connection.sides[side].life, connection.ends[side]);
        if !finished && life == Life::Open && !self.is_dark(node) {
            self.send(id, side, Frame::Reset { stream: number }, &[]);
        }
        if let Some(connection) = self.connections.get(id) {
            connection.streams.settle(number);
        }
    }

    fn forget_if_unowned(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.sides.iter().any(|side| side.owned) {
            return;
        }
        if let Some(connection) = self.connections.remove(id) {
            for node in connection.ends {
                self.host(node).connections.retain(|known| *known != id);
            }
        }
    }

    fn note_end(&self, node: NodeIndex, other: NodeIndex, reason: ErrorKind) {
        let [high, low] = other.0.to_be_bytes();
        self.recorder.note(node, "end", &[high, low, ending_number(reason)]);
    }
}

/// A number of our own for the reasons that occur: std's may change between compilers.
fn ending_number(reason: ErrorKind) -> u8 {
    match reason {
        ErrorKind::UnexpectedEof => 0,
        ErrorKind::TimedOut => 1,
        ErrorKind::ConnectionReset => 2,
        ErrorKind::ConnectionRefused => 3,
        ErrorKind::ConnectionAborted => 4,
        _ => u8::MAX,
    }
}
