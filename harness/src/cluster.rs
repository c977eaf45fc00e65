//! A cluster: nodes in a backend, what is done to them, and what they have said. The same on every backend.

mod blueprint;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::active::{Active, Deed, GateState, LinkState};
use schism_chaos::draw::{NodeDescription, NodeState};
use schism_chaos::effect::Effect;
use schism_chaos::evidence::{Confirmed, LinkCounters, NodeCounters};
use schism_chaos::fault::CrashKind;
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_chaos::progress::Act;
use schism_node::chain::Rules;
use schism_node::control::Event;

pub use blueprint::Blueprint;

use crate::backend::{Backend, Heard};
use crate::checks::Wiring;
use crate::topology::{LinkClass, NodePlan, Plan, Starts};

/// Nodes in a backend. Positions in the plan name them.
pub struct Cluster<B> {
    backend: B,
    plan: Plan,
    /// The chain's rules with every upgrade; what each node follows of them.
    whole: Arc<Rules>,
    rules: Vec<Arc<Rules>>,
    /// Hashes per second of each node where nothing moves them.
    rates: Vec<f64>,
    states: Vec<State>,
    active: Active,
    /// What links are that are not in `links`: a thousand nodes have a million.
    usual: Link,
    links: BTreeMap<(usize, usize), Link>,
    /// Unsynced writes lost with crashed machines.
    writes_lost: u64,
    /// How often each node found its store damaged and rebuilt it.
    rebuilt: Vec<u64>,
    /// How often each node's store failed.
    failed: Vec<u64>,
    /// Whether nodes may end by themselves.
    lasts: bool,
}

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not yet.
    Absent,
    /// It runs.
    Alive,
    /// It stands still.
    Frozen,
    /// It was stopped and may come back.
    Dead,
    /// It was destroyed.
    Gone,
}

impl<B: Backend> Cluster<B> {
    /// A cluster whose nodes the backend already knows and has not started.
    pub fn new(mut backend: B, blueprint: Blueprint) -> Self {
        let Blueprint { plan, places, whole } = blueprint;
        let rules = places.iter().map(|place| place.rules.clone()).collect();
        let rates = places.iter().map(|place| place.hashes_per_second).collect();
        let states = vec![State::Absent; plan.nodes.len()];
        let (rebuilt, failed) = (vec![0; plan.nodes.len()], vec![0; plan.nodes.len()]);
        places.into_iter().for_each(|place| backend.add(place));
        let usual = link(plan.link, LinkState::default());
        backend.set_usual_link(usual);
        let (active, links) = (Active::default(), BTreeMap::new());
        let mut cluster = Self {
            backend,
            plan,
            whole,
            rules,
            rates,
            states,
            active,
            usual,
            links,
            writes_lost: 0,
            rebuilt,
            failed,
            lasts: false,
        };
        if cluster.plan.nodes.iter().any(|node| node.region.is_some()) {
            cluster.relink();
        }
        cluster
    }

    /// Starts every node that the plan does not keep for later.
    ///
    /// # Errors
    /// When one cannot be started; the others are left as they are.
    pub async fn start(&mut self) -> Result<(), String> {
        for node in 0..self.states.len() {
            if self.starts_with_cluster(node) && self.states[node] == State::Absent {
                self.begin(node).await?;
            }
        }
        self.backend.settle().await
    }

    /// Whether a node starts with the cluster, and not with a step or later.
    pub fn starts_with_cluster(&self, node: usize) -> bool {
        self.plan.nodes[node].starts == Starts::WithCluster
    }

    /// Time since the cluster began, on the nodes' clock.
    pub fn now(&self) -> Duration {
        self.backend.now()
    }

    /// The place it runs in.
    pub fn backend(&mut self) -> &mut B {
        &mut self.backend
    }

    /// Its nodes and links.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The chain's rules with every upgrade.
    pub fn whole(&self) -> &Arc<Rules> {
        &self.whole
    }

    /// The chain a node follows.
    pub fn rules(&self, node: usize) -> &Arc<Rules> {
        &self.rules[node]
    }

    /// Where a node stands.
    pub fn state(&self, node: usize) -> State {
        self.states[node]
    }

