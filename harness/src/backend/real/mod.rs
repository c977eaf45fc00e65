//! Real nodes: each a process under a supervisor on a machine of its own, faults by the kernel. The same for every place
//! that such machines can stand in: namespaces of this system, containers of an engine.
//!
//! - this file: [`Real`], the cluster. `verbs`: what every backend can do. Orders go out at once, and
//!   [`Backend::settle`] waits until all are obeyed.
//! - [`site`]: where machines stand. [`host`]: what outlives a node. [`attached`]: the line to a supervisor.
//! - `obeying`: what links must be seen to do before a fault counts as in force.
//! - [`patience`]: how long the kernel's TCP waits. [`probing`]: what links really do.
//!
//! Its clock is the story's: at a pace of 0.1 ten seconds of the story pass in one. Latencies are a tenth then,
//! bandwidths and hash rates tenfold, and nodes' clocks run ten times as fast, so that what a file says holds as it is
//! written; the network's timers and libp2p's follow, too. Only the kernel's least waits keep real time.

pub mod attached;
pub mod host;
mod obeying;
pub mod patience;
pub mod probing;
pub mod site;
mod verbs;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schism_chaos::link::Link;
use schism_node::clock::LAB_EPOCH;
use tokio::time::{Instant, timeout};

use self::attached::{Ears, Outcome};
use self::host::Host;
use self::site::{Layer, Machine, Site, Wanted};
use super::capability::Offer;
use super::{Backend, Heard, Inbox, MOST_CONNECTIONS, Place, draws};
use crate::interrupt::Interrupt;
use crate::supervisor::netlink::disciplines::SOUGHT;
use crate::supervisor::probe::{Probe, Probed};
use crate::supervisor::protocol::{Fruit, Instructions, Report, VERSION, Way, What};

/// Real time that an order may take to be obeyed, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often machines may not reach each other before that is believed: a kernel that is busy switches their wires on late.
const TRIES: usize = 3;
/// Where every node listens: it has its address for itself.
pub const PORT: u16 = 8333;

/// What a cluster of real nodes is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Everything that is drawn comes from it; what real time brings does not.
    pub seed: u64,
    /// Real seconds that a second of the story takes.
    pub pace: f64,
    /// Whether gates stand before all actors of every node.
    pub gated: bool,
    /// Whether every node's disk is a small one, in memory, which can be filled: its store is not kept then.
    pub small_disks: bool,
    /// Where logs are kept, and stores where the site can; nothing: nowhere.
    pub folder: Option<PathBuf>,
    /// Whether somebody wants it to end: no more machines are made then.
    pub interrupt: Interrupt,
}

impl Settings {
    /// A cluster without gates, small disks and a folder, which nobody interrupts.
    pub fn plain(seed: u64, pace: f64) -> Self {
        Self { seed, pace, gated: false, small_disks: false, folder: None, interrupt: Interrupt::default() }
    }
}

/// A cluster of real nodes.
pub struct Real<S> {
    settings: Settings,
    // Before the site: who dies with it has nobody left to tell.
    hosts: Vec<Host>,
    site: S,
    inbox: Arc<Inbox>,
    began: Instant,
    usual: Link,
    /// Links that are not the usual one, by where they lead and where they come from.
    links: BTreeMap<(usize, usize), Link>,
    /// Links that have changed and are not in force yet.
    changed: BTreeSet<(usize, usize)>,
    /// Machines that have crashed, where it takes their peers not to hear them.
    dark: BTreeSet<usize>,
    asked: Vec<Asked>,
    trouble: Arc<Mutex<Option<String>>>,
    /// Nodes that ended by themselves, and how, of which nobody has taken note.
    ended: Arc<Mutex<BTreeMap<usize, String>>>,
}

/// An order under way.
struct Asked {
    node: usize,
    /// Whether it is a freeze: that it is obeyed is the kernel's word that the node stands still.
    freeze: bool,
    outcome: Outcome,
}

impl<S: Site> Real<S> {
    /// A cluster without nodes yet.
    pub fn on(site: S, settings: Settings) -> Self {
        Self {
            settings,
            hosts: Vec::new(),
            site,
            inbox: Arc::default(),
            began: Instant::now(),
            usual: Link::default(),
            links: BTreeMap::new(),
            changed: BTreeSet::new(),
            dark: BTreeSet::new(),
            asked: Vec::new(),
            trouble: Arc::default(),
            ended: Arc::default(),
        }
    }

