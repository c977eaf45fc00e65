//! What holds for ledgers.

mod actors;
mod bounds;
mod crashes;
mod damage;
mod forge;
mod imports;
mod laws;
mod mutants;
mod openings;
mod reasons;
mod stories;

use std::sync::Arc;

use bitcoin::Block;

use super::store::{Disk, Store};
use super::verifier::Inline;
use super::{Judgement, Ledger, Opened};
use crate::chain::Rules;
use crate::messages::Source;
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

fn give(ledger: &mut Ledger, block: &Arc<Block>) -> Judgement {
    ledger.accept_block(block.clone(), NOW, Source::Own).expect("the store works").judgement
}
