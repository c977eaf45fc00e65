//! The simulated backend: every node on one thread and a virtual clock, linked by the fabric.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schism_chaos::adversary::{self, Leash, Means};
use schism_chaos::evidence::{LinkCounters, NodeCounters};
use schism_chaos::fault::{Actor, CrashKind, DiskTrouble};
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_chaos::simulation::{NodeIndex, NodeSpawner, Simulation};
use schism_node::chain::Rules;
use schism_node::clock::{Clock, LAB_EPOCH};
use schism_node::config::{MiningConfig, MiningMode, OverlayConfig};
use schism_node::control::{Answer, Question};
use schism_node::ledger::store::memory::{Disk, Shelf};
use schism_node::network::book::notes::MemoryNotes;
use schism_node::surroundings::{Spawner, Surroundings};
use schism_node::wire::{Keypair, Multiaddr, PeerId};
use schism_node::{Node, NodeConfig};
use tokio::time::{Instant, timeout};

use super::gates::Gates;
use super::mutation::Mutation;
use super::{Backend, Heard, Inbox, Lost, MOST_CONNECTIONS, Place, draws};
use crate::timeline;

/// How long an answer is waited for: an honest node's own work delays it by far less.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster on the virtual clock.
pub struct Simulated {
    simulation: Simulation,
    began: Instant,
    hosts: Vec<Host>,
    shelf: Shelf,
    inbox: Arc<Inbox>,
    /// Whether gates stand before all actors of every node: only where an experiment needs them, as each costs a hop.
    gated: bool,
    /// What is wrong with its nodes, where something is meant to be.
    mutation: Option<Arc<dyn Mutation>>,
}

/// A node's machine: what outlives the node itself.
struct Host {
    place: Place,
    identity: Keypair,
    disk: Disk,
    /// What it knows of others.
    notes: MemoryNotes,
    clock: Clock,
    gates: Gates,
    /// Holds what stands between its actors, where something does.
    leash: Leash,
    life: Option<Life>,
    /// Events it has told in all its lives.
    words: Arc<AtomicU64>,
    /// How often it was started: each life draws other numbers.
    lives: u64,
}

/// One life of a node, from a start to a crash.
struct Life {
    node: Node,
    spawner: NodeSpawner,
}

impl Simulated {
    /// A cluster without nodes yet.
    pub fn new(simulation: Simulation, gated: bool) -> Self {
        Self {
            simulation,
            began: Instant::now(),
            hosts: Vec::new(),
            shelf: Shelf::default(),
            inbox: Arc::default(),
            gated,
            mutation: None,
        }
    }

    /// The same, with something wrong in every node that is started from now on.
    pub fn mutated(self, mutation: Arc<dyn Mutation>) -> Self {
        Self { mutation: Some(mutation), ..self }
    }

    /// The simulation it runs in.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Holds the adversary of a node, whether it runs or not; of a node without one it does nothing.
    pub fn leash(&self, node: usize) -> Leash {
        self.hosts[node].leash.clone()
    }

    /// What a node has noted of others: what is written here its next life reads.
    pub fn notes(&self, node: usize) -> MemoryNotes {
        self.hosts[node].notes.clone()
    }

    fn surroundings(&self, node: usize, spawner: &NodeSpawner) -> Surroundings {
        let host = &self.hosts[node];
        let index = index(node);
        let recorder = self.simulation.recorder().clone();
        let (inbox, began, words) = (self.inbox.clone(), self.began, host.words.clone());
        Surroundings {
            transport: self.simulation.fabric().transport(index, &host.identity, self.simulation.settings().fidelity),
            store: Box::new(host.disk.open()),
            clock: host.clock.clone(),
            chance: draws::chance(self.simulation.settings().seed, node, host.lives),
            spawner: Arc::new(spawner.clone()),
            verifier: self.simulation.verifier(),
            events: Arc::new(move |event| {
                recorder.note(index, "event", &timeline::digest(&event).unwrap_or_default());
                tracing::debug!(target: "schism_node::says", "{}", timeline::said(&event).unwrap_or_default());
                words.fetch_add(1, Ordering::Relaxed);
                inbox.put(Heard { at: began.elapsed(), node, event });
            }),
            trace: self.simulation.recorder().of_node(index),
            work: Arc::new(spawner.clone()),
            notes: Box::new(host.notes.clone()),
        }
    }

