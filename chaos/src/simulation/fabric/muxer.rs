//! A muxer: one side of a connection as libp2p sees it at the fidelity `memory`, where streams need no protocol.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use super::Fabric;
use super::connection::{ConnectionId, Frame, Life};
use super::dialling::wait;
use super::stream::FabricStream;

/// One side's hold on a connection.
pub(super) struct FabricMuxer {
    pub(super) fabric: Fabric,
    pub(super) connection: ConnectionId,
    pub(super) side: usize,
}

impl FabricMuxer {
    fn stream(&self, number: u32) -> FabricStream {
        FabricStream {
            fabric: self.fabric.clone(),
            connection: self.connection,
            side: self.side,
            number,
            finished: false,
            whole: false,
        }
    }
}

impl StreamMuxer for FabricMuxer {
    type Substream = FabricStream;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<FabricStream>> {
        let accepted = self.fabric.with(|state| {
            let Some(connection) = state.connections.get(self.connection) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted));
            };
            let side = &mut connection.sides[self.side];
            if let Some(number) = side.inbound.pop_front() {
                if let Some(stream) = connection.streams.get(number) {
                    stream.owned[self.side] = true;
                }
                return Poll::Ready(Ok(number));
            }
            if let Life::Ended(reason) = side.life {
                return Poll::Ready(Err(reason));
            }
            wait(&mut side.accepting, context);
            Poll::Pending
        });
        accepted.map(|accepted| accepted.map(|number| self.stream(number)).map_err(io::Error::from))
    }

    fn poll_outbound(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<FabricStream>> {
        let opened = self.fabric.with(|state| {
            let connection = state.connections.get(self.connection).ok_or(ErrorKind::ConnectionAborted)?;
            if let Life::Ended(reason) = connection.sides[self.side].life {
                return Err(reason);
            }
            let number = connection.streams.add().ok_or(ErrorKind::OutOfMemory)?;
            if let Some(stream) = connection.streams.get(number) {
                stream.owned[self.side] = true;
            }
            state.send(self.connection, self.side, Frame::Open { stream: number }, &[]);
            Ok(number)
        });
        Poll::Ready(opened.map(|number| self.stream(number)).map_err(io::Error::from))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fabric.with(|state| state.close_side(self.connection, self.side));
        Poll::Ready(Ok(()))
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        self.fabric.with(|state| {
            let Some(connection) = state.connections.get(self.connection) else {
                return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
            };
            let side = &mut connection.sides[self.side];
            if let Life::Ended(reason) = side.life {
                return Poll::Ready(Err(reason.into()));
            }
            wait(&mut side.watching, context);
            Poll::Pending
        })
    }
}

impl Drop for FabricMuxer {
    fn drop(&mut self) {
        self.fabric.with(|state| state.release(self.connection, self.side));
    }
}
