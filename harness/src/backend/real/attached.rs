//! Attached: the harness's end of the line to a supervisor. Orders go in at once; whoever reads the line hears the words.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schism_node::control::Event;
use tokio::sync::oneshot;

use crate::supervisor::protocol::{Fruit, Order, What, Word};

/// What became of an order, once it is known.
pub type Outcome = oneshot::Receiver<Result<Fruit, String>>;

/// The harness's end of the line to a supervisor.
pub struct Attached {
    input: Box<dyn Write + Send>,
    next: u64,
    line: Arc<Line>,
}

/// Who hears what is said on a line.
pub struct Ears {
    /// Hears events.
    pub event: Box<dyn Fn(Event) + Send + Sync>,
    /// Hears that the node ended by itself, and how.
    pub ended: Box<dyn Fn(String) + Send + Sync>,
    /// Hears what nobody asked for: that its supervisor ended, or spoke in riddles.
    pub trouble: Box<dyn Fn(String) + Send + Sync>,
}

/// A line as whoever reads it has it.
pub struct Line {
    ears: Ears,
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Result<Fruit, String>>>>,
    words: AtomicU64,
}

impl Attached {
    /// The end of a line whose orders go into `input`. What is said on it must be told to the [`Line`].
    pub fn to(input: Box<dyn Write + Send>, ears: Ears) -> (Self, Arc<Line>) {
        let line = Arc::new(Line { ears, waiting: Mutex::default(), words: AtomicU64::new(0) });
        (Self { input, next: 1, line: line.clone() }, line)
    }

    /// Gives an order.
    ///
    /// # Errors
    /// When nobody is there to hear it.
    pub fn order(&mut self, what: What) -> io::Result<Outcome> {
        let (done, outcome) = oneshot::channel();
        let id = self.next;
        self.next += 1;
        self.line.waiting().insert(id, done);
        let mut line = serde_json::to_vec(&Order { id, what })?;
        line.push(b'\n');
        self.input.write_all(&line)?;
        Ok(outcome)
    }

    /// Events heard so far.
    pub fn words(&self) -> u64 {
        self.line.words.load(Ordering::Relaxed)
    }
}

impl Line {
    /// Hears one line.
    pub fn hear(&self, line: &[u8]) {
        let trouble = |why| (self.ears.trouble)(why);
        match serde_json::from_slice(line) {
            Ok(Word::Event(event)) => {
                self.words.fetch_add(1, Ordering::Relaxed);
                (self.ears.event)(event);
            }
            Ok(Word::Done { id, with }) => self.answer(id, Ok(with)),
            Ok(Word::Refused { id: 0, why }) => trouble(why),
            Ok(Word::Refused { id, why }) => self.answer(id, Err(why)),
            Ok(Word::Ended { how }) => (self.ears.ended)(how),
            Ok(Word::Synced { .. }) => {}
            Err(error) => trouble(format!("its supervisor speaks in riddles: {error}")),
        }
    }

    /// Hears that nothing more will be said, and why.
    pub fn end(&self, why: String) {
        (self.ears.trouble)(why);
        // Nobody answers any more.
        self.waiting().clear();
    }

    fn answer(&self, id: u64, what: Result<Fruit, String>) {
        if let Some(waiting) = self.waiting().remove(&id) {
            // Whoever asked may have left.
            let _ = waiting.send(what);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Result<Fruit, String>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
