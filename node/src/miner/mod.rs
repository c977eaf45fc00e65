//! The miner: finds blocks on the template it was last told.
//!
//! - [`work`]: a block being made, and the search for its nonce; [`draw`]: how long a search takes.
//! - [`session`]: blocks that the door wants mined at once.

pub mod actor;
pub mod draw;
pub mod session;
pub mod work;

#[cfg(test)]
mod tests;

pub use actor::Miner;
