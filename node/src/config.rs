//! What one node is told about itself at its start.

use std::sync::Arc;

use bitcoin::ScriptBuf;
use schism_wire::{Keypair, Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use crate::chain::Rules;

/// What one node is told about itself.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its name in logs and events.
    pub name: String,
    /// Its identity on the network.
    pub identity: Keypair,
    /// Where it listens.
    pub listen: Multiaddr,
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// How it finds and keeps its peers.
    pub overlay: OverlayConfig,
    /// How it mines.
    pub mining: MiningConfig,
}

/// How a node finds and keeps its peers.
#[derive(Clone, Debug)]
pub struct OverlayConfig {
    /// Peers it keeps a connection to whatever happens: a topology's explicit links.
    pub keep: Vec<(PeerId, Multiaddr)>,
    /// Peers it learns others from when it knows none.
    pub bootstrap: Vec<(PeerId, Multiaddr)>,
    /// Outbound connections it seeks by itself through peer exchange; 0 for explicit links only.
    pub degree: usize,
    /// Connections it accepts at most, in both directions together.
    pub most_connections: usize,
    /// What keeps others from choosing its peers for it.
    pub defences: Defences,
    /// How fast its timers run (redials, pauses, time-outs, heartbeats), in seconds a second; 1 but where a story is
    /// hurried.
    pub haste: f64,
}

/// What keeps others from choosing all of a node's peers for it. Of use to nodes that seek their peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defences {
    /// Its book of addresses is kept in buckets, of which one part of the network reaches few.
    pub buckets: bool,
    /// It first dials peers that it had dialled in its last life.
    pub anchors: bool,
    /// It looks, by short connections, whether addresses it was told of are there.
    pub feelers: bool,
    /// Who was met keeps its place in the book as long as it is there.
    pub try_before_evict: bool,
    /// Who connects to it when there is no room is weighed against those who are here.
    pub protect_inbound: bool,
}

impl Defences {
    /// None of them.
    pub const NONE: Self =
        Self { buckets: false, anchors: false, feelers: false, try_before_evict: false, protect_inbound: false };
    /// Their words in YAML, in the order of the fields.
    pub const WORDS: [&str; 5] = ["buckets", "anchors", "feelers", "try_before_evict", "protect_inbound"];

    /// Each, by its word.
    pub fn each(&mut self) -> [(&'static str, &mut bool); 5] {
        let [buckets, anchors, feelers, try_before_evict, protect_inbound] = Self::WORDS;
        [
            (buckets, &mut self.buckets),
            (anchors, &mut self.anchors),
            (feelers, &mut self.feelers),
            (try_before_evict, &mut self.try_before_evict),
            (protect_inbound, &mut self.protect_inbound),
        ]
    }
}

impl Default for Defences {
    fn default() -> Self {
        let mut all = Self::NONE;
        all.each().into_iter().for_each(|(_, on)| *on = true);
        all
    }
}

/// How a node mines.
#[derive(Clone, Debug)]
pub struct MiningConfig {
    /// Hashes per second; 0 does not mine.
    pub hashes_per_second: f64,
    /// Whether the time to a block is drawn (the default) or comes from grinding alone.
    pub mode: MiningMode,
    /// Who is paid.
    pub payee: ScriptBuf,
}

/// Where the time to a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MiningMode {
    /// Exponential with mean work(target) ÷ rate, then a real nonce for the small real target.
    #[default]
    Drawn,
    /// Real hashing only, as fast as it goes.
    Grind,
}
