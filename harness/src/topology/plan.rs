//! A plan: the concrete nodes and links a topology expands to. Same topology and seed, same plan.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use schism_chaos::adversary::Adversary;
use schism_chaos::draw::{NodeDescription, NodeState};
use schism_chaos::fault::Join;
use schism_chaos::quantity::{Bandwidth, Length, Share};
use schism_chaos::selector::{Role, Selector};

use super::{Group, LinkClass, Overlay, Region, Topology, sane, shape};

/// Everything a backend needs to know to build the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The nodes, groups in order; positions in this list are used everywhere below.
    pub nodes: Vec<NodePlan>,
    /// Explicit links, each pair once, in order. Who has the larger position dials: it may start later.
    pub links: Vec<LinkPlan>,
    /// Of a link whose ends do not both have a region.
    pub link: LinkClass,
    /// What links between regions are like.
    pub regions: Vec<Region>,
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
    /// Its own, in hashes per second, before any pace: divide by the pace.
    pub hashes_per_second: f64,
    /// When it starts.
    pub starts: Starts,
    /// Outbound connections it seeks by itself; 0: explicit links only.
    pub degree: u32,
    /// Positions of nodes it is told of at its start, to learn others from; empty where it seeks nobody.
    pub bootstrap: Vec<usize>,
    /// Names of the upgrades it does not follow.
    pub rejects: Vec<String>,
    /// What stands between its actors.
    pub adversary: Option<Adversary>,
}

/// When a node starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Starts {
    /// With the cluster.
    WithCluster,
    /// This long after the load started.
    After(Length),
    /// With the step of this name, a `join`.
    With(String),
}

/// One explicit link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkPlan {
    /// The node that dials: the larger position.
    pub from: usize,
    /// The node that listens.
    pub to: usize,
}

/// Nodes a seeking node is told of at its start: enough that one of them may be down.
const TOLD_OF: usize = 3;

impl Topology {
    /// The nodes and links this topology means under `seed`.
    pub fn plan(&self, seed: u64) -> Plan {
        self.plan_with(seed, &[])
    }

    /// The same, and the nodes that steps (by name) let join later, after all others.
    pub fn plan_with(&self, seed: u64, joins: &[(&str, &Join)]) -> Plan {
        // Not the bare seed: the fault schedule draws from that, and the two shall have nothing to do with each other.
        let mut chance = StdRng::seed_from_u64(seed ^ 0x746f_706f_6c6f_6779);
        let mut nodes: Vec<NodePlan> = Vec::new();
        let mut explicit: Vec<Option<&Selector>> = Vec::new();
        for group in &self.groups {
            nodes.extend(self.members(group, &mut chance));
            explicit.resize(nodes.len(), group.peers.as_ref());
        }
        let members = nodes.len();
        for (step, join) in joins {
            nodes.extend(newcomers(step, join));
            explicit.resize(nodes.len(), join.peers.as_ref());
        }
        let joining = (0..members).filter(|node| explicit[*node].is_none()).collect::<Vec<_>>();
        let mut links = shape::links(self, &nodes, &joining, &mut chance);
        links.extend(explicit_links(&nodes, &explicit, &mut chance));
        links.sort_unstable();
        links.dedup();
        if let Overlay::Unstructured { degree, .. } = self.overlay {
            seek(&mut nodes, &explicit, degree, &mut chance);
        } else {
            // Shapes say who is linked to whom; a newcomer that nobody linked is attached to one of them.
            for node in (members..nodes.len()).filter(|node| explicit[*node].is_none()) {
                let to = joining[index(&mut chance, joining.len())];
                links.push(LinkPlan { from: node, to });
            }
        }
        Plan { nodes, links, link: self.link, regions: self.regions.clone() }
    }

    /// Hashes per second of all miners together.
    pub fn total_hash_rate(&self) -> f64 {
        self.hash_rate.map_or_else(|| self.chain.natural_hash_rate(), |rate| rate.0)
    }

    /// Of the cluster's hash power, each node of a group.
    fn hash_share(&self, group: &Group) -> f64 {
        let total = self.total_hash_rate();
        let of = |group: &Group| group.hash_power.map(|power| sane::share(power, total));
        if let Some(share) = of(group) {
            return share / f64::from(group.count);
        }
        if group.role != Role::Miner {
            return 0.0;
        }
        let said: f64 = self.groups.iter().filter_map(of).sum();
        let open = self.groups.iter().filter(|group| group.role == Role::Miner && group.hash_power.is_none());
        (1.0 - said).max(0.0) / open.map(|group| f64::from(group.count)).sum::<f64>()
    }

    fn members(&self, group: &Group, chance: &mut StdRng) -> Vec<NodePlan> {
        let hash_share = self.hash_share(group);
        let mut places = spread(&group.regions, group.count as usize);
        places.shuffle(chance);
        let member = |(number, region): (usize, Option<String>)| NodePlan {
            name: format!("{}-{number}", group.name),
            group: group.name.clone(),
            role: group.role,
            region,
            hash_share,
            hashes_per_second: hash_share * self.total_hash_rate(),
            starts: group.starts.map_or(Starts::WithCluster, Starts::After),
            degree: 0,
            bootstrap: Vec::new(),
            rejects: group.rejects.clone(),
            adversary: group.adversary,
        };
        places.into_iter().enumerate().map(member).collect()
    }
}

