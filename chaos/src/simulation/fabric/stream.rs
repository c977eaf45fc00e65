//! A stream as its holder sees it: something to read from and write to.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

use super::Fabric;
use super::connection::{ConnectionId, Frame, Life};
use super::dialling::wait;

/// One side's hold on a stream.
pub(super) struct FabricStream {
    pub(super) fabric: Fabric,
    pub(super) connection: ConnectionId,
    pub(super) side: usize,
    pub(super) number: u32,
    /// Whether our direction has been finished.
    pub(super) finished: bool,
    /// Whether the stream is all there is of the connection, as over TCP.
    pub(super) whole: bool,
}

impl AsyncRead for FabricStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.fabric.with(|state| {
            let Some(connection) = state.connections.get(self.connection) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            let Some(stream) = connection.streams.get(self.number) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            let pipe = &mut stream.pipes[1 - self.side];
            let length = pipe.read(buffer);
            if length > 0 || buffer.is_empty() {
                state.woken.extend(pipe.writer.take());
                return Poll::Ready(Ok(length));
            }
            match pipe.end {
                Some(ErrorKind::UnexpectedEof) => Poll::Ready(Ok(0)),
                Some(reason) => Poll::Ready(Err(reason.into())),
                None => {
                    wait(&mut pipe.reader, context);
                    Poll::Pending
                }
            }
        })
    }
}

impl AsyncWrite for FabricStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        self.fabric.with(|state| {
            let Some(connection) = state.connections.get(self.connection) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            if let Life::Ended(reason) = connection.sides[self.side].life {
                return Poll::Ready(Err(written_to(reason).into()));
            }
            let Some(stream) = connection.streams.get(self.number) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            let pipe = &mut stream.pipes[self.side];
            if pipe.end == Some(ErrorKind::ConnectionReset) {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            let length = pipe.write(bytes);
            if length == 0 && !bytes.is_empty() {
                wait(&mut pipe.writer, context);
                return Poll::Pending;
            }
            let frame = Frame::Data { stream: self.number, length: length as u32 };
            state.send(self.connection, self.side, frame, &bytes[..length]);
            Poll::Ready(Ok(length))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            self.finished = true;
            let frame = Frame::Finish { stream: self.number };
            self.fabric.with(|state| state.send(self.connection, self.side, frame, &[]));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for FabricStream {
    fn drop(&mut self) {
        self.fabric.with(|state| {
            if self.whole {
                state.release(self.connection, self.side);
            } else {
                state.release_stream(self.connection, self.side, self.number, self.finished);
            }
        });
    }
}

/// Writing after the other side said goodbye breaks the pipe; other endings stay what they are.
fn written_to(reason: ErrorKind) -> ErrorKind {
    if reason == ErrorKind::UnexpectedEof { ErrorKind::BrokenPipe } else { reason }
}
