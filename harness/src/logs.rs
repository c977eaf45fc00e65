//! Logs: what each node says of itself while it runs, a file a node, as text or as JSON. Real nodes write their own; this is who
//! writes those of a simulation, in virtual time since the start.
//!
//! Tracing speaks to one subscriber for the whole process, while files belong to one run: so the subscriber looks for
//! the files of the thread that speaks, and asks the simulation whose turn it is there.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use schism_chaos::simulation::{clock, on_stage};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::suite::RunFolder;

/// Says what nodes log, where somebody wants another part of it: `schism_node=info`.
pub const WORDS: &str = "SCHISM_LOG";
/// Says as what they log it.
pub const FORMAT: &str = "SCHISM_LOG_FORMAT";

/// As what nodes log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    #[default]
    Text,
    /// A line that is an object: `timestamp`, `level`, `target`, `message`, and the fields of what is said.
    Json,
}

impl Format {
    /// The one that [`FORMAT`] asks for.
    ///
    /// # Errors
    /// When there is no such format.
    pub fn asked() -> Result<Self, String> {
        match std::env::var(FORMAT).as_deref() {
            Err(_) | Ok("" | "text") => Ok(Self::Text),
            Ok("json") => Ok(Self::Json),
            Ok(other) => Err(format!("{FORMAT}={other}: logs are `text` or `json`")),
        }
    }
}

/// What is logged of nodes where nobody asks for another part of it.
pub fn words() -> EnvFilter {
    EnvFilter::try_from_env(WORDS).unwrap_or_else(|_| "schism_node=debug,schism_wire=debug".into())
}

/// Text of one node that is kept before it is written: no file stays open, for a thousand nodes would have too many.
const KEPT: usize = 32 * 1024;

/// Listens to all nodes of this process, from now on: for the logs of runs, and for standard error where they are
/// `loud`. A second call changes nothing.
pub fn listen(loud: bool) {
    let to_files = tracing_subscriber::registry().with(ToFiles.with_filter(Logged::nodes()));
    // A second command in one process (a test) keeps the first one's.
    let _ = if loud {
        // Without a time of day: the nodes' clock is virtual.
        let aloud = tracing_subscriber::fmt::layer().without_time().with_writer(io::stderr).with_filter(words());
        to_files.with(aloud).try_init()
    } else {
        // No second layer, not even an empty one: every word of libp2p's would be asked about each time it is said.
        to_files.try_init()
    };
}

/// The logs of one run.
struct Logs {
    files: Vec<Log>,
    format: Format,
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
    // What is no format was refused before anything started.
    let format = Format::asked().unwrap_or_default();
    LOGS.set(Some(Logs { files: names.map(log).collect(), format, failed: None }));
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
        let (at, metadata) = (clock::elapsed().as_secs_f64(), event.metadata());
        // Writing to a String cannot fail.
        let _ = match self.format {
            Format::Text => {
                let level = metadata.level().as_str().to_ascii_lowercase();
                let begun = write!(log.unwritten, "{at:>12.6} {level:<5} {}:", metadata.target());
                event.record(&mut Words(&mut log.unwritten));
                begun
            }
            Format::Json => {
                let mut fields = Fields(Map::new());
                fields.put("timestamp", at);
                fields.put("level", metadata.level().as_str());
                fields.put("target", metadata.target());
                event.record(&mut fields);
                write!(log.unwritten, "{}", Value::Object(fields.0))
            }
        };
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

/// An event's fields as members of an object, with numbers as numbers.
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }
}