impl Plan {
    /// The position of a node.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// What a frame from one node to another meets, whether or not they are linked.
    pub fn link(&self, from: usize, to: usize) -> LinkClass {
        let region = |node: usize| {
            let name = self.nodes[node].region.as_ref()?;
            self.regions.iter().find(|region| &region.name == name)
        };
        let (Some(from), Some(to)) = (region(from), region(to)) else { return self.link };
        let latency = from.latency.iter().find(|(name, _)| *name == to.name);
        let bandwidth: Option<Bandwidth> = from.upload.into_iter().chain(to.download).min();
        LinkClass {
            latency: latency.map_or(Duration::ZERO, |(_, latency)| *latency),
            jitter: from.jitter,
            bandwidth,
            loss: from.loss,
        }
    }
}

/// A region for each of `count` nodes, by largest remainder.
fn spread(regions: &[(String, Share)], count: usize) -> Vec<Option<String>> {
    if regions.is_empty() {
        return vec![None; count];
    }
    let sum: f64 = regions.iter().map(|(_, share)| share.0).sum();
    let exact: Vec<f64> = regions.iter().map(|(_, share)| share.0 / sum * count as f64).collect();
    let mut counts: Vec<usize> = exact.iter().map(|exact| exact.floor() as usize).collect();
    let mut order: Vec<usize> = (0..regions.len()).collect();
    // A stable sort: equal remainders go to the region that stands first.
    order.sort_by(|a, b| (exact[*b].fract()).total_cmp(&exact[*a].fract()));
    let missing = count.saturating_sub(counts.iter().sum());
    order.iter().cycle().take(missing).for_each(|region| counts[*region] += 1);
    let places = regions.iter().zip(counts);
    places.flat_map(|((name, _), count)| std::iter::repeat_n(Some(name.clone()), count)).take(count).collect()
}

fn newcomers(step: &str, join: &Join) -> impl Iterator<Item = NodePlan> {
    (0..join.count).map(move |number| NodePlan {
        name: format!("{}-{number}", join.group),
        group: join.group.clone(),
        role: join.role,
        region: join.region.clone(),
        hash_share: 0.0,
        hashes_per_second: 0.0,
        starts: Starts::With(step.to_owned()),
        degree: 0,
        bootstrap: Vec::new(),
        rejects: Vec::new(),
        adversary: None,
    })
}

/// Links to the peers that groups and newcomers ask for; each node draws its own.
fn explicit_links(nodes: &[NodePlan], explicit: &[Option<&Selector>], chance: &mut StdRng) -> Vec<LinkPlan> {
    let mut descriptions: Vec<_> = nodes.iter().map(describe).collect();
    let mut links = Vec::new();
    for (node, peers) in explicit.iter().enumerate() {
        let Some(peers) = peers else { continue };
        // Nobody is a peer of itself: who is not alive is not drawn, and a whole set leaves it out below.
        descriptions[node].state = NodeState::Absent;
        let drawn = peers.draw(&descriptions, &[node], chance.next_u64()).unwrap_or_default();
        descriptions[node].state = NodeState::Alive;
        let others = drawn.into_iter().filter(|peer| *peer != node);
        links.extend(others.map(|peer| LinkPlan { from: node.max(peer), to: node.min(peer) }));
    }
    links
}

fn describe(node: &NodePlan) -> NodeDescription {
    NodeDescription {
        name: node.name.clone(),
        role: node.role,
        group: node.group.clone(),
        region: node.region.clone(),
        hash_share: node.hash_share,
        rejects: node.rejects.clone(),
        state: NodeState::Alive,
        served: 0,
    }
}

/// Each node is told of a few that start no later than it does, so that all can find each other.
fn seek(nodes: &mut [NodePlan], explicit: &[Option<&Selector>], degree: u32, chance: &mut StdRng) {
    let seeking: Vec<usize> = (0..nodes.len()).filter(|node| explicit[*node].is_none()).collect();
    let at_once = |node: &usize| nodes[*node].starts == Starts::WithCluster;
    let (mut first, late): (Vec<usize>, Vec<usize>) = seeking.into_iter().partition(at_once);
    let coordinators: Vec<usize> =
        first.iter().copied().filter(|node| nodes[*node].role == Role::Coordinator).collect();
    first.shuffle(chance);
    let start: Vec<usize> = first.clone();
    for (place, node) in first.iter().chain(&late).copied().enumerate() {
        nodes[node].degree = degree;
        let earlier = if coordinators.is_empty() { &start[..place.min(start.len())] } else { &coordinators[..] };
        let mut told: Vec<usize> = earlier.iter().copied().filter(|other| *other != node).collect();
        told.shuffle(chance);
        told.truncate(TOLD_OF);
        told.sort_unstable();
        nodes[node].bootstrap = told;
    }
}

/// A position below `count`, which is not 0.
pub(super) fn index(chance: &mut StdRng, count: usize) -> usize {
    (chance.next_u64() % count as u64) as usize
}
