//! Plants: ways to lose determinism, each planted into every node of a cluster once, to see the gate turn red.
//!
//! On the simulation's thread the virtual clock answers for the machine's clock and for the kernel's chance, so there
//! the same plant must change nothing. It does harm by the road that is not replaced: a thread beside the simulation's,
//! which has the kernel's time and chance.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Failed, Trial};
use schism::backend::mutation::Mutation;
use schism::experiment::Experiment;
use schism_node::Surroundings;
use schism_node::messages::{Template, ToMiner};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;
use sha2::{Digest, Sha256};

use crate::determinism::Left;
use crate::mutants::{scene, sieve};
use crate::tell;

/// Where a process finds the plant it was started for.
pub const PLANT: &str = "SCHISM_PLANT";

/// Whole nodes that find each other, mine and pay.
const CLUSTER: &str = "\
# Six nodes mine for two minutes.
topology: { name: six, groups: { miner: { count: 6 } }, overlay: { unstructured: { degree: 3 } } }
load: { transactions: 2/s }
duration: 2m
always: { supply: exact }
";

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// A clock that is set by how long something took, as `Instant::now` has it.
    RealTime,
    /// A block's transactions in the order of a HashMap.
    HashOrder,
    /// A node whose chance does not come from the seed.
    RealChance,
}

const ALL: [(&str, What); 3] =
    [("real_time", What::RealTime), ("the_order_of_a_hash_map", What::HashOrder), ("real_chance", What::RealChance)];

/// Two trials a plant: red where it grows, green where the virtual clock is in its way.
pub fn trials() -> Vec<Trial> {
    let told = |(name, _): (&'static str, What)| {
        let grows = Trial::test(format!("planted_{name}_turns_the_gate_red"), move || {
            let (one, other) = (left(name, BESIDE)?, left(name, BESIDE)?);
            if one.trace == other.trace { Err("the gate did not see it".into()) } else { Ok(()) }
        });
        let withers = Trial::test(format!("planted_{name}_withers_on_the_virtual_clock"), move || {
            let (one, other) = (left(name, HERE)?, left(name, HERE)?);
            if one == other { Ok(()) } else { Err(format!("{} and {}", one.trace, other.trace).into()) }
        });
        [grows.with_kind("simulated"), withers.with_kind("simulated")]
    };
    ALL.into_iter().flat_map(told).collect()
}

const BESIDE: &str = "beside";
const HERE: &str = "here";

fn left(name: &str, place: &str) -> Result<Left, Failed> {
    Left::by(PLANT, &format!("{name} {place}"), tell::Surroundings::Here)
}

/// Plays the cluster with the plant this process was started for, and says what it left.
pub fn in_this_process(words: &str) -> ExitCode {
    let plant: Plant = words.parse().expect("a plant is named by this binary");
    let experiment = Experiment::parse("cluster", CLUSTER, std::path::Path::new(".")).expect("the cluster can be said");
    Left::say(&scene::played(&experiment, Some(Arc::new(plant))))
}

/// Something planted, and where.
#[derive(Clone, Copy, Debug)]
struct Plant {
    what: What,
    beside: bool,
}

impl FromStr for Plant {
    type Err = ();

    fn from_str(words: &str) -> Result<Self, ()> {
        let (name, place) = words.split_once(' ').ok_or(())?;
        let (_, what) = ALL.into_iter().find(|(other, _)| *other == name).ok_or(())?;
        Ok(Self { what, beside: place == BESIDE })
    }
}

impl Plant {
    /// Asks for something on the simulation's thread, or on one beside it.
    fn ask<T: Send + 'static>(self, what: fn() -> T) -> T {
        if self.beside { std::thread::spawn(what).join().expect("it only asks") } else { what() }
    }
}

impl Mutation for Plant {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        if self.what != What::HashOrder {
            return ring;
        }
        let state = self.ask(RandomState::new);
        let miner = sieve::before(ring.miner, spawner, move |message| {
            let ToMiner::Template(template) = message else { return Some(message) };
            let mut transactions = HashMap::with_hasher(state.clone());
            transactions.extend(template.transactions.iter().map(|one| (one.compute_txid(), one.clone())));
            let transactions = transactions.into_values().collect();
            let (parent, next, fees) = (template.parent, template.next.clone(), template.fees);
            Some(ToMiner::Template(Arc::new(Template { parent, next, transactions, fees })))
        });
        Ring { miner, ..ring }
    }

    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        match self.what {
            What::RealTime => {
                let took = self.ask(nanoseconds_of_a_computation);
                surroundings.clock.skew((took % 60) as f64, 1.0);
                surroundings
            }
            What::RealChance => Surroundings { chance: self.ask(|| RandomState::new().hash_one(0)), ..surroundings },
            What::HashOrder => surroundings,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is what is planted")]
fn nanoseconds_of_a_computation() -> u128 {
    let start = Instant::now();
    std::hint::black_box(Sha256::digest([7; 100_000]));
    start.elapsed().as_nanos()
}
