//! A stream that obeys the link it comes in over: what has come from the system waits here until the link lets it go on.
//! What is written goes to the system at once; its way is the business of who reads it.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

use super::ways::Ways;

/// Bytes that wait here at most: the system's own buffers keep what is more, and then its sender.
const MOST_WAITING: usize = 1 << 20;
/// Bytes of one piece at most.
const PIECE: usize = 1 << 14;

/// A connection with a peer.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    peer: Ipv4Addr,
    ways: Ways,
    /// Pieces that have come and not gone on, the next to go first.
    waiting: VecDeque<Piece>,
    bytes: usize,
    /// How it ended, when that has come; it goes on behind everything else.
    ended: Option<Ended>,
    /// Wakes who reads when the next piece is due, or when a stall has lasted too long.
    timer: Option<Pin<Box<Sleep>>>,
    /// Since when a cut has kept what has come.
    stalled: Option<Duration>,
}

#[derive(Debug)]
struct Piece {
    content: Vec<u8>,
    /// How much of it was read.
    read: usize,
    came: Duration,
    due: Duration,
    held: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    how: Option<ErrorKind>,
    due: Duration,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, peer: Ipv4Addr, ways: Ways) -> Self {
        let (waiting, bytes) = (VecDeque::new(), 0);
        Self { socket, peer, ways, waiting, bytes, ended: None, timer: None, stalled: None }
    }

    /// Takes what the system has.
    fn take_in(&mut self, context: &mut Context<'_>) {
        while self.bytes < MOST_WAITING && self.ended.is_none() {
            let mut content = vec![0; PIECE];
            let mut buffer = ReadBuf::new(&mut content);
            let came = self.ways.now();
            let how = match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let length = buffer.filled().len();
                    content.truncate(length);
                    let (due, held) = self.ways.arrive(self.peer, length);
                    self.bytes += length;
                    self.waiting.push_back(Piece { content, read: 0, came, due, held });
                    continue;
                }
                Poll::Ready(Ok(())) => None,
                Poll::Ready(Err(error)) => Some(error.kind()),
            };
            self.ended = Some(Ended { how, due: self.ways.arrive(self.peer, 0).0 });
        }
    }

    /// Ready when it is this late.
    fn poll_due(&mut self, due: Duration, context: &mut Context<'_>) -> Poll<()> {
        if due <= self.ways.now() {
            return Poll::Ready(());
        }
        let moment = self.ways.moment(due);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(moment)));
        if timer.deadline() != moment {
            timer.as_mut().reset(moment);
        }
        timer.as_mut().poll(context)
    }

    /// Ready with an error when a cut has kept what has come for too long, never otherwise.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        if self.waiting.is_empty() && self.ended.is_none() {
            self.stalled = None;
            return Poll::Pending;
        }
        let now = self.ways.now();
        let since = *self.stalled.get_or_insert(now);
        ready!(self.poll_due(since + self.ways.stall(), context));
        Poll::Ready(ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.take_in(context);
        if this.ways.poll_carries(this.peer, context).is_pending() {
            return this.poll_stall(context).map(Err);
        }
        this.stalled = None;
        if let Some(due) = this.waiting.front().map(|piece| piece.due) {
            ready!(this.poll_due(due, context));
            let Some(piece) = this.waiting.front_mut() else { return Poll::Pending };
            let length = buffer.len().min(piece.content.len() - piece.read);
            buffer[..length].copy_from_slice(&piece.content[piece.read..piece.read + length]);
            piece.read += length;
            this.bytes -= length;
            if piece.read == piece.content.len()
                && let Some(piece) = this.waiting.pop_front()
            {
                this.ways.go_on(this.peer, piece.content.len(), piece.came, piece.due, piece.held);
            }
            return Poll::Ready(Ok(length));
        }
        let Some(Ended { how, due }) = this.ended else { return Poll::Pending };
        ready!(this.poll_due(due, context));
        Poll::Ready(how.map_or(Ok(0), |kind| Err(kind.into())))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
