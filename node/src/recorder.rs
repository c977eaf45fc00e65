//! A recorder: stands where the neighbours of a tested actor would, and keeps what they were told.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Context, Handler, Message};

use crate::control::Event;
use crate::messages::{ToLedger, ToMempool, ToMiner, ToNetwork};
use crate::ring::{Door, Ring, Traced};
use crate::surroundings::Trace;

/// Keeps what one neighbour was told.
pub(crate) struct Recorder<M: Message<Result = ()> + Send + 'static> {
    told: Rc<RefCell<Vec<M>>>,
    door: Door<M>,
}

impl<M: Message<Result = ()> + Send + Traced + Unpin> Recorder<M> {
    /// Begins to listen; needs a runtime, see [`run`].
    pub(crate) fn start() -> Self {
        let told = Rc::new(RefCell::new(Vec::new()));
        let door = Door::of(Tape(told.clone()).start(), Trace::default());
        Self { told, door }
    }

    /// What was told since the last call, oldest first.
    pub(crate) fn take(&self) -> Vec<M> {
        self.told.take()
    }

    /// Where to tell it.
    pub(crate) fn door(&self) -> Door<M> {
        self.door.clone()
    }
}

/// Recorders in the place of all four actors.
pub(crate) struct Recorders {
    pub(crate) ledger: Recorder<ToLedger>,
    pub(crate) mempool: Recorder<ToMempool>,
    pub(crate) miner: Recorder<ToMiner>,
    pub(crate) network: Recorder<ToNetwork>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Recorders {
    /// Begins to listen; needs a runtime, see [`run`].
    pub(crate) fn start() -> Self {
        Self {
            ledger: Recorder::start(),
            mempool: Recorder::start(),
            miner: Recorder::start(),
            network: Recorder::start(),
            events: Arc::default(),
        }
    }

    /// The ring as the tested actor sees it.
    pub(crate) fn ring(&self) -> Ring {
        Ring {
            ledger: self.ledger.door(),
            mempool: self.mempool.door(),
            miner: self.miner.door(),
            network: self.network.door(),
        }
    }

    /// Where the tested actor emits events.
    pub(crate) fn listener(&self) -> Arc<dyn Fn(Event) + Send + Sync> {
        let events = self.events.clone();
        Arc::new(move |event| events.lock().expect("no test panics here").push(event))
    }

    /// Events since the last call, oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().expect("no test panics here"))
    }
}

/// Runs a story on a paused clock: time passes only while every actor waits for it.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime.expect("a runtime can be built"), story)
}

/// Lets `seconds` of virtual time pass.
pub(crate) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Lets every actor empty its mailbox: the shortest time passes only when none has anything left to do.
pub(crate) async fn settle() {
    pass(0.001).await;
}

/// Tells an actor something, and lets everyone come to rest.
pub(crate) async fn tell<A, M>(actor: &Addr<A>, message: M)
where
    A: Actor + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: MessageResponse<A, M> + Send,
{
    actor.do_send(message);
    settle().await;
}

/// The actor behind a recorder.
struct Tape<M>(Rc<RefCell<Vec<M>>>);

impl<M: Unpin + 'static> Actor for Tape<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Tape<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Context<Self>) {
        self.0.borrow_mut().push(message);
    }
}
