//! Forgets undo: nodes whose store does not remember well what an undone block had spent: coins come back with another
//! height and origin than they had. Half of a cluster reorganises, the other half does not, and `agreement` sees that
//! they stand on the same block with different coins.

use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint};
use schism::backend::mutation::Mutation;
use schism_node::Surroundings;
use schism_node::chain::Coin;
use schism_node::ledger::coins::Standing;
use schism_node::ledger::store::{HeaderRecord, Step, Store, StoreFailure, Undo};

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
        Surroundings { store: Box::new(Forgetful(surroundings.store)), ..surroundings }
    }
}

/// A store that is honest about everything but undo.
struct Forgetful(Box<dyn Store>);

impl Store for Forgetful {
    fn undo(&self, hash: &BlockHash) -> Result<Option<Undo>, StoreFailure> {
        // With another value the ledger's own sums would stop it, and a coinbase made later be immature.
        let otherwise = |coin: Coin| Coin { height: coin.height + 1, coinbase: false, ..coin };
        Ok(self.0.undo(hash)?.map(|undo| Undo(undo.0.into_iter().map(otherwise).collect())))
    }

    fn standing(&self) -> Result<Option<Standing>, StoreFailure> {
        self.0.standing()
    }

    fn headers(&self) -> Result<Vec<HeaderRecord>, StoreFailure> {
        self.0.headers()
    }

    fn bodies(&self) -> Result<Vec<BlockHash>, StoreFailure> {
        self.0.bodies()
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreFailure> {
        self.0.block(hash)
    }

    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, StoreFailure> {
        self.0.coin(outpoint)
    }

    fn each_coin(&self, show: &mut dyn FnMut(&OutPoint, &Coin) -> bool) -> Result<(), StoreFailure> {
        self.0.each_coin(show)
    }

    fn keep(&mut self, block: Arc<Block>) -> Result<Arc<Block>, StoreFailure> {
        self.0.keep(block)
    }

    fn step(&mut self, step: Step) -> Result<(), StoreFailure> {
        self.0.step(step)
    }

    fn sync(&mut self) -> Result<(), StoreFailure> {
        self.0.sync()
    }

    fn take_damage(&mut self) -> Option<String> {
        self.0.take_damage()
    }

    fn forget(&mut self) -> Result<(), StoreFailure> {
        self.0.forget()
    }
}
