//! A stage: one life of one node as one task of the runtime, which polls the node's futures in the order in which
//! they were woken.
//!
//! Futures may be bound to the thread, while the handles to a stage must be able to travel (libp2p demands it): so
//! the futures lie in a place of the thread, under the stage's number, and the rest is shared.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Performer;
use super::futures::{Futures, Wakeup};
use super::mishap::Mishap;
use super::work::{Budget, WorkPrices};
use crate::simulation::{NodeIndex, clock};

/// Polls of one node in a row before the others get their turn.
const TURN: usize = 128;

/// The part of a life that may travel.
pub(super) struct Stage {
    number: u64,
    performer: Performer,
    mishap: Mishap,
    budget: Budget,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Futures to poll, first woken first.
    woken: VecDeque<Arc<Wakeup>>,
    /// The runtime's task of this stage.
    task: Option<Waker>,
    /// Whether that task knows it has something to do.
    called: bool,
    frozen: bool,
    /// Wakes that came while frozen.
    withheld: u64,
    closed: bool,
}

/// Stages by number, so that dropping them all happens in one order.
type Stages = BTreeMap<u64, (Arc<Stage>, Rc<Futures>)>;

thread_local! {
    /// The stages of this thread.
    static STAGES: RefCell<Stages> = const { RefCell::new(BTreeMap::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
    /// Whose future is being polled.
    static ON_STAGE: Cell<Option<NodeIndex>> = const { Cell::new(None) };
}

/// The node whose future this thread is polling right now: who says what is being logged.
pub fn on_stage() -> Option<NodeIndex> {
    ON_STAGE.get()
}

/// Closes every stage of this thread, while the runtime they lean on still stands.
pub(in crate::simulation) fn drop_everything() {
    let stages: Vec<_> = STAGES.with_borrow(|stages| stages.values().map(|(stage, _)| stage.clone()).collect());
    stages.iter().for_each(|stage| stage.close());
}

impl Stage {
    pub(super) fn open(performer: Performer, prices: Option<WorkPrices>, mishap: Mishap) -> Arc<Self> {
        let number = NEXT.replace(NEXT.get() + 1);
        let budget = Budget::new(prices);
        let stage = Arc::new(Self { number, performer, mishap, budget, queue: Mutex::default() });
        let futures = Rc::<Futures>::default();
        STAGES.with_borrow_mut(|stages| stages.insert(number, (stage.clone(), futures.clone())));
        #[expect(clippy::disallowed_methods, reason = "this is what the spawner spawns on")]
        actix::spawn(Play { stage: stage.clone(), futures, pause: None });
        stage
    }

    pub(super) fn add(self: &Arc<Self>, future: impl Future<Output = ()> + 'static) {
        if self.lock().closed {
            return;
        }
        let futures = STAGES.with_borrow(|stages| stages.get(&self.number).map(|(_, futures)| futures.clone()));
        let futures = futures.expect("a node's futures are spawned on the simulation's thread");
        futures.insert(self, Box::pin(future)).wake();
    }

    pub(super) fn close(&self) {
        {
            let mut queue = self.lock();
            queue.closed = true;
            queue.call();
        }
        let futures = STAGES.with_borrow_mut(|stages| stages.remove(&self.number));
        // What is being polled is not among them: it goes when its poll returns.
        if let Some((_, futures)) = futures {
            futures.clear();
        }
        let woken = mem::take(&mut self.lock().woken);
        drop(woken);
    }

    /// Puts a future that was woken behind those woken before.
    pub(super) fn queue(&self, wakeup: &Arc<Wakeup>) {
        let mut queue = self.lock();
        if !queue.closed {
            queue.withheld += u64::from(queue.frozen);
            queue.woken.push_back(wakeup.clone());
            queue.call();
        }
    }

    pub(super) fn freeze(&self, frozen: bool) {
        let mut queue = self.lock();
        queue.frozen = frozen;
        queue.call();
    }

    pub(super) fn withheld(&self) -> u64 {
        self.lock().withheld
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn futures(&self) -> usize {
        STAGES.with_borrow(|stages| stages.get(&self.number).map_or(0, |(_, futures)| futures.count()))
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Has the runtime poll the stage, unless it will anyway.
    fn call(&mut self) {
        if !self.called
            && let Some(task) = &self.task
        {
            self.called = true;
            task.wake_by_ref();
        }
    }
}

/// The runtime's task of one stage.
struct Play {
    stage: Arc<Stage>,
    futures: Rc<Futures>,
    /// Until the node has paid for what it computed.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Future for Play {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.stage.lock().attend(context.waker());
        let now = clock::elapsed();
        for _ in 0..TURN {
            if let Some(pause) = self.stage.budget.pause(now) {
                return self.pause(Instant::now() + pause, context);
            }
            let wakeup = {
                let mut queue = self.stage.lock();
                if queue.closed {
                    return Poll::Ready(());
                }
                if queue.frozen {
                    return Poll::Pending;
                }
                queue.woken.pop_front()
            };
            match wakeup {
                Some(wakeup) => self.poll_one(wakeup),
                None => return Poll::Pending,
            }
        }
        self.stage.lock().call();
        Poll::Pending
    }
}

impl Play {
    fn pause(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if pause.deadline() != until {
            pause.as_mut().reset(until);
        }
        if pause.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
        // A node that is killed while it computes is called, and its stage then ends here.
        if self.stage.is_closed() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_one(&self, wakeup: Arc<Wakeup>) {
        let Some(mut future) = self.futures.lend(&wakeup) else { return };
        let index = wakeup.index;
        let waker = Waker::from(wakeup);
        ON_STAGE.set(Some(self.stage.performer.node));
        let polled = catch_unwind(AssertUnwindSafe(|| {
            // tokio's budget is meant for one task, not for all of a node.
            let future = std::pin::pin!(unconstrained(future.as_mut()));
            future.poll(&mut Context::from_waker(&waker))
        }));
        ON_STAGE.set(None);
        match polled {
            Ok(Poll::Pending) => self.futures.take_back(index, future),
            Ok(Poll::Ready(())) => {
                self.futures.remove(index);
                drop(future);
            }
            Err(payload) => {
                self.stage.mishap.report(&self.stage.performer, payload.as_ref());
                self.stage.close();
            }
        }
    }
}

impl Queue {
    /// Notes who polls the stage, and that it does now.
    fn attend(&mut self, task: &Waker) {
        self.called = false;
        if !self.task.as_ref().is_some_and(|known| known.will_wake(task)) {
            self.task = Some(task.clone());
        }
    }
}
