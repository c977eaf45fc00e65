//! Keeps the first: nodes whose ledger hears of no other block beside the first it was given of two with one parent. Halves
//! that an equivocator told of different blocks never meet again, and `common_prefix` sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::BlockHash;
use schism::backend::mutation::Mutation;
use schism_chaos::quantity::Length;
use schism_node::messages::ToLedger;
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

use super::{Mutant, scene, sieve};

pub const MUTANT: Mutant = Mutant {
    name: "keeps_the_first_of_two_blocks",
    red: "common_prefix",
    mutation: || Arc::new(KeepsTheFirst),
    play: |mutation| {
        scene::experiment("attacks/equivocation.yaml", mutation, |experiment| {
            experiment.duration = Some(Length::Blocks(40.0));
        })
    },
    experiment: true,
};

#[derive(Debug)]
struct KeepsTheFirst;

impl Mutation for KeepsTheFirst {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        let mut first: BTreeMap<BlockHash, BlockHash> = BTreeMap::new();
        let ledger = sieve::before(ring.ledger.clone(), spawner, move |message| {
            let ToLedger::CheckBlock { block, .. } = &message else { return Some(message) };
            let (hash, parent) = (block.block_hash(), block.header.prev_blockhash);
            (*first.entry(parent).or_insert(hash) == hash).then_some(message)
        });
        Ring { ledger, ..ring }
    }
}
