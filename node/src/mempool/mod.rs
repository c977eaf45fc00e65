//! The mempool: transactions that wait for a block, and what is made of them (templates, blocks told compactly).

pub mod actor;

pub use actor::Mempool;
