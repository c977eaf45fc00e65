//! An arena: a cluster in which trials are held one after the other. It knows who found which block and where everyone
//! stands, and between two trials it lets everyone come to one tip while nobody mines.
//!
//! Mining can rest without a trace in what is measured: the time to a block is exponential, and so has no memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Amount, BlockHash, Transaction, Txid};
use schism_chaos::adversary::Leash;
use schism_chaos::selector::Role;
use schism_chaos::simulation::Simulation;
use schism_node::control::{Answer, Event, Question};

use super::Point;
use crate::backend::mutation::Mutation;
use crate::backend::simulated::Simulated;
use crate::backend::{Backend, Heard, Place};
use crate::cluster::{Blueprint, Cluster};
use crate::payments::Payments;
use crate::topology::{NodePlan, Topology};

/// Time on the nodes' clock for nodes to find their peers, and to settle who gossips with whom.
const LINK_UP: Duration = Duration::from_secs(60);
const GRAFT: Duration = Duration::from_secs(3);
/// How often everyone is given this many block intervals to come to one tip; a tie at rest needs a block to end.
const CALMS: u32 = 20;
const CALM_INTERVALS: u32 = 2;

/// Who attacks, and with how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    /// The kind of adversary.
    pub(super) kind: &'static str,
    /// Its share of all hash power.
    pub(super) share: f64,
    /// Blocks that everyone finds together in an interval.
    pub(super) pace: f64,
}

/// Gives groups the sizes that a point asks for.
///
/// # Errors
/// When the topology has no such group.
pub(super) fn populate(topology: &mut Topology, point: &Point) -> Result<(), String> {
    for (parameter, name) in [("honest", "miner"), ("sybils", "sybil")] {
        let Some(count) = point.get(parameter) else { continue };
        let place = topology.groups.iter().position(|group| group.name == name);
        let place = place.ok_or_else(|| format!("`{parameter}` needs a group `{name}` in the topology"))?;
        match count as u32 {
            0 => drop(topology.groups.remove(place)),
            count => topology.groups[place].count = count,
        }
    }
    Ok(())
}

/// Blocks an interval where a point says what honest miners hash together, of which 100 find one; else one.
pub(super) fn pace(point: &Point) -> f64 {
    let share = point.get("q").unwrap_or(0.0);
    point.get("honest_rate").map_or(1.0, |honest| honest / (1.0 - share) / 100.0)
}

/// A cluster in which nobody mines until a trial begins.
pub(super) struct Arena {
    cluster: Cluster<Simulated>,
    interval: Duration,
    /// Hashes per second of each node while a trial is held.
    rates: Vec<f64>,
    /// Where each node stands.
    tips: Vec<BlockHash>,
    peers: Vec<usize>,
    blocks: BTreeMap<BlockHash, Found>,
    found: u64,
    payments: Payments,
    fork_id: Option<u32>,
    /// Which nodes are nobody's accomplices.
    honest: Vec<bool>,
    /// The node that misbehaves.
    pub(super) attacker: usize,
}

/// A block, by who found it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) parent: BlockHash,
    /// Nothing: genesis.
    pub(super) by: Option<usize>,
    /// Its place in the order in which blocks were found.
    pub(super) number: u64,
}

