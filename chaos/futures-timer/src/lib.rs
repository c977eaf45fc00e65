//! A `Delay`: libp2p's one kind of timer, on tokio's clock instead of a thread of its own.
//!
//! The interface is futures-timer's; the body is ours. It has no mode: on an ordinary runtime it is an ordinary
//! timer, on a paused one it follows the virtual clock, so the same build serves simulated and real clusters.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Longer waits are shortened to this: tokio's clock overflows on `Duration::MAX`, and nobody waits 30 years.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// A future that is ready once a duration has passed since its creation or its last [`Delay::reset`].
pub struct Delay {
    deadline: Instant,
    /// Made at the first poll when no runtime was current at creation: a `Sleep` needs one.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// Starts to wait now; a wait above 30 years is shortened to that.
    pub fn new(duration: Duration) -> Self {
        let deadline = deadline(duration);
        let in_runtime = tokio::runtime::Handle::try_current().is_ok();
        Self { deadline, sleep: in_runtime.then(|| Box::pin(sleep_until(deadline))) }
    }

    /// Starts to wait anew, from now, whether or not it was ready.
    pub fn reset(&mut self, duration: Duration) {
        self.deadline = deadline(duration);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.deadline);
        }
    }
}

fn deadline(duration: Duration) -> Instant {
    Instant::now() + duration.min(FOREVER)
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline))).as_mut().poll(context)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Delay").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
