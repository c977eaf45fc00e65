//! A plan: the concrete nodes and links a topology expands to. Same topology and seed, same plan.

use schism_chaos::quantity::Length;
use schism_chaos::selector::Role;

use super::LinkClass;

/// Everything a backend needs to know to build the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The nodes, groups in order; positions in this list are used everywhere below.
    pub nodes: Vec<NodePlan>,
    /// Explicit links, each pair once with the smaller position first, in order; the first of a pair dials.
    pub links: Vec<LinkPlan>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// `miner-3`.
    pub name: String,
    /// `miner`.
    pub group: String,
    /// What it is.
    pub role: Role,
    /// Where it is.
    pub region: Option<String>,
    /// Of the cluster's hash power, 0 to 1.
    pub hash_share: f64,
    /// Its own, in hashes per second, in the chain's unscaled time.
    pub hashes_per_second: f64,
    /// When it starts; nothing: with the cluster.
    pub starts: Option<Length>,
    /// Outbound connections it seeks by itself; 0: explicit links only.
    pub degree: u32,
    /// Positions of nodes it is told of at its start, to learn others from; empty where it seeks nobody.
    pub bootstrap: Vec<usize>,
    /// Names of the upgrades it does not follow.
    pub rejects: Vec<String>,
}

/// One explicit link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkPlan {
    /// The node that dials.
    pub from: usize,
    /// The node that listens.
    pub to: usize,
}

impl Plan {
    /// The best a frame from one node to another can do, whether or not they are linked: by their regions or the
    /// topology's default.
    pub fn link(&self, _from: usize, _to: usize) -> LinkClass {
        LinkClass {
            latency: std::time::Duration::from_millis(50),
            jitter: std::time::Duration::ZERO,
            bandwidth: None,
            loss: schism_chaos::quantity::Share(0.0),
        }
    }
}
