//! A real node: this very executable as one node of a cluster, told by its supervisor what it is and what to do.
//!
//! It reads lines from its standard input, [`Instructions`] first and [`Order`]s after them, and says [`Word`]s on its
//! standard output. It ends when its input does, and the kernel ends it when its supervisor is gone.

pub mod burden;
mod spawner;
mod store;

use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use schism_chaos::adversary::{self, Leash, Means};
use schism_chaos::simulation::fabric::Patience;
use schism_chaos::transport::{self, Ways};
use schism_node::clock::Clock;
use schism_node::config::{MiningConfig, MiningMode, OverlayConfig};
use schism_node::ledger::store::{FileStore, StoreFailure};
use schism_node::ledger::verifier::Pool;
use schism_node::network::book::notes::FileNotes;
use schism_node::surroundings::{RealWork, Spawner, Surroundings, Trace};
use schism_node::{Node, NodeConfig, wire};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

use self::spawner::ThisRuntime;
use self::store::Marked;
use crate::backend::draws;
use crate::backend::gates::Gates;
use crate::supervisor::protocol::{Counted, Fruit, Instructions, Order, Report, Way, What, Word};

/// The hidden verb of a node process.
pub const VERB: &str = "node";
/// Orders read and not yet carried out.
const ORDERS: usize = 1_024;
/// The first of the ports that an adversary listens at besides its node's.
const FIRST_OWN_PORT: u16 = 20_000;

/// Why a node process could not be a node.
#[derive(Debug, thiserror::Error)]
pub enum NoNode {
    /// Its instructions are none.
    #[error("these are no instructions for a node: {0}")]
    Instructions(#[from] serde_json::Error),
    /// Its store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreFailure),
    /// The system gives it no streams, no signal or no threads.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Is a node until there is nobody left to be one for.
///
/// # Errors
/// When its instructions cannot be read or its store not be opened.
pub fn be() -> Result<(), NoNode> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let instructions: Instructions = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, run(instructions))
}

/// A node with what its orders are about.
struct Running {
    node: Node,
    gates: Gates,
    clock: Clock,
    /// Whether syncs of its store fail.
    syncs_fail: Arc<AtomicBool>,
    /// The links that its transport obeys.
    ways: Option<Ways>,
}

async fn run(instructions: Instructions) -> Result<(), NoNode> {
    let mut running = start(instructions)?;
    let mut orders = read_orders()?;
    while let Some(order) = orders.recv().await {
        running.obey(order);
    }
    Ok(())
}

fn start(instructions: Instructions) -> Result<Running, NoNode> {
    let clock = Clock::with_pace(instructions.unix_seconds, instructions.clock_rate);
    let (transport, ways) = reach(&instructions);
    let haste = instructions.clock_rate;
    let syncs_fail = Arc::<AtomicBool>::default();
    let identity = draws::keypair(instructions.secret);
    let spawner: Arc<dyn Spawner> = Arc::new(ThisRuntime);
    let surroundings = Surroundings {
        transport: transport(&identity),
        store: Box::new(Marked::new(FileStore::open(&instructions.store)?, &instructions.store, syncs_fail.clone())),
        clock: clock.clone(),
        chance: instructions.chance,
        spawner: spawner.clone(),
        verifier: Arc::new(Pool::of_all_cores()),
        events: Arc::new(|event| say(&Word::Event(event))),
        trace: Trace::default(),
        work: Arc::new(RealWork),
        notes: Box::new(FileNotes::in_folder(&instructions.store)),
    };
    let config = NodeConfig {
        name: instructions.name,
        identity,
        listen: instructions.listen,
        rules: Arc::new(instructions.rules),
        overlay: OverlayConfig {
            keep: instructions.keep,
            bootstrap: instructions.bootstrap,
            degree: instructions.degree,
            most_connections: instructions.most_connections,
            defences: instructions.defences,
            haste,
        },
        mining: MiningConfig {
            hashes_per_second: instructions.hashes_per_second,
            mode: MiningMode::Drawn,
            payee: instructions.payee,
        },
    };
    let own = config.listen.clone();
    let means = Means {
        rules: config.rules.clone(),
        targets: config.overlay.keep.clone(),
        transport: transport.clone(),
        clock: clock.clone(),
        place: Arc::new(move |group, host| own_place(&own, group, host)),
        transport_at: Arc::new(move |_, _, identity| wire::tcp(identity, haste)),
        spawner: spawner.clone(),
        chance: instructions.chance ^ 0x726f_6775_6573,
        purse: instructions.purse,
    };
    let gates = Gates::default();
    let node = Node::start(config, surroundings, |ring| {
        let ring = match instructions.adversary {
            // Nobody tells it anything here: only claims do, and they are measured in simulations.
            Some(adversary) => adversary::stand_in(adversary, ring, &Leash::default(), &means),
            None => ring,
        };
        if instructions.gated { gates.stand_in(ring, instructions.chance, &spawner) } else { ring }
    })?;
    Ok(Running { node, gates, clock, syncs_fail, ways })
}

