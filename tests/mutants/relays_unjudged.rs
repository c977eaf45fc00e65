//! Relays unjudged: nodes that pass a transaction on before it has been judged. An altered payment goes from one honest
//! node to the next, which bans it for that, and `only_liars_banned` sees it.

use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism_node::messages::{Announced, Source, ToLedger, ToNetwork, Verdict};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

use super::{Mutant, scene, sieve};

pub const MUTANT: Mutant = Mutant {
    name: "relays_unjudged",
    red: "only_liars_banned",
    mutation: || Arc::new(RelaysUnjudged),
    play: |mutation| scene::experiment("attacks/tampering.yaml", mutation, scene::shortly),
    experiment: true,
};

#[derive(Debug)]
struct RelaysUnjudged;

impl Mutation for RelaysUnjudged {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        let network = ring.network.clone();
        let ledger = sieve::before(ring.ledger.clone(), spawner, move |message| {
            if let ToLedger::CheckTransaction { transaction, source: source @ Source::Peer { .. } } = &message {
                let verdict = Verdict::Relay(Announced::Transaction(transaction.clone()));
                network.tell(ToNetwork::Verdict { source: *source, verdict });
            }
            Some(message)
        });
        Ring { ledger, ..ring }
    }
}
