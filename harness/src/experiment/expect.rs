//! Expectations: what must hold, always or finally, and what must not hold when the mechanism is taken away.

use std::fmt;
use std::time::Duration;

use schism_chaos::quantity::{Length, Share, Size};
use schism_chaos::selector::Selector;

use crate::report::Verdict;

/// One property, and of whom it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Of whom; nothing: of every honest node.
    pub of: Option<Selector>,
    /// What.
    pub check: Check,
}

/// Every property that can be asked. Each says whether it belongs under `always`, `finally` or both.
#[derive(Clone, Debug, PartialEq)]
pub enum Check {
    /// Both: nodes that report the same tip report the same digest and supply.
    Agreement,
    /// Always: chains of honest nodes agree on all but their last `k` blocks.
    CommonPrefix {
        /// Blocks.
        k: u32,
        /// Among whom.
        within: Scope,
    },
    /// Both: the best chain grows by at least this share of what its interval promises.
    ChainGrowth {
        /// 1 is a block per interval.
        at_least: Share,
        /// Measured over any stretch of this length (always), or over the last one (finally).
        over: Length,
    },
    /// Both: of any `over` consecutive blocks of the best chain honest nodes mined at least this share.
    ChainQuality {
        /// Of the blocks.
        at_least: Share,
        /// Consecutive blocks looked at.
        over: u32,
    },
    /// Both: coins, unclaimed and unspendable are exactly the subsidies, on every node at every tip.
    Supply,
    /// Both: no best chain spends an output twice.
    NoDoubleSpend,
    /// Both: a transaction once this deep on any honest node stays, or is confirmed again, unless its inputs were spent otherwise.
    NoLostConfirmed {
        /// Confirmations from which on it counts.
        depth: u32,
    },
    /// Finally: pools hold the same transactions, conflicts with each other aside.
    PoolAgreement {
        /// After the schedule ended, at the latest.
        within: Length,
    },
    /// Both: what peers can fill stays within the node's bounds, and each pool within this.
    BoundedPeersData {
        /// Serialised bytes in one pool; nothing: the node's own bound.
        pool: Option<Size>,
    },
    /// Finally: see the word in the glossary: one best block with most work, digests agree, fresh blocks, and it stays so.
    Converged {
        /// After the schedule ended, at the latest; fresh blocks are waited for besides.
        within: Length,
        /// Blocks of the agreed chain mined after the last heal, at least.
        fresh_blocks: u32,
        /// Whether miners of each side of the last partition must have mined some of them.
        from_each_side: bool,
        /// And stays so this long.
        stable: Length,
    },
    /// Finally: a payment made now is confirmed on every honest node.
    Payment {
        /// Submitted here: one draw, from each side where there were sides.
        from: Selector,
        /// To a wallet of this node.
        to: Selector,
        /// At the latest.
        confirmed_within: Length,
    },
    /// Finally: newcomers were served with the blocks they lacked.
    Served {
        /// Who.
        to: Selector,
        /// By at least this many different peers each.
        by_at_least: u32,
        /// By these and no others, where said.
        by: Option<Selector>,
        /// Whether the first body must have come while the server itself was still behind.
        while_syncing: bool,
    },
    /// Finally: what became of payments that were submitted on the other side of a fork.
    Replay(Replayed),
    /// Finally: figures of the whole run stay below these.
    Limits(Limits),
    /// Both: whatever is taken is as somebody made it.
    Unaltered,
    /// Both: no honest node is banned, and so many who lied are.
    OnlyLiarsBanned {
        /// Bans, of all nodes together.
        at_least: u32,
        /// Charges, of all nodes together.
        charges: u32,
    },
    /// Both: honest nodes stay connected to each other, and send strangers away, so many at least.
    KeepsHonestPeers {
        /// Connections of strangers that ended, of all nodes together.
        strangers: u32,
    },
    /// Finally: honest nodes saw different blocks of an adversary first, at so many heights at least.
    Equivocated {
        /// Heights.
        heights: u32,
    },
    /// Finally: every honest node undid what was confirmed, and payments among it are spent otherwise.
    Rewritten {
        /// Blocks undone at once, at least, and confirmations of those payments.
        deep: u32,
    },
    /// Finally: every node has refused something for each of these reasons, by name.
    RefusedReasons(Vec<&'static str>),
}

/// What should become of payments that are submitted on the other side of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Every one is refused because of its signature.
    Refused,
    /// So many at least are confirmed there, too.
    Confirmed(u32),
    /// So many at least are submitted there, every one is refused because it spends coins that are not there, and every
    /// wallet keeps all that it has there.
    Kept(u32),
}

