//! The shape of an experiment's file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

use super::checks::{Always, Finally};
use super::faults::Step;
use super::text::{Length, Name, Pause, Rate, Selector, Share};
use super::topology::Topology;
use super::{Either, Some};

/// A topology, what happens to it in time, and what must hold.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Experiment {
    /// Its name; the file's, where nothing is said.
    name: Option<Name>,
    /// What it shows; the file's first line, where nothing is said.
    about: Option<String>,
    /// A file, from this one, or the topology itself.
    topology: Either<String, Topology>,
    /// Every random choice comes from it; 1 where nothing is said.
    seed: Option<u64>,
    /// How long the schedule runs.
    duration: Option<Length>,
    /// What users do.
    load: Option<Load>,
    /// What happens.
    faults: Option<Vec<Step>>,
    /// What must hold all the time.
    always: Option<Always>,
    /// What must hold after everything was healed.
    finally: Option<Finally>,
    /// The same without what it is about, and what must come of that.
    control: Option<Some<Control>>,
    /// What every interval and length is multiplied by.
    pace: Option<Pace>,
    /// What computing costs a node on the virtual clock: `none`, or a price each.
    work: Option<Either<Free, Work>>,
    /// Settings to combine: paths, and lists of values.
    sweep: Option<BTreeMap<String, Values>>,
    /// A number to be measured over many trials and held against theory.
    claim: Option<Claim>,
    /// Settings by name, laid over the file by `--set profile=…`.
    profiles: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Claim {
    /// A private branch undoes a payment as often as a table says.
    double_spend: Option<DoubleSpend>,
    /// Selfish mining earns what its formula says.
    selfish: Option<Selfish>,
    /// Payments that some miners leave out wait as long as a formula says.
    censorship: Option<Censorship>,
    /// Two blocks are found at as many heights as their spread foretells.
    stale_blocks: Option<StaleBlocks>,
    /// Blocks take as long as the law of the chain's difficulty says.
    difficulty: Option<Difficulty>,
    /// A node that starts anew is left with nobody but the attacker as often as draws from its book say.
    eclipse: Option<Eclipse>,
    /// Which list of points is measured; `full` where nothing is said.
    profile: Option<Name>,
    /// What holds at every point.
    at: Option<Point>,
    /// Lists of points.
    points: BTreeMap<String, Points>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Selfish {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Eclipse {
    /// The group of nodes that start anew.
    victims: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StaleBlocks {}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Difficulty {
    /// Such as that of the topology's chain.
    law: super::topology::Difficulty,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Censorship {
    /// Whether censors do not build on blocks that hold such payments.
    orphaning: Option<bool>,
    /// The node whose chain counts.
    witness: String,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct DoubleSpend {
    table: Option<Table>,
    /// The node that is paid.
    merchant: String,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Table {
    /// Nothing mined before, strictly more work wins.
    Strict,
    /// One block mined before.
    Rosenfeld,
    /// Section 11 of the paper of 2008.
    Nakamoto,
}

/// At least one point.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Points(#[schemars(length(min = 1))] Vec<Point>);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Point {
    /// The attacker's share of all hash power.
    q: Option<f64>,
    /// Blocks on the payment after which the merchant hands over.
    confirmations: Option<u32>,
    /// Payments that are tried.
    trials: Option<u32>,
    /// The attacker gives up so many blocks behind.
    deficit: Option<u32>,
    /// Honest miners.
    honest: Option<u32>,
    /// Nodes without hash power on the attacker's side.
    sybils: Option<u32>,
    /// What honest miners hash together: 100 find a block an interval.
    honest_rate: Option<f64>,
    /// The censors' share of all hash power.
    c: Option<f64>,
    /// Blocks of which none holds the payment.
    k: Option<u32>,
    /// Times in a row that a payment must be undone to count as frozen.
    rounds: Option<u32>,
    /// The latency of all links one way, in milliseconds.
    delay: Option<f64>,
    /// Hash power from the moment on, of what was there before.
    power: Option<f64>,
    /// Of all hash power, the share that lies about the time.
    liars: Option<f64>,
    /// Outbound peers that each victim seeks.
    slots: Option<u32>,
    /// Addresses that the attacker listens at.
    addresses: Option<u32>,
    /// Which defences are on, added up: buckets 1, anchors 2, feelers 4, try_before_evict 8, protect_inbound 16.
    defences: Option<u32>,
    /// Minutes before the attack, in which everyone finds peers.
    calm: Option<f64>,
    /// Minutes that the attacker has before victims are looked at.
    minutes: Option<f64>,
    /// Times that victims crash and start anew meanwhile.
    crashes: Option<u32>,
    /// Whether the honest peers that victims had dialled are down by then.
    down: Option<u32>,
    /// The selfish miner's share of all hash power.
    alpha: Option<f64>,
    /// Blocks that everyone finds together in one stretch.
    blocks: Option<u32>,
    /// Stretches, from whose scatter intervals are taken.
    stretches: Option<u32>,
}

/// At least one value.
#[derive(JsonSchema)]
#[schemars(transparent)]
struct Values(#[schemars(length(min = 1))] Vec<Value>);

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Load {
    /// Payments a second.
    transactions: Rate,
    /// Of them, double spends.
    conflicting: Option<Share>,
    /// Where they are submitted.
    from: Option<Selector>,
    /// Payments confirmed on one side of a fork are submitted on the other.
    replay: Option<Replay>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Replay {
    /// Where they were made.
    from: Selector,
    /// Where they are submitted again.
    to: Selector,
    /// With what wallets that live where they were made pay all they have to themselves before they pay anybody.
    split: Option<Split>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Split {
    /// A coin that descends from a coinbase of this side alone.
    Coinbase,
    /// Nothing: nothing is split.
    Alone,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("anyOf" = [{ "required": ["without"] }, { "required": ["with"] }]))]
struct Control {
    /// `heal`, `heal:<step>`, or a step.
    without: Option<String>,
    /// Settings: paths and values.
    with: Option<BTreeMap<String, Value>>,
    /// The verdict it must get.
    expect: Failing,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Failing {
    Stalled,
    Violated,
    Refuted,
    Inconclusive,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Free {
    /// Computing costs nothing.
    None,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Work {
    /// Of one signature check; `50us` where nothing is said.
    signature_check: Option<Pause>,
    /// Of one byte that is parsed, hashed and copied; `10ns` where nothing is said.
    byte: Option<Pause>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Pace {
    #[schemars(extend("exclusiveMinimum" = 0))]
    simulated: Option<f64>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    process: Option<f64>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    container: Option<f64>,
}
