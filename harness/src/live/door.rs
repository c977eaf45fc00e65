//! The door of a live cluster: a socket in its run folder that takes orders, and the file that says where it is. Whoever may
//! read the folder may give orders.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use super::lines;
use super::rpc::Address;
use crate::run::live::Request;
use crate::suite::Backend;

/// The state file beside run folders, where no other is asked for.
pub const STATE: &str = "live.json";
const SOCKET: &str = "door";

/// Where a live cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Its topology's or experiment's name.
    pub name: String,
    /// Where its nodes run.
    pub backend: Backend,
    /// Its seed.
    pub seed: u64,
    /// The process that holds it.
    pub process: u32,
    /// Its run folder, in which the socket, the logs and the cookie are.
    pub folder: PathBuf,
    /// Where each node is asked in Bitcoin Core's way.
    pub nodes: Vec<Address>,
}

/// Why there is no cluster to be told anything.
#[derive(Debug, thiserror::Error)]
pub enum Closed {
    /// There is no state file.
    #[error("no cluster is up: there is no {}", .0.display())]
    Nothing(PathBuf),
    /// There is one, and it is none.
    #[error("{} is no state file: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is one, and its cluster is gone.
    #[error("the cluster that {} tells of is gone: its process {process} no longer listens", path.display())]
    Gone {
        /// Which.
        path: PathBuf,
        /// The process that was.
        process: u32,
    },
    /// It went while it was asked.
    #[error("the cluster did not answer: {0}")]
    Silent(String),
}

/// The door, held open by the process that holds the cluster; what leads to it goes when it is dropped.
#[derive(Debug)]
pub struct Door {
    state: PathBuf,
    socket: PathBuf,
}

impl State {
    /// Reads a state file.
    ///
    /// # Errors
    /// Where there is none.
    pub fn read(path: &Path) -> Result<Self, Closed> {
        let unreadable = |why: String| Closed::Unreadable { path: path.to_owned(), why };
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Closed::Nothing(path.to_owned())),
            Err(error) => Err(unreadable(error.to_string())),
            Ok(text) => serde_json::from_str(&text).map_err(|error| unreadable(error.to_string())),
        }
    }

    /// A line into the cluster on which nothing is said: it ends when the cluster does. Nothing where that is gone.
    pub fn line(folder: &Path) -> Option<UnixStream> {
        UnixStream::connect(short(&File::open(folder).ok()?)).ok()
    }

    /// Gives the cluster an order, already in JSON, and waits for what comes of it.
    ///
    /// # Errors
    /// When there is no cluster any more; inside, what is wrong with the order.
    pub fn tell(&self, path: &Path, order: &Value) -> Result<Result<Value, String>, Closed> {
        let gone = |_| Closed::Gone { path: path.to_owned(), process: self.process };
        let folder = File::open(&self.folder).map_err(gone)?;
        let stream = UnixStream::connect(short(&folder)).map_err(gone)?;
        let mut answer = asked(stream, order).map_err(|error| match UnixStream::connect(short(&folder)) {
            // It fell silent, and is there.
            Ok(_) => Closed::Silent(error.to_string()),
            Err(error) => gone(error),
        })?;
        match answer.get_mut("ok") {
            Some(value) => Ok(Ok(value.take())),
            None => Ok(Err(answer["error"].as_str().unwrap_or("the order was not carried out").to_owned())),
        }
    }
}

impl Door {
    /// That no other cluster holds this state file.
    ///
    /// # Errors
    /// Which one does.
    pub fn free(path: &Path) -> Result<(), String> {
        match State::read(path) {
            Ok(other) if File::open(&other.folder).is_ok_and(|folder| UnixStream::connect(short(&folder)).is_ok()) => {
                Err(format!("{} is up already (process {}): say `schism down` first", other.name, other.process))
            }
            _ => Ok(()),
        }
    }

    /// Opens it: from now on orders go to `told`, and the state file says where.
    ///
    /// # Errors
    /// When the system does not let us.
    pub fn open(path: &Path, state: &State, told: Sender<Request>) -> Result<Self, String> {
        let wrong = |error: io::Error| format!("the cluster's door cannot be made: {error}");
        let folder = File::open(&state.folder).map_err(wrong)?;
        let listener = UnixListener::bind(short(&folder)).map_err(wrong)?;
        let socket = state.folder.join(SOCKET);
        let door = Self { state: path.to_owned(), socket };
        fs::set_permissions(&door.socket, fs::Permissions::from_mode(0o600)).map_err(wrong)?;
        thread::Builder::new().name("door".into()).spawn(move || welcome(&listener, &told)).map_err(wrong)?;
        // Whole or not at all: who reads it never sees half of it.
        let fresh = path.with_extension("json.new");
        let text = serde_json::to_string_pretty(state).unwrap_or_default();
        fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, path)).map_err(wrong)?;
        Ok(door)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.state);
        let _ = fs::remove_file(&self.socket);
    }
}

/// What is answered to an order. After `down` the line ends when everything has.
fn asked(mut stream: UnixStream, order: &Value) -> io::Result<Value> {
    stream.write_all(format!("{order}\n").as_bytes())?;
    let (mut line, mut stream) = (String::new(), BufReader::new(stream));
    stream.read_line(&mut line)?;
    if matches!(order["do"].as_str(), Some("down")) {
        stream.read_to_string(&mut String::new())?;
    }
    Ok(serde_json::from_str(&line)?)
}

/// The socket's path by way of its folder's descriptor: a run folder's own may be longer than a socket's name can be.
fn short(folder: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()))
}

/// Lets in whoever comes, each on a thread: few come, and none may keep another waiting.
fn welcome(listener: &UnixListener, told: &Sender<Request>) {
    for stream in listener.incoming().flatten() {
        let told = told.clone();
        let serve = move || {
            let Ok(out) = stream.try_clone() else { return };
            lines::pass_on(BufReader::new(stream), &(Arc::new(Mutex::new(out)) as lines::Out), &told);
        };
        // Where no thread can be had the visitor sees the line end.
        let _ = thread::Builder::new().name("visitor".into()).spawn(serve);
    }
}
