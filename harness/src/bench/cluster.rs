//! A cluster under load: ten minutes of an honest network, as fast as the machine can, and what a node of it costs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bitcoin::{BlockHash, Txid};
use schism_chaos::selector::Role;
use schism_chaos::simulation::clock::Stopwatch;
use schism_chaos::simulation::verifier::Checked;
use schism_chaos::simulation::{Settings, Simulation, simulate};
use schism_node::control::{Event, Question};

use super::{Figure, Measured, SEED, group};
use crate::backend::simulated::Simulated;
use crate::backend::{Backend, Heard};
use crate::cluster::{Blueprint, Cluster};
use crate::payments::{Payment, Payments};
use crate::topology::{LinkClass, Overlay, Topology};

/// Outbound connections each node seeks.
const DEGREE: u32 = 6;
/// Payments a second, all wallets together.
const RATE: f64 = 1.0;
/// Virtual time that is measured, and of a cluster of [`MANY`] nodes.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(60);
const MANY: usize = 1_000;
/// Virtual time for nodes to find their peers, and for the last items to arrive everywhere.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures a cluster of this many nodes.
///
/// # Errors
/// When it does not come to its end.
pub fn measure(nodes: usize) -> Result<Measured, String> {
    let story = move |simulation| async move {
        match nodes {
            0 => Ok(Measured::default()),
            _ => play(simulation, nodes).await,
        }
    };
    simulate(Settings::seeded(SEED), story).map_err(|failure| failure.to_string())?.value
}

async fn play(simulation: Simulation, nodes: usize) -> Result<Measured, String> {
    let topology = topology(nodes);
    let mut blueprint = Blueprint::of(&topology, topology.plan(SEED), SEED, 1.0);
    // Nobody mines before all are linked.
    let rates: Vec<f64> =
        blueprint.places.iter_mut().map(|place| std::mem::take(&mut place.hashes_per_second)).collect();
    let rules = blueprint.places[0].rules.clone();
    let homes: Vec<usize> = (0..nodes).collect();
    let mut payments = Payments::new(SEED, &rules, &homes, RATE, 0.0);
    let mut cluster = Cluster::new(Simulated::new(simulation.clone(), false), blueprint);
    let mut arrivals = Arrivals::of(nodes, rules.genesis.block_hash());

    let setting_up = Stopwatch::start();
    cluster.start().await?;
    link_up(&mut cluster, &mut arrivals).await?;
    let set_up = setting_up.elapsed();

    let window = if nodes < MANY { LONG } else { SHORT };
    let mut load = load(&mut payments, window, rules.at(1).fork_id);
    let (measuring, before) = (Stopwatch::start(), simulation.verifier().checked());
    let began = cluster.now();
    for (node, hashes_per_second) in rates.into_iter().enumerate().filter(|(_, rate)| *rate > 0.0) {
        cluster.backend().tell(node, Question::SetHashRate { hashes_per_second });
    }
    let end = began + window;
    while cluster.now() < end {
        let due = load.front().map_or(end, |(after, _)| began + *after);
        if cluster.now() >= due
            && let Some((_, payment)) = load.pop_front()
        {
            arrivals.expect_transaction(payment.transaction.compute_txid());
            cluster.backend().tell(payment.home, Question::Submit { transaction: payment.transaction });
        } else if let Some(heard) = cluster.next(due).await {
            arrivals.note(heard);
        }
    }
    let (real, delivered) = (measuring.elapsed(), arrivals.delivered);
    let after = simulation.verifier().checked();

    let does_not_count = settle(&mut cluster, &mut arrivals).await.err();
    let figures = figures(nodes, window, real, set_up, delivered, before, after);
    Ok(Measured { figures, does_not_count, ..Measured::default() })
}

/// The payments of a window, each with when it is due since the window began. Signed in advance: a wallet's work is none
/// of a node's.
fn load(payments: &mut Payments, window: Duration, fork_id: Option<u32>) -> VecDeque<(Duration, Payment)> {
    let (mut load, mut due) = (VecDeque::new(), payments.wait());
    while let Some(after) = due.filter(|after| *after < window) {
        load.extend(payments.next(|_| fork_id).map(|payment| (after, payment)));
        due = payments.wait().map(|wait| after + wait);
    }
    load
}

/// Waits until every node has the connections that it seeks.
async fn link_up(cluster: &mut Cluster<Simulated>, arrivals: &mut Arrivals) -> Result<(), String> {
    let deadline = cluster.now() + PATIENCE;
    let wanted = (DEGREE as usize).min(arrivals.nodes.len() - 1);
    while let Some(lonely) = arrivals.nodes.iter().position(|node| node.peers < wanted) {
        let heard = cluster.next(deadline).await;
        let heard = heard.ok_or_else(|| format!("node {lonely} found fewer than {wanted} peers"))?;
        arrivals.note(heard);
    }
    Ok(())
}

