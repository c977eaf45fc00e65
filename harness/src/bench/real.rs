//! Real nodes: how soon a cluster stands, how soon a cut is in force, how soon it agrees, how soon its halves agree when
//! they meet again, and what all that costs the harness.
//!
//! A cluster is connected when every node can be reached from every other over connections that both ends have told of.
//! Links carry again, after a heal, with the first frame that is counted between the halves, in either direction: until
//! then it is the kernel's TCP that waits, between two attempts to send again what the cut held. From that frame on
//! everything counts: what had been held, the first block that crosses, and the reorganisations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitcoin::BlockHash;
use schism_chaos::link::Link;
use schism_chaos::selector::Role;
use schism_chaos::simulation::Stopwatch;
use schism_node::control::{Event, Question};
use schism_node::wire::PeerId;

use super::part::peak_bytes;
use super::{Figure, SEED, group};
use crate::backend::real::site::Site;
use crate::backend::real::{Real, Settings};
use crate::backend::{Backend, Heard};
use crate::cluster::{Blueprint, Cluster};
use crate::topology::{LinkClass, Overlay, Topology};

/// Outbound connections each node of a large cluster seeks.
pub(super) const DEGREE: u32 = 4;
/// Nodes of the ring.
const RING: u32 = 8;
/// Blocks that everyone has to agree on.
const BLOCKS: u32 = 50;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ticks of a processor in a second, as `/proc` counts them everywhere.
const TICKS: f64 = 100.0;

/// How a cluster begins.
pub(super) type Begin<S> = fn(Settings) -> Result<Real<S>, String>;

/// Measures a cluster of so many nodes.
///
/// # Errors
/// When a cluster cannot be made or something does not happen.
pub(super) fn measure<S: Site>(begin: Begin<S>, nodes: u32) -> Result<Vec<Figure>, String> {
    wait(many(begin, nodes))
}

/// Measures a ring.
///
/// # Errors
/// When it cannot be made or something does not happen.
pub(super) fn measure_ring<S: Site>(begin: Begin<S>) -> Result<Vec<Figure>, String> {
    wait(ring(begin))
}

fn wait(measured: impl Future<Output = Result<Vec<Figure>, String>>) -> Result<Vec<Figure>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(measured)
}

/// A cluster that nobody mines in, with links as good as the kernel's.
struct Quiet<S> {
    cluster: Cluster<Real<S>>,
    /// Where each node stands, once it has said so: hash and height.
    tips: BTreeMap<usize, (BlockHash, u32)>,
    /// Whom each is connected to, as it says itself.
    peers: Vec<BTreeSet<PeerId>>,
    /// When something was last heard, on the cluster's clock.
    heard: Duration,
}

async fn many<S: Site>(begin: Begin<S>, nodes: u32) -> Result<Vec<Figure>, String> {
    let (watch, processor) = (Stopwatch::start(), processor_seconds());
    let mut quiet = Quiet::start(begin, nodes, Overlay::unstructured(DEGREE)).await?;
    let up = watch.elapsed();
    let numbers: BTreeMap<PeerId, usize> = (0..nodes as usize).map(|node| (quiet.peer(node), node)).collect();
    quiet.wait_until("everyone can reach everyone", |quiet| is_whole(&quiet.peers, &numbers)).await?;
    let connected = watch.elapsed();
    quiet.mine(0, BLOCKS);
    quiet.wait_until("everyone agrees", |quiet| quiet.agrees(BLOCKS)).await?;
    let cut = Stopwatch::start();
    quiet.set_cut(|node| node % 2 == 0, true).await?;
    let cut = cut.elapsed();
    quiet.cluster.count().await;
    let (resident, own) = quiet.cluster.backend().largest_resident();
    let (beside, beside_own) = quiet.cluster.backend().largest_supervisor().await?;
    let (busy, all) = (processor_seconds() - processor, watch.elapsed().as_secs_f64());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let nodes = nodes as usize;
    Ok(vec![
        Figure::of(nodes, "up_s", up.as_secs_f64(), "s"),
        Figure::of(nodes, "connected_s", connected.as_secs_f64(), "s"),
        Figure::of(nodes, "partition_ms", cut.as_secs_f64() * 1_000.0, "ms"),
        Figure::of(nodes, "mib_resident", mib(resident), "MiB"),
        Figure::of(nodes, "mib_own", mib(own), "MiB in no file"),
        Figure::of(nodes, "supervisor_mib_resident", mib(beside), "MiB"),
        Figure::of(nodes, "supervisor_mib_own", mib(beside_own), "MiB in no file"),
        Figure::of(nodes, "harness_cpu_s", busy, "s"),
        Figure::of(nodes, "harness_cpu_share", busy / all, "of one core"),
        Figure::of(nodes, "harness_mib", mib(peak_bytes()), "MiB"),
    ])
}

