//! The ledger: the block tree, its best chain, and the coins that chain leaves unspent.

pub mod store;
