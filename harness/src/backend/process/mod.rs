//! The process backend: every node a process in network, pid and mount namespaces of its own, faults by the kernel.
//!
//! - this file: [`Processes`], the cluster. `verbs`: what every backend can do. Orders go out at once, and
//!   [`Backend::settle`] waits until all are obeyed.
//! - [`namespaces`], [`hub`]: how nodes come to be apart, and why nothing is left behind. [`patience`]: TCP's.
//! - [`attached`]: the line to a supervisor. [`host`]: what outlives a node.
//!
//! Its clock is the story's: at a pace of 0.1 ten seconds of the story pass in one. Latencies are a tenth then,
//! bandwidths and hash rates tenfold, and nodes' clocks run ten times as fast, so that what a file says holds as it is
//! written; the network actor's own timers follow, too. What keeps real time are the timers inside libp2p (gossip's
//! heartbeat, pings, time-outs of requests).

pub mod attached;
pub mod host;
pub mod hub;
pub mod namespaces;
pub mod patience;
mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_chaos::link::Link;
use tokio::time::{Instant, timeout};

use self::attached::{Attached, Ears, Outcome};
use self::host::{Host, address};
use self::hub::Hub;
use super::capability::Offer;
use super::{Backend, Heard, Inbox, Place};
use crate::supervisor::protocol::{Fruit, VERSION, What};

/// Real time that an order may take to be obeyed, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a cluster of processes is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything that is drawn comes from it; what real time brings does not.
    pub seed: u64,
    /// Real seconds that a second of the story takes.
    pub pace: f64,
    /// Whether gates stand before all actors of every node.
    pub gated: bool,
    /// Where stores and logs are kept; nothing: in memory, and nowhere.
    pub folder: Option<PathBuf>,
}

/// A cluster of processes.
pub struct Processes {
    settings: Settings,
    hub: Hub,
    hosts: Vec<Host>,
    inbox: Arc<Inbox>,
    began: Instant,
    usual: Link,
    /// Links that are not the usual one, by where they lead and where they come from.
    links: BTreeMap<(usize, usize), Link>,
    /// Links that have changed and are not in force yet.
    changed: BTreeSet<(usize, usize)>,
    asked: Vec<Asked>,
    trouble: Arc<Mutex<Option<String>>>,
}

/// An order under way.
struct Asked {
    node: usize,
    /// Whether it is a freeze: that it is obeyed is the kernel's word that the node stands still.
    freeze: bool,
    outcome: Outcome,
}

impl Processes {
    /// A cluster without nodes yet.
    ///
    /// # Errors
    /// Why this system does not let us.
    pub fn new(settings: Settings) -> Result<Self, String> {
        let hub = Hub::make().map_err(|error| format!("the cluster's namespaces could not be made: {error}"))?;
        Ok(Self {
            settings,
            hub,
            hosts: Vec::new(),
            inbox: Arc::default(),
            began: Instant::now(),
            usual: Link::default(),
            links: BTreeMap::new(),
            changed: BTreeSet::new(),
            asked: Vec::new(),
            trouble: Arc::default(),
        })
    }

    /// What this machine's kernel offers, found out in a place for a node that is never started.
    ///
    /// # Errors
    /// What went wrong with that place.
    pub fn offer(mut self) -> Result<Offer, String> {
        self.add(Place::nobody());
        self.attach(0)?;
        let hello = self.asked.swap_remove(0).outcome;
        match hello.blocking_recv() {
            Ok(Ok(Fruit::Greeted(queueing))) => Ok(Offer { queueing }),
            Ok(Ok(_)) => Err("a supervisor greeted in riddles".to_owned()),
            Ok(Err(why)) => Err(why),
            Err(_) => Err(self.broken().unwrap_or_else(|| "its supervisor is gone".to_owned())),
        }
    }

    /// The largest resident memory of a node, in bytes, when counters were last read.
    pub fn largest_resident(&self) -> u64 {
        self.hosts.iter().map(|host| host.report.resident_bytes).max().unwrap_or(0)
    }

