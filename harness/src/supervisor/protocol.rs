//! The protocol between a harness and the supervisor beside each real node: orders in, words out, one line of JSON each.
//!
//! ```text
//! harness ── {"id":1,"what":{"hello":{"version":5,"peers":[…]}}} ──▶ supervisor ── orders for the node as they are ──▶ node
//! harness ◀── {"done":{"id":1,"with":"nothing"}} · {"event":…} ──── supervisor ◀── what the node says as it is ────── node
//! ```
//!
//! The first order says the version; what is not known is refused, and nothing else happens.

use std::net::Ipv4Addr;
use std::ops::Add;
use std::path::PathBuf;

use bitcoin::ScriptBuf;
use bitcoin::secp256k1::SecretKey;
use schism_chaos::adversary::Adversary;
use schism_chaos::fault::{Actor, CrashKind};
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_node::chain::Rules;
use schism_node::config::Defences;
use schism_node::control::{Answer, Event, Question};
use schism_node::wire::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};

use super::filter::Queueing;
use super::netlink::links::Neighbour;
use super::probe::{Probe, Probed};

/// Version of this protocol: a harness and a supervisor of different versions do not talk.
pub const VERSION: u32 = 5;
/// Bytes of a line at most: the largest block in hex, twice.
pub const LONGEST_LINE: usize = 64 << 20;

/// Something a supervisor is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What the word about it will carry.
    pub id: u64,
    /// What.
    pub what: What,
}

/// What to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Comes first.
    Hello {
        /// [`VERSION`] of the harness.
        version: u32,
        /// All other nodes there will ever be.
        peers: Vec<Neighbour>,
    },
    /// Stay so long, counted from now: unless this comes again before, end. May come before everything else.
    Stay {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// Start the node.
    Start(Box<Instructions>),
    /// Say whether a program is a build of this one that speaks [`VERSION`]: a node may be it from its next start on.
    Examine {
        /// Its file, as the supervisor sees it.
        program: PathBuf,
    },
    /// End the node as this kind of crash would.
    Kill {
        /// Which.
        kind: CrashKind,
    },
    /// Stop the node without its noticing.
    Freeze,
    /// Undo that.
    Thaw,
    /// Delete what the dead node's store holds.
    Erase,
    /// Let nothing more fit beside the node's store, or make room again.
    FillDisk(bool),
    /// Set links into this node, by the address they come from; others stay as they are.
    Links(Vec<(Ipv4Addr, Link)>),
    /// Say what every link into this node has done.
    Count,
    /// Say how much memory the supervisor itself takes.
    Weigh,
    /// Say which queueing disciplines the kernel knows of those that shape traffic.
    Disciplines,
    /// Send each of these so many datagrams, which nobody answers: links are seen to obey by what becomes of them.
    Call {
        /// Whom.
        to: Vec<Ipv4Addr>,
        /// How many, to each.
        times: u32,
        /// Bytes of each, at most a kilobyte.
        bytes: u16,
    },
    /// Answer probes from now on.
    AnswerProbes,
    /// Measure what the link to another supervisor, which answers probes, and the link back do.
    Probe {
        /// Where that is.
        to: Ipv4Addr,
        /// What to measure.
        what: Probe,
    },
    /// For the node: answer.
    Ask(Question),
    /// For the node: set the gate before an actor.
    Gate {
        /// Which actor's.
        actor: Actor,
        /// What it does from now on.
        passage: Passage,
    },
    /// For the node: set its clock.
    Clock {
        /// Seconds that it is moved by, from where it would be by itself.
        by_seconds: f64,
        /// Seconds it counts in one of the story's.
        rate: f64,
    },
    /// For the node: have its transport obey these links; others stay as they are.
    Ways(Vec<Way>),
    /// For the node: let every sync of its store fail, as long as it lives.
    FailSyncs,
    /// For the node: say what its gates and its clock did.
    Report,
}

impl What {
    /// Whether it is for the node and not for its supervisor.
    pub fn is_for_node(&self) -> bool {
        let sets = matches!(self, Self::Gate { .. } | Self::Clock { .. } | Self::Ways(_) | Self::FailSyncs);
        sets || matches!(self, Self::Ask(_) | Self::Report)
    }
}

