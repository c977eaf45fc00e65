//! Arrival: what happens to a frame at the other end of its way, or at a cut in it.

use std::io::ErrorKind;

use super::agenda::Event;
use super::connection::{ConnectionId, Frame, Life};
use super::patience::nanoseconds;
use super::state::State;

/// Bytes that a sender without acknowledgements still gets across: a grown congestion window.
const FLIGHT: usize = 64 * 1024;

impl State {
    /// Lets everything happen that is due.
    pub(super) fn deliver_due(&mut self) {
        let now = self.now();
        while let Some(event) = self.agenda.due(now) {
            match event {
                Event::Syn { connection } => self.syn_arrives(connection),
                Event::Answer { connection, refused } => self.answer_arrives(connection, refused),
                Event::Redial { connection, attempt } => self.redial(connection, attempt),
                Event::Frame { connection, direction, frame } => {
                    self.frame_arrives(connection, usize::from(direction), frame, now);
                }
                Event::Refusal { connection, side } => self.refusal_arrives(connection, usize::from(side)),
                Event::GiveUp { connection, direction, since } => {
                    self.give_up(connection, usize::from(direction), since);
                }
                Event::Resume { connection, direction } => self.resume(connection, usize::from(direction), now),
            }
        }
    }

    fn frame_arrives(&mut self, id: ConnectionId, side: usize, frame: Frame, now: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        let [forth, back] = [connection.ways[side], connection.ways[1 - side]];
        let waits = !connection.directions[side].held.is_empty();
        let unacknowledged = connection.directions[side].unacknowledged;
        let blocked = self.is_arrival_blocked(forth);
        if blocked || waits || (self.is_way_blocked(back) && unacknowledged + frame.size().0 > FLIGHT) {
            self.hold(id, side, frame, now);
        } else {
            self.deliver(id, side, frame, now);
        }
    }

    pub(super) fn hold(&mut self, id: ConnectionId, side: usize, frame: Frame, now: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        if matches!(connection.sides[side].life, Life::Ended(_)) {
            // Nobody would send it again.
            return;
        }
        let joined = connection.directions[side].hold(frame);
        // Two frames that became one are one under way.
        if joined && let Some(stream) = frame.stream().and_then(|number| connection.streams.get(number)) {
            stream.under_way -= 1;
        }
        let number = connection.ways[side];
        self.ways.get_mut(number).counters.held += 1;
        self.stall(id, side, now);
    }

    /// The sender notices that acknowledgements are missing.
    fn stall(&mut self, id: ConnectionId, side: usize, now: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        let direction = &mut connection.directions[side];
        if direction.stalled_since.is_none() {
            direction.stalled_since = Some(now);
            let at = now.saturating_add(self.patience.stall_nanoseconds());
            self.expect(at, Event::GiveUp { connection: id, direction: side as u8, since: now });
        }
    }

    fn deliver(&mut self, id: ConnectionId, side: usize, frame: Frame, now: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        let [forth, back] = [connection.ways[side], connection.ways[1 - side]];
        let other = connection.sides[1 - side].life;
        let bytes = frame.size().0;
        if self.is_way_blocked(back) {
            if matches!(other, Life::Ended(_)) {
                // Nobody is there any more, and the refusal cannot come back.
                return self.hold(id, side, frame, now);
            }
            if let Some(connection) = self.connections.get(id) {
                connection.directions[side].unacknowledged += bytes;
            }
            self.stall(id, side, now);
        }
        let while_cut = self.is_arrival_blocked(forth);
        let way = self.ways.get_mut(forth);
        way.counters.delivered += 1;
        way.counters.delivered_while_cut += u64::from(while_cut);
        way.counters.bytes_after_mend += if way.mended { bytes as u64 } else { 0 };
        match other {
            Life::Ended(_) => self.refuse(id, side),
            _ => self.take_in(id, side, frame),
        }
    }

    /// The other side takes a frame in.
    fn take_in(&mut self, id: ConnectionId, side: usize, frame: Frame) {
        let Some(connection) = self.connections.get(id) else { return };
        match frame {
            Frame::Accept => return self.accept_arrives(id),
            Frame::Close => return self.end(id, 1 - side, ErrorKind::UnexpectedEof),
            Frame::Open { stream } => {
                let receiver = &mut connection.sides[1 - side];
                receiver.inbound.push_back(stream);
                let waker = receiver.accepting.take();
                self.woken.extend(waker);
            }
            Frame::Data { stream, length } => {
                let Some(known) = connection.streams.get(stream) else { return };
                let pipe = &mut known.pipes[side];
                pipe.arrive(length as usize);
                self.woken.extend(pipe.reader.take());
                // Where nobody reads, room is made at once.
                if !known.owned[1 - side] {
                    self.woken.extend(known.pipes[side].writer.take());
                }
            }
            Frame::Finish { stream } => {
                let Some(known) = connection.streams.get(stream) else { return };
                known.pipes[side].end.get_or_insert(ErrorKind::UnexpectedEof);
                self.woken.extend(known.pipes[side].reader.take());
            }
            Frame::Reset { stream } => {
                let Some(known) = connection.streams.get(stream) else { return };
                for pipe in &mut known.pipes {
                    pipe.end.get_or_insert(ErrorKind::ConnectionReset);
                    self.woken.extend(pipe.reader.take());
                    self.woken.extend(pipe.writer.take());
                }
            }
        }
        if let Some(number) = frame.stream()
            && let Some(connection) = self.connections.get(id)
        {
            if let Some(stream) = connection.streams.get(number) {
                stream.under_way -= 1;
            }
            connection.streams.settle(number);
        }
    }

    /// A retransmission gets through, if the way is still mended: what was held goes first, at the link's pace.
    fn resume(&mut self, id: ConnectionId, side: usize, now: u64) {
        let Some(connection) = self.connections.get(id) else { return };
        connection.directions[side].resuming = false;
        let [forth, back] = [connection.ways[side], connection.ways[1 - side]];
        if self.is_way_blocked(forth) || self.is_way_blocked(back) {
            return;
        }
        let Some(connection) = self.connections.get(id) else { return };
        connection.directions[side].stalled_since = None;
        connection.directions[side].unacknowledged = 0;
        while let Some(connection) = self.connections.get(id) {
            let Some(frame) = connection.directions[side].held.pop_front() else { break };
            self.deliver(id, side, frame, now);
            let busy = nanoseconds(self.ways.get(forth).link.serialisation(frame.size().0));
            let Some(connection) = self.connections.get(id) else { return };
            if busy > 0 && !connection.directions[side].held.is_empty() {
                connection.directions[side].resuming = true;
                return self.expect(now + busy, Event::Resume { connection: id, direction: side as u8 });
            }
        }
    }
}
