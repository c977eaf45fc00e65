//! A view: what the entries so far add up to, kept once for all checks. Nodes and where they stand, the tree of all
//! blocks, each node's best chain, what is in force, who is connected to whom.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcoin::Block;
use schism_chaos::active::Active;
use schism_chaos::draw::{NodeDescription, NodeState};
use schism_chaos::effect::Effect;
use schism_chaos::fault::Actor;
use schism_chaos::selector::Role;
use schism_node::control::{Answer, Event, LedgerState, PeerId, PeersState, PoolState};

use super::blocks::Blocks;
use super::components::Components;
pub use super::components::Wiring;
use crate::timeline::{Entry, Happening, Load};

/// What the entries so far add up to.
#[derive(Clone, Debug)]
pub struct View {
    now: Duration,
    nodes: Vec<NodeView>,
    blocks: Blocks,
    active: Active,
    components: Components,
    sides: Vec<Vec<usize>>,
    mined: u64,
    healed_at: Option<Duration>,
    mined_at_heal: u64,
    peers: BTreeMap<PeerId, usize>,
}

/// One node, as its events and the faults tell.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Whether checks ask anything of it: it is not an adversary and keeps a whole ledger.
    pub judged: bool,
    /// Whether it has any hash power.
    pub mines: bool,
    /// Whether the schedule has it absent, alive or dead.
    pub state: NodeState,
    /// Whether it was stopped and has not said since that it started again: what it stands on is not known.
    pub silent: bool,
    /// Whether it stands still.
    pub frozen: bool,
    /// Whether a gate keeps everything from its Network or its Ledger, which is as good as being cut off.
    pub deaf: bool,
    /// Where its ledger stands, as it last said; nothing before its first start.
    pub ledger: Option<LedgerState>,
    /// The place of its best block.
    pub tip: Option<usize>,
    /// Its pool, as last sampled.
    pub pool: Option<PoolState>,
    /// Its peers, as last sampled.
    pub peers: Option<PeersState>,
    /// Blocks it mined.
    pub mined: u32,
    /// The deepest reorganisation it made.
    pub deepest: u32,
}

impl NodeView {
    /// Whether it must keep up with the others: it is judged, and nothing in force keeps it from running.
    pub fn expected(&self) -> bool {
        self.judged && self.running()
    }

    /// Whether it runs and can hear, as far as the schedule says.
    pub fn running(&self) -> bool {
        self.state == NodeState::Alive && !self.frozen && !self.deaf
    }
}

impl View {
    /// A view of nodes that have said nothing yet. Newcomers are among them as `Absent`.
    pub fn new(nodes: &[NodeDescription], wiring: Wiring, genesis: &Block) -> Self {
        let components = Components::new(nodes.len(), wiring);
        let nodes = nodes.iter().map(|node| NodeView {
            name: node.name.clone(),
            group: node.group.clone(),
            judged: !matches!(node.role, Role::Adversary | Role::Light),
            mines: node.hash_share > 0.0,
            state: node.state,
            silent: false,
            frozen: false,
            deaf: false,
            ledger: None,
            tip: None,
            pool: None,
            peers: None,
            mined: 0,
            deepest: 0,
        });
        let mut view = Self {
            now: Duration::ZERO,
            nodes: nodes.collect(),
            blocks: Blocks::new(genesis),
            active: Active::default(),
            components,
            sides: Vec::new(),
            mined: 0,
            healed_at: None,
            mined_at_heal: 0,
            peers: BTreeMap::new(),
        };
        view.reconnect();
        view
    }

    /// The time of the last entry.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// All nodes, by position.
    pub fn nodes(&self) -> &[NodeView] {
        &self.nodes
    }