impl Arena {
    /// A cluster of this topology with everyone linked and at rest. The attacker has the share `share` of all hash power,
    /// the other miners keep their proportions; `adjust` changes what nodes start from.
    ///
    /// # Errors
    /// When nodes do not start or find each other.
    pub(super) async fn build(
        simulation: Simulation,
        topology: &Topology,
        Attack { kind, share, pace }: Attack,
        adjust: impl FnMut(&mut Place),
        mutation: Option<Arc<dyn Mutation>>,
    ) -> Result<Self, String> {
        let seed = simulation.settings().seed;
        let mut plan = topology.plan(seed);
        let is_attacker = |node: &NodePlan| node.adversary.is_some_and(|adversary| adversary.name() == kind);
        let attacker = plan.nodes.iter().position(is_attacker).ok_or("there is no such adversary in the topology")?;
        let honest = plan.nodes.iter().map(|node| node.role != Role::Adversary).collect();
        let natural: f64 = plan.nodes.iter().map(|node| node.hashes_per_second).sum();
        let total = natural * pace;
        let others = natural - plan.nodes[attacker].hashes_per_second;
        for (position, node) in plan.nodes.iter_mut().enumerate() {
            node.hashes_per_second = match position == attacker {
                true => share * total,
                false => node.hashes_per_second / others * (1.0 - share) * total,
            };
        }
        let mut blueprint = Blueprint::of(topology, plan, seed, 1.0);
        blueprint.places.iter_mut().for_each(adjust);
        let take = |place: &mut Place| std::mem::take(&mut place.hashes_per_second);
        let rates: Vec<f64> = blueprint.places.iter_mut().map(take).collect();
        let rules = blueprint.places[0].rules.clone();
        let nodes = rates.len();
        let genesis = rules.genesis.block_hash();
        let root = Found { parent: genesis, by: None, number: 0 };
        // Every payment comes with a second one for the same coin, and each takes a coin of its own.
        let payments = Payments::new(seed, &rules, &(0..nodes).collect::<Vec<_>>(), 0.0, 1.0);
        let backend = Simulated::new(simulation, false);
        let backend = match mutation {
            Some(mutation) => backend.mutated(mutation),
            None => backend,
        };
        let mut arena = Self {
            cluster: Cluster::new(backend, blueprint),
            interval: rules.interval,
            rates,
            tips: vec![genesis; nodes],
            peers: vec![0; nodes],
            blocks: BTreeMap::from([(genesis, root)]),
            found: 0,
            payments,
            fork_id: rules.at(1).fork_id,
            honest,
            attacker,
        };
        arena.link_up().await?;
        Ok(arena)
    }

    async fn link_up(&mut self) -> Result<(), String> {
        self.cluster.start().await?;
        // Both ends of a link say that it is there; where nodes seek each other, each must find somebody.
        let ends = self.cluster.plan().links.len() * 2;
        let deadline = self.cluster.now() + LINK_UP;
        while self.peers.contains(&0) || self.peers.iter().sum::<usize>() < ends {
            self.next(deadline).await.ok_or("nodes found too few peers")?;
        }
        let settled = self.cluster.now() + GRAFT;
        while self.next(settled).await.is_some() {}
        Ok(())
    }

    /// What happened next, or nothing when it is `deadline` first.
    pub(super) async fn next(&mut self, deadline: Duration) -> Option<Heard> {
        let heard = self.cluster.next(deadline).await?;
        match &heard.event {
            Event::PeerConnected { .. } => self.peers[heard.node] += 1,
            Event::TipChanged { ledger, .. } => self.tips[heard.node] = ledger.tip.hash,
            Event::BlockMined { block, .. } => {
                self.found += 1;
                let (parent, by) = (block.header.prev_blockhash, Some(heard.node));
                self.blocks.insert(block.block_hash(), Found { parent, by, number: self.found });
            }
            _ => {}
        }
        Some(heard)
    }

    /// Stops all miners and waits until everyone stands at one tip.
    ///
    /// # Errors
    /// When they do not come to one.
    pub(super) async fn calm(&mut self) -> Result<(), String> {
        self.mine_with(|_| false);
        for turn in 0..CALMS {
            let deadline = self.cluster.now() + self.interval * CALM_INTERVALS;
            while !self.agree() && self.next(deadline).await.is_some() {}
            if self.agree() {
                return Ok(());
            }
            // A tie: two tips live on until the next block. Whose turn it is decides nothing that is measured.
            let honest = self.honest_miners();
            let miner = honest[turn as usize % honest.len()];
            self.cluster.backend().tell(miner, Question::Mine { blocks: 1, payee: None });
        }
        Err(format!("{} tips live on while nobody mines", self.different_tips()))
    }

    /// Lets these nodes mine with their rates, and no others.
    pub(super) fn mine_with(&mut self, which: impl Fn(usize) -> bool) {
        for node in 0..self.rates.len() {
            if self.rates[node] > 0.0 {
                let hashes_per_second = if which(node) { self.rates[node] } else { 0.0 };
                self.cluster.backend().tell(node, Question::SetHashRate { hashes_per_second });
            }
        }
    }

    /// Has a node mine so many blocks now, whether it has hash power or not.
    pub(super) fn mine_at_once(&mut self, node: usize, blocks: u32) {
        self.cluster.backend().tell(node, Question::Mine { blocks, payee: None });
    }

    /// Gives every miner so many times the hash power that it has, from when they are next let mine.
    pub(super) fn scale(&mut self, times: f64) {
        self.rates.iter_mut().for_each(|rate| *rate *= times);
    }

    /// What all miners hash together.
    pub(super) fn hashes_per_second(&self) -> f64 {
        self.rates.iter().sum()
    }

