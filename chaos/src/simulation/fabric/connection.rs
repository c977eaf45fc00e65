//! A connection: what two sides share. Side 0 dialled; direction `d` carries what side `d` sends.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::task::Waker;

use libp2p::PeerId;

use super::NodeIndex;
use super::pipe::Pipe;

/// A connection's name, never given twice, so that what arrives late for one that has gone finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionId {
    index: u32,
    pub(super) serial: u32,
}

/// Streams of one connection: yamux' default limit.
pub(super) const STREAMS: usize = 512;

/// What two sides share.
pub(super) struct Connection {
    pub(super) ends: [NodeIndex; 2],
    /// Who dialled.
    pub(super) dialler: PeerId,
    /// The numbers of the ways the two directions take.
    pub(super) ways: [usize; 2],
    pub(super) sides: [Side; 2],
    pub(super) directions: [Direction; 2],
    pub(super) streams: Streams,
}

/// One end of a connection.
#[derive(Default)]
pub(super) struct Side {
    pub(super) life: Life,
    /// Whether the node holds it. Connections that nobody holds are forgotten.
    pub(super) owned: bool,
    /// Streams the other side opened, to be accepted.
    pub(super) inbound: VecDeque<u32>,
    /// Who waits for these.
    pub(super) accepting: Option<Waker>,
    /// Who waits for the end, or for a dial to succeed.
    pub(super) watching: Option<Waker>,
}

/// How far a side is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Life {
    /// Dialling, or not accepted yet.
    #[default]
    Opening,
    Open,
    /// The node let go of it; what it sent is still being delivered.
    Closing,
    Ended(ErrorKind),
}

/// What one side sends.
#[derive(Default)]
pub(super) struct Direction {
    /// When the last frame arrives: no later one may arrive earlier.
    pub(super) last_arrival: u64,
    /// Frames that wait at a cut, oldest first.
    pub(super) held: VecDeque<Frame>,
    /// Since when the sender has lacked an acknowledgement.
    pub(super) stalled_since: Option<u64>,
    /// Bytes delivered since acknowledgements stopped.
    pub(super) unacknowledged: usize,
    /// A retransmission that will find the way mended is under way.
    pub(super) resuming: bool,
}

/// What travels. Bytes of streams lie in their [`Pipe`]; a frame knows how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The dialler's last step: the other side may accept.
    Accept,
    Open {
        stream: u32,
    },
    Data {
        stream: u32,
        length: u32,
    },
    Finish {
        stream: u32,
    },
    Reset {
        stream: u32,
    },
    Close,
}

/// A stream: a pipe in each direction.
#[derive(Default)]
pub(super) struct Stream {
    /// Pipe `d` carries what side `d` writes.
    pub(super) pipes: [Pipe; 2],
    /// Which sides hold it.
    pub(super) owned: [bool; 2],
    /// Frames of this stream under way: while there are any, its number is not given again.
    pub(super) under_way: u32,
}

/// The streams of a connection by number.
#[derive(Default)]
pub(super) struct Streams {
    all: Vec<Option<Box<Stream>>>,
    free: Vec<u32>,
}

impl Streams {
    /// A new stream's number; nothing when there are too many.
    pub(super) fn add(&mut self) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            self.all[number as usize] = Some(Box::default());
            return Some(number);
        }
        if self.all.len() >= STREAMS {
            return None;
        }
        self.all.push(Some(Box::default()));
        Some(self.all.len() as u32 - 1)
    }

    pub(super) fn get(&mut self, number: u32) -> Option<&mut Stream> {
        self.all.get_mut(number as usize)?.as_deref_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn iter(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut().filter_map(|stream| stream.as_deref_mut())
    }

    /// Gives the number of a stream back that nobody holds and for which nothing is under way.
    pub(super) fn settle(&mut self, number: u32) {
        if let Some(slot) = self.all.get_mut(number as usize)
            && slot.as_ref().is_some_and(|stream| stream.under_way == 0 && stream.owned == [false, false])
        {
            *slot = None;
            self.free.push(number);
        }
    }
}

impl Direction {
    /// Holds a frame, joined to the last when both are bytes of one stream.
    pub(super) fn hold(&mut self, frame: Frame) -> bool {
        if let (Some(Frame::Data { stream, length }), Frame::Data { stream: same, length: more }) =
            (self.held.back_mut(), frame)
            && *stream == same
        {
            *length += more;
            return true;
        }
        self.held.push_back(frame);
        false
    }
}

/// All connections.
#[derive(Default)]
pub(super) struct Connections {
    all: Vec<Option<(u32, Box<Connection>)>>,
    free: Vec<u32>,
    next: u32,
}

impl Connections {
    pub(super) fn add(&mut self, connection: Connection) -> ConnectionId {
        let serial = self.next;
        self.next += 1;
        let slot = Some((serial, Box::new(connection)));
        let index = match self.free.pop() {
            Some(index) => {
                self.all[index as usize] = slot;
                index
            }
            None => {
                self.all.push(slot);
                self.all.len() as u32 - 1
            }
        };
        ConnectionId { index, serial }
    }

    pub(super) fn get(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        match self.all.get_mut(id.index as usize) {
            Some(Some((serial, connection))) if *serial == id.serial => Some(connection),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        self.get(id)?;
        self.free.push(id.index);
        self.all[id.index as usize].take().map(|(_, connection)| connection)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len() - self.free.len()
    }
}