/// Goes on without payments until everything has arrived everywhere; what did not, where it does not.
async fn settle(cluster: &mut Cluster<Simulated>, arrivals: &mut Arrivals) -> Result<(), String> {
    let deadline = cluster.now() + PATIENCE;
    let expected = arrivals.blocks.len();
    while let Err(missing) = arrivals.complete(expected) {
        arrivals.note(cluster.next(deadline).await.ok_or(missing)?);
    }
    Ok(())
}

/// What has arrived where.
struct Arrivals {
    nodes: Vec<Standing>,
    transactions: BTreeMap<Txid, Reached>,
    /// Blocks in the order in which they were mined.
    blocks: Vec<(BlockHash, Reached)>,
    confirmed: BTreeMap<Txid, BlockHash>,
    delivered: u64,
}

/// Where one node stands.
struct Standing {
    peers: usize,
    tip: BlockHash,
}

/// Which nodes have something.
struct Reached(Vec<bool>);

impl Reached {
    /// Notes that a node has it now; whether that is new.
    fn reach(&mut self, node: usize) -> bool {
        !std::mem::replace(&mut self.0[node], true)
    }

    fn everyone(&self) -> bool {
        self.0.iter().all(|reached| *reached)
    }
}

impl Arrivals {
    fn of(nodes: usize, genesis: BlockHash) -> Self {
        Self {
            nodes: (0..nodes).map(|_| Standing { peers: 0, tip: genesis }).collect(),
            transactions: BTreeMap::new(),
            blocks: Vec::new(),
            confirmed: BTreeMap::new(),
            delivered: 0,
        }
    }

    fn expect_transaction(&mut self, txid: Txid) {
        self.transactions.insert(txid, Reached(vec![false; self.nodes.len()]));
    }

    fn note(&mut self, Heard { node, event, .. }: Heard) {
        match event {
            Event::PeerConnected { .. } => self.nodes[node].peers += 1,
            Event::PeerDisconnected { .. } => self.nodes[node].peers -= 1,
            Event::TipChanged { ledger, .. } => self.nodes[node].tip = ledger.tip.hash,
            Event::BlockMined { block, .. } => {
                let hash = block.block_hash();
                self.blocks.push((hash, Reached(vec![false; self.nodes.len()])));
                self.confirmed.extend(block.txdata.iter().map(|transaction| (transaction.compute_txid(), hash)));
                self.store(hash, node);
            }
            Event::BlockStored { hash, .. } => self.store(hash, node),
            Event::TransactionAccepted { txid, .. } => {
                let reached = self.transactions.get_mut(&txid);
                self.delivered += u64::from(reached.is_some_and(|reached| reached.reach(node)));
            }
            _ => {}
        }
    }

    fn store(&mut self, hash: BlockHash, node: usize) {
        let reached = self.blocks.iter_mut().rev().find(|(known, _)| *known == hash);
        self.delivered += u64::from(reached.is_some_and(|(_, reached)| reached.reach(node)));
    }

    /// Whether the first `expected` blocks and all transactions have reached every node, and all have one tip. A
    /// transaction may come inside a block.
    fn complete(&self, expected: usize) -> Result<(), String> {
        let tip = self.nodes[0].tip;
        let apart = self.nodes.iter().filter(|node| node.tip != tip).count();
        if apart > 0 {
            return Err(format!("{apart} nodes have another tip than the first"));
        }
        let reached = |hash: &BlockHash| self.blocks.iter().any(|(known, reached)| known == hash && reached.everyone());
        let missing = self.blocks[..expected].iter().filter(|(_, reached)| !reached.everyone()).count();
        if missing > 0 {
            return Err(format!("{missing} of {expected} blocks did not reach every node"));
        }
        let arrived = |txid: &Txid, to: &Reached| to.everyone() || self.confirmed.get(txid).is_some_and(reached);
        let missing = self.transactions.iter().filter(|(txid, to)| !arrived(txid, to)).count();
        if missing > 0 {
            return Err(format!("{missing} of {} transactions did not reach every node", self.transactions.len()));
        }
        Ok(())
    }
}

fn figures(
    nodes: usize,
    window: Duration,
    real: Duration,
    set_up: Duration,
    delivered: u64,
    before: Checked,
    after: Checked,
) -> Vec<Figure> {
    let real = real.as_secs_f64();
    let figure = |name, value, unit| Figure::of(nodes, name, value, unit);
    vec![
        figure("node_seconds_per_second", nodes as f64 * window.as_secs_f64() / real, "s/s"),
        figure("real_seconds", real, "s"),
        figure("set_up_seconds", set_up.as_secs_f64(), "s"),
        figure("validated_deliveries_per_second", delivered as f64 / real, "1/s"),
        figure("signature_checks_executed", (after.executed - before.executed) as f64, "checks"),
        figure("signature_memo_hits", (after.remembered - before.remembered) as f64, "checks"),
    ]
}

/// Nodes that find each other, half of them miners.
fn topology(nodes: usize) -> Topology {
    let groups = vec![group("miner", nodes / 2, Role::Miner), group("full", nodes - nodes / 2, Role::Full)];
    super::topology(nodes, groups, Overlay::unstructured(DEGREE), LinkClass::default())
}
