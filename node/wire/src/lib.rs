//! The wire: what a node says to its peers and how, over libp2p. It knows bytes, peers and connections, but no ledger:
//! whether an item is good is told to it ([`Wire::judge`]).
//!
//! A package of its own, because it holds the combined behaviour: who names that pays seconds of compilation.

mod words;

pub use libp2p::identity::Keypair;
pub use libp2p::{Multiaddr, PeerId};
pub use words::{Announcement, AskId, ItemId, Request, Response};

/// How bytes reach peers: an authenticated, multiplexed connection to a [`PeerId`].
pub type Transport = libp2p::core::transport::Boxed<(PeerId, libp2p::core::muxing::StreamMuxerBox)>;
