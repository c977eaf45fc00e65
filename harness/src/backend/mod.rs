//! A backend: the place a cluster runs in. Few verbs, the same for every place; what a story asks goes through them.

pub mod capability;
pub mod container;
pub mod draws;
pub mod gates;
pub mod inbox;
pub mod mutation;
pub mod process;
pub mod real;
pub mod simulated;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::adversary::Adversary;
use schism_chaos::effect::Effect;
use schism_chaos::evidence::{Confirmed, LinkCounters, NodeCounters};
use schism_chaos::fault::{Actor, CrashKind, DiskTrouble};
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_node::chain::Rules;
use schism_node::config::Defences;
use schism_node::control::{Answer, Event, Question};
use schism_node::wire::{Multiaddr, PeerId};

pub use inbox::Inbox;

/// A node before it is started: who it is and whom it knows.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// Hashes per second; 0 does not mine.
    pub hashes_per_second: f64,
    /// Positions of nodes it keeps a connection to whatever happens.
    pub keep: Vec<usize>,
    /// Positions of nodes it learns others from.
    pub bootstrap: Vec<usize>,
    /// Outbound connections it seeks by itself.
    pub degree: usize,
    /// Connections it has at most, in both directions together; nothing: as many as others want.
    pub most_connections: Option<usize>,
    /// What keeps others from choosing its peers for it.
    pub defences: Defences,
    /// What stands between its actors.
    pub adversary: Option<Adversary>,
}

impl Place {
    /// A place of a node that follows the lab's rules, knows nobody and does nothing.
    pub fn nobody() -> Self {
        Self {
            name: "nobody".to_owned(),
            rules: Arc::new(Rules::lab(&[])),
            hashes_per_second: 0.0,
            keep: Vec::new(),
            bootstrap: Vec::new(),
            degree: 0,
            most_connections: None,
            defences: Defences::default(),
            adversary: None,
        }
    }

    /// Has it keep connections to these and to no others: it would else be found and connected to.
    pub fn keep_only(&mut self, peers: Vec<usize>) {
        (self.most_connections, self.degree) = (Some(peers.len()), 0);
        self.bootstrap.clear();
        self.keep = peers;
    }
}

/// Connections a node accepts where its place says nothing: a star's hub has one for every other node.
pub const MOST_CONNECTIONS: usize = 4_096;

/// One thing a node said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// When, since the cluster began.
    pub at: Duration,
    /// Which node, by its position.
    pub node: usize,
    /// What.
    pub event: Event,
}

/// A place for clusters. Nodes are named by their position in the plan; newcomers take the next ones.
#[allow(async_fn_in_trait)] // used by one thread only: nobody asks these futures to be Send
pub trait Backend {
    /// Time since the cluster began, on the nodes' clock.
    fn now(&self) -> Duration;

    /// A node's name on the network.
    fn peer(&self, node: usize) -> PeerId;

    /// That name, and where it listens.
    fn whereabouts(&self, node: usize) -> (PeerId, Multiaddr);

    /// Starts a node on what its store holds; does nothing where it is alive. It runs once [`Backend::settle`] returns.
    async fn start(&mut self, node: usize) -> Result<(), String>;

    /// Has a node be another build of this program from its next start on.
    ///
    /// # Errors
    /// Why it cannot be; it is what it was then.
    async fn upgrade(&mut self, node: usize, binary: &Path) -> Result<(), String>;

    /// Has a node follow other rules from its next start on.
    fn follow(&mut self, node: usize, rules: Arc<Rules>);

    /// Has a node hash so many times a second, now and after every start.
    fn set_hash_rate(&mut self, node: usize, hashes_per_second: f64);

    /// Ends a node as a crash of this kind would; does nothing where it is dead.
    async fn crash(&mut self, node: usize, kind: CrashKind) -> Lost;

    /// Stops a node without its noticing.
    fn freeze(&mut self, node: usize);

    /// Undoes [`Backend::freeze`].
    fn thaw(&mut self, node: usize);

    /// Removes what a dead node's store holds.
    fn erase(&mut self, node: usize);

    /// Asks a node; nothing where it is dead, frozen or does not answer within a few seconds.
    async fn ask(&mut self, node: usize, question: Question) -> Option<Answer>;

    /// Tells a node without waiting for its answer; whether it runs.
    fn tell(&mut self, node: usize, question: Question) -> bool;

    /// Says how good every link is that is not set by itself.
    fn set_usual_link(&mut self, link: Link);

    /// Says how good the link from one node to another is, cut or not.
    fn set_link(&mut self, from: usize, to: usize, link: Link);

    /// Returns when everything that was asked for so far is in force, with proof of it where the place gives one.
    ///
    /// # Errors
    /// What is not in force, and why.
    async fn settle(&mut self) -> Result<(), String>;

    /// Has machines send traffic of their own over links that these effects, which are in force, have changed, until
    /// counters show that each link obeys, or for a second: what they showed. `unhurt` is how long a link takes by itself.
    /// Nothing where no such traffic is needed: the simulation's links are what they are said to be.
    async fn confirm(&mut self, _effects: &[Effect], _unhurt: &dyn Fn(usize, usize) -> Duration) -> Option<Confirmed> {
        None
    }

    /// Reads every counter anew: what [`Backend::link_counters`] and [`Backend::node_counters`] say is from then.
    async fn count(&mut self);

    /// Why the cluster can no longer be believed, where something went wrong that nobody asked for.
    fn broken(&self) -> Option<String>;

    /// Nodes that ended though nobody asked for it, and how, until [`Backend::crash`] takes note.
    fn ended(&self) -> Vec<(usize, String)>;

    /// What a link has carried and held since the cluster began.
    fn link_counters(&self, from: usize, to: usize) -> LinkCounters;

    /// What was done to a node, and what it did, since the cluster began.
    fn node_counters(&self, node: usize) -> NodeCounters;

    /// Names the nodes that one which is not started yet keeps a connection to, and no other.
    fn know(&mut self, node: usize, peers: Vec<usize>);

    /// Frames that crossed links so far.
    fn frames(&self) -> u64;

    /// How much later than it should a frame went on, on average; nothing where no machine can be too busy for that.
    fn lateness(&self) -> Option<Duration>;

    /// Signature checks that a memo shared by all nodes has answered so far.
    fn memo_hits(&self) -> u64;

    /// Adds a node that was not in the plan; it is not started.
    fn add(&mut self, node: Place);

    /// Sets the gate before one actor of a node.
    fn set_gate(&mut self, node: usize, actor: Actor, passage: Passage);

    /// Moves a node's clock by so many seconds and lets it run at this rate.
    fn set_clock(&mut self, node: usize, by_seconds: f64, rate: f64);

    /// Sets what is wrong with a node's disk; nothing: it does what it is told.
    fn set_disk(&mut self, node: usize, trouble: Option<DiskTrouble>);

    /// What happened next, or nothing when it is `deadline` first.
    async fn next(&mut self, deadline: Duration) -> Option<Heard>;
}

/// What a crash took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Writes that the store had accepted and not synced.
    pub writes: u64,
}
