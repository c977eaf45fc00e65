//! A host: what outlives a node. Its supervisor, its store, its counters, and what is in force for each of its lives.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use schism_chaos::evidence::NodeCounters;
use schism_chaos::fault::Actor;
use schism_chaos::gate::Passage;
use schism_node::clock::LAB_EPOCH;
use schism_node::wire::{Multiaddr, PeerId};

use super::Settings;
use super::attached::Attached;
use super::namespaces::{ENTER, SCRATCH, myself};
use crate::backend::{MOST_CONNECTIONS, Place, draws};
use crate::supervisor::protocol::{Counted, Instructions, Report, What};

/// Where every node listens: it has its address for itself.
const PORT: u16 = 8333;

/// A node's machine.
pub struct Host {
    /// Who the node is.
    pub place: Place,
    /// The line to its supervisor, from its first start on.
    pub attached: Option<Attached>,
    /// Whether it runs, frozen or not.
    pub alive: bool,
    /// Whether it stands still.
    pub frozen: bool,
    /// What was done to it.
    pub counters: NodeCounters,
    /// What this life said of itself last.
    pub report: Report,
    /// What links into it have done when they were last counted.
    pub links: BTreeMap<Ipv4Addr, Counted>,
    /// Gates that were ever set.
    pub gates: Vec<(Actor, Passage)>,
    /// Seconds its clock is moved by, and seconds it counts in one of the story's.
    pub clock: (f64, f64),
}

impl Host {
    /// A machine whose node was never started.
    pub fn of(place: Place) -> Self {
        Self {
            place,
            attached: None,
            alive: false,
            frozen: false,
            counters: NodeCounters::default(),
            report: Report::default(),
            links: BTreeMap::new(),
            gates: Vec::new(),
            clock: (0.0, 1.0),
        }
    }

    /// Whether the node hears what it is told.
    pub fn hears(&self) -> bool {
        self.alive && !self.frozen
    }

    /// Notes a start.
    pub fn begin_life(&mut self) {
        self.alive = true;
        self.counters.starts += 1;
    }

    /// Notes an end. What it said of itself counts on.
    pub fn end_life(&mut self) {
        (self.alive, self.frozen) = (false, false);
        self.counters.stops += 1;
        self.counters.touched += self.report.touched;
        self.counters.passed += self.report.passed;
        self.report = Report::default();
    }

    /// Everything that was counted about the node.
    pub fn counted(&self) -> NodeCounters {
        NodeCounters {
            words: self.attached.as_ref().map_or(0, Attached::words),
            touched: self.counters.touched + self.report.touched,
            passed: self.counters.passed + self.report.passed,
            clock_offset: self.report.clock_offset,
            ..self.counters
        }
    }

    /// The command that becomes its supervisor.
    ///
    /// # Errors
    /// When its log cannot be written.
    pub fn enter(&self, hub: u32, node: usize, settings: &Settings) -> io::Result<Command> {
        let mut command = myself(&[ENTER]);
        let (hub, number, address) = (hub.to_string(), node.to_string(), address(node).to_string());
        command.args(["--hub", &hub, "--number", &number, "--name", &self.place.name, "--address", &address]);
        command.args(["--pace", &settings.pace.to_string()]);
        match &settings.folder {
            Some(folder) => {
                let log = OpenOptions::new().create(true).append(true).open(log(folder, &self.place.name))?;
                command.stderr(Stdio::from(log));
            }
            None => {
                command.arg("--scratch");
            }
        }
        // A group of its own: Ctrl-C is for the harness.
        command.process_group(0);
        Ok(command)
    }

    /// What its next life is told, at this moment of the story.
    pub fn instructions(&self, node: usize, settings: &Settings, now: Duration) -> Instructions {
        let place = &self.place;
        let known = |positions: &[usize]| positions.iter().map(|&other| whereabouts(settings.seed, other)).collect();
        let store = settings.folder.as_deref().map_or_else(|| PathBuf::from(SCRATCH), |folder| folder.join("stores"));
        Instructions {
            name: place.name.clone(),
            secret: draws::secret(settings.seed, node),
            listen: listening(node),
            rules: place.rules.as_ref().clone(),
            keep: known(&place.keep),
            bootstrap: known(&place.bootstrap),
            degree: place.degree,
            most_connections: place.most_connections.unwrap_or(MOST_CONNECTIONS),
            hashes_per_second: place.hashes_per_second / settings.pace,
            payee: draws::payee(settings.seed, node),
            chance: draws::chance(settings.seed, node, self.counters.starts),
            store: store.join(&place.name),
            log: settings.folder.as_deref().map(|folder| log(folder, &place.name)),
            unix_seconds: LAB_EPOCH.as_secs_f64() + now.as_secs_f64(),
            clock_rate: 1.0 / settings.pace,
            gated: settings.gated,
        }
    }

    /// What every life is told besides: what was in force when the last one ended.
    pub fn standing_orders(&self) -> Vec<What> {
        let gates = self.gates.iter().filter(|(_, passage)| *passage != Passage::Open);
        let mut orders: Vec<What> = gates.map(|&(actor, passage)| What::Gate { actor, passage }).collect();
        if self.clock != (0.0, 1.0) {
            let (by_seconds, rate) = self.clock;
            orders.push(What::Clock { by_seconds, rate });
        }
        orders
    }
}

/// A node's address: all share the first half.
pub fn address(node: usize) -> Ipv4Addr {
    let number = u16::try_from(node + 1).expect("a plan has less than 65,535 nodes");
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 77, 0, 0)) + u32::from(number))
}

fn listening(node: usize) -> Multiaddr {
    format!("/ip4/{}/tcp/{PORT}", address(node)).parse().expect("this is an address")
}

fn whereabouts(seed: u64, node: usize) -> (PeerId, Multiaddr) {
    (draws::peer(seed, node), listening(node))
}

/// A node's log in a run folder.
fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join("logs").join(format!("{name}.log"))
}
