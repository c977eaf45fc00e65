//! Attached: the harness's end of the line to a supervisor. Orders go in at once; a thread hears the words.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use schism_node::control::Event;
use tokio::sync::oneshot;

use crate::supervisor::protocol::{Fruit, Order, What, Word};

/// What became of an order, once it is known.
pub type Outcome = oneshot::Receiver<Result<Fruit, String>>;

/// The harness's end of the line to a supervisor.
pub struct Attached {
    input: ChildStdin,
    next: u64,
    line: Arc<Line>,
}

/// Who hears what is said on a line.
pub struct Ears {
    /// Hears events.
    pub event: Box<dyn Fn(Event) + Send>,
    /// Hears what nobody asked for: that the node or its supervisor ended.
    pub trouble: Box<dyn Fn(String) + Send>,
}

#[derive(Default)]
struct Line {
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Result<Fruit, String>>>>,
    words: AtomicU64,
}

impl Attached {
    /// Starts a command that becomes a supervisor, or is soon followed by one on the same streams.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut command: Command, ears: Ears) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or_else(|| io::Error::other("a child without input"))?;
        let line = Arc::new(Line::default());
        let heard = line.clone();
        thread::Builder::new().name("attached".into()).spawn(move || heard.listen(child, &ears))?;
        Ok(Self { input, next: 1, line })
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
    fn listen(&self, mut child: Child, ears: &Ears) {
        let out = child.stdout.take();
        // What was started is gone as soon as the supervisor stands in its place.
        let placed = child.wait();
        for line in out.into_iter().flat_map(|out| BufReader::new(out).split(b'\n').map_while(Result::ok)) {
            match serde_json::from_slice(&line) {
                Ok(Word::Event(event)) => {
                    self.words.fetch_add(1, Ordering::Relaxed);
                    (ears.event)(event);
                }
                Ok(Word::Done { id, with }) => self.answer(id, Ok(with)),
                Ok(Word::Refused { id: 0, why }) => (ears.trouble)(why),
                Ok(Word::Refused { id, why }) => self.answer(id, Err(why)),
                Ok(Word::Ended { how }) => (ears.trouble)(format!("the node ended by itself ({how})")),
                Ok(Word::Synced { .. }) => {}
                Err(error) => (ears.trouble)(format!("its supervisor speaks in riddles: {error}")),
            }
        }
        (ears.trouble)(match placed {
            Ok(status) if !status.success() => format!("its supervisor could not be started ({status})"),
            _ => "its supervisor is gone".to_owned(),
        });
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
