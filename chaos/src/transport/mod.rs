//! A transport for real nodes that obeys links by itself, inside libp2p: TCP between addresses of the loopback, for
//! systems where the kernel cannot be told to cut, delay or lose. A node is handed it and knows of nothing.
//!
//! - this file: listening and dialling. [`ways`]: the links, and what they did. [`stream`]: one connection.
//!
//! It is weaker than a kernel's faults. A loss is only time; acknowledgements are the system's and cross a cut one way;
//! and a process that ends says so to the system, which tells its peers as soon as their link carries.

pub mod stream;
#[cfg(test)]
mod tests;
pub mod ways;

use std::future::{Future, Ready, poll_fn, ready};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{sleep, timeout};

use self::stream::Stream;
pub use self::ways::{Counted, Ways};

/// How long a dial may take: three SYNs and the wait after the last, as the kernel's patience has it.
const DIAL: Duration = Duration::from_secs(7);

/// A way to peers over TCP that obeys these links, from this address, whose time-outs run at this haste.
pub fn shaped(identity: &Keypair, from: Ipv4Addr, ways: &Ways, haste: f64) -> schism_wire::Transport {
    schism_wire::over(Shaped { from, ways: ways.clone(), listening: None }, identity, haste)
}

/// TCP that obeys links.
struct Shaped {
    from: Ipv4Addr,
    ways: Ways,
    listening: Option<Listening>,
}

struct Listening {
    id: ListenerId,
    socket: TcpListener,
    address: Multiaddr,
    announced: bool,
}

impl Transport for Shaped {
    type Output = Stream;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Stream>>;
    type Dial = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        let Some(place) = place(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        if self.listening.is_some() {
            return Err(TransportError::Other(ErrorKind::AddrInUse.into()));
        }
        let listen = || -> io::Result<(TcpListener, Multiaddr)> {
            let socket = TcpSocket::new_v4()?;
            // A node that returns listens where its last life did, whose connections may still be ending.
            socket.set_reuseaddr(true)?;
            socket.bind(place.into())?;
            let socket = socket.listen(1_024)?;
            let address = multiaddr(socket.local_addr()?);
            Ok((socket, address))
        };
        let (socket, address) = listen().map_err(TransportError::Other)?;
        self.listening = Some(Listening { id, socket, address, announced: false });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listening.take_if(|listening| listening.id == id).is_some()
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(to) = place(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        let (from, ways) = (self.from, self.ways.clone());
        Ok(Box::pin(async move {
            ways.hold_dial(*to.ip());
            let dial = async {
                let there_and_back = poll_fn(|context| ways.poll_both_carry(*to.ip(), context)).await;
                sleep(there_and_back).await;
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddrV4::new(from, 0).into())?;
                let stream = socket.connect(to.into()).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::new(stream, *to.ip(), ways.clone()))
            };
            timeout(DIAL, dial).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
        }))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let ways = self.ways.clone();
        let Some(listening) = &mut self.listening else { return Poll::Pending };
        let listener_id = listening.id;
        if !std::mem::replace(&mut listening.announced, true) {
            return Poll::Ready(TransportEvent::NewAddress { listener_id, listen_addr: listening.address.clone() });
        }
        match listening.socket.poll_accept(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(TransportEvent::ListenerError { listener_id, error }),
            Poll::Ready(Ok((socket, from))) => {
                let peer = match from {
                    SocketAddr::V4(from) => *from.ip(),
                    SocketAddr::V6(_) => Ipv4Addr::UNSPECIFIED, // nobody is there where we listen
                };
                let upgrade = ready(socket.set_nodelay(true).map(|()| Stream::new(socket, peer, ways)));
                let (local_addr, send_back_addr) = (listening.address.clone(), multiaddr(from));
                Poll::Ready(TransportEvent::Incoming { listener_id, upgrade, local_addr, send_back_addr })
            }
        }
    }
}

/// The place that an address names; nothing where it is another kind of address.
pub fn place(address: &Multiaddr) -> Option<SocketAddrV4> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(address)), Some(Protocol::Tcp(port))) => Some(SocketAddrV4::new(address, port)),
        _ => None,
    }
}

fn multiaddr(place: SocketAddr) -> Multiaddr {
    Multiaddr::from(place.ip()).with(Protocol::Tcp(place.port()))
}
