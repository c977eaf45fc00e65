//! The wire: what a node says to its peers and how, over libp2p. It knows bytes, peers and connections, but no ledger:
//! whether an item is good is told to it ([`Wire::judge`]).
//!
//! A package of its own, because it holds the combined behaviour: who names that pays seconds of compilation.
//!
//! - `words`: what is said. `encoding`: as bytes, and back with nothing taken on trust. `limits`: how much of it.
//! - `gossip`, `codec`, `behaviour`: the protocols it is said with.
//! - `tcp`: the transport of real nodes; simulated ones bring their own.
//! - `wire`: the one thing a node holds. `event`: what that tells the node.

mod behaviour;
mod codec;
mod encoding;
mod event;
mod gossip;
pub mod limits;
mod tcp;
mod traffic;
mod wire;
mod words;

use std::time::Duration;

pub use encoding::{
    Malformed, decode_announcement, decode_request, decode_response, encode_announcement, encode_request,
    encode_response,
};
pub use event::{Event, Failure, GossipId, Judgement, Unpublished};
pub use libp2p::identity::Keypair;
pub use libp2p::{Multiaddr, PeerId};
pub use tcp::{over, tcp};
pub use wire::{Executor, Settings, Wire, chain_name};
pub use words::{Announcement, AskId, ItemId, Request, Response, Topic};

/// How bytes reach peers: an authenticated, multiplexed connection to a [`PeerId`].
pub type Transport = libp2p::core::transport::Boxed<(PeerId, libp2p::core::muxing::StreamMuxerBox)>;

/// How long a timer that is to take so long really takes, at this haste.
fn hurried(time: Duration, haste: f64) -> Duration {
    time.div_f64(haste)
}
