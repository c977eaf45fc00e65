//! One node of a peer-to-peer ledger with Bitcoin's formats: four actors that tell each other what happened.
//!
//! ```text
//! wire ⇄ Network ═══▶ Ledger ═══▶ Mempool ═══▶ Miner      forward: what is to be judged, and what follows from it
//!           ▲          │  ▲          │           │
//!           ├─ verdict ┘  └──────────│── block ──┘         a mined block enters where every block enters
//!           └─────── verdict ────────┘                      back: exactly one verdict for every item
//! ```
//!
//! - [`chain`]: plain data and rules. No actor, no async, no disk.
//! - [`ledger`], [`mempool`], [`miner`], [`network`]: the actors. `actor.rs` is messages in, messages out; the nouns
//!   beside it hold the logic and know neither actix nor async.
//! - [`messages`]: every message between them, on one page.
//! - [`control`]: the only door from outside, `Question` → `Answer`, and the stream of `Event`s.
//! - [`surroundings`]: what a node stands in: transport, store, clock, chance, spawner, verifier, events.
//! - [`bounds`]: every limit on what a peer can fill.
//! - [`node`]: the one place that wires the four.

pub mod bounds;
pub mod chain;
pub mod clock;
pub mod config;
pub mod control;
pub mod ledger;
mod log;
pub mod mempool;
pub mod messages;
pub mod miner;
pub mod network;
pub mod node;
#[cfg(test)]
pub(crate) mod recorder;
pub mod ring;
pub mod surroundings;

pub use config::NodeConfig;
pub use node::Node;
/// The wire's words, for those who start nodes.
pub use schism_wire as wire;
pub use surroundings::Surroundings;
