//! Mempool, the actor. Network and Ledger tell it candidates, tips and compact blocks; Miner whether it mines.
//! It tells Ledger blocks it rebuilt, Network verdicts and wants, Miner templates.

use std::sync::Arc;

use actix::{Actor, Context, Handler};

use crate::chain::Rules;
use crate::control::Event;
use crate::messages::ToMempool;
use crate::ring::Ring;
use crate::surroundings::{Verifier, VirtualWork};

/// What a mempool is made of.
pub struct Parts {
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// The other actors.
    pub ring: Ring,
    /// Checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// What checks cost.
    pub work: Arc<dyn VirtualWork>,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

/// Keeps unconfirmed transactions.
pub struct Mempool {
    _parts: Parts,
}

impl Mempool {
    /// An empty pool; it judges nothing before it is told a tip.
    pub fn new(parts: Parts) -> Self {
        Self { _parts: parts }
    }
}

impl Actor for Mempool {
    type Context = Context<Self>;
}

impl Handler<ToMempool> for Mempool {
    type Result = ();

    fn handle(&mut self, _message: ToMempool, _context: &mut Context<Self>) {}
}
