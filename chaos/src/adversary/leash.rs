//! A leash: what an adversary is told from outside its node, and what it shows of itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Message, Recipient};
use bitcoin::{BlockHash, OutPoint};

/// What an adversary is told.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub enum Signal {
    /// Begin: from this node's tip on, with a transaction of its own for these coins. What others do with them is not
    /// heard of meanwhile.
    Begin {
        /// Outputs that the payment spends and its conflict spends, too.
        spends: Vec<OutPoint>,
    },
    /// The payment counts as final: whoever was paid has handed over what was bought.
    Delivered {
        /// Blocks on the payment by then, its own included, whether they have come to the adversary's node or not.
        confirmations: u32,
    },
    /// The others follow the branch: there is nothing left to hold back.
    Rest,
}

/// What an adversary is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It behaves as everyone.
    #[default]
    Resting,
    /// It mines apart.
    Racing,
    /// It has told its branch and waits for the others to follow.
    Released,
}

/// What an adversary has done since its node was first started: the evidence that it was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deeds {
    /// What it is about now.
    pub phase: Phase,
    /// Times it began.
    pub begun: u64,
    /// Times it told its branch.
    pub released: u64,
    /// Times it gave up.
    pub given_up: u64,
    /// Its own blocks that it did not tell when they were found.
    pub withheld: u64,
    /// Blocks of others that it kept from its ledger.
    pub held_back: u64,
    /// Altered or useless things that it told others.
    pub told: u64,
    /// Blocks on its branch since it last began.
    pub branch: u32,
    /// Blocks that it knows of on the longest branch of the others since then.
    pub public: u32,
    /// Its blocks that made a tie, with a block of others at the same height, oldest first.
    pub ties: Vec<BlockHash>,
}

/// Holds an adversary; clones hold the same one. It outlives the node, as what drives the node does.
#[derive(Clone, Debug, Default)]
pub struct Leash(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    to: Option<Recipient<Signal>>,
    deeds: Deeds,
}

impl Leash {
    /// Tells the adversary something; one that does not run hears nothing.
    pub fn tell(&self, signal: Signal) {
        if let Some(to) = &self.lock().to {
            to.do_send(signal);
        }
    }

    /// What it is about.
    pub fn phase(&self) -> Phase {
        self.lock().deeds.phase
    }

    /// What it has done.
    pub fn deeds(&self) -> Deeds {
        self.lock().deeds.clone()
    }

    /// Changes what is known of its deeds.
    pub(super) fn note(&self, change: impl FnOnce(&mut Deeds)) {
        change(&mut self.lock().deeds);
    }

    pub(super) fn tie_to(&self, to: Recipient<Signal>) {
        self.lock().to = Some(to);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
