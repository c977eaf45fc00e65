//! Forgets freed transactions: pools that are not told what a reorganisation freed. Payments that one half of a cluster
//! confirmed are gone after it meets the other, and `no_lost_confirmed` misses them.

use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::experiment::{Check, Expectation, Experiment};
use schism_node::messages::{Source, ToMempool};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

use super::{Mutant, scene, sieve};

pub const MUTANT: Mutant = Mutant {
    name: "forgets_freed_transactions",
    red: "no_lost_confirmed",
    mutation: || Arc::new(ForgetsFreed),
    play: |mutation| scene::experiment("partition-heals.yaml", mutation, ask_for_the_confirmed),
    experiment: false,
};

/// Asks whether what was confirmed is lost. Not whether payments work: what spends a lost one's change cannot.
fn ask_for_the_confirmed(experiment: &mut Experiment) {
    experiment.finally.retain(|expectation| matches!(expectation.check, Check::Converged { .. }));
    experiment.finally.push(Expectation { of: None, check: Check::NoLostConfirmed { depth: 1 } });
}

#[derive(Debug)]
struct ForgetsFreed;

impl Mutation for ForgetsFreed {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        // What the door submitted is the node's own too, but somebody waits for the answer.
        let freed =
            |message: &ToMempool| matches!(message, ToMempool::Candidate { source: Source::Own, answer: None, .. });
        let mempool = sieve::before(ring.mempool, spawner, move |message| (!freed(&message)).then_some(message));
        Ring { mempool, ..ring }
    }
}
