//! What was seen lately: a bounded memory that forgets the oldest first.

use std::collections::{BTreeSet, VecDeque};

/// The last `most` things noted.
#[derive(Debug)]
pub struct Recent<T> {
    most: usize,
    known: BTreeSet<T>,
    order: VecDeque<T>,
}

impl<T: Ord + Copy> Recent<T> {
    /// A memory for this many.
    pub fn of(most: usize) -> Self {
        Self { most, known: BTreeSet::new(), order: VecDeque::new() }
    }

    /// Notes one; the oldest may go.
    pub fn note(&mut self, thing: T) {
        if self.known.insert(thing) {
            self.order.push_back(thing);
        }
        while self.order.len() > self.most {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
    }

    /// Forgets some of them.
    pub fn forget(&mut self, things: &BTreeSet<T>) {
        let before = self.known.len();
        for thing in things {
            self.known.remove(thing);
        }
        if self.known.len() < before {
            self.order.retain(|noted| self.known.contains(noted));
        }
    }

    /// Whether it was noted lately.
    pub fn contains(&self, thing: &T) -> bool {
        self.known.contains(thing)
    }
}
