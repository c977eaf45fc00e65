//! The shape of `always` and `finally`.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::text::{Length, Pause, Selector, Share, Size};
use super::{Either, Some};

/// Asked on every event.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Always {
    agreement: Option<Some<Yes>>,
    common_prefix: Option<Some<CommonPrefix>>,
    chain_growth: Option<Some<ChainGrowth>>,
    chain_quality: Option<Some<ChainQuality>>,
    supply: Option<Some<Supply>>,
    no_double_spend: Option<Some<Yes>>,
    no_lost_confirmed: Option<Some<NoLostConfirmed>>,
    bounded_peers_data: Option<Some<Either<Yes, Bounded>>>,
    unaltered: Option<Some<Yes>>,
    only_liars_banned: Option<Some<OnlyLiarsBanned>>,
    keeps_honest_peers: Option<Some<KeepsHonestPeers>>,
    /// Asked of some nodes only, by selector.
    only: Option<BTreeMap<String, Always>>,
}

/// Asked after everything was healed.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Finally {
    agreement: Option<Some<Yes>>,
    chain_growth: Option<Some<ChainGrowth>>,
    chain_quality: Option<Some<ChainQuality>>,
    supply: Option<Some<Supply>>,
    no_double_spend: Option<Some<Yes>>,
    no_lost_confirmed: Option<Some<NoLostConfirmed>>,
    bounded_peers_data: Option<Some<Either<Yes, Bounded>>>,
    unaltered: Option<Some<Yes>>,
    only_liars_banned: Option<Some<OnlyLiarsBanned>>,
    keeps_honest_peers: Option<Some<KeepsHonestPeers>>,
    equivocated: Option<Some<Equivocated>>,
    rewritten: Option<Some<Rewritten>>,
    refused_reasons: Option<Some<RefusedReasons>>,
    pool_agreement: Option<Some<PoolAgreement>>,
    converged: Option<Some<Converged>>,
    payment: Option<Some<Payment>>,
    served: Option<Some<Served>>,
    replay: Option<Some<Either<Replayed, Drained>>>,
    limits: Option<Some<Limits>>,
    /// Asked of some nodes only, by selector.
    only: Option<BTreeMap<String, Finally>>,
}

/// `true`: a check is asked, or not there.
#[derive(JsonSchema)]
#[schemars(transparent, extend("const" = true))]
struct Yes(bool);

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Supply {
    Exact,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct CommonPrefix {
    /// Blocks at the end that may differ.
    k: u32,
    within: Option<Either<Scope, Connected>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Scope {
    Connected,
    Everyone,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Connected {
    /// For at least this long.
    connected: Length,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ChainGrowth {
    at_least: Share,
    over: Length,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ChainQuality {
    at_least: Share,
    /// Consecutive blocks: `20 blocks`.
    over: Length,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct NoLostConfirmed {
    /// Confirmations from which on it counts.
    #[schemars(range(min = 1))]
    depth: u32,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Bounded {
    pool: Size,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PoolAgreement {
    within: Length,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Converged {
    within: Length,
    fresh_blocks: Option<u32>,
    from_each_side: Option<bool>,
    stable: Option<Length>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Payment {
    from: Option<Selector>,
    to: Option<Selector>,
    confirmed_within: Length,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Served {
    to: Selector,
    #[schemars(range(min = 1))]
    by_at_least: Option<u32>,
    by: Option<Selector>,
    /// Whether the first body came while the server was itself still behind.
    while_syncing: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OnlyLiarsBanned {
    /// Bans, of all nodes together.
    at_least: Option<u32>,
    /// Charges, of all nodes together.
    charges: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct KeepsHonestPeers {
    /// Connections of strangers that ended, of all nodes together.
    strangers: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Equivocated {
    /// Heights at which honest nodes saw different blocks of an adversary first.
    #[schemars(range(min = 1))]
    heights: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Rewritten {
    /// Blocks undone at once, at least, and confirmations of payments that are spent otherwise.
    #[schemars(range(min = 1))]
    deep: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RefusedReasons {
    /// Names of reasons.
    these: Option<Vec<String>>,
    all_but: Option<Vec<String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Replayed {
    Refused,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("oneOf" = [{ "required": ["confirmed"] }, { "required": ["kept"] }]))]
struct Drained {
    /// Payments confirmed on both sides, at least.
    #[schemars(range(min = 1))]
    confirmed: Option<u32>,
    /// Payments submitted again, at least, none of which moves anything.
    #[schemars(range(min = 1))]
    kept: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
struct Limits {
    /// Blocks undone at once.
    reorganisation: Option<u32>,
    blocks_lost: Option<u32>,
    time_to_converge: Option<Length>,
    transaction_everywhere: Option<Percentiles>,
    block_everywhere: Option<Percentiles>,
    #[schemars(range(min = 0, max = 1))]
    gini_bytes_served: Option<f64>,
    #[schemars(range(min = 0, max = 1))]
    gini_verifications: Option<f64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
struct Percentiles {
    p50: Option<Pause>,
    p90: Option<Pause>,
    p99: Option<Pause>,
    max: Option<Pause>,
}
