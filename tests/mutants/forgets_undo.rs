//! Forgets undo: nodes whose store does not remember well what an undone block had spent: coins come back with another
//! height and origin than they had. Half of a cluster reorganises, the other half does not, and `agreement` sees that
//! they stand on the same block with different coins.

use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism_node::Surroundings;
use schism_node::chain::Coin;
use schism_node::ledger::store::Undo;

use super::store::{Lie, Lying};
use super::{Mutant, scene};

pub const MUTANT: Mutant = Mutant {
    name: "forgets_undo",
    red: "agreement",
    mutation: || Arc::new(ForgetsUndo),
    play: |mutation| scene::experiment("partition-heals.yaml", mutation, scene::as_it_is),
    experiment: true,
};

#[derive(Debug)]
struct ForgetsUndo;

impl Mutation for ForgetsUndo {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        Surroundings { store: Box::new(Lying(surroundings.store, Forgetful)), ..surroundings }
    }
}

/// Remembers coins otherwise than they were.
struct Forgetful;

impl Lie for Forgetful {
    fn undo(&self, undo: Option<Undo>) -> Option<Undo> {
        // With another value the ledger's own sums would stop it, and a coinbase made later be immature.
        let otherwise = |coin: Coin| Coin { height: coin.height + 1, coinbase: false, ..coin };
        undo.map(|undo| Undo(undo.0.into_iter().map(otherwise).collect()))
    }
}