async fn ring<S: Site>(begin: Begin<S>) -> Result<Vec<Figure>, String> {
    let mut quiet = Quiet::start(begin, RING, Overlay::Ring).await?;
    let nodes = RING as usize;
    quiet.wait_until("all links stand", |quiet| quiet.peers.iter().all(|peers| peers.len() == 2)).await?;
    let watch = Stopwatch::start();
    quiet.mine(0, BLOCKS);
    quiet.wait_until("the ring agrees", |quiet| quiet.agrees(BLOCKS)).await?;
    let agreed = watch.elapsed();

    let halves = |node: usize| node < nodes / 2;
    quiet.set_cut(halves, true).await?;
    quiet.mine(0, 3);
    quiet.mine(nodes - 1, 2);
    let sides = |quiet: &Quiet<S>| quiet.tips.get(&1) != quiet.tips.get(&(nodes - 2));
    quiet.wait_until("each half has a tip of its own", sides).await?;
    let before = quiet.crossed(halves).await;
    quiet.set_cut(halves, false).await?;
    let healed = quiet.cluster.now();
    while quiet.crossed(halves).await == before {
        if quiet.cluster.now() > healed + PATIENCE {
            return Err(quiet.late("a frame crosses"));
        }
    }
    let carries = quiet.cluster.now();
    quiet.wait_until("the halves agree", |quiet| quiet.agrees(0)).await?;
    let agree = quiet.heard;
    Ok(vec![
        Figure::of(nodes, "agree_on_50_s", agreed.as_secs_f64(), "s"),
        Figure::of(nodes, "heal_to_first_frame_s", carries.saturating_sub(healed).as_secs_f64(), "s"),
        Figure::of(nodes, "first_frame_to_agreement_s", agree.saturating_sub(carries).as_secs_f64(), "s"),
        Figure::of(nodes, "heal_to_agreement_s", agree.saturating_sub(healed).as_secs_f64(), "s"),
    ])
}

/// Whether every node can be reached from every other, over connections that both ends tell of.
fn is_whole(peers: &[BTreeSet<PeerId>], numbers: &BTreeMap<PeerId, usize>) -> bool {
    let ids: BTreeMap<usize, PeerId> = numbers.iter().map(|(id, node)| (*node, *id)).collect();
    let (mut reached, mut next) = (BTreeSet::from([0]), vec![0]);
    while let Some(node) = next.pop() {
        let others = peers[node].iter().filter_map(|peer| numbers.get(peer).copied());
        next.extend(others.filter(|other| peers[*other].contains(&ids[&node]) && reached.insert(*other)));
    }
    reached.len() == peers.len()
}

impl<S: Site> Quiet<S> {
    async fn start(begin: Begin<S>, nodes: u32, overlay: Overlay) -> Result<Self, String> {
        let topology = topology(nodes as usize, overlay);
        let mut blueprint = Blueprint::of(&topology, topology.plan(SEED), SEED, 1.0);
        blueprint.places.iter_mut().for_each(|place| place.hashes_per_second = 0.0);
        let mut cluster = Cluster::new(begin(Settings::plain(SEED, 1.0))?, blueprint);
        cluster.start().await?;
        let peers = vec![BTreeSet::new(); nodes as usize];
        Ok(Self { cluster, tips: BTreeMap::new(), peers, heard: Duration::ZERO })
    }