    fn config(&self, node: usize) -> NodeConfig {
        let host = &self.hosts[node];
        let known = |positions: &[usize]| positions.iter().map(|&position| self.whereabouts(position)).collect();
        let seed = self.simulation.settings().seed;
        NodeConfig {
            name: host.place.name.clone(),
            identity: host.identity.clone(),
            listen: index(node).address(),
            rules: host.place.rules.clone(),
            overlay: OverlayConfig {
                keep: known(&host.place.keep),
                bootstrap: known(&host.place.bootstrap),
                degree: host.place.degree,
                most_connections: host.place.most_connections.unwrap_or(MOST_CONNECTIONS),
                defences: host.place.defences,
                haste: 1.0,
            },
            mining: MiningConfig {
                hashes_per_second: host.place.hashes_per_second,
                mode: MiningMode::Drawn,
                payee: draws::payee(seed, node),
            },
        }
    }

    fn whereabouts(&self, node: usize) -> (PeerId, Multiaddr) {
        (draws::peer(self.simulation.settings().seed, node), index(node).address())
    }
}

impl Backend for Simulated {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn peer(&self, node: usize) -> PeerId {
        self.hosts[node].identity.public().to_peer_id()
    }

    fn whereabouts(&self, node: usize) -> (PeerId, Multiaddr) {
        (draws::peer(self.simulation.settings().seed, node), index(node).address())
    }

    async fn upgrade(&mut self, _: usize, _: &Path) -> Result<(), String> {
        Err("a simulation is one process of one build: use the process or container backend".to_owned())
    }

    fn follow(&mut self, node: usize, rules: Arc<Rules>) {
        self.hosts[node].place.rules = rules;
    }

    fn set_hash_rate(&mut self, node: usize, hashes_per_second: f64) {
        self.hosts[node].place.hashes_per_second = hashes_per_second;
        self.tell(node, Question::SetHashRate { hashes_per_second });
    }

    fn add(&mut self, place: Place) {
        let node = self.hosts.len();
        self.hosts.push(Host {
            place,
            identity: draws::identity(self.simulation.settings().seed, node),
            disk: Disk::on(&self.shelf),
            notes: MemoryNotes::default(),
            clock: Clock::starting_at(LAB_EPOCH.as_secs_f64() + self.began.elapsed().as_secs_f64()),
            gates: Gates::default(),
            leash: Leash::default(),
            life: None,
            words: Arc::default(),
            lives: 0,
        });
    }

    async fn start(&mut self, node: usize) -> Result<(), String> {
        if self.hosts[node].life.is_some() {
            return Ok(());
        }
        self.hosts[node].lives += 1;
        self.simulation.fabric().restore(index(node));
        let spawner = self.simulation.spawner(index(node), &self.hosts[node].place.name);
        let (mut config, mut surroundings) = (self.config(node), self.surroundings(node, &spawner));
        let mutation = self.mutation.clone();
        if let Some(mutation) = &mutation {
            (config, surroundings) = (mutation.config(config), mutation.surroundings(surroundings));
        }
        let host = &mut self.hosts[node];
        let chance = surroundings.chance;
        let gates = self.gated.then(|| host.gates.clone());
        let (adversary, leash) = (host.place.adversary, host.leash.clone());
        let shared: Arc<dyn Spawner> = Arc::new(spawner.clone());
        let (fabric, fidelity) = (self.simulation.fabric().clone(), self.simulation.settings().fidelity);
        let elsewhere = fabric.clone();
        let means = Means {
            rules: config.rules.clone(),
            targets: config.overlay.keep.clone(),
            transport: Arc::new(move |identity: &Keypair| fabric.transport(index(node), identity, fidelity)),
            clock: host.clock.clone(),
            place: Arc::new(|group, host| own_place(group, host).address()),
            transport_at: Arc::new(move |group, host, identity| {
                elsewhere.transport(own_place(group, host), identity, fidelity)
            }),
            spawner: shared.clone(),
            chance: chance ^ 0x726f_6775_6573,
            purse: draws::purse(self.simulation.settings().seed, node),
        };
        let started = Node::start(config, surroundings, |ring| {
            let ring = match adversary {
                Some(adversary) => adversary::stand_in(adversary, ring, &leash, &means),
                None => ring,
            };
            let ring = mutation.map_or_else(|| ring.clone(), |mutation| mutation.between(ring.clone(), &shared));
            match gates {
                Some(gates) => gates.stand_in(ring, chance, &shared),
                None => ring,
            }
        });
        let started = started.map_err(|failure| format!("{}: {failure}", host.place.name))?;
        host.life = Some(Life { node: started, spawner });
        Ok(())
    }

