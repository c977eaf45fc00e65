//! The shape of one entry of `faults`.

use schemars::{JsonSchema, Schema};
use schism_chaos::catalogue::CATALOGUE;
use serde_json::{Value, json};

use super::Either;
use super::text::{Bandwidth, Length, Name, Offset, Pause, Rate, Selector, Share};
use super::topology::Role;

/// What happens, when, how long, and what must be seen.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, transform = one_kind)]
pub(super) struct Step {
    /// Its name, for `after`, `control` and the report.
    name: Option<Name>,
    /// This long after the load started.
    at: Option<Length>,
    /// When a chain is this high for the first time.
    #[schemars(range(min = 1))]
    at_height: Option<u32>,
    /// `heal`, a step's name, or `heal:<step>`; of steps above this one.
    after: Option<String>,
    /// Later by this.
    delay: Option<Length>,
    /// Again and again.
    every: Option<Length>,
    /// How many times in all.
    #[schemars(range(min = 1))]
    times: Option<u32>,
    /// How long it lasts.
    r#for: Option<Length>,
    /// Until when.
    until: Option<Either<Length, Until>>,
    /// Never healed.
    permanent: Option<bool>,
    /// What must be seen while it acts.
    prove: Option<Prove>,
    /// Splits the nodes into sides.
    partition: Option<Either<Selector, Parts>>,
    /// Nothing passes on some links.
    cut: Option<Links>,
    /// Cut off from everyone.
    isolate: Option<Either<Selector, Picked>>,
    /// Frames take longer.
    latency: Option<Either<Pause, Latency>>,
    /// Links carry less.
    bandwidth: Option<Either<Bandwidth, Limit>>,
    /// Frames get lost.
    loss: Option<Either<Share, Loss>>,
    /// Nodes die; to heal is to start them again.
    crash: Option<Either<Selector, Crash>>,
    /// Nodes die and start again at once.
    restart: Option<Either<Selector, Crash>>,
    /// Nodes take upgrades of the rules that they rejected: they die and start again.
    upgrade: Option<Either<Selector, Upgrade>>,
    /// Hash power moves from some miners to others.
    hash_power: Option<HashPower>,
    /// Nodes stand still.
    freeze: Option<Either<Selector, Picked>>,
    /// Nodes keep leaving and coming back.
    churn: Option<Churn>,
    /// Nodes' clocks are wrong.
    clock_skew: Option<ClockSkew>,
    /// Links are cut and mended in turns.
    flap: Option<Flap>,
    /// Nodes die for ever.
    destroy: Option<Either<Selector, Picked>>,
    /// An actor takes messages later.
    slow: Option<Slow>,
    /// An actor never sees some messages.
    drop: Option<Drop>,
    /// An actor sees nothing until healed.
    hold: Option<Hold>,
    /// Nothing more fits on disks.
    full_disk: Option<Either<Selector, Picked>>,
    /// Syncs of disks fail.
    failing_sync: Option<Either<Selector, Picked>>,
    /// New nodes start.
    join: Option<Join>,
}

/// Exactly one kind of fault, and a start.
fn one_kind(schema: &mut Schema) {
    let required = |key: &str| json!({ "required": [key] });
    let kinds: Vec<Value> = CATALOGUE.iter().map(|kind| required(kind.name)).collect();
    schema.insert("oneOf".to_owned(), kinds.into());
    let starts: Vec<Value> = ["at", "at_height", "after", "every"].into_iter().map(required).collect();
    schema.insert("anyOf".to_owned(), starts.into());
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Until {
    at: Option<Length>,
    #[schemars(range(min = 1))]
    at_height: Option<u32>,
    after: Option<String>,
}

/// Each at least.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Prove {
    /// Blocks mined on each side.
    #[schemars(range(min = 1))]
    each_side_mined: Option<u32>,
    /// Different best tips at one moment.
    #[schemars(range(min = 1))]
    tips_differ: Option<u32>,
    /// Connections that broke.
    #[schemars(range(min = 1))]
    peers_lost: Option<u32>,
    /// Frames held, lost or delayed.
    frames_touched: Option<u64>,
    /// Blocks that those it picked had missed at its end, each.
    #[schemars(range(min = 1))]
    blocks_missed: Option<u32>,
    /// Blocks refused.
    #[schemars(range(min = 1))]
    blocks_refused: Option<u32>,
    /// Blocks mined by those that it gave hash power to.
    #[schemars(range(min = 1))]
    blocks_mined: Option<u32>,
    /// Writes lost with a machine.
    writes_lost: Option<u64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Parts {
    #[schemars(range(min = 2))]
    parts: u32,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Picked {
    pick: Selector,
}

/// All links, where nothing is said.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Links {
    from: Option<Selector>,
    to: Option<Selector>,
    between: Option<[Selector; 2]>,
    of: Option<Selector>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Latency {
    by: Pause,
    jitter: Option<Pause>,
    from: Option<Selector>,
    to: Option<Selector>,
    between: Option<[Selector; 2]>,
    of: Option<Selector>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limit {
    limit: Bandwidth,
    from: Option<Selector>,
    to: Option<Selector>,
    between: Option<[Selector; 2]>,
    of: Option<Selector>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Loss {
    share: Share,
    from: Option<Selector>,
    to: Option<Selector>,
    between: Option<[Selector; 2]>,
    of: Option<Selector>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum CrashKind {
    Process,
    Machine,
    Torn,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Crash {
    pick: Selector,
    kind: Option<CrashKind>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Upgrade {
    /// Of those that still reject one of them.
    pick: Selector,
    /// Names of upgrades; all that they reject where nothing is said.
    to: Option<Vec<Name>>,
    kind: Option<CrashKind>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HashPower {
    from: Selector,
    to: Selector,
    /// Of what they have.
    share: Share,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Churn {
    pick: Option<Selector>,
    /// Leavings, of all of them together.
    rate: Rate,
    /// How long one stays away, on average.
    away: Length,
    kind: Option<CrashKind>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ClockSkew {
    pick: Selector,
    /// More than 1.5 s either way, unless there is a rate: less cannot be told from a true clock.
    by: Option<Offset>,
    /// Seconds the clock counts per second.
    #[schemars(extend("exclusiveMinimum" = 0))]
    rate: Option<f64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Flap {
    down: Length,
    up: Length,
    from: Option<Selector>,
    to: Option<Selector>,
    between: Option<[Selector; 2]>,
    of: Option<Selector>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Actor {
    Network,
    Ledger,
    Mempool,
    Miner,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Slow {
    actor: Actor,
    of: Selector,
    by: Pause,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Drop {
    actor: Actor,
    of: Selector,
    share: Option<Share>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Hold {
    actor: Actor,
    of: Selector,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Join {
    /// Their group's name, a new one.
    group: Name,
    #[schemars(range(min = 1, max = 10_000))]
    count: Option<u32>,
    role: Option<Role>,
    region: Option<Name>,
    /// Whom they know and keep; where nothing is said they join the overlay.
    peers: Option<Selector>,
}
