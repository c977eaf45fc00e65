//! The gate: two processes with one seed have one trace, over real swarms in real actors. Each way to lose that is
//! planted once, and turns the gate red.

use std::collections::{HashSet, hash_map::RandomState};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::thread;
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::{Actor, AsyncContext, Context};
use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::{Config, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, identity::Keypair, ping};
use schism_node::surroundings::Spawner;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::clock::Stopwatch;
use super::worker::in_test_workers;
use super::{Fidelity, NodeIndex, NodeSpawner, Settings, Simulation, simulate};
use crate::link::Link;

/// What a run of the gate is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    seed: u64,
    fidelity: Fidelity,
    plant: Plant,
    nodes: u16,
    seconds: u64,
}

/// What spoils a run on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Plant {
    Nothing,
    /// A pause that the machine's clock decides.
    RealTime,
    /// Messages in the order of a HashMap whose keys are the kernel's.
    HashOrder,
    /// A message whose content is the kernel's.
    RealChance,
}

/// What a run of the gate says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Outcome {
    hash: String,
    items: u64,
    heard: Vec<u64>,
    pings: u64,
    threads: usize,
}

#[derive(NetworkBehaviour)]
struct Talk {
    gossip: gossipsub::Behaviour,
    ping: ping::Behaviour,
}

/// An actor that owns a swarm.
struct Talker {
    index: u16,
    swarm: Swarm<Talk>,
    topic: IdentTopic,
    simulation: Simulation,
    plant: Plant,
    dials: Vec<Multiaddr>,
    heard: u64,
    pings: u64,
}

impl Talker {
    fn start(simulation: &Simulation, job: &Job, index: u16) -> (actix::Addr<Self>, NodeSpawner) {
        let node = NodeIndex(index);
        let spawner = simulation.spawner(node, &format!("talker-{index}"));
        let identity = Keypair::ed25519_from_bytes(Sha256::digest(index.to_be_bytes())).unwrap();
        let transport = simulation.fabric().transport(node, &identity, job.fidelity);
        let gossip = gossipsub::ConfigBuilder::default()
            .validation_mode(ValidationMode::Anonymous)
            .message_id_fn(|message| Sha256::digest(&message.data).to_vec().into())
            .build()
            .unwrap();
        let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, gossip).unwrap();
        let topic = IdentTopic::new("talk");
        gossip.subscribe(&topic).unwrap();
        let executor = spawner.clone();
        let config = Config::with_executor(move |future| executor.spawn(future));
        let behaviour = Talk { gossip, ping: ping::Behaviour::default() };
        let mut swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), config);
        swarm.listen_on(node.address()).unwrap();
        let ring = [(index + 1) % job.nodes, (index + job.nodes / 3 + 1) % job.nodes];
        let dials = ring.into_iter().filter(|other| *other > index).map(|other| NodeIndex(other).address()).collect();
        let (simulation, plant) = (simulation.clone(), job.plant);
        let talker = Self { index, swarm, topic, simulation, plant, dials, heard: 0, pings: 0 };
        let context = Context::new();
        let address = context.address();
        spawner.spawn_local(Box::pin(context.into_future(talker)));
        (address, spawner)
    }

    fn say(&mut self, round: u64) {
        let salt: u64 = match self.plant {
            Plant::RealChance => thread::spawn(|| {
                let mut bytes = [0; 8];
                getrandom_04::fill(&mut bytes).unwrap();
                u64::from_be_bytes(bytes)
            })
            .join()
            .unwrap(),
            _ => 0,
        };
        let mut words: Vec<u64> = (0..4).collect();
        if self.plant == Plant::HashOrder {
            let keys = thread::spawn(RandomState::new).join().unwrap();
            let mut set = HashSet::with_hasher(keys);
            set.extend(words);
            words = set.into_iter().collect();
        }
        for word in words {
            let data = format!("{} {round} {word} {salt}", self.index);
            let _ = self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), data);
        }
    }
}

impl Actor for Talker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.spawn(Swarming);
        for (number, address) in self.dials.clone().into_iter().enumerate() {
            context.run_later(Duration::from_millis(10 * number as u64), move |talker, _| {
                talker.swarm.dial(address).unwrap();
            });
        }
        let mut round = 0;
        context.run_interval(Duration::from_secs(2), move |talker, context| {
            round += 1;
            let pause = match talker.plant {
                Plant::RealTime => Duration::from_nanos(Stopwatch::start_reading() % 200_000_000),
                _ => Duration::ZERO,
            };
            context.run_later(pause, move |talker, _| talker.say(round));
        });
    }
}

/// Polls the actor's swarm for as long as the actor lives.
struct Swarming;

