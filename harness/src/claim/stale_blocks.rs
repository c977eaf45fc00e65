//! Stale blocks: a stretch of honest mining, in which it is measured how fast each block comes to whoever mines, and counted
//! at how many heights a second one was found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::BlockHash;
use schism_chaos::simulation::Simulation;
use schism_node::control::Event;
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Attack};
use super::double_spend::Tally;
use crate::backend::mutation::Mutation;
use crate::topology::Topology;

/// A block that takes longer never comes; block intervals.
const LONGEST_WAIT: u32 = 10_000;

/// What a stretch of mining came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Propagation {
    /// Heights that were passed, and those at which two blocks or more were found.
    pub heights: u64,
    /// See `heights`.
    pub forked: u64,
    /// Blocks that everyone came to hear of.
    pub blocks: u64,
    /// Of them all, the hash power that had not heard of each, added up over time: seconds.
    pub uninformed: f64,
    /// The time between blocks that the rules aim at, in seconds.
    pub interval: f64,
}

impl Propagation {
    /// Adds what another stretch came to.
    pub fn add(&mut self, other: &Self) {
        self.heights += other.heights;
        self.forked += other.forked;
        self.blocks += other.blocks;
        self.uninformed += other.uninformed;
        self.interval = self.interval.max(other.interval);
    }
}

/// Mines until so many blocks have been found, over links of this latency one way.
pub(super) async fn mine(
    simulation: Simulation,
    mut topology: Topology,
    delay: Duration,
    blocks: u32,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    topology.link.latency = delay;
    topology.link.jitter = Duration::ZERO;
    let share = topology.plan(0).nodes.iter().find(|node| node.adversary.is_some()).map_or(0.0, |node| node.hash_share);
    let attack = Attack { kind: "selfish", share, pace: 1.0 };
    let mut arena = Arena::build(simulation, &topology, attack, |_| {}, mutation).await?;
    let shares = arena.shares();
    arena.mine_with(|_| true);
    let mut waiting: BTreeMap<BlockHash, Spread> = BTreeMap::new();
    let mut propagation = Propagation { interval: arena.interval().as_secs_f64(), ..Propagation::default() };
    while arena.blocks_found() < u64::from(blocks) {
        let deadline = arena.now() + arena.interval() * LONGEST_WAIT;
        let heard = arena.next(deadline).await.ok_or("nobody finds a block any more")?;
        let (hash, found) = match heard.event {
            Event::BlockMined { block, .. } => (block.block_hash(), true),
            Event::BlockStored { hash, .. } => (hash, false),
            _ => continue,
        };
        if found {
            waiting.insert(hash, Spread { since: heard.at, missing: shares.clone(), seconds: 0.0 });
        }
        let Some(spread) = waiting.get_mut(&hash) else { continue };
        let share = std::mem::take(&mut spread.missing[heard.node]);
        spread.seconds += share * heard.at.saturating_sub(spread.since).as_secs_f64();
        if spread.missing.iter().all(|share| *share == 0.0) {
            propagation.blocks += 1;
            propagation.uninformed += spread.seconds;
            waiting.remove(&hash);
        }
    }
    for siblings in arena.children().values() {
        propagation.heights += 1;
        propagation.forked += u64::from(siblings.len() > 1);
    }
    let (blocks, virtual_seconds) = (arena.blocks_found(), arena.now().as_secs_f64());
    Ok(Tally { propagation, blocks, virtual_seconds, ..Tally::default() })
}

/// How far a block has come.
struct Spread {
    since: Duration,
    /// Of all hash power, what each node has that has not heard of it.
    missing: Vec<f64>,
    seconds: f64,
}