/// What a node process is told at its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instructions {
    /// The build that it is, where not its supervisor's own: for the supervisor, which does not pass it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// Its name.
    pub name: String,
    /// The secret key of its identity.
    pub secret: [u8; 32],
    /// Where it listens.
    pub listen: Multiaddr,
    /// The chain it follows.
    pub rules: Rules,
    /// Peers it keeps a connection to.
    pub keep: Vec<(PeerId, Multiaddr)>,
    /// Peers it learns others from.
    pub bootstrap: Vec<(PeerId, Multiaddr)>,
    /// Outbound connections it seeks.
    pub degree: usize,
    /// Connections it has at most.
    pub most_connections: usize,
    /// What keeps others from choosing its peers for it.
    pub defences: Defences,
    /// Its hash rate, in hashes per real second.
    pub hashes_per_second: f64,
    /// Whom its coinbases pay.
    pub payee: ScriptBuf,
    /// The key of that.
    pub purse: SecretKey,
    /// Seed of its random choices.
    pub chance: u64,
    /// The folder of its store.
    pub store: PathBuf,
    /// The file its log is added to.
    pub log: Option<PathBuf>,
    /// What its clock shows at the start, in seconds since the Unix epoch.
    pub unix_seconds: f64,
    /// Seconds its clock counts in a real second: the story's pace.
    pub clock_rate: f64,
    /// The links that its transport obeys; nothing: the kernel does.
    pub ways: Option<Vec<Way>>,
    /// Whether gates stand before its actors.
    pub gated: bool,
    /// What else stands between them.
    pub adversary: Option<Adversary>,
}

/// What a supervisor or a node says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Word {
    /// An order was carried out, and the kernel has confirmed what it can confirm.
    Done {
        /// Which.
        id: u64,
        /// What came of it.
        with: Fruit,
    },
    /// An order was not carried out; 0 when it could not even be read.
    Refused {
        /// Which.
        id: u64,
        /// Why.
        why: String,
    },
    /// Something happened in the node.
    Event(Event),
    /// The node ended, and nobody had asked for it.
    Ended {
        /// How.
        how: String,
    },
    /// From a node to its supervisor: so many bytes of the block file would survive the end of the machine.
    Synced {
        /// Bytes.
        bytes: u64,
    },
}

/// What came of an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fruit {
    /// Nothing to say.
    Nothing,
    /// Of a hello: how frames come to the delay line; nothing: links into this node can be cut, but not made slow.
    Greeted(Option<Queueing>),
    /// Of a kill: blocks that the store had kept and not synced, and that are gone.
    Lost(u64),
    /// Of counting.
    Counted(Vec<(Ipv4Addr, Counted)>),
    /// Of a question.
    Answered(Answer),
    /// Of a report.
    Reported(Report),
    /// Of weighing.
    Weighed {
        /// Bytes of the supervisor's memory that are resident.
        resident_bytes: u64,
        /// Of them those that lie in no file.
        own_bytes: u64,
    },
    /// Of the question for disciplines.
    Disciplines(Vec<String>),
    /// Of a probe.
    Probed(Probed),
}

/// What one link into a node has done since its supervisor began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Frames dropped because the link was cut.
    pub held: u64,
    /// Frames that were let through.
    pub carried: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Of these, frames lost on purpose.
    pub lost: u64,
    /// Of these, frames that a lane was given and did not lose.
    pub kept: u64,
    /// How long that lane meant to keep these, summed, in microseconds.
    pub meant_microseconds: u64,
    /// How long the others were kept, summed, in microseconds.
    pub delayed_microseconds: u64,
    /// How long of that they waited for their turn and took to leave, summed, in microseconds.
    pub queued_microseconds: u64,
    /// How much longer that was than it should have been, summed, in microseconds.
    pub late_microseconds: u64,
}

impl Add for Counted {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            held: self.held + other.held,
            carried: self.carried + other.carried,
            bytes: self.bytes + other.bytes,
            lost: self.lost + other.lost,
            kept: self.kept + other.kept,
            meant_microseconds: self.meant_microseconds + other.meant_microseconds,
            delayed_microseconds: self.delayed_microseconds + other.delayed_microseconds,
            queued_microseconds: self.queued_microseconds + other.queued_microseconds,
            late_microseconds: self.late_microseconds + other.late_microseconds,
        }
    }
}

/// What a node's gates, clock and ways did, in this life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Messages that gates slowed, lost or held.
    pub touched: u64,
    /// Messages that passed them.
    pub passed: u64,
    /// Seconds that its clock is ahead of a true one.
    pub clock_offset: f64,
    /// What links into it did, where its transport obeys them.
    pub ways: Vec<(Ipv4Addr, Counted)>,
    /// Bytes of its memory that are resident.
    pub resident_bytes: u64,
    /// Of them those that lie in no file: the executable's are shared by all nodes.
    #[serde(default)]
    pub own_bytes: u64,
    /// Seconds that processors have worked on it.
    #[serde(default)]
    pub processor_seconds: f64,
}

/// A peer's address, the link from it and the link to it.
pub type Way = (Ipv4Addr, Link, Link);
