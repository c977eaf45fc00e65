//! A gate: stands before one actor of a node and passes, slows, drops or holds what it is told.
//!
//! It is an actor of its own, put into the ring when the node starts, so that the honest actors know nothing of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Message};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schism_node::ring::{Door, Traced};
use schism_node::surroundings::{Spawner, Trace};
use serde::{Deserialize, Serialize};

/// What a gate does with messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passage {
    /// Lets them through at once.
    #[default]
    Open,
    /// Lets each through this much later, in order.
    Slow(Duration),
    /// Loses each with this probability.
    Drop(f64),
    /// Keeps them until it opens; then they go through in order. At most [`HELD`]; more are lost.
    Hold,
}

/// Messages a closed gate keeps: what Network admits at once is far less, so only a flood loses any.
pub const HELD: usize = 10_000;

/// Sets a gate from outside, and tells how many messages it has touched: the evidence of the fault.
#[derive(Clone, Debug, Default)]
pub struct GateKeeper(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    passage: Passage,
    touched: u64,
    passed: u64,
}

impl GateKeeper {
    /// Changes what the gate does from the next message on. A held message leaves when the next one comes, or at the
    /// gate's next look, once a second at the latest.
    pub fn set(&self, passage: Passage) {
        self.lock().passage = passage;
    }

    /// Messages slowed, lost or held so far.
    pub fn touched(&self) -> u64 {
        self.lock().touched
    }

    /// Messages that went through while it was open or spared them.
    pub fn passed(&self) -> u64 {
        self.lock().passed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts a gate before `door` and gives the door that leads to it. `chance` is the seed of what it drops.
pub fn stand_before<M>(door: Door<M>, keeper: GateKeeper, chance: u64, spawner: &Arc<dyn Spawner>) -> Door<M>
where
    M: Message<Result = ()> + Traced + Send + Unpin + 'static,
{
    let context = Context::<Gate<M>>::new();
    let address = context.address();
    let gate = Gate { door, keeper, chance: StdRng::seed_from_u64(chance), waiting: VecDeque::new() };
    spawner.spawn_local(Box::pin(context.into_future(gate)));
    // The message is traced once, where it enters the actor itself.
    Door::of(address, Trace::default())
}

struct Gate<M: Message<Result = ()> + Traced + Send + Unpin + 'static> {
    door: Door<M>,
    keeper: GateKeeper,
    chance: StdRng,
    /// Slowed or held, with when they may leave (held ones when the gate opens).
    waiting: VecDeque<(Option<tokio::time::Instant>, M)>,
}

impl<M: Message<Result = ()> + Traced + Send + Unpin + 'static> Actor for Gate<M> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(Duration::from_secs(1), |gate, _| gate.release());
    }
}

impl<M: Message<Result = ()> + Traced + Send + Unpin + 'static> Handler<M> for Gate<M> {
    type Result = ();

    fn handle(&mut self, message: M, context: &mut Self::Context) {
        let passage = self.keeper.lock().passage;
        match passage {
            Passage::Drop(share) if self.chance.random::<f64>() < share => self.keeper.lock().touched += 1,
            Passage::Open | Passage::Drop(_) => {
                self.keeper.lock().passed += 1;
                self.waiting.push_back((Some(tokio::time::Instant::now()), message));
            }
            Passage::Hold if self.waiting.len() < HELD => {
                self.keeper.lock().touched += 1;
                self.waiting.push_back((None, message));
            }
            Passage::Hold => self.keeper.lock().touched += 1,
            Passage::Slow(by) => {
                self.keeper.lock().touched += 1;
                self.waiting.push_back((Some(tokio::time::Instant::now() + by), message));
                context.run_later(by, |gate, _| gate.release());
            }
        }
        self.release();
    }
}

impl<M: Message<Result = ()> + Traced + Send + Unpin + 'static> Gate<M> {
    /// Lets through what may leave, in order.
    fn release(&mut self) {
        let holding = self.keeper.lock().passage == Passage::Hold;
        let now = tokio::time::Instant::now();
        while let Some((due, _)) = self.waiting.front() {
            let may_leave = match due {
                Some(due) => *due <= now,
                None => !holding,
            };
            if !may_leave {
                break;
            }
            if let Some((_, message)) = self.waiting.pop_front() {
                self.door.tell(message);
            }
        }
    }
}
