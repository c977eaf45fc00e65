//! Faults: what can go wrong on purpose, when, to whom, and how it is undone.
//!
//! What a file says, as data: [`quantity`], [`selector`], [`fault`], [`schedule`]; the [`catalogue`] explains it.
//! What becomes of it in a run:
//!
//! - [`draw`]: which nodes a selector means, from the seed.
//! - [`effect`]: what a fault does to links and nodes; what a backend does and undoes.
//! - [`active`]: the effects in force, and what they add up to where they overlap.
//! - [`progress`]: how far a schedule has got, and what is due.
//! - [`evidence`]: what a fault left behind, and whether that proves it.
//! - [`gate`]: stands before one actor of a node.
//! - [`adversary`]: stands between a node's actors and misbehaves.
//!
//! And where it can be repeated:
//!
//! - [`link`]: one model of a way between two nodes, for every backend. [`lane`]: the same as arithmetic in real time.
//! - [`transport`]: TCP that obeys links inside libp2p, where the kernel does not do it.
//! - [`simulation`]: real nodes on a virtual clock: the clock, the fabric that carries their bytes, and the runtime.

pub mod active;
pub mod adversary;
pub mod catalogue;
pub mod draw;
pub mod effect;
pub mod evidence;
pub mod fault;
pub mod gate;
pub mod lane;
pub mod link;
pub mod progress;
pub mod quantity;
pub mod schedule;
pub mod selector;
pub mod simulation;
pub mod transport;

pub use link::Link;
