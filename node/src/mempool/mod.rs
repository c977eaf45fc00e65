//! The mempool: transactions that wait for a block, and what is made of them (templates, blocks told compactly).
//!
//! - [`pool`]: the transactions and the edges between them; [`admission`]: who comes in, and who leaves for it;
//!   [`rate`]: what they pay.
//! - [`lobby`]: the pool with what surrounds it, which judges candidates and by [`follow`] keeps up with the tip;
//!   [`orphans`], [`recent`].
//! - [`select`]: the transactions of a template. [`told`]: what the door is told of each.
//! - [`reconstruct`], [`compact`]: blocks told compactly.

pub mod actor;
pub mod admission;
pub mod compact;
pub mod follow;
pub mod lobby;
pub mod orphans;
pub mod pool;
pub mod rate;
pub mod recent;
pub mod reconstruct;
pub mod select;
pub mod told;

#[cfg(test)]
mod tests;

pub use actor::Mempool;
