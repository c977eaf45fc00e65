//! A topology: which nodes there are, who is linked to whom, how well, and which chain they keep.

mod adversary;
mod chain;
mod link;
mod plan;
mod print;
mod read;
mod rules;
mod sane;
mod shape;
#[cfg(test)]
mod tests;

pub use chain::{ChainRules, DifficultyRule, Preset, UpgradeRule};
pub(crate) use chain::{print_difficulty, read_difficulty};
pub use link::{LinkClass, Region};
pub use plan::{LinkPlan, NodePlan, Plan, Starts};
pub(crate) use read::{read, read_loss};

use schism_chaos::adversary::Adversary;
use schism_chaos::quantity::{HashRate, Length, Share};
use schism_chaos::selector::{Role, Selector};
use schism_node::config::Defences;

/// A topology as its file says it, checked. [`Plan`] is what it expands to.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// Its name; the file's, where the file does not say.
    pub name: String,
    /// What it is for: the file's first line, without the `#`.
    pub about: String,
    /// The rules of its chain.
    pub chain: ChainRules,
    /// Hashes per second of all miners together, of which groups have shares. Where nothing is said: just enough that
    /// blocks come at the chain's interval from the start.
    pub hash_rate: Option<HashRate>,
    /// Its groups, in the file's order; names are unique, and so are the nodes' names made of them.
    pub groups: Vec<Group>,
    /// Who seeks whom.
    pub overlay: Overlay,
    /// The link between nodes of which one has no region.
    pub link: LinkClass,
    /// Its regions, in the file's order.
    pub regions: Vec<Region>,
}

/// Nodes of one kind: `<name>-0`, `<name>-1`, …
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many, at least 1.
    pub count: u32,
    /// What they are.
    pub role: Role,
    /// What they hash with, all of them together, in equal parts. Miners of which nothing is said share equally, node
    /// by node, what the others leave.
    pub hash_power: Option<HashPower>,
    /// Where they are: regions with shares that sum to 1. Empty: nowhere in particular.
    pub regions: Vec<(String, Share)>,
    /// When they start; nothing: with the cluster.
    pub starts: Option<Length>,
    /// Whom they keep a connection to instead of seeking peers; nothing: they take part in the overlay.
    pub peers: Option<Selector>,
    /// Names of the upgrades these nodes do not follow: a second opinion about the chain.
    pub rejects: Vec<String>,
    /// What stands between the actors of these nodes; nothing: they are honest.
    pub adversary: Option<Adversary>,
}

/// How much hashing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HashPower {
    /// Of the cluster's.
    Share(Share),
    /// Absolutely.
    Rate(HashRate),
}

/// Who is linked to whom, or how nodes find each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Overlay {
    /// Each node seeks `degree` peers by itself through peer exchange, starting from a few it is told.
    Unstructured {
        /// Outbound connections sought.
        degree: u32,
        /// Connections accepted; nothing: as many as others want.
        inbound: Option<u32>,
        /// What keeps others from choosing a node's peers for it.
        defences: Defences,
    },
    /// Each node is linked to the next.
    Line,
    /// A line whose ends are linked.
    Ring,
    /// All are linked to the first node.
    Star,
    /// All are linked to all.
    Mesh,
    /// One island per group, each a random connected graph, joined in a ring of bridges (one pair of islands: one).
    Islands {
        /// Links each node has within its island, about: at least; fewer where the island is smaller.
        degree: u32,
        /// Links between two neighbouring islands.
        bridges: u32,
    },
    /// Exactly these, by node names.
    Links(Vec<(String, String)>),
}

impl Overlay {
    /// Nodes that seek so many peers, with everything that protects them.
    pub fn unstructured(degree: u32) -> Self {
        Self::Unstructured { degree, inbound: None, defences: Defences::default() }
    }
}