    fn peer(&mut self, node: usize) -> PeerId {
        self.cluster.backend().peer(node)
    }

    /// Frames that crossed between two sides so far, in both directions.
    async fn crossed(&mut self, side: impl Fn(usize) -> bool) -> u64 {
        self.cluster.count().await;
        let nodes = self.peers.len();
        let pairs = (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to)));
        let between = pairs.filter(|(from, to)| side(*from) != side(*to));
        between.map(|(from, to)| self.cluster.link_counters(from, to).carried).sum()
    }

    /// Why something did not happen in time.
    fn late(&self, what: &str) -> String {
        self.cluster.broken().unwrap_or_else(|| format!("not within {PATIENCE:?}: {what}"))
    }

    fn mine(&mut self, node: usize, blocks: u32) {
        self.cluster.backend().tell(node, Question::Mine { blocks, payee: None });
    }

    /// Cuts, or mends, every link between two sides.
    async fn set_cut(&mut self, side: impl Fn(usize) -> bool, cut: bool) -> Result<(), String> {
        let nodes = self.peers.len();
        for (from, to) in (0..nodes).flat_map(|from| (0..nodes).map(move |to| (from, to))) {
            if side(from) != side(to) {
                let link = Link { latency: Duration::ZERO, cut, ..Link::default() };
                self.cluster.backend().set_link(from, to, link);
            }
        }
        self.cluster.backend().settle().await
    }

    /// Whether all stand on one tip, at least this high.
    fn agrees(&self, height: u32) -> bool {
        let first = self.tips.values().next();
        let high = first.is_some_and(|(_, reached)| *reached >= height);
        high && self.tips.len() == self.peers.len() && self.tips.values().all(|tip| Some(tip) == first)
    }

    async fn wait_until(&mut self, what: &str, so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = self.cluster.now() + PATIENCE;
        while !so(self) {
            let heard = self.cluster.next(deadline).await;
            let Heard { node, event, at } = heard.ok_or_else(|| self.late(what))?;
            self.heard = at;
            match event {
                Event::Started { ledger } | Event::TipChanged { ledger, .. } => {
                    self.tips.insert(node, (ledger.tip.hash, ledger.tip.height));
                }
                Event::PeerConnected { peer, .. } => drop(self.peers[node].insert(peer)),
                Event::PeerDisconnected { peer, .. } => drop(self.peers[node].remove(&peer)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn topology(nodes: usize, overlay: Overlay) -> Topology {
    let link = LinkClass { latency: Duration::ZERO, jitter: Duration::ZERO, bandwidth: None, ..LinkClass::default() };
    super::topology(nodes, vec![group("node", nodes, Role::Miner)], overlay, link)
}

/// Seconds that processors have spent on this process: the fields 14 and 15 of its `stat`, in ticks.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Its name stands in brackets and may have anything in it; the fields behind it are counted from 3.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_whole_when_a_way_leads_to_everyone_and_both_ends_know_it() {
        let ids: Vec<PeerId> = (0..4).map(|node| crate::backend::draws::peer(SEED, node)).collect();
        let numbers = ids.iter().copied().zip(0..).collect();
        let is = |said: [&[usize]; 4]| {
            let peers = said.map(|said| said.iter().map(|peer| ids[*peer]).collect::<BTreeSet<_>>());
            is_whole(&peers, &numbers)
        };
        assert!(is([&[1], &[0, 2], &[1, 3], &[2]]));
        assert!(!is([&[1], &[0], &[3], &[2]]), "everyone has a peer, and there are two islands");
        assert!(!is([&[1], &[0, 2], &[3], &[2]]), "one end alone tells of a connection");
    }
}
