//! A store: where a ledger is kept. Two kinds, one behaviour: memory for the simulation, files and sled for real runs.

/// Where a ledger is kept.
pub trait Store: Send {}
