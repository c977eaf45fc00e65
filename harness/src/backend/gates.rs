//! The gates of one node: one before each of its actors, open unless a fault closes them.

use std::sync::Arc;

use schism_chaos::fault::Actor;
use schism_chaos::gate::{self, GateKeeper};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

/// Sets a node's gates and tells what they did, in all its lives.
#[derive(Clone, Debug, Default)]
pub struct Gates {
    network: GateKeeper,
    ledger: GateKeeper,
    mempool: GateKeeper,
    miner: GateKeeper,
}

impl Gates {
    /// The gate before one actor.
    pub fn keeper(&self, actor: Actor) -> &GateKeeper {
        match actor {
            Actor::Network => &self.network,
            Actor::Ledger => &self.ledger,
            Actor::Mempool => &self.mempool,
            Actor::Miner => &self.miner,
        }
    }

    /// Messages that were slowed, lost or held.
    pub fn touched(&self) -> u64 {
        self.all().into_iter().map(GateKeeper::touched).sum()
    }

    /// Messages that passed untouched.
    pub fn passed(&self) -> u64 {
        self.all().into_iter().map(GateKeeper::passed).sum()
    }

    /// Puts the gates into a ring. `chance` is the seed of what they drop.
    pub fn stand_in(&self, ring: Ring, chance: u64, spawner: &Arc<dyn Spawner>) -> Ring {
        Ring {
            network: gate::stand_before(ring.network, self.network.clone(), chance ^ 11, spawner),
            ledger: gate::stand_before(ring.ledger, self.ledger.clone(), chance ^ 12, spawner),
            mempool: gate::stand_before(ring.mempool, self.mempool.clone(), chance ^ 13, spawner),
            miner: gate::stand_before(ring.miner, self.miner.clone(), chance ^ 14, spawner),
        }
    }

    fn all(&self) -> [&GateKeeper; 4] {
        [&self.network, &self.ledger, &self.mempool, &self.miner]
    }
}
