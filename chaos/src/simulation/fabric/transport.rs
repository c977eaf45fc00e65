//! The transport: how libp2p listens and dials in the fabric.

use std::future::{Future, Ready, ready};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use super::connection::ConnectionId;
use super::dialling::wait;
use super::host::Listener;
use super::muxer::FabricMuxer;
use super::stream::FabricStream;
use super::{Fabric, Fidelity, NodeIndex};

pub(super) fn boxed(
    fabric: &Fabric,
    node: NodeIndex,
    identity: &Keypair,
    fidelity: Fidelity,
) -> schism_wire::Transport {
    let peer = identity.public().to_peer_id();
    let transport = FabricTransport { fabric: fabric.clone(), node, peer, listener: None };
    match fidelity {
        Fidelity::Memory => transport.map(|socket, _| socket.multiplexed()).boxed(),
        Fidelity::Wire => schism_wire::over(transport.map(|socket, _| socket.byte_stream()), identity, 1.0),
    }
}

/// A node's way into the fabric.
struct FabricTransport {
    fabric: Fabric,
    node: NodeIndex,
    /// Who listens and dials with it: several may live at one place.
    peer: PeerId,
    listener: Option<ListenerId>,
}

/// One side of a fresh connection, before it is decided how to use it.
struct Socket {
    fabric: Fabric,
    connection: ConnectionId,
    side: usize,
    /// Who is at the other end.
    peer: PeerId,
    /// Whether something else holds the connection now.
    passed_on: bool,
}

impl Socket {
    fn new(fabric: &Fabric, connection: ConnectionId, side: usize) -> io::Result<Self> {
        let peer = fabric.with(|state| {
            let known = state.connections.get(connection)?;
            let (dialler, listens) = (known.dialler, known.ends[1]);
            if side == 1 { Some(dialler) } else { state.host(listens).peer }
        });
        match peer {
            Some(peer) => Ok(Self { fabric: fabric.clone(), connection, side, peer, passed_on: false }),
            None => Err(ErrorKind::ConnectionAborted.into()),
        }
    }

    fn multiplexed(mut self) -> (PeerId, StreamMuxerBox) {
        self.passed_on = true;
        let muxer = FabricMuxer { fabric: self.fabric.clone(), connection: self.connection, side: self.side };
        (self.peer, StreamMuxerBox::new(muxer))
    }

    fn byte_stream(mut self) -> FabricStream {
        self.passed_on = true;
        self.fabric.with(|state| {
            let Some(connection) = state.connections.get(self.connection) else { return };
            // The first of the two sides makes the one stream, and both hold it from then on.
            if connection.streams.is_empty()
                && connection.streams.add().is_some()
                && let Some(stream) = connection.streams.get(0)
            {
                stream.owned = [true, true];
            }
        });
        FabricStream {
            fabric: self.fabric.clone(),
            connection: self.connection,
            side: self.side,
            number: 0,
            finished: false,
            whole: true,
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.passed_on {
            self.fabric.with(|state| state.release(self.connection, self.side));
        }
    }
}

/// A dial under way. It begins when it is first polled.
struct Dial {
    fabric: Fabric,
    from: NodeIndex,
    peer: PeerId,
    to: NodeIndex,
    connection: Option<ConnectionId>,
}

impl Future for Dial {
    type Output = io::Result<Socket>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (from, peer, to) = (self.from, self.peer, self.to);
        let connection = match self.connection {
            Some(connection) => connection,
            None => {
                let connection = self.fabric.with(|state| state.dial(from, peer, to));
                *self.connection.insert(connection)
            }
        };
        match self.fabric.with(|state| state.poll_dial(connection, context)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(reason)) => Poll::Ready(Err(reason.into())),
            Poll::Ready(Ok(())) => {
                self.connection = None;
                Poll::Ready(Socket::new(&self.fabric, connection, 0))
            }
        }
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if let Some(connection) = self.connection {
            self.fabric.with(|state| state.release(connection, 0));
        }
    }
}

impl Transport for FabricTransport {
    type Output = Socket;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Socket>>;
    type Dial = Dial;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        if !matches!(address.iter().next(), Some(libp2p::multiaddr::Protocol::Ip4(_))) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        if self.listener.is_some() {
            return Err(TransportError::Other(ErrorKind::AddrInUse.into()));
        }
        self.listener = Some(id);
        let listener = Listener { id, announced: false, incoming: Default::default(), waker: None };
        self.fabric.with(|state| {
            let host = state.host(self.node);
            (host.peer, host.listener) = (Some(self.peer), Some(listener));
        });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        if self.listener != Some(id) {
            return false;
        }
        self.listener = None;
        self.fabric.with(|state| {
            let host = state.host(self.node);
            // A second life may listen already when the first one's remains are dropped.
            if host.listener.as_ref().is_some_and(|listener| listener.id == id)
                && let Some(listener) = host.listener.take()
            {
                listener.incoming.into_iter().for_each(|connection| state.release(connection, 1));
            }
        });
        true
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Dial, TransportError<io::Error>> {
        match NodeIndex::at(&address) {
            None => Err(TransportError::MultiaddrNotSupported(address)),
            Some(to) if to == self.node => Err(TransportError::Other(ErrorKind::ConnectionRefused.into())),
            Some(to) => {
                Ok(Dial { fabric: self.fabric.clone(), from: self.node, peer: self.peer, to, connection: None })
            }
        }
    }

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let local_addr = self.node.address();
        let Some(listener_id) = self.listener else { return Poll::Pending };
        let incoming = self.fabric.with(|state| {
            let Some(listener) = &mut state.host(self.node).listener else { return Poll::Pending };
            if !listener.announced {
                listener.announced = true;
                return Poll::Ready(None);
            }
            match listener.incoming.pop_front() {
                Some(connection) => {
                    Poll::Ready(Some((connection, state.connections.get(connection).map(|c| c.ends[0]))))
                }
                None => {
                    wait(&mut listener.waker, context);
                    Poll::Pending
                }
            }
        });
        match incoming {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr: local_addr }),
            Poll::Ready(Some((connection, from))) => {
                let port = FIRST_PORT + (connection.serial % PORTS) as u16;
                let send_back_addr = from.unwrap_or(self.node).address_with_port(port);
                let upgrade = ready(Socket::new(&self.fabric, connection, 1));
                Poll::Ready(TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr })
            }
        }
    }
}

/// The ports diallers come from: the range that Linux takes them from.
const FIRST_PORT: u16 = 32_768;
const PORTS: u32 = 28_000;

impl Drop for FabricTransport {
    fn drop(&mut self) {
        if let Some(id) = self.listener {
            self.remove_listener(id);
        }
    }
}
