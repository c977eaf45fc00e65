//! TCP: the transport of real nodes. Noise authenticates and encrypts, yamux multiplexes.

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{Transport as Bare, noise, tcp, yamux};

use crate::{Transport, hurried};

/// What a dial and the handshakes above it may take, as in libp2p's own builder.
const UPGRADE: Duration = Duration::from_secs(10);

/// A way to peers over TCP, whose time-outs run at this haste. Needs a tokio runtime that watches sockets.
///
/// # Panics
/// Never: an identity can always sign its noise key.
pub fn tcp(identity: &Keypair, haste: f64) -> Transport {
    over(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)), identity, haste)
}

/// A way to peers over whatever carries bytes between them, whose time-outs run at this haste.
///
/// # Panics
/// Never: an identity can always sign its noise key.
pub fn over<T>(bare: T, identity: &Keypair, haste: f64) -> Transport
where
    T: Bare + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    bare.upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity).expect("an identity can sign its noise key"))
        .multiplex(yamux::Config::default())
        .timeout(hurried(UPGRADE, haste))
        .boxed()
}
