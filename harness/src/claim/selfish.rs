//! Selfish mining: one long stretch of it, and what of it lasted. How often honest miners took the attacker's side of a tie
//! is counted, not assumed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::BlockHash;
use schism_chaos::adversary::Signal;
use schism_chaos::simulation::Simulation;
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Attack, Found};
use super::double_spend::Tally;
use crate::backend::mutation::Mutation;
use crate::topology::Topology;

/// A block that takes longer never comes; block intervals.
const LONGEST_WAIT: u32 = 10_000;

/// What one stretch of selfish mining came to, in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Found by everyone.
    pub found: u64,
    /// On the chain at the end.
    pub lasting: u64,
    /// Of those the attacker's.
    pub ours: u64,
    /// Ties that an honest miner's block decided, and those in which it lay on the attacker's block.
    pub ties: u64,
    /// See `ties`.
    pub ties_ours: u64,
    /// Honest blocks, and those that lie beside another honest block.
    pub honest: u64,
    /// See `honest`.
    pub honest_beside: u64,
}

/// Mines until so many blocks have been found by everyone together, the attacker selfishly with the share `alpha`.
pub(super) async fn mine(
    simulation: Simulation,
    topology: Topology,
    alpha: f64,
    blocks: u32,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    let attack = Attack { kind: "selfish", share: alpha, pace: 1.0 };
    let mut arena = Arena::build(simulation, &topology, attack, |_| {}, mutation).await?;
    arena.mine_with(|_| true);
    while arena.blocks_found() < u64::from(blocks) {
        let deadline = arena.now() + arena.interval() * LONGEST_WAIT;
        arena.next(deadline).await.ok_or("nobody finds a block any more")?;
    }
    let ties = arena.leash().deeds().ties;
    arena.mine_with(|_| false);
    arena.leash().tell(Signal::Rest);
    arena.calm().await?;
    let attacker = arena.attacker;
    let (mut stretch, children) = (Stretch { found: arena.blocks_found(), ..Stretch::default() }, arena.children());
    for (_, block) in arena.chain(arena.tip(attacker)).filter(|(_, block)| block.by.is_some()) {
        stretch.lasting += 1;
        stretch.ours += u64::from(block.by == Some(attacker));
    }
    for siblings in children.values() {
        let honest = siblings.iter().filter(|(_, block)| block.by != Some(attacker)).count() as u64;
        stretch.honest += honest;
        stretch.honest_beside += honest.saturating_sub(1);
    }
    for tie in ties {
        let parent = arena.block(&tie).map(|block| block.parent);
        if let Some(ours) = parent.and_then(|parent| decided(&children, attacker, tie, parent)) {
            stretch.ties += 1;
            stretch.ties_ours += u64::from(ours);
        }
    }
    Ok(Tally {
        stretches: vec![stretch],
        blocks: arena.blocks_found(),
        virtual_seconds: arena.now().as_secs_f64(),
        ..Tally::default()
    })
}

/// Whether the first block on either side of a tie lay on the attacker's; nothing where the attacker found it, or nobody.
fn decided(
    children: &BTreeMap<BlockHash, Vec<(BlockHash, Found)>>,
    attacker: usize,
    tie: BlockHash,
    parent: BlockHash,
) -> Option<bool> {
    let sides = children.get(&parent)?;
    let next = sides.iter().flat_map(|(side, _)| {
        let of_side = children.get(side).into_iter().flatten();
        of_side.map(move |(_, block)| (block.number, block.by, *side == tie))
    });
    let (_, by, ours) = next.min_by_key(|(number, ..)| *number)?;
    (by != Some(attacker)).then_some(ours)
}
