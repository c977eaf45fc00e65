//! What is true of the fabric: told with two or three transports and nothing above them, on a paused clock.

mod cuts;
mod dialling;
mod endings;
mod links;

use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, poll_fn, select};
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::PeerId;
use libp2p::core::Transport as _;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::{Endpoint, transport::Boxed};
use libp2p::identity::Keypair;
use tokio::time::{Instant, sleep};

use super::{Counters, Fabric, Fidelity, NodeIndex, Patience};
use crate::link::Link;
use crate::simulation::trace::Recorder;

const A: NodeIndex = NodeIndex(1);
const B: NodeIndex = NodeIndex(2);

type Transport = Boxed<(PeerId, StreamMuxerBox)>;

/// A fabric with a running pump, and links of 10 ms.
fn fabric() -> Fabric {
    let fabric = Fabric::new(7, Patience::default(), Recorder::new());
    fabric.set_default_link(Link::with_latency(Duration::from_millis(10)));
    #[expect(clippy::disallowed_methods, reason = "the fabric belongs to no node")]
    tokio::spawn(fabric.pump());
    fabric
}

fn transport(fabric: &Fabric, node: NodeIndex) -> Transport {
    fabric.transport(node, &Keypair::generate_ed25519(), Fidelity::Memory)
}

fn listening(fabric: &Fabric, node: NodeIndex) -> Transport {
    let mut transport = transport(fabric, node);
    transport.listen_on(ListenerId::next(), node.address()).unwrap();
    transport
}

type Dialled = Result<(PeerId, StreamMuxerBox), std::io::Error>;

async fn dial(transport: &mut Transport, to: NodeIndex) -> Dialled {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    transport
        .dial(to.address(), options)
        .map_err(|error| match error {
            TransportError::Other(error) => error,
            TransportError::MultiaddrNotSupported(_) => ErrorKind::Unsupported.into(),
        })?
        .await
}

async fn accept(transport: &mut Transport) -> StreamMuxerBox {
    loop {
        let event = poll_fn(|context| std::pin::Pin::new(&mut *transport).poll(context)).await;
        if let TransportEvent::Incoming { upgrade, .. } = event {
            return upgrade.await.unwrap().1;
        }
    }
}

/// Two muxers, connected: the dialler's and the listener's.
async fn connected(fabric: &Fabric) -> (StreamMuxerBox, StreamMuxerBox, Transport) {
    let (mut from, mut to) = (transport(fabric, A), listening(fabric, B));
    let (dialled, accepted) = futures::join!(dial(&mut from, B), accept(&mut to));
    (dialled.unwrap().1, accepted, to)
}

/// A stream from A to B over a fresh connection, with the muxers that keep it alive.
async fn streaming(fabric: &Fabric) -> (SubstreamBox, SubstreamBox, (StreamMuxerBox, StreamMuxerBox, Transport)) {
    let (mut ours, mut theirs, listener) = connected(fabric).await;
    let opened = poll_fn(|context| ours.poll_outbound_unpin(context)).await.unwrap();
    let accepted = poll_fn(|context| theirs.poll_inbound_unpin(context)).await.unwrap();
    (opened, accepted, (ours, theirs, listener))
}

async fn read(stream: &mut SubstreamBox, length: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = vec![0; length];
    stream.read_exact(&mut buffer).await.map_err(|error| error.kind())?;
    Ok(buffer)
}

fn ended(muxer: &mut StreamMuxerBox) -> Option<String> {
    match muxer.poll_unpin(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(Err(error)) => Some(error.to_string()),
        _ => None,
    }
}

/// What a dial failed of: a boxed transport wraps the reason.
fn reason(dialled: Dialled) -> ErrorKind {
    let error = dialled.expect_err("the dial fails");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    inner.unwrap_or(error.kind())
}

async fn seconds(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}

fn cut_both(fabric: &Fabric) {
    fabric.cut(A, B);
    fabric.cut(B, A);
}

fn mend_both(fabric: &Fabric) {
    fabric.mend(A, B);
    fabric.mend(B, A);
}
