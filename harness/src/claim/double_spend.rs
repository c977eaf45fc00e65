//! Double spends: trials in which a private branch tries to undo a payment. Success is what the merchant's own node says:
//! the payment was so many blocks deep, and then it is gone, its conflict in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, Block, BlockHash, OutPoint, Transaction, Txid};
use schism_chaos::adversary::{Adversary, Phase, Signal};
use schism_chaos::simulation::Simulation;
use schism_node::control::{Answer, Event, Question};
use serde::{Deserialize, Serialize};

use super::arena::{Arena, Attack};
use super::censorship::Censored;
use super::difficulty::Followed;
use super::eclipse::Eclipsed;
use super::selfish::Stretch;
use super::stale_blocks::Propagation;
use crate::backend::Place;
use crate::backend::mutation::Mutation;
use crate::topology::Topology;

/// A race that takes longer hangs; block intervals.
const LONGEST_RACE: u32 = 100_000;

/// What a series of trials is held with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    /// The attacker's share of all hash power.
    pub(super) q: f64,
    /// Confirmations after which the merchant hands over.
    pub(super) confirmations: u32,
    /// Trials.
    pub(super) trials: u32,
    /// The attacker gives up at this deficit.
    pub(super) deficit: u32,
    /// The node that is paid.
    pub(super) merchant: String,
    /// Blocks that everyone finds together in an interval.
    pub(super) pace: f64,
}

/// What trials came to, of whichever claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Trials held.
    pub trials: u64,
    /// Payments that were undone after they were deep enough.
    pub successes: u64,
    /// Payments that never were deep enough, and were not given up either: 0 unless something is broken.
    pub unfinished: u64,
    /// Blocks that honest miners found during races.
    pub honest_blocks: u64,
    /// Of them those that other honest blocks made stale.
    pub honest_stale: u64,
    /// Blocks of the attacker during races.
    pub attacker_blocks: u64,
    /// Blocks of both branches when the winning branch was told, one a success.
    pub lengths: Vec<u32>,
    /// Blocks that the merchant's node undid at once, at most.
    pub deepest: u32,
    /// Honest blocks undone by branches that won.
    pub undone: u64,
    /// What merchants had been paid and have no more, in satoshi.
    pub lost_by_merchants: u64,
    /// Subsidies of those blocks, in satoshi.
    pub lost_by_miners: u64,
    /// Stretches of selfish mining; of double spends there are none.
    pub stretches: Vec<Stretch>,
    /// What became of censored payments.
    #[serde(default)]
    pub censored: Censored,
    /// What became of restarts under an eclipse.
    #[serde(default)]
    pub eclipsed: Eclipsed,
    /// How blocks spread in a stretch of honest mining.
    #[serde(default)]
    pub propagation: Propagation,
    /// Stretches in which difficulty followed.
    #[serde(default)]
    pub followed: Vec<Followed>,
    /// All blocks found, also between the races.
    pub blocks: u64,
    /// Seconds on the nodes' clock.
    pub virtual_seconds: f64,
    /// Seconds it took.
    pub real_seconds: f64,
    /// Seconds that a processor worked on it.
    pub processor_seconds: f64,
}

impl Tally {
    /// Adds what another series of the same kind came to.
    pub fn add(&mut self, other: &Self) {
        self.trials += other.trials;
        self.successes += other.successes;
        self.unfinished += other.unfinished;
        self.honest_blocks += other.honest_blocks;
        self.honest_stale += other.honest_stale;
        self.attacker_blocks += other.attacker_blocks;
        self.lengths.extend(&other.lengths);
        self.deepest = self.deepest.max(other.deepest);
        self.undone += other.undone;
        self.lost_by_merchants += other.lost_by_merchants;
        self.lost_by_miners += other.lost_by_miners;
        self.stretches.extend(&other.stretches);
        self.censored.add(&other.censored);
        self.eclipsed.add(&other.eclipsed);
        self.propagation.add(&other.propagation);
        self.followed.extend(&other.followed);
        self.blocks += other.blocks;
        self.virtual_seconds += other.virtual_seconds;
        self.real_seconds += other.real_seconds;
        self.processor_seconds += other.processor_seconds;
    }

    /// The share of honest blocks that other honest blocks made stale.
    pub fn stale_share(&self) -> f64 {
        self.honest_stale as f64 / (self.honest_blocks as f64).max(1.0)
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
        if let Some(Adversary::PrivateBranch(how)) = &mut place.adversary {
            how.deficit = deficit;
        }
    };
    let attack = Attack { kind: "private_branch", share: series.q, pace: series.pace };
    let mut arena = Arena::build(simulation, &topology, attack, adjust, mutation).await?;
    let merchant = arena.position(&series.merchant).ok_or("the merchant is not in the topology")?;
    let pre_mined = topology.groups.iter().find_map(|group| match group.adversary {
        Some(Adversary::PrivateBranch(how)) => Some(how.pre_mined),
        _ => None,
    });
    let mut tally = Tally::default();
    for _ in 0..series.trials {
        let trial = Trial { merchant, confirmations: series.confirmations, pre_mined: pre_mined.unwrap_or(0) };
        trial.hold(&mut arena, &mut tally).await?;
    }
    tally.blocks = arena.blocks_found();
    tally.virtual_seconds = arena.now().as_secs_f64();
    Ok(tally)
}

struct Trial {
    merchant: usize,
    confirmations: u32,
    pre_mined: u32,
}