impl ActorFuture<Talker> for Swarming {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        talker: &mut Talker,
        _: &mut Context<Talker>,
        context: &mut TaskContext<'_>,
    ) -> Poll<()> {
        while let Poll::Ready(Some(event)) = talker.swarm.poll_next_unpin(context) {
            match event {
                SwarmEvent::Behaviour(TalkEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                    talker.heard += 1;
                    talker.simulation.recorder().note(NodeIndex(talker.index), "heard", &message.data);
                }
                SwarmEvent::Behaviour(TalkEvent::Ping(ping::Event { result: Ok(_), .. })) => talker.pings += 1,
                _ => {}
            }
        }
        Poll::Pending
    }
}

#[derive(actix::Message)]
#[rtype(result = "(u64, u64)")]
struct HowMuch;

impl actix::Handler<HowMuch> for Talker {
    type Result = actix::MessageResult<HowMuch>;

    fn handle(&mut self, _: HowMuch, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult((self.heard, self.pings))
    }
}

/// How much each heard, how many pings came back, and how many threads it took.
async fn story(simulation: Simulation, job: Job) -> (Vec<u64>, u64, usize) {
    simulation.fabric().set_default_link(Link {
        latency: Duration::from_millis(20),
        jitter: Duration::from_millis(15),
        bandwidth: Some(10_000_000),
        loss: 0.01,
        cut: false,
    });
    let talkers: Vec<_> = (0..job.nodes).map(|index| Talker::start(&simulation, &job, index)).collect();
    tokio::time::sleep(Duration::from_secs(job.seconds)).await;
    let (mut heard, mut pings) = (Vec::new(), 0);
    for (address, _) in &talkers {
        let (one, other) = address.send(HowMuch).await.unwrap();
        heard.push(one);
        pings += other;
    }
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    (heard, pings, threads)
}

fn run(job: Job) -> Outcome {
    let settings = Settings { fidelity: job.fidelity, ..Settings::seeded(job.seed) };
    let finished = simulate(settings, |simulation| story(simulation, job)).unwrap();
    let (heard, pings, threads) = finished.value;
    Outcome { hash: finished.trace.hash, items: finished.trace.items, heard, pings, threads }
}

const HERE: &str = "simulation::determinism";

fn job(seed: u64) -> Job {
    Job { seed, fidelity: Fidelity::Memory, plant: Plant::Nothing, nodes: 8, seconds: 60 }
}

/// Runs these jobs, each in a process of its own.
fn outcomes(test: &str, jobs: &[Job]) -> Vec<Outcome> {
    in_test_workers(&format!("{HERE}::{test}"), jobs, run)
}

#[test]
fn one_seed_has_one_trace_and_another_seed_another() {
    let jobs = [job(1), job(1), job(2)];
    let [one, same, other] = outcomes("one_seed_has_one_trace_and_another_seed_another", &jobs).try_into().unwrap();
    assert_eq!(one, same);
    assert_ne!(one.hash, other.hash);
    // Eight talkers say four words every two seconds, and everyone hears nearly all of the others'.
    assert!(one.heard.iter().all(|heard| *heard > 700), "{one:?}");
    assert!(one.pings >= 2 * 3 * 8, "timers do not fire: {one:?}");
    assert!(one.items > 10_000, "{one:?}");
    // The harness's main thread, the test's, the watch for a lost parent, and the simulation's.
    assert!(one.threads <= 4, "{one:?}");
}

#[test]
fn noise_and_yamux_have_one_trace_too() {
    let wire = Job { fidelity: Fidelity::Wire, ..job(3) };
    let [one, same] = outcomes("noise_and_yamux_have_one_trace_too", &[wire.clone(), wire]).try_into().unwrap();
    assert_eq!(one, same);
    assert!(one.heard.iter().all(|heard| *heard > 700), "{one:?}");
}

#[test]
fn real_time_turns_the_gate_red() {
    let planted = Job { plant: Plant::RealTime, ..job(1) };
    let [one, other] = outcomes("real_time_turns_the_gate_red", &[planted.clone(), planted]).try_into().unwrap();
    assert_ne!(one.hash, other.hash);
}

#[test]
fn the_order_of_a_hash_map_turns_the_gate_red() {
    let planted = Job { plant: Plant::HashOrder, ..job(1) };
    let jobs = [planted.clone(), planted];
    let [one, other] = outcomes("the_order_of_a_hash_map_turns_the_gate_red", &jobs).try_into().unwrap();
    assert_ne!(one.hash, other.hash);
}

#[test]
fn real_chance_turns_the_gate_red() {
    let planted = Job { plant: Plant::RealChance, ..job(1) };
    let [one, other] = outcomes("real_chance_turns_the_gate_red", &[planted.clone(), planted]).try_into().unwrap();
    assert_ne!(one.hash, other.hash);
}