    /// Positions of the nodes that must keep up with each other.
    pub fn expected(&self) -> impl Iterator<Item = usize> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.expected()).map(|(place, _)| place)
    }

    /// A node's name.
    pub fn name(&self, node: usize) -> &str {
        self.nodes.get(node).map_or("?", |node| &node.name)
    }

    /// Every block known.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// What is in force.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// Who is connected to whom.
    pub fn components(&self) -> &Components {
        &self.components
    }

    /// The sides of the last fault that made any; they are remembered after its end.
    pub fn sides(&self) -> &[Vec<usize>] {
        &self.sides
    }

    /// Blocks mined so far, by anyone.
    pub fn mined(&self) -> u64 {
        self.mined
    }

    /// When the schedule was over and everything healed; nothing before.
    pub fn healed_at(&self) -> Option<Duration> {
        self.healed_at
    }

    /// Blocks mined by anyone before everything was healed.
    pub fn mined_at_heal(&self) -> u64 {
        self.mined_at_heal
    }

    /// Tells under which identity a node is known to its peers, so that who sent what can be seen.
    pub fn introduce(&mut self, node: usize, peer: PeerId) {
        self.peers.insert(peer, node);
    }

    /// The node with this identity.
    pub fn known_as(&self, peer: &PeerId) -> Option<usize> {
        self.peers.get(peer).copied()
    }

    /// Counts one entry in.
    pub(super) fn feed(&mut self, entry: &Entry) {
        self.now = entry.at;
        let node = entry.node.filter(|&node| node < self.nodes.len());
        match (&entry.what, node) {
            (Happening::Event(event), Some(node)) => self.event(event, node),
            (Happening::Answer(answer), Some(node)) => self.answer(answer, node),
            (Happening::Load(Load::Submitted { transaction, intent }), Some(node)) => {
                self.blocks.submitted(transaction, self.now, node, *intent);
            }
            (Happening::Load(Load::SubmittedBlock(block)), _) => {
                let parent = self.blocks.place(&block.header.prev_blockhash);
                let height = parent.map_or(0, |parent| self.blocks.get(parent).height + 1);
                self.blocks.mined(block, height, None, self.now);
            }
            (Happening::Acted(act), _) => {
                self.active.count_in(act);
                for effect in &act.effects {
                    if let Effect::Join { node, .. } = effect
                        && let Some(node) = self.nodes.get_mut(*node)
                    {
                        node.state = NodeState::Alive;
                    }
                }
                if !act.sides.is_empty() {
                    self.sides = act.sides.clone();
                }
                self.reconnect();
            }
            (Happening::Healed, _) => {
                self.healed_at = Some(self.now);
                self.mined_at_heal = self.mined;
            }
            _ => {}
        }
    }

    /// Notes when the run ended.
    pub(super) fn end(&mut self, at: Duration) {
        self.now = at;
    }

    fn event(&mut self, event: &Event, node: usize) {
        match event {
            Event::Started { ledger } => {
                self.nodes[node].silent = false;
                if self.nodes[node].state == NodeState::Absent {
                    self.nodes[node].state = NodeState::Alive;
                    self.reconnect();
                }
                let tip = self.blocks.stub(ledger.tip.hash, ledger.tip.height, ledger.tip.work);
                self.stand(node, tip, ledger);
            }
            Event::TipChanged { ledger, disconnected, .. } => {
                self.nodes[node].deepest = self.nodes[node].deepest.max(disconnected.len() as u32);
                let tip = self.blocks.stub(ledger.tip.hash, ledger.tip.height, ledger.tip.work);
                self.stand(node, tip, ledger);
            }
            Event::BlockMined { block, height } => {
                self.mined += 1;
                self.nodes[node].mined += 1;
                self.blocks.mined(block, *height, Some(node), self.now);
            }
            Event::BlockStored { hash, parent, height, work, .. } => {
                self.blocks.stored(*hash, *parent, *height, *work);
            }
            Event::BlockRefused { hash, .. } if self.nodes[node].judged => self.blocks.refused(*hash),
            _ => {}
        }
    }

    fn answer(&mut self, answer: &Answer, node: usize) {
        let node = &mut self.nodes[node];
        match answer {
            Answer::Pool(pool) => node.pool = Some(pool.clone()),
            Answer::Peers(peers) => node.peers = Some(peers.clone()),
            // An answer may have been overtaken by a move that is known already.
            Answer::Ledger(ledger) if node.ledger.as_ref().is_none_or(|known| known.tip.hash == ledger.tip.hash) => {
                node.ledger = Some(ledger.clone());
            }
            _ => {}
        }
    }

    /// Moves a node to a tip.
    fn stand(&mut self, node: usize, tip: usize, ledger: &LedgerState) {
        self.nodes[node].tip = Some(tip);
        self.nodes[node].ledger = Some(ledger.clone());
        if !self.nodes[node].judged {
            return;
        }
        let mut at = Some(tip);
        while let Some(place) = at.filter(|&place| !self.blocks.get(place).connected) {
            let record = self.blocks.record(place);
            record.connected = true;
            at = record.parent;
        }
    }

    /// Works out who runs and who is connected to whom.
    fn reconnect(&mut self) {
        for (place, node) in self.nodes.iter_mut().enumerate() {
            if node.state != NodeState::Absent {
                node.state = if self.active.stopped(place) { NodeState::Dead } else { NodeState::Alive };
            }
            node.silent |= node.state == NodeState::Dead;
            node.frozen = self.active.frozen(place);
            let closed = |actor| {
                let gate = self.active.gate(place, actor);
                gate.hold || gate.drop >= 1.0
            };
            node.deaf = closed(Actor::Network) || closed(Actor::Ledger);
        }
        let running: Vec<bool> = self.nodes.iter().map(NodeView::running).collect();
        self.components.update(&self.active, &running, self.now);
    }
}
