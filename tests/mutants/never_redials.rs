//! Never redials: nodes that get no new connection once the cluster stands. A partition outlasts the connections that
//! cross it, and when it heals `converged` waits in vain.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use schism::backend::mutation::Mutation;
use schism::experiment::{Check, Experiment};
use schism_node::Surroundings;
use schism_node::wire::Transport;
use tokio::time::Instant;

use super::{Mutant, scene};

/// By then every node has found its peers.
const DIALS_FOR: Duration = Duration::from_secs(40);

pub const MUTANT: Mutant = Mutant {
    name: "never_redials",
    red: "converged",
    mutation: || Arc::new(NeverRedials),
    play: |mutation| scene::experiment("partition-heals.yaml", mutation, ask_for_more_than_prefixes),
    experiment: false,
};

/// Takes a common prefix from what is asked: to that check a mended link connects, whether anyone dials or not.
fn ask_for_more_than_prefixes(experiment: &mut Experiment) {
    experiment.always.retain(|expectation| !matches!(expectation.check, Check::CommonPrefix { .. }));
}

#[derive(Debug)]
struct NeverRedials;

impl Mutation for NeverRedials {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        let tired = Tired { inner: surroundings.transport, until: Instant::now() + DIALS_FOR };
        Surroundings { transport: libp2p::Transport::boxed(tired), ..surroundings }
    }
}

/// A transport that refuses to dial after a while.
struct Tired {
    inner: Transport,
    until: Instant,
}

impl libp2p::Transport for Tired {
    type Output = <Transport as libp2p::Transport>::Output;
    type Error = io::Error;
    type ListenerUpgrade = <Transport as libp2p::Transport>::ListenerUpgrade;
    type Dial = <Transport as libp2p::Transport>::Dial;

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        if Instant::now() > self.until {
            return Err(TransportError::Other(ErrorKind::ConnectionRefused.into()));
        }
        self.inner.dial(address, options)
    }

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}
