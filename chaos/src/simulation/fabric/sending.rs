//! Sending: from a write to an entry in the agenda.

use super::agenda::Event;
use super::connection::{ConnectionId, Frame, Life};
use super::patience::nanoseconds;
use super::state::State;
use super::way::Way;

/// Payload of one segment on Ethernet.
const SEGMENT: usize = 1_460;
/// What each segment has in front: IPv4 and TCP.
const SEGMENT_HEADER: usize = 40;
/// What each frame of a multiplexed connection has in front: yamux.
const FRAME_HEADER: usize = 12;
/// Losses of one segment in a row that are believed.
const MOST_LOSSES: u32 = 16;

impl State {
    /// Sends a frame from one side of a connection; `content` is what the trace sees of it.
    pub(super) fn send(&mut self, id: ConnectionId, side: usize, frame: Frame, content: &[u8]) {
        if self.closed {
            return;
        }
        let now = self.now();
        let Some(connection) = self.connections.get(id) else { return };
        if matches!(connection.sides[side].life, Life::Ended(_)) {
            return;
        }
        if let Some(stream) = frame.stream().and_then(|number| connection.streams.get(number)) {
            stream.under_way += 1;
        }
        let number = connection.ways[side];
        if self.is_dark(self.ways.get(number).from) {
            return self.hold(id, side, frame, now);
        }
        let way = self.ways.get_mut(number);
        let (payload, segments) = frame.size();
        let bytes = payload + segments * SEGMENT_HEADER;
        way.counters.sent += 1;
        way.counters.bytes += bytes as u64;
        way.free_at = way.free_at.max(now) + nanoseconds(way.link.serialisation(bytes));
        way.counters.queued += way.free_at - now;
        let mut at = way.free_at + nanoseconds(way.link.latency);
        let (jitter, loss) = (nanoseconds(way.link.jitter), way.link.loss);
        let (from, to) = (way.from, way.to);
        if jitter > 0 {
            at += self.chance.below(jitter);
        }
        if loss > 0.0 && loss < 1.0 {
            at += self.retransmissions(number, segments);
        }
        // What is behind a late frame waits for it.
        let Some(connection) = self.connections.get(id) else { return };
        let direction = &mut connection.directions[side];
        at = at.max(direction.last_arrival);
        direction.last_arrival = at;
        self.ways.get_mut(number).counters.travel += at - now;
        let head = frame.trace(id, to.0, at);
        self.recorder.note_parts(from, "frame", &[&head, content]);
        self.expect(at, Event::Frame { connection: id, direction: side as u8, frame });
    }

    /// How long the losses of one frame's segments delay it. Segments are lost independently and sent again in
    /// parallel, so the unluckiest decides.
    fn retransmissions(&mut self, number: usize, segments: usize) -> u64 {
        let loss = self.ways.get(number).link.loss;
        let mut worst = 0;
        for _ in 0..segments {
            let mut losses = 0;
            while losses < MOST_LOSSES && self.chance.share() < loss {
                losses += 1;
            }
            self.ways.get_mut(number).counters.retransmitted += u64::from(losses);
            worst = worst.max(losses);
        }
        let latency = nanoseconds(self.ways.get(number).link.latency);
        // A timer that ran out before the answer could come would be set longer: the round trip is in it.
        (0..worst).map(|loss| self.patience.backoff(loss) + 2 * latency).sum()
    }

    /// Latency and jitter of one small segment, or nothing when it is lost: SYNs and answers to them, and refusals.
    pub(super) fn travel_of_one_segment(&mut self, number: usize) -> Option<u64> {
        if self.is_way_blocked(number) {
            self.ways.get_mut(number).counters.held += 1;
            return None;
        }
        let Way { link, .. } = *self.ways.get(number);
        if link.loss > 0.0 && self.chance.share() < link.loss {
            self.ways.get_mut(number).counters.retransmitted += 1;
            return None;
        }
        let jitter = nanoseconds(link.jitter);
        Some(nanoseconds(link.latency) + if jitter > 0 { self.chance.below(jitter) } else { 0 })
    }
}

impl Frame {
    pub(super) fn stream(self) -> Option<u32> {
        match self {
            Self::Open { stream } | Self::Data { stream, .. } | Self::Finish { stream } | Self::Reset { stream } => {
                Some(stream)
            }
            Self::Accept | Self::Close => None,
        }
    }

    /// Bytes of payload, its own header included, and segments these fill.
    pub(super) fn size(self) -> (usize, usize) {
        let payload = match self {
            Self::Data { length, .. } => length as usize + FRAME_HEADER,
            Self::Open { .. } | Self::Finish { .. } | Self::Reset { .. } => FRAME_HEADER,
            Self::Accept | Self::Close => 0,
        };
        (payload, payload.div_ceil(SEGMENT).max(1))
    }

    /// What stands for the frame in the trace, in front of its content.
    fn trace(self, id: ConnectionId, to: u16, at: u64) -> [u8; 19] {
        let kind = match self {
            Self::Accept => 0,
            Self::Open { .. } => 1,
            Self::Data { .. } => 2,
            Self::Finish { .. } => 3,
            Self::Reset { .. } => 4,
            Self::Close => 5,
        };
        let mut bytes = [kind; 19];
        bytes[1..3].copy_from_slice(&to.to_be_bytes());
        bytes[3..7].copy_from_slice(&id.serial.to_be_bytes());
        bytes[7..11].copy_from_slice(&self.stream().unwrap_or(u32::MAX).to_be_bytes());
        bytes[11..].copy_from_slice(&at.to_be_bytes());
        bytes
    }
}
