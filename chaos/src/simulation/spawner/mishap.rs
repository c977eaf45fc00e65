//! A mishap: a node's panic, which ends the run. The runtime would swallow it with the task and the run would pass.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Performer;
use crate::simulation::clock;

/// Where the first panic of a simulation's nodes is kept for its driver. Clones are handles to the same place.
#[derive(Clone, Default)]
pub struct Mishap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    first: Option<NodePanicked>,
    driver: Option<Waker>,
}

/// A node that panicked: a bug of ours, or of what it is built on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePanicked {
    /// Its name.
    pub node: String,
    /// Virtual time since the start.
    pub at: Duration,
    /// What it said, and where.
    pub message: String,
}

impl fmt::Display for NodePanicked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "node {} panicked at {:.3} s: {}", self.node, self.at.as_secs_f64(), self.message)
    }
}

impl Mishap {
    /// Waits for the first one.
    pub(in crate::simulation) async fn happens(&self) -> NodePanicked {
        poll_fn(|context| {
            let mut state = self.lock();
            match state.first.take() {
                Some(panicked) => Poll::Ready(panicked),
                None => {
                    state.driver = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(super) fn report(&self, performer: &Performer, payload: &(dyn Any + Send)) {
        let mut state = self.lock();
        if state.first.is_none() {
            state.first =
                Some(NodePanicked { node: performer.name.clone(), at: clock::elapsed(), message: message(payload) });
        }
        if let Some(driver) = state.driver.take() {
            driver.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Where this thread panicked last: the payload a catcher gets does not say.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Lets every thread remember where it panicked. The hook that was there still speaks.
pub(in crate::simulation) fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            let place = panicked.location().map(ToString::to_string);
            let _ = PLACE.try_with(|last| *last.borrow_mut() = place);
            before(panicked);
        }));
    });
}

/// What a panic said, and where when it happened on this thread.
pub(in crate::simulation) fn message(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(without words)".into());
    match PLACE.try_with(|place| place.borrow_mut().take()).ok().flatten() {
        Some(place) => format!("{said} ({place})"),
        None => said,
    }
}