impl Check {
    /// Its word in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::CommonPrefix { .. } => "common_prefix",
            Self::ChainGrowth { .. } => "chain_growth",
            Self::ChainQuality { .. } => "chain_quality",
            Self::Supply => "supply",
            Self::NoDoubleSpend => "no_double_spend",
            Self::NoLostConfirmed { .. } => "no_lost_confirmed",
            Self::PoolAgreement { .. } => "pool_agreement",
            Self::BoundedPeersData { .. } => "bounded_peers_data",
            Self::Converged { .. } => "converged",
            Self::Payment { .. } => "payment",
            Self::Served { .. } => "served",
            Self::Replay(_) => "replay",
            Self::Limits(_) => "limits",
            Self::Unaltered => "unaltered",
            Self::OnlyLiarsBanned { .. } => "only_liars_banned",
            Self::KeepsHonestPeers { .. } => "keeps_honest_peers",
            Self::Equivocated { .. } => "equivocated",
            Self::Rewritten { .. } => "rewritten",
            Self::RefusedReasons(_) => "refused_reasons",
        }
    }
}

/// Among whom a property is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scope {
    /// Nodes between which a path of live, uncut connections has existed for at least this long.
    Connected {
        /// Δ of the theory; where nothing is said, one block interval.
        since: Length,
    },
    /// All honest nodes.
    Everyone,
}

/// Upper limits on what a run measured; nothing: no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// Blocks undone at once by one node.
    pub reorganisation: Option<u32>,
    /// Mined blocks that are not on the final chain.
    pub blocks_lost: Option<u32>,
    /// From the end of the schedule to convergence.
    pub time_to_converge: Option<Length>,
    /// From the submission of a transaction to its arrival in the last reachable honest node.
    pub transaction_everywhere: Option<Percentiles>,
    /// From the mining of a block to its arrival in the last reachable honest node.
    pub block_everywhere: Option<Percentiles>,
    /// Gini index, 0 to 1, of bytes served per node.
    pub gini_bytes_served: Option<f64>,
    /// Gini index, 0 to 1, of signature checks per node.
    pub gini_verifications: Option<f64>,
}

/// Limits on a distribution of times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Percentiles {
    /// Half of the values are below.
    pub p50: Option<Duration>,
    /// Nine of ten.
    pub p90: Option<Duration>,
    /// 99 of 100.
    pub p99: Option<Duration>,
    /// All.
    pub max: Option<Duration>,
}

/// The same experiment with something taken away or made different. [`super::Experiment::controlled`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// What is taken away.
    pub without: Option<Without>,
    /// What is different: settings, paths as in `--set` and their values as YAML text.
    pub with: Vec<(String, String)>,
    /// What the verdict must then be.
    pub expect: Verdict,
}

impl fmt::Display for Without {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Heal => f.write_str("heal"),
            Self::HealOf(step) => write!(f, "heal:{step}"),
            Self::Step(step) => f.write_str(step),
        }
    }
}

impl From<&str> for Without {
    fn from(word: &str) -> Self {
        match word.split_once(':') {
            Some(("heal", step)) => Self::HealOf(step.to_owned()),
            _ if word == "heal" => Self::Heal,
            _ => Self::Step(word.to_owned()),
        }
    }
}

/// What a control takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Without {
    /// Nothing is ever healed, though the schedule and the checks take it to be: whatever would undo a fault does nothing.
    Heal,
    /// The same for one step, by its name.
    HealOf(String),
    /// One step does not happen, by its name, nor do those that wait for it.
    Step(String),
}
