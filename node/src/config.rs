//! What one node is told about itself at its start.

use std::sync::Arc;

use bitcoin::ScriptBuf;
use schism_wire::{Keypair, Multiaddr, PeerId};

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
    /// How fast its own timers run (redials, pauses, patience), in seconds a second; 1 but where a story is hurried.
    pub haste: f64,
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
