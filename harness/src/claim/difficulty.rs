//! Difficulty: a stretch of mining at the interval, then hash power changes or miners begin to lie about the time, and so many
//! blocks later it is measured how long they took and how much harder or easier the next one is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::adversary::{Adversary, Stamps};
use schism_chaos::simulation::Simulation;
use schism_node::chain::Difficulty;
use schism_node::chain::work::expected_hashes;
use schism_node::control::Event;
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Attack};
use super::double_spend::Tally;
use crate::backend::mutation::Mutation;
use crate::backend::{Heard, Place};
use crate::topology::Topology;

/// By how many doublings more than it will fall difficulty is raised above the chain's limit first; blocks mined at once do that.
/// And how far a time warp has it fall, or lies that ASERT bears.
const SPARE: u32 = 2;
const WARPED: u32 = 4;
const LATE: u32 = 0;
/// By how many doublings a retarget rises at most in one period.
const A_PERIOD: u32 = 2;
/// Blocks at the interval before anything is measured: those mined at once were stamped ahead of the clock.
const SETTLING: u32 = 60;
/// A block that takes longer never comes; block intervals.
const LONGEST_WAIT: u32 = 10_000;

/// What a stretch is mined with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Series {
    /// Hash power from the moment on, of what was there before.
    pub(super) power: f64,
    /// Of it, the share that lies about the time.
    pub(super) liars: f64,
    /// Blocks that follow.
    pub(super) blocks: u32,
}

/// What one stretch came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// The interval that blocks aim at, in seconds.
    pub interval: f64,
    /// How far ahead a stamp may be, in seconds.
    pub ahead: f64,
    /// How many times as long as the interval the first block was expected to take.
    pub slow: f64,
    /// How liars lie; nothing where the topology has them tell the truth.
    pub stamps: Stamps,
    /// Seconds until the last of the blocks.
    pub seconds: f64,
    /// How many times the difficulty had doubled after it; negative: halved.
    pub doublings: f64,
}

/// Mines one stretch.
pub(super) async fn follow(
    simulation: Simulation,
    topology: Topology,
    Series { power, liars, blocks }: Series,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    let rules = topology.chain.rules(&[]);
    let (difficulty, interval) = (rules.difficulty, rules.interval);
    let headroom = headroom(difficulty, power, liars);
    let (at_once, start) = warm_up(difficulty, interval, headroom);
    let mut stamps = Stamps::default();
    let lie_from_the_start = |place: &mut Place| {
        if let Some(Adversary::ClockLies(how)) = &mut place.adversary {
            stamps = how.stamps;
            how.from_height = how.from_height.max(start + 1);
        }
    };
    let attack = Attack { kind: "clock_lies", share: liars, pace: f64::from(1 << headroom) };
    let mut arena = Arena::build(simulation, &topology, attack, lie_from_the_start, mutation).await?;
    let witness = arena.honest().first().copied().ok_or("nobody in the topology is honest")?;
    arena.mine_at_once(witness, at_once);
    let mut found = Found::default();
    found.until(&mut arena, witness, at_once).await?;
    arena.mine_with(|_| true);
    let began = found.until(&mut arena, witness, start).await?;
    arena.scale(power);
    arena.mine_with(|_| true);
    let first = found.bits(&mut arena, start + 1).await?;
    let ended = found.until(&mut arena, witness, start + blocks).await?;
    let last = found.bits(&mut arena, start + blocks + 1).await?;
    let hashes_per_second: f64 = arena.hashes_per_second();
    let followed = Followed {
        interval: interval.as_secs_f64(),
        ahead: rules.max_future.as_secs_f64(),
        slow: first / hashes_per_second / interval.as_secs_f64(),
        stamps,
        seconds: (ended - began).as_secs_f64(),
        doublings: (last / first).log2(),
    };
    let (blocks, virtual_seconds) = (arena.blocks_found(), arena.now().as_secs_f64());
    Ok(Tally { followed: vec![followed], blocks, virtual_seconds, ..Tally::default() })
}

/// Doublings above the chain's limit from which difficulty has room to fall: each is twice the hashing.
fn headroom(difficulty: Difficulty, power: f64, liars: f64) -> u32 {
    let leaves = (1.0 / power).log2().ceil().max(0.0) as u32;
    let lies = match difficulty {
        _ if liars == 0.0 => 0,
        Difficulty::Retarget { .. } => WARPED,
        Difficulty::Asert { .. } | Difficulty::Fixed => LATE,
    };
    SPARE + leaves + lies
}

/// Blocks mined at once to raise the difficulty, and the height from whose block on it is measured: of a retarget the last of
/// a period.
fn warm_up(difficulty: Difficulty, interval: Duration, headroom: u32) -> (u32, u32) {
    match difficulty {
        Difficulty::Fixed => (1, SETTLING),
        Difficulty::Retarget { window } => {
            let at_once = window * headroom.div_ceil(A_PERIOD);
            (at_once, at_once + window * SETTLING.div_ceil(window) - 1)
        }
        Difficulty::Asert { half_life } => {
            let at_once = (f64::from(headroom) * half_life.as_secs_f64() / interval.as_secs_f64()).ceil() as u32;
            (at_once, at_once + SETTLING)
        }
    }
}

/// The hashes that the first block found at each height was expected to take. The next block may be found before a node has
/// heard of the one that is waited for.
#[derive(Default)]
struct Found(BTreeMap<u32, f64>);

impl Found {
    async fn next(&mut self, arena: &mut Arena) -> Result<Heard, String> {
        let deadline = arena.now() + arena.interval() * LONGEST_WAIT;
        let heard = arena.next(deadline).await.ok_or("nobody finds a block any more")?;
        if let Event::BlockMined { block, height } = &heard.event {
            self.0.entry(*height).or_insert_with(|| expected_hashes(block.header.bits));
        }
        Ok(heard)
    }

    /// Waits until a node's chain is this high; when that is.
    async fn until(&mut self, arena: &mut Arena, node: usize, height: u32) -> Result<Duration, String> {
        loop {
            let heard = self.next(arena).await?;
            if let Event::TipChanged { ledger, .. } = &heard.event
                && heard.node == node
                && ledger.tip.height >= height
            {
                return Ok(heard.at);
            }
        }
    }

    /// Waits until a block of this height is found; the hashes it was expected to take.
    async fn bits(&mut self, arena: &mut Arena, height: u32) -> Result<f64, String> {
        loop {
            if let Some(hashes) = self.0.get(&height) {
                return Ok(*hashes);
            }
            self.next(arena).await?;
        }
    }
}
