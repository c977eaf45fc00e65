//! What was confirmed lately and at which height: a bounded memory that forgets the oldest first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The last `most` things noted.
#[derive(Debug)]
pub struct Recent<T> {
    most: usize,
    known: BTreeMap<T, u32>,
    order: VecDeque<T>,
}

impl<T: Ord + Copy> Recent<T> {
    /// A memory for this many.
    pub fn of(most: usize) -> Self {
        Self { most, known: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Notes one; the oldest may go.
    pub fn note(&mut self, thing: T, height: u32) {
        if self.known.insert(thing, height).is_none() {
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
            self.order.retain(|noted| self.known.contains_key(noted));
        }
    }

    /// Whether it was noted lately.
    pub fn contains(&self, thing: &T) -> bool {
        self.known.contains_key(thing)
    }

    /// The height at which it was noted.
    pub fn height(&self, thing: &T) -> Option<u32> {
        self.known.get(thing).copied()
    }
}
