//! What holds for ledgers.

mod forge;
mod imports;
mod stories;

use std::sync::Arc;

use super::store::{Disk, Store};
use super::verifier::Inline;
use super::{Ledger, Opened};
use crate::chain::Rules;
use crate::surroundings::RealWork;

/// Later than any block of these tests.
const NOW: u32 = 4_000_000_000;

/// A ledger on this store.
fn open(rules: &Arc<Rules>, store: impl Store + 'static) -> Opened {
    Ledger::open(rules.clone(), Box::new(store), Arc::new(Inline), Arc::new(RealWork), NOW).expect("the store opens")
}

/// A ledger in memory.
fn ledger(rules: &Arc<Rules>) -> Ledger {
    open(rules, Disk::new().open()).ledger
}
