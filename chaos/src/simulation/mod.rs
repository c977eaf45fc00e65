//! A simulation: real nodes, actix and libp2p included, on one thread and a virtual clock. Same seed, same trace.
//!
//! - [`runtime`]: [`simulate`] starts one, after it has checked itself.
//! - [`clock`]: time and randomness as one thread sees them; the one module with unsafe code.
//! - [`fabric`]: the network in memory, which obeys a [`Link`](crate::Link) per direction.
//! - [`spawner`]: runs one node's futures; kill is dropping them, freeze is not polling them.
//! - [`verifier`]: signature checks, remembered for all nodes of one simulation.
//! - [`trace`]: a chained hash over everything that happened, and the first difference between two runs.
//! - [`worker`]: one simulation per process, so many seeds are many processes.

pub mod chance;
pub mod clock;
#[cfg(test)]
mod determinism;
pub mod fabric;
pub mod runtime;
mod self_check;
pub mod spawner;
pub mod trace;
pub mod verifier;
pub mod worker;

pub use clock::Stopwatch;
pub use fabric::{Counters, Fabric, Fidelity, NodeIndex};
pub use runtime::{Failure, Finished, Settings, Simulation, simulate};
pub use spawner::{NodeSpawner, WorkPrices, on_stage};
pub use trace::{Recorder, compare};
pub use verifier::Memo;