    /// A payment and another spend of the same coin; nothing when there are no coins left.
    pub(super) fn rivals(&mut self) -> Option<(Transaction, Transaction)> {
        let wallets = crate::payments::WALLETS * crate::payments::COINS_PER_WALLET;
        let payment = (0..wallets).find_map(|_| self.payments.next(|_| self.fork_id))?;
        Some((payment.transaction, payment.rival?))
    }

    /// Submits a transaction and waits until these nodes have it in their pools.
    ///
    /// # Errors
    /// When one of them does not take it.
    pub(super) async fn spread(&mut self, from: usize, transaction: Transaction, to: &[usize]) -> Result<(), String> {
        let txid: Txid = transaction.compute_txid();
        let mut waiting = to.to_vec();
        self.cluster.backend().tell(from, Question::Submit { transaction });
        let deadline = self.cluster.now() + LINK_UP;
        while !waiting.is_empty() {
            let Some(heard) = self.next(deadline).await else {
                return Err(format!("{} nodes never heard of a payment", waiting.len()));
            };
            match heard.event {
                Event::TransactionAccepted { txid: accepted, .. } if accepted == txid => {
                    waiting.retain(|node| *node != heard.node);
                }
                // Others may have a rival of it, and then refuse it with good reason.
                Event::TransactionRefused { txid: refused, reason, .. }
                    if refused == txid && (heard.node == from || to.contains(&heard.node)) =>
                {
                    return Err(format!("a payment was refused: {reason}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The place it is held in.
    pub(super) fn backend(&mut self) -> &mut Simulated {
        self.cluster.backend()
    }

    /// A node as planned.
    pub(super) fn node(&self, node: usize) -> &NodePlan {
        &self.cluster.plan().nodes[node]
    }

    /// Asks a node.
    pub(super) async fn ask(&mut self, node: usize, question: Question) -> Option<Answer> {
        self.cluster.backend().ask(node, question).await
    }

    /// Holds the adversary.
    pub(super) fn leash(&mut self) -> Leash {
        let attacker = self.attacker;
        self.cluster.backend().leash(attacker)
    }

    /// Honest nodes that mine.
    pub(super) fn honest_miners(&self) -> Vec<usize> {
        self.honest().into_iter().filter(|node| self.rates[*node] > 0.0).collect()
    }

    /// Honest nodes.
    pub(super) fn honest(&self) -> Vec<usize> {
        (0..self.rates.len()).filter(|node| self.honest[*node]).collect()
    }

    /// Of all hash power, what each node has.
    pub(super) fn shares(&self) -> Vec<f64> {
        let total: f64 = self.rates.iter().sum();
        self.rates.iter().map(|rate| rate / total).collect()
    }

    /// Where a node stands.
    pub(super) fn tip(&self, node: usize) -> BlockHash {
        self.tips[node]
    }

    /// A block that was found.
    pub(super) fn block(&self, hash: &BlockHash) -> Option<Found> {
        self.blocks.get(hash).copied()
    }

    /// All blocks that were found, by their parents.
    pub(super) fn children(&self) -> BTreeMap<BlockHash, Vec<(BlockHash, Found)>> {
        let mut children: BTreeMap<BlockHash, Vec<_>> = BTreeMap::new();
        for (hash, block) in self.blocks.iter().filter(|(_, block)| block.by.is_some()) {
            children.entry(block.parent).or_default().push((*hash, *block));
        }
        children
    }

    /// What a block may claim besides fees.
    pub(super) fn subsidy(&self) -> Amount {
        self.cluster.rules(self.attacker).subsidy(1)
    }

    /// The chain up to a block, from it down to genesis.
    pub(super) fn chain(&self, tip: BlockHash) -> impl Iterator<Item = (BlockHash, Found)> + '_ {
        let found = move |hash: BlockHash| self.blocks.get(&hash).map(|found| (hash, *found));
        std::iter::successors(found(tip), move |(_, block)| block.by.and_then(|_| found(block.parent)))
    }

    /// Blocks found so far, by everyone.
    pub(super) fn blocks_found(&self) -> u64 {
        self.found
    }

    /// Time on the nodes' clock.
    pub(super) fn now(&self) -> Duration {
        self.cluster.now()
    }

    /// The time between blocks that the rules aim at.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The position of a node.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.cluster.plan().position(name)
    }

    fn agree(&self) -> bool {
        self.different_tips() == 1
    }

    fn different_tips(&self) -> usize {
        self.tips.iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}