/// What is known of one race.
struct Race {
    paid: Amount,
    payment: Txid,
    conflict: Txid,
    /// Where it began.
    fork: BlockHash,
    /// Blocks with the payment, and with its conflict.
    paying: BTreeSet<BlockHash>,
    conflicting: BTreeSet<BlockHash>,
    /// Blocks of honest miners by how many of them lie on each other.
    honest: BTreeMap<BlockHash, u32>,
    /// The attacker's blocks and what honest miners built on them.
    branch: BTreeSet<BlockHash>,
    delivered: bool,
}

impl Trial {
    async fn hold(&self, arena: &mut Arena, tally: &mut Tally) -> Result<(), String> {
        arena.calm().await?;
        let (payment, conflict) = arena.rivals().ok_or("the wallets have no coins left")?;
        let coins: Vec<OutPoint> = payment.input.iter().map(|input| input.previous_output).collect();
        let mut race = Race::from(arena.tip(self.merchant), &payment, &conflict);
        let leash = arena.leash();
        leash.tell(Signal::Begin { spends: coins });
        match arena.ask(arena.attacker, Question::Submit { transaction: conflict }).await {
            Some(Answer::Accepted) => {}
            other => return Err(format!("the attacker's own transaction was not taken: {other:?}")),
        }
        let attacker = arena.attacker;
        if self.pre_mined > 0 {
            arena.mine_with(|node| node == attacker);
            self.wait_for_pre_mined(arena, &mut race).await?;
            arena.mine_with(|_| false);
        }
        let honest = arena.honest();
        arena.spread(self.merchant, payment, &honest).await?;
        arena.mine_with(|_| true);
        self.race(arena, tally, &mut race).await?;
        leash.tell(Signal::Rest);
        tally.trials += 1;
        tally.honest_blocks += race.honest.len() as u64;
        let longest = race.honest.values().max().copied().unwrap_or(0);
        tally.honest_stale += race.honest.len() as u64 - u64::from(longest);
        Ok(())
    }

    async fn wait_for_pre_mined(&self, arena: &mut Arena, race: &mut Race) -> Result<(), String> {
        let deadline = arena.now() + arena.interval() * LONGEST_RACE;
        while arena.leash().deeds().branch < self.pre_mined {
            let heard = arena.next(deadline).await.ok_or("the attacker found no block before the payment")?;
            if let Event::BlockMined { block, .. } = heard.event {
                race.note(&block, true);
            }
        }
        Ok(())
    }

    /// Watches a race to its end.
    async fn race(&self, arena: &mut Arena, tally: &mut Tally, race: &mut Race) -> Result<(), String> {
        let leash = arena.leash();
        let deadline = arena.now() + arena.interval() * LONGEST_RACE;
        while let Some(heard) = arena.next(deadline).await {
            match heard.event {
                Event::BlockMined { block, .. } => {
                    race.note(&block, heard.node == arena.attacker);
                    tally.attacker_blocks += u64::from(heard.node == arena.attacker);
                }
                Event::TipChanged { disconnected, connected, .. } if heard.node == self.merchant => {
                    if self.undone(race, &disconnected, &connected) {
                        let deeds = leash.deeds();
                        tally.successes += 1;
                        tally.lengths.push(deeds.branch + deeds.public);
                        tally.deepest = tally.deepest.max(disconnected.len() as u32);
                        tally.undone += disconnected.len() as u64;
                        tally.lost_by_merchants += race.paid.to_sat();
                        tally.lost_by_miners += disconnected.len() as u64 * arena.subsidy().to_sat();
                        return Ok(());
                    }
                    if !race.delivered && self.deep_enough(arena, race) {
                        race.delivered = true;
                        leash.tell(Signal::Delivered { confirmations: self.confirmations });
                    }
                }
                // Only a move of its tip can make it give up, or follow from that.
                Event::TipChanged { .. } if heard.node == arena.attacker => {}
                _ => continue,
            }
            if leash.phase() == Phase::Resting {
                return Ok(());
            }
        }
        tally.unfinished += 1;
        Ok(())
    }

    /// Whether the payment, once deep enough, has left the merchant's chain, and its conflict has come.
    fn undone(&self, race: &Race, disconnected: &[BlockHash], connected: &[BlockHash]) -> bool {
        race.delivered
            && disconnected.iter().any(|hash| race.paying.contains(hash))
            && connected.iter().any(|hash| race.conflicting.contains(hash))
    }

    /// Whether the payment lies under enough blocks of the merchant's chain.
    fn deep_enough(&self, arena: &Arena, race: &Race) -> bool {
        let mut confirmations = 0;
        let mut since = arena.chain(arena.tip(self.merchant)).take_while(|(hash, _)| *hash != race.fork);
        since.any(|(hash, _)| {
            confirmations += 1;
            race.paying.contains(&hash) && confirmations >= self.confirmations
        })
    }
}

impl Race {
    fn from(fork: BlockHash, payment: &Transaction, conflict: &Transaction) -> Self {
        Self {
            // A payment's first output is the merchant's, its second the payer's change.
            paid: payment.output[0].value,
            payment: payment.compute_txid(),
            conflict: conflict.compute_txid(),
            fork,
            paying: BTreeSet::new(),
            conflicting: BTreeSet::new(),
            honest: BTreeMap::new(),
            branch: BTreeSet::new(),
            delivered: false,
        }
    }

    fn note(&mut self, block: &Block, of_attacker: bool) {
        let hash = block.block_hash();
        for txid in block.txdata.iter().skip(1).map(Transaction::compute_txid) {
            if txid == self.payment {
                self.paying.insert(hash);
            } else if txid == self.conflict {
                self.conflicting.insert(hash);
            }
        }
        if of_attacker || self.branch.contains(&block.header.prev_blockhash) {
            self.branch.insert(hash);
        } else {
            let below = self.honest.get(&block.header.prev_blockhash).copied().unwrap_or(0);
            self.honest.insert(hash, below + 1);
        }
    }
}