    async fn crash(&mut self, node: usize, kind: CrashKind) -> Lost {
        let host = &mut self.hosts[node];
        let Some(life) = host.life.take() else { return Lost::default() };
        // Silence first: dropping a swarm would say goodbye politely.
        self.simulation.fabric().blackhole(index(node));
        life.spawner.kill();
        match kind {
            CrashKind::Process => {
                self.simulation.fabric().hang_up(index(node));
                Lost::default()
            }
            CrashKind::Machine | CrashKind::Torn => {
                let writes = host.disk.unsynced() as u64;
                if kind == CrashKind::Torn {
                    host.disk.tear()
                } else {
                    host.disk.lose_unsynced()
                }
                Lost { writes }
            }
        }
    }

    fn freeze(&mut self, node: usize) {
        if let Some(life) = &self.hosts[node].life {
            life.spawner.freeze();
        }
    }

    fn thaw(&mut self, node: usize) {
        if let Some(life) = &self.hosts[node].life {
            life.spawner.thaw();
        }
    }

    fn erase(&mut self, node: usize) {
        (self.hosts[node].disk, self.hosts[node].notes) = (Disk::on(&self.shelf), MemoryNotes::default());
    }

    async fn ask(&mut self, node: usize, question: Question) -> Option<Answer> {
        let asked = self.hosts[node].life.as_ref()?.node.ask(question);
        timeout(PATIENCE, asked).await.ok().flatten()
    }

    fn tell(&mut self, node: usize, question: Question) -> bool {
        // The answer's way back is dropped with the future.
        self.hosts[node].life.as_ref().map(|life| drop(life.node.ask(question))).is_some()
    }

    fn set_usual_link(&mut self, link: Link) {
        self.simulation.fabric().set_default_link(link);
    }

    fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.simulation.fabric().set_link(index(from), index(to), link);
    }

    fn link_counters(&self, from: usize, to: usize) -> LinkCounters {
        let counters = self.simulation.fabric().counters(index(from), index(to));
        LinkCounters {
            sent: counters.sent,
            travel: Duration::from_nanos(counters.travel),
            queued: Duration::from_nanos(counters.queued),
            carried: counters.delivered,
            bytes: counters.bytes,
            held: counters.held,
            leaked: counters.delivered_while_cut,
            lost: counters.retransmitted,
            ..LinkCounters::default()
        }
    }

    fn node_counters(&self, node: usize) -> NodeCounters {
        let host = &self.hosts[node];
        NodeCounters {
            starts: host.lives,
            stops: host.lives - u64::from(host.life.is_some()),
            words: host.words.load(Ordering::Relaxed),
            touched: host.gates.touched(),
            passed: host.gates.passed(),
            clock_offset: host.clock.offset_seconds(),
            withheld: host.life.as_ref().map_or(0, |life| life.spawner.withheld()),
            ..NodeCounters::default()
        }
    }

    /// The fabric obeys at once.
    async fn settle(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Counters are read where they are counted.
    async fn count(&mut self) {}

    /// A node that panics ends the simulation.
    fn broken(&self) -> Option<String> {
        None
    }

    /// The same.
    fn ended(&self) -> Vec<(usize, String)> {
        Vec::new()
    }

    fn frames(&self) -> u64 {
        self.simulation.fabric().totals().sent
    }

    fn lateness(&self) -> Option<Duration> {
        None
    }

    fn memo_hits(&self) -> u64 {
        self.simulation.verifier().checked().remembered
    }

    fn know(&mut self, node: usize, peers: Vec<usize>) {
        self.hosts[node].place.keep_only(peers);
    }

    fn set_gate(&mut self, node: usize, actor: Actor, passage: Passage) {
        self.hosts[node].gates.keeper(actor).set(passage);
    }

    fn set_clock(&mut self, node: usize, by_seconds: f64, rate: f64) {
        self.hosts[node].clock.skew(by_seconds, rate);
    }

    fn set_disk(&mut self, node: usize, trouble: Option<DiskTrouble>) {
        let disk = &self.hosts[node].disk;
        match trouble {
            Some(DiskTrouble::Full) => disk.fail_from(disk.operations()),
            Some(DiskTrouble::NoSync) => disk.fail_syncs(),
            None => disk.mend(),
        }
    }

    async fn next(&mut self, deadline: Duration) -> Option<Heard> {
        let deadline = self.began + deadline;
        self.inbox.next(deadline).await
    }
}

/// A place that is no node's: those of one group are of one group of addresses, which no node is of but in clusters of more than
/// 192.
fn own_place(group: u8, host: u8) -> NodeIndex {
    NodeIndex(u16::from_be_bytes([host.saturating_add(1), u8::MAX - group]))
}

fn index(node: usize) -> NodeIndex {
    NodeIndex(u16::try_from(node).expect("a plan has at most 65,536 nodes"))
}
