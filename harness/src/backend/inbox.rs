//! An inbox: events on their way from the nodes to whoever drives the cluster.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Heard;

/// Events in the order in which they were heard.
#[derive(Debug, Default)]
pub struct Inbox {
    heard: Mutex<VecDeque<Heard>>,
    arrived: Notify,
    interrupted: AtomicBool,
}

impl Inbox {
    /// Puts one at the end; from any thread.
    pub fn put(&self, heard: Heard) {
        self.lock().push_back(heard);
        self.arrived.notify_one();
    }

    /// Has whoever waits look up, though nothing was heard.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// The next one, or nothing when it is `deadline` first or somebody interrupts.
    pub async fn next(&self, deadline: Instant) -> Option<Heard> {
        loop {
            if let Some(heard) = self.take() {
                return Some(heard);
            }
            if self.interrupted.swap(false, Ordering::AcqRel) {
                return None;
            }
            tokio::select! {
                biased;
                () = self.arrived.notified() => {}
                () = sleep_until(deadline) => return self.take(),
            }
        }
    }

    fn take(&self) -> Option<Heard> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
