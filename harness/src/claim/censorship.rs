//! Censorship: trials in which miners leave a payment out of their blocks, or do not build on those that hold it. What
//! counts is the chain of one honest node: how many blocks it waited, and whether what it saw confirmed was undone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{BlockHash, Transaction};
use schism_chaos::adversary::{Adversary, Phase, Signal};
use schism_chaos::simulation::Simulation;
use schism_node::control::Event;
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Attack};
use super::double_spend::Tally;
use crate::backend::Place;
use crate::backend::mutation::Mutation;
use crate::topology::Topology;

/// A payment that waits for longer waits for ever; block intervals.
const LONGEST: u32 = 100_000;

/// Blocks after a branch that won within which everyone surely follows it.
const FOLLOWED: u32 = 100;

/// What a series of trials is held with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// The censors' share of all hash power.
    pub(super) c: f64,
    pub(super) trials: u32,
    /// Blocks behind at which censors give up; 0: they build on whatever comes.
    pub(super) deficit: u32,
    /// Times in a row that a payment must be undone to count as frozen.
    pub(super) rounds: u32,
    /// The node whose chain counts.
    pub(super) witness: String,
}

/// What became of censored payments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Censored {
    /// Blocks that each waited for, the one that held it first included.
    pub waits: Vec<u32>,
    /// Times that a block with one came, and that one was undone again.
    pub included: u64,
    /// See `included`.
    pub undone: u64,
    /// Payments that stayed, and such that were undone every time.
    pub paid: u64,
    /// See `paid`.
    pub frozen: u64,
}

impl Censored {
    /// Adds what another series came to.
    pub fn add(&mut self, other: &Self) {
        self.waits.extend(&other.waits);
        self.included += other.included;
        self.undone += other.undone;
        self.paid += other.paid;
        self.frozen += other.frozen;
    }
}

/// Holds a series of trials, one after the other.
pub(super) async fn hold(
    simulation: Simulation,
    topology: Topology,
    series: Series,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    let deficit = series.deficit;
    let adjust = |place: &mut Place| {
        if let Some(Adversary::Censorship(how)) = &mut place.adversary {
            how.deficit = deficit;
        }
    };
    let attack = Attack { kind: "censorship", share: series.c, pace: 1.0 };
    let mut arena = Arena::build(simulation, &topology, attack, adjust, mutation).await?;
    let witness = arena.position(&series.witness).ok_or("the witness is not in the topology")?;
    let mut censored = Censored::default();
    for _ in 0..series.trials {
        trial(&mut arena, witness, &series, &mut censored).await?;
    }
    let (blocks, virtual_seconds) = (arena.blocks_found(), arena.now().as_secs_f64());
    Ok(Tally { trials: series.trials.into(), censored, blocks, virtual_seconds, ..Tally::default() })
}

async fn trial(arena: &mut Arena, witness: usize, series: &Series, censored: &mut Censored) -> Result<(), String> {
    arena.calm().await?;
    let (payment, _) = arena.rivals().ok_or("the wallets have no coins left")?;
    let txid = payment.compute_txid();
    let leash = arena.leash();
    leash.tell(Signal::Begin { spends: payment.input.iter().map(|input| input.previous_output).collect() });
    let (honest, start) = (arena.honest(), arena.tip(witness));
    arena.spread(witness, payment, &honest).await?;
    arena.mine_with(|_| true);
    let mut holding = BTreeSet::new();
    let (mut undone, given_up) = (0, leash.deeds().given_up);
    let deadline = arena.now() + arena.interval() * LONGEST;
    let mut confirmed = false;
    while undone < series.rounds {
        let heard = arena.next(deadline).await.ok_or("a payment waits for ever")?;
        match heard.event {
            Event::BlockMined { block, .. } => {
                if block.txdata.iter().skip(1).map(Transaction::compute_txid).any(|held| held == txid) {
                    holding.insert(block.block_hash());
                }
            }
            Event::TipChanged { disconnected, connected, .. } if heard.node == witness => {
                let holds = |blocks: &[BlockHash]| blocks.iter().any(|hash| holding.contains(hash));
                match (holds(&disconnected), holds(&connected)) {
                    (false, true) => {
                        if censored.waits.len() as u64 == censored.paid + censored.frozen {
                            censored.waits.push(blocks_until(arena, witness, start, &holding));
                        }
                        (confirmed, censored.included) = (true, censored.included + 1);
                    }
                    (true, false) => (confirmed, undone) = (false, undone + 1),
                    _ => {}
                }
            }
            _ => continue,
        }
        // Censors who build on whatever comes never begin to race; those who do have given up in the end. Who found a
        // block of its own at the same moment has not even begun.
        let over = match leash.phase() {
            Phase::Racing => false,
            // It has won, and others will follow; unless what it won was not this.
            Phase::Released => is_deep(arena, witness, series.deficit + FOLLOWED, &holding),
            Phase::Resting if leash.deeds().given_up > given_up => true,
            _ => series.deficit == 0 || is_deep(arena, witness, series.deficit, &holding),
        };
        if confirmed && over {
            break;
        }
    }
    leash.tell(Signal::Rest);
    censored.undone += u64::from(undone);
    if confirmed {
        censored.paid += 1;
    } else {
        censored.frozen += 1;
    }
    Ok(())
}

/// Whether a block with the payment lies under more than so many on a node's chain.
fn is_deep(arena: &Arena, node: usize, blocks: u32, holding: &BTreeSet<BlockHash>) -> bool {
    let mut above = arena.chain(arena.tip(node)).take(blocks as usize + 1);
    !above.any(|(hash, _)| holding.contains(&hash))
}

/// Blocks from `start` to the first that holds the payment, on a node's chain.
fn blocks_until(arena: &Arena, node: usize, start: BlockHash, holding: &BTreeSet<BlockHash>) -> u32 {
    let since: Vec<BlockHash> =
        arena.chain(arena.tip(node)).map(|(hash, _)| hash).take_while(|hash| *hash != start).collect();
    let place = since.iter().rev().position(|hash| holding.contains(hash));
    place.map_or(since.len(), |place| place + 1) as u32
}