    /// Who may be connected to whom when nothing is cut.
    pub fn wiring(&self) -> Wiring {
        if self.plan.nodes.iter().any(|node| node.degree > 0) {
            return Wiring::Any;
        }
        Wiring::Links(self.plan.links.iter().map(|link| (link.from, link.to)).collect())
    }

    /// What faults are in force.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// What a link has carried and held.
    pub fn link_counters(&self, from: usize, to: usize) -> LinkCounters {
        let counters = self.backend.link_counters(from, to);
        LinkCounters { unhurt: self.plan.link(from, to).latency.mul_f64(counters.sent as f64), ..counters }
    }

    /// What was done to a node, and what it did.
    pub fn node_counters(&self, node: usize) -> NodeCounters {
        NodeCounters { rebuilt: self.rebuilt[node], failed: self.failed[node], ..self.backend.node_counters(node) }
    }

    /// Unsynced writes lost with crashed machines so far.
    pub fn writes_lost(&self) -> u64 {
        self.writes_lost
    }

    /// The nodes as selectors see them.
    pub fn described(&self, served: impl Fn(usize) -> u64) -> Vec<NodeDescription> {
        let describe = |(position, node): (usize, &NodePlan)| NodeDescription {
            name: node.name.clone(),
            role: node.role,
            group: node.group.clone(),
            region: node.region.clone(),
            hash_share: node.hash_share,
            rejects: node.rejects.clone(),
            state: match self.states[position] {
                State::Absent => NodeState::Absent,
                State::Alive | State::Frozen => NodeState::Alive,
                State::Dead | State::Gone => NodeState::Dead,
            },
            served: served(position),
        };
        self.plan.nodes.iter().enumerate().map(describe).collect()
    }

    /// Does what an act of the schedule asks for.
    ///
    /// # Errors
    /// When the backend could not start a node.
    pub async fn perform(&mut self, act: &Act) -> Result<(), String> {
        for effect in &act.effects {
            if let Effect::Join { node, peers: Some(peers) } = effect {
                self.backend.know(*node, peers.clone());
            }
        }
        for deed in self.active.count_in(act) {
            self.carry_out(deed).await?;
        }
        self.backend.settle().await
    }

    /// Has links that effects have changed be seen to obey, where that takes traffic of the machines' own.
    pub async fn confirm(&mut self, effects: &[Effect]) -> Option<Confirmed> {
        let plan = &self.plan;
        self.backend.confirm(effects, &|from, to| plan.link(from, to).latency).await
    }

    /// Has a node hash so many times a second of the backend's clock where nothing moves it, now and after every start.
    pub fn set_hash_rate(&mut self, node: usize, hashes_per_second: f64) {
        self.rates[node] = hashes_per_second;
        self.backend.set_hash_rate(node, hashes_per_second * self.active.hash_power(node));
    }

    /// Reads all counters anew.
    pub async fn count(&mut self) {
        self.backend.count().await;
    }

    /// Why the cluster can no longer be believed.
    pub fn broken(&self) -> Option<String> {
        let ended = || self.ended().into_iter().next().filter(|_| !self.lasts);
        self.backend.broken().or_else(|| ended().map(|(node, how)| format!("{}: {how}", self.plan.nodes[node].name)))
    }

    /// Lets it last when nodes end by themselves. Somebody has to ask who [`Cluster::ended`], and take it for a crash.
    pub fn outlast_nodes(&mut self) {
        self.lasts = true;
    }

    /// Nodes that ended by themselves and were not taken for crashed yet, and how.
    pub fn ended(&self) -> Vec<(usize, String)> {
        let told = |(node, how)| (node, format!("the node ended by itself ({how})"));
        self.backend.ended().into_iter().map(told).collect()
    }

    /// What happened next, or nothing when it is `deadline` first.
    pub async fn next(&mut self, deadline: Duration) -> Option<Heard> {
        let heard = self.backend.next(deadline).await;
        match &heard {
            Some(Heard { node, event: Event::StoreRebuilt { .. }, .. }) => self.rebuilt[*node] += 1,
            Some(Heard { node, event: Event::StoreFailed { .. }, .. }) => self.failed[*node] += 1,
            _ => {}
        }
        heard
    }