/// An address beside a node's own: another port, as it has one machine.
fn own_place(own: &wire::Multiaddr, group: u8, host: u8) -> wire::Multiaddr {
    let port = FIRST_OWN_PORT + u16::from_be_bytes([group, host]);
    let own = own.to_string();
    let machine = own.rsplit_once('/').map_or(own.as_str(), |(machine, _)| machine);
    format!("{machine}/{port}").parse().unwrap_or_else(|_| wire::Multiaddr::empty())
}

impl Running {
    fn obey(&mut self, Order { id, what }: Order) {
        match what {
            What::Ask(question) => {
                let answered = self.node.ask(question);
                spawner::run(async move {
                    say(&match answered.await {
                        Some(answer) => Word::Done { id, with: Fruit::Answered(answer) },
                        None => Word::Refused { id, why: "the node gave no answer".to_owned() },
                    });
                });
            }
            What::Gate { actor, passage } => {
                self.gates.keeper(actor).set(passage);
                say(&Word::Done { id, with: Fruit::Nothing });
            }
            What::Clock { by_seconds, rate } => {
                self.clock.skew(by_seconds, rate);
                say(&Word::Done { id, with: Fruit::Nothing });
            }
            What::Ways(ways) => {
                self.ways.iter().for_each(|obeyed| obey(obeyed, &ways));
                say(&Word::Done { id, with: Fruit::Nothing });
            }
            What::FailSyncs => {
                self.syncs_fail.store(true, Ordering::Relaxed);
                say(&Word::Done { id, with: Fruit::Nothing });
            }
            What::Report => say(&Word::Done { id, with: Fruit::Reported(self.report()) }),
            _ => say(&Word::Refused { id, why: "that is for a supervisor, not for a node".to_owned() }),
        }
    }

    fn report(&self) -> Report {
        let (resident_bytes, own_bytes) = burden::resident_bytes();
        Report {
            touched: self.gates.touched(),
            passed: self.gates.passed(),
            clock_offset: self.clock.offset_seconds(),
            ways: self.ways.as_ref().map(counted).unwrap_or_default(),
            resident_bytes,
            own_bytes,
            processor_seconds: burden::processor_seconds(),
        }
    }
}

/// How a node reaches its peers: makes a transport for an identity.
type Reach = Arc<dyn Fn(&wire::Keypair) -> wire::Transport + Send + Sync>;

/// Plain TCP where the kernel hurts links, and otherwise one that obeys them.
fn reach(instructions: &Instructions) -> (Reach, Option<Ways>) {
    let haste = instructions.clock_rate;
    let (Some(set), Some(place)) = (&instructions.ways, transport::place(&instructions.listen)) else {
        return (Arc::new(move |identity: &wire::Keypair| wire::tcp(identity, haste)), None);
    };
    let ways = Ways::new(Patience::default().stall.div_f64(haste));
    obey(&ways, set);
    let obeyed = ways.clone();
    (Arc::new(move |identity: &wire::Keypair| transport::shaped(identity, *place.ip(), &obeyed, haste)), Some(ways))
}

fn obey(ways: &Ways, set: &[Way]) {
    set.iter().for_each(|(peer, into, back)| ways.set(*peer, *into, *back));
}

fn counted(ways: &Ways) -> Vec<(Ipv4Addr, Counted)> {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let all = ways.counted().into_iter().map(|(peer, counted)| {
        let transport::Counted { held, carried, bytes, lost, delayed, queued, late } = counted;
        let [delayed_microseconds, queued_microseconds, late_microseconds] = [delayed, queued, late].map(microseconds);
        let counted = Counted {
            held,
            carried,
            bytes,
            lost,
            delayed_microseconds,
            queued_microseconds,
            late_microseconds,
            ..Counted::default()
        };
        // Every piece goes through its peer's lane.
        (peer, Counted { kept: carried, meant_microseconds: delayed_microseconds, ..counted })
    });
    all.collect()
}

/// Reads orders on a thread of their own, as nothing of the runtime may wait for a pipe.
fn read_orders() -> io::Result<mpsc::Receiver<Order>> {
    let (told, orders) = mpsc::channel(ORDERS);
    thread::Builder::new().name("orders".into()).spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(order) => {
                    if told.blocking_send(order).is_err() {
                        return;
                    }
                }
                Err(error) => say(&Word::Refused { id: 0, why: format!("this is no order: {error}") }),
            }
        }
    })?;
    Ok(orders)
}

/// Says a word; that nobody listens any more is about to end this process anyway.
fn say(word: &Word) {
    if let Ok(mut line) = serde_json::to_vec(word) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}
