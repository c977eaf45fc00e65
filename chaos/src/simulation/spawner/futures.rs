//! The futures of one life, each with its right to be polled. They may be bound to the thread, so this part of a life
//! does not travel.

use std::cell::RefCell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use super::stage::Stage;

pub(super) type LocalFuture = Pin<Box<dyn Future<Output = ()>>>;

/// All of them.
#[derive(Default)]
pub(super) struct Futures(RefCell<Slots>);

#[derive(Default)]
struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
}

struct Slot {
    /// Nothing while it is being polled.
    future: Option<LocalFuture>,
    wakeup: Arc<Wakeup>,
}

/// One future's right to be polled.
pub(super) struct Wakeup {
    stage: Arc<Stage>,
    pub(super) index: usize,
    /// Whether it waits in the stage's queue.
    queued: AtomicBool,
}

impl Futures {
    pub(super) fn insert(&self, stage: &Arc<Stage>, future: LocalFuture) -> Arc<Wakeup> {
        let mut slots = self.0.borrow_mut();
        let index = slots.free.pop().unwrap_or(slots.slots.len());
        let wakeup = Arc::new(Wakeup { stage: stage.clone(), index, queued: AtomicBool::new(false) });
        let slot = Some(Slot { future: Some(future), wakeup: wakeup.clone() });
        if index == slots.slots.len() {
            slots.slots.push(slot);
        } else {
            slots.slots[index] = slot;
        }
        wakeup
    }

    /// Lends the future out to be polled; nothing when it has ended since it was woken.
    pub(super) fn lend(&self, wakeup: &Arc<Wakeup>) -> Option<LocalFuture> {
        wakeup.queued.store(false, Ordering::Release);
        let mut slots = self.0.borrow_mut();
        let slot = slots.slots.get_mut(wakeup.index)?.as_mut()?;
        if Arc::ptr_eq(&slot.wakeup, wakeup) { slot.future.take() } else { None }
    }

    /// Takes back what was lent out; lets it go when the stage was closed meanwhile.
    pub(super) fn take_back(&self, index: usize, future: LocalFuture) {
        let mut slots = self.0.borrow_mut();
        match slots.slots.get_mut(index) {
            Some(Some(slot)) => slot.future = Some(future),
            _ => {
                drop(slots);
                drop(future);
            }
        }
    }

    pub(super) fn remove(&self, index: usize) {
        let mut slots = self.0.borrow_mut();
        if let Some(slot) = slots.slots.get_mut(index)
            && slot.take().is_some()
        {
            slots.free.push(index);
        }
    }

    pub(super) fn clear(&self) {
        // Taken out first: what is dropped may look for its neighbours.
        let slots = mem::take(&mut *self.0.borrow_mut());
        drop(slots);
    }

    pub(super) fn count(&self) -> usize {
        let slots = self.0.borrow();
        slots.slots.len() - slots.free.len()
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.stage.queue(self);
        }
    }
}
