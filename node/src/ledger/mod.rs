//! The ledger: the block tree, its best chain, and the coins that chain leaves unspent.

pub mod blocks;
pub mod coins;
pub mod frames;
pub mod store;
pub mod tree;
pub mod validate;
