//! The network: a node's peers, what it tells them, what it asks of them, and who of them is believed.

pub mod actor;
pub mod admission;
pub mod book;
pub mod gossip;
pub mod inbound;
pub mod overlay;
pub mod peers;
pub mod reconcile;
pub mod sync;

pub use actor::Network;