    /// What the kernel offers there, found out on two machines whose nodes are never started.
    ///
    /// # Errors
    /// What went wrong with these machines, or that they do not reach each other.
    pub fn offer(mut self) -> Result<Offer, String> {
        self.usual = Link { latency: Duration::ZERO, ..Link::default() };
        for name in ["one", "another"] {
            self.add(Place { name: name.to_owned(), ..Place::nobody() });
        }
        self.attach()?;
        let greeted = std::mem::take(&mut self.asked).into_iter().map(|asked| self.obeyed(asked.outcome));
        let greeted = greeted.collect::<Result<Vec<Fruit>, String>>()?;
        let queueing = greeted.iter().find_map(|fruit| match fruit {
            Fruit::Greeted(queueing) => Some(*queueing),
            _ => None,
        });
        let asked = self.give(0, What::Disciplines)?;
        let disciplines = match self.obeyed(asked) {
            Ok(Fruit::Disciplines(known)) => SOUGHT.map(|name| known.iter().any(|known| known == name)),
            _ => [false; 3],
        };
        let asked = self.give(1, What::AnswerProbes)?;
        self.obeyed(asked)?;
        let queueing = queueing.ok_or("a supervisor spoke in riddles")?;
        for _ in 0..TRIES {
            let what = Probe::Ping { count: 3, every_microseconds: 1_000 };
            let asked = self.give(0, What::Probe { to: self.hosts[1].address, what })?;
            if matches!(self.obeyed(asked)?, Fruit::Probed(Probed::Pinged { microseconds, .. }) if !microseconds.is_empty())
            {
                return Ok(Offer { layer: S::LAYER, queueing, disciplines });
            }
        }
        Err("its machines do not reach each other: something drops what passes between them, as the rules for \
             forwarding of another engine beside this one do (`iptables -S FORWARD`)"
            .to_owned())
    }

    /// Waits for what becomes of an order where nothing else goes on.
    fn obeyed(&self, outcome: Outcome) -> Result<Fruit, String> {
        outcome.blocking_recv().map_err(|_| self.broken().unwrap_or_else(|| "its supervisor is gone".to_owned()))?
    }

    /// The largest resident memory of a node, in bytes, when counters were last read; and of that which lies in no file.
    pub fn largest_resident(&self) -> (u64, u64) {
        let largest = |bytes: fn(&Report) -> u64| self.hosts.iter().map(|host| bytes(&host.report)).max().unwrap_or(0);
        (largest(|report| report.resident_bytes), largest(|report| report.own_bytes))
    }

