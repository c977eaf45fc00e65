//! Logs: what each node says of itself while it runs in a simulation, a file a node, in virtual time since the start.
//!
//! Tracing speaks to one subscriber for the whole process, while files belong to one run: so the subscriber looks for
//! the files of the thread that speaks, and asks the simulation whose turn it is there.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use schism_chaos::simulation::{clock, on_stage};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::suite::RunFolder;

/// Text of one node that is kept before it is written: no file stays open, for a thousand nodes would have too many.
const KEPT: usize = 32 * 1024;

/// Listens to all nodes of this process, from now on: for the logs of runs, and for standard error where they are
/// `loud`. A second call changes nothing.
pub fn listen(loud: bool) {
    let to_files = tracing_subscriber::registry().with(ToFiles.with_filter(Logged::nodes()));
    // A second command in one process (a test) keeps the first one's.
    let _ = if loud {
        let words =
            EnvFilter::try_from_env("SCHISM_LOG").unwrap_or_else(|_| "schism_node=debug,schism_wire=debug".into());
        // Without a time of day: the nodes' clock is virtual.
        let aloud = tracing_subscriber::fmt::layer().without_time().with_writer(io::stderr).with_filter(words);
        to_files.with(aloud).try_init()
    } else {
        // No second layer, not even an empty one: every word of libp2p's would be asked about each time it is said.
        to_files.try_init()
    };
}

/// The logs of one run.
struct Logs {
    files: Vec<Log>,
    failed: Option<io::Error>,
}

/// One node's.
struct Log {
    path: PathBuf,
    unwritten: String,
}

thread_local! {
    static LOGS: RefCell<Option<Logs>> = const { RefCell::new(None) };
}

/// Writes what nodes say on this thread into a run folder, until [`close`]. Names are those of the nodes, by position.
pub fn open(folder: &RunFolder, names: impl Iterator<Item = String>) {
    let log = |name: String| Log { path: folder.log(&name), unwritten: String::new() };
    LOGS.set(Some(Logs { files: names.map(log).collect(), failed: None }));
}

/// Writes what is left.
///
/// # Errors
/// The first failure to write.
pub fn close() -> io::Result<()> {
    let Some(mut logs) = LOGS.take() else { return Ok(()) };
    logs.files.iter_mut().try_for_each(Log::write)?;
    logs.failed.map_or(Ok(()), Err)
}

impl Logs {
    fn note(&mut self, event: &Event<'_>) {
        let Some(log) = on_stage().and_then(|node| self.files.get_mut(usize::from(node.0))) else { return };
        let (at, metadata) = (clock::elapsed(), event.metadata());
        let level = metadata.level().as_str().to_ascii_lowercase();
        // Writing to a String cannot fail.
        let _ = write!(log.unwritten, "{:>12.6} {level:<5} {}:", at.as_secs_f64(), metadata.target());
        event.record(&mut Words(&mut log.unwritten));
        log.unwritten.push('\n');
        if log.unwritten.len() > KEPT
            && let Err(error) = log.write()
        {
            self.failed.get_or_insert(error);
        }
    }
}

impl Log {
    fn write(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(self.unwritten.as_bytes())?;
        self.unwritten.clear();
        Ok(())
    }
}

/// What is logged: what nodes say, where a run keeps it. Where none does, nobody puts it into words.
struct Logged(Targets);

impl Logged {
    fn nodes() -> Self {
        let targets = ["schism_node", "schism_wire"].map(|target| (target, LevelFilter::DEBUG));
        Self(Targets::new().with_targets(targets))
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        self.0.would_enable(metadata.target(), metadata.level())
    }
}

impl<S> Filter<S> for Logged {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata) && LOGS.with_borrow(Option::is_some)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}

/// The part of the subscriber that writes logs.
struct ToFiles;

impl<S: Subscriber> Layer<S> for ToFiles {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        LOGS.with_borrow_mut(|logs| {
            if let Some(logs) = logs {
                logs.note(event);
            }
        });
    }
}

/// An event's fields as words: its message as it is, the others as `name=value`.
struct Words<'a>(&'a mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
