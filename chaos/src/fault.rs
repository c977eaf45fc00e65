//! A fault: something bad that happens to nodes, to links, or inside a node, and that can be undone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{Bandwidth, Length, Rate, Share};
use crate::selector::{Role, Selector};

/// Every fault an experiment can ask for. Nodes are drawn when the fault starts, anew for each repetition.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nodes of different sides cannot reach each other.
    Partition(Partition),
    /// Nothing passes on some links.
    Cut {
        /// Which.
        links: Links,
    },
    /// Nodes are cut off from everyone, each other included.
    Isolate {
        /// Who.
        pick: Selector,
    },
    /// Frames take longer.
    Latency {
        /// On which links.
        links: Links,
        /// Added to each frame.
        by: Duration,
        /// Added besides, uniformly drawn between 0 and this.
        jitter: Duration,
    },
    /// Links carry less.
    Bandwidth {
        /// Which links.
        links: Links,
        /// Each direction carries at most this.
        limit: Bandwidth,
    },
    /// Frames get lost; the transport sends them again, later.
    Loss {
        /// On which links.
        links: Links,
        /// Of the frames, independently.
        share: Share,
    },
    /// Nodes die; to heal is to start them again on what their store kept.
    Crash {
        /// Who.
        pick: Selector,
        /// What is lost with them.
        kind: CrashKind,
    },
    /// Nodes die and start again at once. Instant.
    Restart {
        /// Who.
        pick: Selector,
        /// What is lost with them.
        kind: CrashKind,
    },
    /// Nodes that reject upgrades of the rules take them: they die and start again, on what their store kept. Instant.
    Upgrade {
        /// Who, of those that still reject one of them.
        pick: Selector,
        /// Names of upgrades; none: all that they reject.
        to: Vec<String>,
        /// What is lost with them.
        kind: CrashKind,
    },
    /// Miners lose hash power and others get it. To heal is to give it back.
    HashPower {
        /// Who loses.
        from: Selector,
        /// Who gets, each in proportion to what it has.
        to: Selector,
        /// Of what they have.
        share: Share,
    },
    /// Nodes stand still without noticing; to heal is to let them go on.
    Freeze {
        /// Who.
        pick: Selector,
    },
    /// Nodes keep leaving and coming back. When healed all are back.
    Churn {
        /// Who may leave: the whole set; each leaving takes one of them that is there.
        pick: Selector,
        /// Leavings per second, of all of them together, at exponentially distributed intervals.
        rate: Rate,
        /// How long one stays away, exponentially distributed with this mean.
        away: Length,
        /// How they leave.
        kind: CrashKind,
    },
    /// Nodes' clocks are wrong. To heal is to set them right.
    ClockSkew {
        /// Who.
        pick: Selector,
        /// Ahead by this many seconds; negative is behind.
        by_seconds: f64,
        /// Seconds the clock counts per second; 1 is true.
        rate: f64,
    },
    /// Links that are cut and mended in turns.
    Flap {
        /// Which.
        links: Links,
        /// How long they are cut.
        down: Length,
        /// How long they carry.
        up: Length,
    },
    /// Nodes die, and their disk with them. Always permanent.
    Destroy {
        /// Who.
        pick: Selector,
    },
    /// An actor takes each message later.
    Slow {
        /// Which actor.
        actor: Actor,
        /// Of whom.
        of: Selector,
        /// Later by this.
        by: Duration,
    },
    /// An actor never sees some of its messages.
    Drop {
        /// Which actor.
        actor: Actor,
        /// Of whom.
        of: Selector,
        /// Of its messages, independently.
        share: Share,
    },
    /// An actor sees nothing until healed, and then everything in order.
    Hold {
        /// Which actor.
        actor: Actor,
        /// Of whom.
        of: Selector,
    },
    /// Disks do not do what they are told: the store fails, and the node tells nothing any more. To heal is to mend the
    /// disk and to start the node again.
    Disk {
        /// Of whom.
        pick: Selector,
        /// What is wrong with them.
        trouble: DiskTrouble,
    },
    /// New nodes start that were not there before. Instant; they stay.
    Join(Join),
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskTrouble {
    /// Nothing more fits.
    Full,
    /// What was written cannot be made to last.
    NoSync,
}

/// How a cluster is split.
#[derive(Clone, Debug, PartialEq)]
pub enum Partition {
    /// Each selector is a side, drawn in order from the nodes no earlier side has; whoever is left is one more side.
    /// One selector splits its nodes from the rest.
    Sides(Vec<Selector>),
    /// Into this many sides, at least 2, drawn at random, as equal as can be (larger ones first).
    Parts(u32),
}

/// Which links, and in which direction.
#[derive(Clone, Debug, PartialEq)]
pub enum Links {
    /// All of them, both ways.
    Every,
    /// Those that touch one of these nodes, both ways.
    Of(Selector),
    /// Those between the first and the second, both ways.
    Between(Selector, Selector),
    /// From the first to the second, not back.
    OneWay {
        /// Who sends.
        from: Selector,
        /// Who would receive.
        to: Selector,
    },
}

/// What a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashKind {
    /// What the store accepted stays; peers see connections break.
    #[default]
    Process,
    /// Unsynced writes are gone; peers see silence.
    Machine,
    /// The same, and the disk is damaged: the end of what was synced is torn off, and what stands beside the blocks is
    /// rubbish. The ledger has to notice.
    Torn,
}

impl CrashKind {
    /// Whether the machine goes, and not the process alone.
    pub fn takes_machine(self) -> bool {
        self != Self::Process
    }
}

/// The four actors of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Peers, gossip, sync.
    Network,
    /// Blocks, coins, fork choice.
    Ledger,
    /// Unconfirmed transactions.
    Mempool,
    /// Blocks in the making.
    Miner,
}

/// Newcomers: named `<group>-0` and on, in a group of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// The group's name; no other group may have it.
    pub group: String,
    /// How many, at least 1.
    pub count: u32,
    /// What they are.
    pub role: Role,
    /// Their region; the topology's default link where nothing is said.
    pub region: Option<String>,
    /// Whom they know and keep: explicit links. Nothing: they join the overlay like everyone else. Draws are made once
    /// for all of the newcomers.
    pub peers: Option<Selector>,
    /// The one of them that comes now, by its name; nothing: the first that are not there yet. No file can ask for it.
    pub only: Option<String>,
}