    /// The same of a supervisor, now.
    ///
    /// # Errors
    /// When one does not say what it takes.
    pub async fn largest_supervisor(&mut self) -> Result<(u64, u64), String> {
        let mut largest = (0, 0);
        for node in 0..self.hosts.len() {
            let weighed = self.give(node, What::Weigh)?;
            match self.fruit(node, weighed).await? {
                Fruit::Weighed { resident_bytes, own_bytes } => {
                    largest = (largest.0.max(resident_bytes), largest.1.max(own_bytes));
                }
                _ => return Err("a supervisor spoke in riddles".to_owned()),
            }
        }
        Ok(largest)
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

    /// Makes all machines that are not there yet, and tells each supervisor who its peers are and what leads to it.
    fn attach(&mut self) -> Result<(), String> {
        let nodes = 0..self.hosts.len();
        let missing: Vec<usize> = nodes.clone().filter(|&node| self.hosts[node].attached.is_none()).collect();
        let wanted = missing.iter().map(|&number| {
            let name = self.hosts[number].place.name.clone();
            Wanted { number, ears: self.ears(number, &name), name, interrupt: self.settings.interrupt.clone() }
        });
        let wanted = wanted.collect();
        for (node, Machine { attached, place }) in missing.iter().zip(self.site.make(wanted)?) {
            let host = &mut self.hosts[*node];
            (host.attached, host.address, host.hardware) = (Some(attached), place.address, place.hardware);
        }
        for node in missing {
            let others = nodes.clone().filter(|&other| other != node);
            let peers = others.clone().map(|other| self.hosts[other].neighbour()).collect();
            let links = others.map(|from| (self.hosts[from].address, self.paced(self.link(from, node)))).collect();
            self.order(node, What::Hello { version: VERSION, peers })?;
            if S::LAYER == Layer::Kernel {
                self.order(node, What::Links(links))?;
            }
        }
        Ok(())
    }

    /// Who hears a node's supervisor.
    fn ears(&self, node: usize, name: &str) -> Ears {
        let (inbox, began, pace) = (self.inbox.clone(), self.began, self.settings.pace);
        let (trouble, nobody, name) = (self.trouble.clone(), self.inbox.clone(), name.to_owned());
        let (ended, too) = (self.ended.clone(), self.inbox.clone());
        Ears {
            ended: Box::new(move |how| {
                ended.lock().unwrap_or_else(PoisonError::into_inner).insert(node, how);
                too.interrupt();
            }),
            event: Box::new(move |event| inbox.put(Heard { at: began.elapsed().div_f64(pace), node, event })),
            trouble: Box::new(move |what| {
                let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                trouble.get_or_insert_with(|| format!("{name}: {what}"));
                nobody.interrupt();
            }),
        }
    }

    /// What a node's next life is told, now.
    fn instructions(&self, node: usize) -> Instructions {
        let Host { place, counters, .. } = &self.hosts[node];
        let Settings { seed, pace, gated, .. } = self.settings;
        let known = |positions: &[usize]| positions.iter().map(|&other| self.whereabouts(other)).collect();
        Instructions {
            program: self.hosts[node].program.clone(),
            name: place.name.clone(),
            secret: draws::secret(seed, node),
            listen: self.whereabouts(node).1,
            rules: place.rules.as_ref().clone(),
            keep: known(&place.keep),
            bootstrap: known(&place.bootstrap),
            degree: place.degree,
            most_connections: place.most_connections.unwrap_or(MOST_CONNECTIONS),
            defences: place.defences,
            hashes_per_second: place.hashes_per_second / pace,
            payee: draws::payee(seed, node),
            purse: draws::purse(seed, node),
            chance: draws::chance(seed, node, counters.starts),
            store: self.site.store(&place.name),
            log: self.site.log(&place.name),
            ways: (S::LAYER == Layer::Transport).then(|| self.ways(node, 0..self.hosts.len())),
            unix_seconds: LAB_EPOCH.as_secs_f64() + self.now().as_secs_f64(),
            clock_rate: 1.0 / pace,
            gated,
            adversary: place.adversary,
        }
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

    /// Nodes that ended by themselves, of which nobody has taken note.
    fn ended_by_themselves(&self) -> MutexGuard<'_, BTreeMap<usize, String>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells every supervisor of the links that have changed.
    fn relink(&mut self) -> Result<(), String> {
        let mut rows: BTreeMap<usize, Vec<_>> = BTreeMap::new();
        let changed = std::mem::take(&mut self.changed);
        if S::LAYER == Layer::Transport {
            return self.tell_ways(&changed);
        }
        for (to, from) in changed {
            rows.entry(to).or_default().push((self.hosts[from].address, self.paced(self.link(from, to))));
        }
        for (to, links) in rows {
            if self.hosts[to].attached.is_some() {
                self.order(to, What::Links(links))?;
            }
        }
        Ok(())
    }

    /// Tells every node whose transport has to obey links that have changed. Who does not run is told when it starts.
    fn tell_ways(&mut self, changed: &BTreeSet<(usize, usize)>) -> Result<(), String> {
        let mut peers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for &(to, from) in changed {
            peers.entry(to).or_default().insert(from);
            peers.entry(from).or_default().insert(to);
        }
        for (node, peers) in peers {
            if self.hosts[node].hears() {
                let ways = self.ways(node, peers);
                self.order(node, What::Ways(ways))?;
            }
        }
        Ok(())
    }

    /// The links between a node and others, in real time.
    fn ways(&self, node: usize, peers: impl IntoIterator<Item = usize>) -> Vec<Way> {
        let link = |from: usize, to: usize| {
            let dark = [from, to].iter().any(|end| self.dark.contains(end));
            let link = self.paced(self.link(from, to));
            Link { cut: link.cut || dark, ..link }
        };
        let others = peers.into_iter().filter(|&peer| peer != node);
        others.map(|peer| (self.hosts[peer].address, link(peer, node), link(node, peer))).collect()
    }

    /// Has nobody hear a machine, or everybody again, where that is not its kernel's business.
    fn darken(&mut self, node: usize, dark: bool) {
        let changed = if dark { self.dark.insert(node) } else { self.dark.remove(&node) };
        if changed {
            self.changed.extend((0..self.hosts.len()).filter(|&other| other != node).map(|other| (other, node)));
        }
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
