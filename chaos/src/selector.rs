//! A selector: which nodes something is about, said without naming them one by one: `half of role:miner`.

mod text;

pub use text::name;

use crate::quantity::Share;

/// Which nodes: so many of a set. What is not fixed by names is drawn from the run's seed among the nodes alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// How many of them.
    pub amount: Amount,
    /// Of whom: nodes that are in any of these sets. Never empty.
    pub among: Vec<Set>,
}

/// How many of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Every one.
    All,
    /// This many, at least 1: `one`, `3`.
    Count(u32),
    /// The largest number below half: 4 of 10, 4 of 9.
    Minority,
    /// All but the minority: 6 of 10, 5 of 9.
    Majority,
    /// Half, rounded down: 5 of 10, 4 of 9.
    Half,
    /// This share of the nodes, to the nearest whole node, at least one unless the share is 0: `30%`.
    Share(Share),
    /// As few as hold more than this share of the whole cluster's hash power, drawn in random order: `hashpower:>50%`.
    HashPowerOver(Share),
    /// As many as hold less than this share of the whole cluster's hash power, drawn in random order: `hashpower:<30%`.
    HashPowerUnder(Share),
}

/// A set of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Every node: `any`, `all`.
    Everyone,
    /// One by its name: `miner-3`.
    Name(String),
    /// All of a role: `role:miner`.
    Role(Role),
    /// All of a group: `group:east`.
    Group(String),
    /// All of a region: `region:europe`.
    Region(String),
    /// The node that has sent the most bytes so far; its name breaks a tie: `busiest`.
    Busiest,
    /// Whoever the other end of the same fault did not pick: `rest`.
    Rest,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Mines, validates and relays.
    Miner,
    /// Validates and relays.
    Full,
    /// Follows headers only.
    Light,
    /// Introduces others to each other.
    Coordinator,
    /// Misbehaves on purpose; the checks ask nothing of it.
    Adversary,
}
