//! The process backend: every node's machine is a network, pid and mount namespace of its own on this system.
//!
//! - this file: [`Namespaces`], the site. [`namespaces`], [`hub`]: how processes come to be apart, and why nothing is
//!   left behind.
//! - [`loopback`]: the same without namespaces, where they are forbidden.

pub mod hub;
pub mod loopback;
pub mod namespaces;

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use self::hub::Hub;
use self::namespaces::{ENTER, SCRATCH, myself};
use super::real::attached::{Attached, Ears};
use super::real::site::{Machine, Site, Wanted};
use super::real::{Real, Settings};
use crate::supervisor::netlink::links::{Neighbour, hardware};

/// A cluster of processes.
pub type Processes = Real<Namespaces>;

/// Namespaces for the nodes of one cluster, under one hub.
#[derive(Debug)]
pub struct Namespaces {
    hub: Hub,
    pace: f64,
    small_disks: bool,
    folder: Option<PathBuf>,
}

impl Processes {
    /// A cluster without nodes yet.
    ///
    /// # Errors
    /// Why this system does not let us.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let hub = Hub::make().map_err(|error| format!("the cluster's namespaces could not be made: {error}"))?;
        let Settings { pace, small_disks, .. } = settings;
        let site = Namespaces { hub, pace, small_disks, folder: settings.folder.clone() };
        Ok(Self::on(site, settings))
    }
}

impl Namespaces {
    /// The folder that stores are kept in, where they are kept.
    fn kept(&self) -> Option<&Path> {
        self.folder.as_deref().filter(|_| !self.small_disks)
    }

    /// The command that becomes a supervisor.
    fn enter(&self, number: usize, name: &str, address: Ipv4Addr) -> io::Result<Command> {
        let mut command = myself(&[ENTER]);
        let (hub, number, address) = (self.hub.first().to_string(), number.to_string(), address.to_string());
        command.args(["--hub", &hub, "--number", &number, "--name", name, "--address", &address]);
        command.args(["--pace", &self.pace.to_string()]);
        command.stderr(match self.log(name) {
            Some(log) => Stdio::from(OpenOptions::new().create(true).append(true).open(log)?),
            None => Stdio::null(),
        });
        if self.kept().is_none() {
            command.arg("--scratch");
        }
        if self.small_disks {
            command.arg("--small-disk");
        }
        // A group of its own: Ctrl-C is for the harness.
        command.process_group(0);
        Ok(command)
    }
}

impl Site for Namespaces {
    fn make(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Machine>, String> {
        let make = |wanted: Wanted| {
            wanted.still()?;
            let Wanted { number, name, ears, .. } = wanted;
            let address = address(number);
            let attached =
                self.enter(number, &name, address).and_then(|command| attach(command, Becomes::Followed, ears));
            let attached = attached.map_err(|error| format!("{name}: its supervisor cannot be started: {error}"))?;
            Ok(Machine { attached, place: Neighbour { address, hardware: Some(hardware(address)) } })
        };
        wanted.into_iter().map(make).collect()
    }

    fn bring(&mut self, _: &str, binary: &Path) -> Result<PathBuf, String> {
        // Its machine has the same files.
        binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))
    }

    fn store(&self, name: &str) -> PathBuf {
        self.kept().map_or_else(|| PathBuf::from(SCRATCH), |folder| folder.join("stores")).join(name)
    }

    fn log(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("logs").join(format!("{name}.log")))
    }
}

/// A node's address: all share the first half.
fn address(node: usize) -> Ipv4Addr {
    let number = u16::try_from(node + 1).expect("a plan has less than 65,535 nodes");
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 0, 0)) + u32::from(number))
}

/// What a command that is started becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Becomes {
    /// A supervisor.
    Supervisor,
    /// It is soon followed by one on the same streams.
    Followed,
}

/// Starts a command that leads to a supervisor. A thread hears it.
fn attach(mut command: Command, becomes: Becomes, ears: Ears) -> io::Result<Attached> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let input = child.stdin.take().ok_or_else(|| io::Error::other("a child without input"))?;
    let (attached, line) = Attached::to(Box::new(input), ears);
    thread::Builder::new().name("attached".into()).spawn(move || {
        let out = child.stdout.take();
        // Who is followed is gone as soon as the supervisor stands in its place.
        let followed = (becomes == Becomes::Followed).then(|| child.wait());
        for said in out.into_iter().flat_map(|out| BufReader::new(out).split(b'\n').map_while(Result::ok)) {
            line.hear(&said);
        }
        line.end(match followed.unwrap_or_else(|| child.wait()) {
            Ok(status) if !status.success() => format!("its supervisor could not be started ({status})"),
            _ => "its supervisor is gone".to_owned(),
        });
    })?;
    Ok(attached)
}
