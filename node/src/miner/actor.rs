//! Miner, the actor. Mempool tells it templates, the door its hash rate.
//! It tells Ledger the blocks it finds, and Mempool whether it needs templates.

use std::sync::Arc;

use actix::{Actor, Context, Handler};

use crate::chain::Rules;
use crate::clock::Clock;
use crate::config::MiningConfig;
use crate::control::Event;
use crate::messages::ToMiner;
use crate::ring::Ring;

/// What a miner is made of.
pub struct Parts {
    /// The chain it extends.
    pub rules: Arc<Rules>,
    /// How it mines.
    pub mining: MiningConfig,
    /// The other actors.
    pub ring: Ring,
    /// What time it puts into headers.
    pub clock: Clock,
    /// Seed of its draws and of its extranonce; differs between nodes.
    pub chance: u64,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

/// Finds blocks.
pub struct Miner {
    _parts: Parts,
}

impl Miner {
    /// A miner that waits for its first template.
    pub fn new(parts: Parts) -> Self {
        Self { _parts: parts }
    }
}

impl Actor for Miner {
    type Context = Context<Self>;
}

impl Handler<ToMiner> for Miner {
    type Result = ();

    fn handle(&mut self, _message: ToMiner, _context: &mut Context<Self>) {}
}