    async fn carry_out(&mut self, deed: Deed) -> Result<(), String> {
        match deed {
            Deed::Relink => self.relink(),
            Deed::Stop(node, kind) => self.end(node, kind, State::Dead).await,
            Deed::Start(node) | Deed::Join(node) => self.begin(node).await?,
            Deed::Restart(node, kind) => {
                self.end(node, kind, State::Dead).await;
                self.begin(node).await?;
            }
            Deed::Upgrade(node, kind) => self.upgrade(node, kind).await?,
            Deed::SetHashRate(node) => self.set_hash_rate(node, self.rates[node]),
            Deed::Freeze(node) => {
                self.backend.freeze(node);
                self.turn(node, State::Alive, State::Frozen);
            }
            Deed::Thaw(node) => {
                self.backend.thaw(node);
                self.turn(node, State::Frozen, State::Alive);
            }
            Deed::SetClock(node) => {
                let (by_seconds, rate) = self.active.clock(node);
                self.backend.set_clock(node, by_seconds, rate);
            }
            Deed::SetGate(node, actor) => {
                let passage = passage(self.active.gate(node, actor));
                self.backend.set_gate(node, actor, passage);
            }
            Deed::SetDisk(node) => {
                let trouble = self.active.disk(node);
                self.backend.set_disk(node, trouble);
                // A store that has failed is not asked again: only a new life of its node opens it.
                if trouble.is_none() && matches!(self.states[node], State::Alive | State::Frozen) {
                    self.end(node, CrashKind::Process, State::Dead).await;
                    self.begin(node).await?;
                }
            }
            Deed::Destroy(node) => {
                self.end(node, CrashKind::Machine, State::Gone).await;
                self.backend.erase(node);
            }
        }
        Ok(())
    }

    async fn begin(&mut self, node: usize) -> Result<(), String> {
        self.backend.start(node).await?;
        self.states[node] = State::Alive;
        if self.active.frozen(node) {
            self.backend.freeze(node);
            self.states[node] = State::Frozen;
        }
        Ok(())
    }

    /// Has a node take what it no longer rejects: from its next start on, which is now where it runs.
    async fn upgrade(&mut self, node: usize, kind: CrashKind) -> Result<(), String> {
        let active = &self.active;
        self.plan.nodes[node].rejects.retain(|upgrade| !active.taken(node, upgrade));
        let rules = self.whole.without(&self.plan.nodes[node].rejects);
        let known = self.rules.iter().find(|known| ***known == rules).cloned();
        self.rules[node] = known.unwrap_or_else(|| Arc::new(rules));
        self.backend.follow(node, self.rules[node].clone());
        if matches!(self.states[node], State::Alive | State::Frozen) {
            self.end(node, kind, State::Dead).await;
            self.begin(node).await?;
        }
        Ok(())
    }

    async fn end(&mut self, node: usize, kind: CrashKind, then: State) {
        self.writes_lost += self.backend.crash(node, kind).await.writes;
        self.states[node] = then;
    }

    fn turn(&mut self, node: usize, from: State, to: State) {
        if self.states[node] == from {
            self.states[node] = to;
        }
    }

    /// Sets every link to the plan's with the active faults on top.
    fn relink(&mut self) {
        let nodes = self.plan.nodes.len();
        for from in 0..nodes {
            for to in (0..nodes).filter(|&to| to != from) {
                let link = link(self.plan.link(from, to), self.active.link(from, to));
                let before = self.links.get(&(from, to)).unwrap_or(&self.usual);
                if *before != link {
                    self.links.insert((from, to), link);
                    self.backend.set_link(from, to, link);
                }
            }
        }
    }
}

/// What a link of this class does while these faults act on it.
fn link(class: LinkClass, state: LinkState) -> Link {
    let own = class.bandwidth.map(|bandwidth| bandwidth.0);
    Link {
        latency: class.latency + state.latency,
        jitter: class.jitter + state.jitter,
        bandwidth: [own, state.bits_per_second].into_iter().flatten().min(),
        loss: 1.0 - (1.0 - class.loss.0) * (1.0 - state.loss),
        cut: state.cut,
    }
}

/// What a gate does while these faults act on it: the strongest counts.
fn passage(state: GateState) -> Passage {
    match state {
        GateState { hold: true, .. } => Passage::Hold,
        GateState { drop, .. } if drop > 0.0 => Passage::Drop(drop),
        GateState { slow, .. } if slow > Duration::ZERO => Passage::Slow(slow),
        _ => Passage::Open,
    }
}
