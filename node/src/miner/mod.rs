//! The miner: finds blocks on the template it was last told.

pub mod actor;

pub use actor::Miner;