    fn link(&self, from: usize, to: usize) -> Link {
        self.links.get(&(to, from)).copied().unwrap_or(self.usual)
    }

    /// A link as it is in real time.
    fn paced(&self, link: Link) -> Link {
        let pace = self.settings.pace;
        Link {
            latency: link.latency.mul_f64(pace),
            jitter: link.jitter.mul_f64(pace),
            bandwidth: link.bandwidth.map(|bits| (bits as f64 / pace) as u64),
            ..link
        }
    }

    /// Starts a node's supervisor, in namespaces of its own, and tells it who its peers are and what leads to it.
    fn attach(&mut self, node: usize) -> Result<(), String> {
        let host = &self.hosts[node];
        let failed = |error| format!("{}: its supervisor cannot be started: {error}", host.place.name);
        let command = host.enter(self.hub.first(), node, &self.settings).map_err(failed)?;
        let (inbox, began, pace) = (self.inbox.clone(), self.began, self.settings.pace);
        let (trouble, nobody, name) = (self.trouble.clone(), self.inbox.clone(), host.place.name.clone());
        let ears = Ears {
            event: Box::new(move |event| inbox.put(Heard { at: began.elapsed().div_f64(pace), node, event })),
            trouble: Box::new(move |what| {
                let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                trouble.get_or_insert_with(|| format!("{name}: {what}"));
                nobody.interrupt();
            }),
        };
        let attached = Attached::start(command, ears).map_err(failed)?;
        self.hosts[node].attached = Some(attached);
        let others = (0..self.hosts.len()).filter(|other| *other != node);
        let links = others.clone().map(|from| (address(from), self.paced(self.link(from, node)))).collect();
        self.order(node, What::Hello { version: VERSION, peers: others.map(address).collect() })?;
        self.order(node, What::Links(links))
    }

    /// Gives an order that [`Backend::settle`] waits for.
    fn order(&mut self, node: usize, what: What) -> Result<(), String> {
        let freeze = matches!(what, What::Freeze);
        let outcome = self.give(node, what)?;
        self.asked.push(Asked { node, freeze, outcome });
        Ok(())
    }

    fn give(&mut self, node: usize, what: What) -> Result<Outcome, String> {
        let host = &mut self.hosts[node];
        let attached = host.attached.as_mut().ok_or_else(|| format!("{} was never started", host.place.name))?;
        attached.order(what).map_err(|error| format!("{}: {error}", host.place.name))
    }

    /// The same for verbs that cannot fail: what went wrong is told by the next that can.
    fn order_or_note(&mut self, node: usize, what: What) {
        if let Err(why) = self.order(node, what) {
            self.note(why);
        }
    }

    fn note(&self, why: String) {
        self.trouble().get_or_insert(why);
    }

    /// What went wrong first.
    fn trouble(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every supervisor of the links that have changed.
    fn relink(&mut self) -> Result<(), String> {
        let mut rows: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        for (to, from) in std::mem::take(&mut self.changed) {
            rows.entry(to).or_default().push((address(from), self.paced(self.link(from, to))));
        }
        for (to, links) in rows {
            if self.hosts[to].attached.is_some() {
                self.order(to, What::Links(links))?;
            }
        }
        Ok(())
    }

    /// Waits for what becomes of an order.
    async fn fruit(&self, node: usize, outcome: Outcome) -> Result<Fruit, String> {
        let name = &self.hosts[node].place.name;
        match timeout(PATIENCE, outcome).await {
            Ok(Ok(Ok(fruit))) => Ok(fruit),
            Ok(Ok(Err(why))) => Err(format!("{name}: {why}")),
            Ok(Err(_)) => Err(self.broken().unwrap_or_else(|| format!("{name}: its supervisor is gone"))),
            Err(_) => Err(format!("{name}: its supervisor did not answer within {PATIENCE:?}")),
        }
    }
}
