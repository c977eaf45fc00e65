//! A mutation: something wrong in what a node stands in or between its actors, so that a check has something to catch.
//!
//! No node knows of it: there is no branch for it in `node/`.

use std::fmt::Debug;
use std::sync::Arc;

use schism_node::NodeConfig;
use schism_node::ring::Ring;
use schism_node::surroundings::{Spawner, Surroundings};

/// What is done to every node of a cluster at each of its starts. What an implementation leaves out stays as it is.
pub trait Mutation: Debug + Send + Sync {
    /// Changes what a node is told about itself.
    fn config(&self, config: NodeConfig) -> NodeConfig {
        config
    }

    /// Changes what a node stands in.
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        surroundings
    }

    /// Puts something between a node's actors; the spawner runs it as a part of the node.
    fn between(&self, ring: Ring, _spawner: &Arc<dyn Spawner>) -> Ring {
        ring
    }
}
