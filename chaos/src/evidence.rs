//! Evidence: what a fault left behind in counters, and whether that proves it happened. A fault without evidence makes
//! a verdict inconclusive, whatever the checks say: a test of a cut that was never there shows nothing.

mod judge;
#[cfg(test)]
mod tests;

pub use judge::CLOCK_GRAIN;

use std::collections::BTreeSet;
use std::ops::{Add, Sub};
use std::time::Duration;

use crate::effect::Effect;
use crate::fault::CrashKind;
use crate::progress::{Act, FaultId, Phase, Verb};

/// What one directed link has done since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames handed over by senders.
    pub sent: u64,
    /// How long these took, or will, summed.
    pub travel: Duration,
    /// How long these would have taken if nobody had hurt the link, but for its jitter and their turn, summed.
    pub unhurt: Duration,
    /// How long these waited for their turn and took to leave, or will, summed.
    pub queued: Duration,
    /// Frames delivered.
    pub carried: u64,
    /// Bytes of frames sent.
    pub bytes: u64,
    /// Frames, or attempts to connect, kept back by a cut.
    pub held: u64,
    /// Frames delivered although the link was cut.
    pub leaked: u64,
    /// Segments that loss struck.
    pub lost: u64,
}

/// What was done to one node, and what it did, since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeCounters {
    /// Times it was started.
    pub starts: u64,
    /// Times it was stopped.
    pub stops: u64,
    /// Polls, or signals, withheld by a freeze.
    pub withheld: u64,
    /// Events heard from it: signs of life.
    pub words: u64,
    /// Messages that gates before its actors delayed, lost or held.
    pub touched: u64,
    /// Messages that passed these gates untouched.
    pub passed: u64,
    /// Times its store failed.
    pub failed: u64,
    /// Times it found its store damaged and rebuilt it.
    pub rebuilt: u64,
    /// Seconds that processors have worked for it; 0 where that is not told from others' work.
    pub processor_seconds: f64,
    /// How far its clock is from the true time, in seconds; negative is behind.
    pub clock_offset: f64,
}

/// Where counters are read.
pub trait Counting {
    /// What a link has done.
    fn link(&self, from: usize, to: usize) -> LinkCounters;
    /// What a node has done.
    fn node(&self, node: usize) -> NodeCounters;
    /// Nodes there are.
    fn nodes(&self) -> usize;
    /// What time it is.
    fn at(&self) -> Duration;
}

/// What was seen, besides counters, while a fault was in force: what `prove` asks about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sighting {
    /// Blocks mined by each side, in the order of the fault's sides.
    pub mined_by_side: Vec<u32>,
    /// The most different best tips of honest nodes at one moment.
    pub tips: u32,
    /// Connections that ended, summed over nodes.
    pub peers_lost: u32,
    /// Blocks that the nodes it picked had missed at its end, the least of them.
    pub blocks_missed: Option<u32>,
    /// Blocks refused by the nodes it picked, and blocks of theirs refused by others.
    pub blocks_refused: u32,
    /// Blocks mined by those that it gave hash power to.
    pub blocks_mined: u32,
    /// Writes lost with crashed machines.
    pub writes_lost: u64,
    /// Nodes that have said that they do what it asks of them (other rules, another hash rate).
    pub obeyed: BTreeSet<usize>,
    /// Nodes that have said so again since it ended.
    pub undone: BTreeSet<usize>,
}

/// The proofs of one occurrence of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Which occurrence.
    pub fault: FaultId,
    /// When it acted; no end means it was still in force at the end.
    pub acted: (Duration, Option<Duration>),
    /// Whom it touched, ascending; empty where it touched links only.
    pub nodes: Vec<usize>,
    /// What was owed and what was seen: *applied* first, then *tight*, *healed*, and what `prove` asks.
    pub proofs: Vec<Proof>,
}

/// One thing that had to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// `applied`, `tight`, `healed`, or `effective: ` and what was asked.
    pub name: String,
    /// What was asked, in words.
    pub asked: String,
    /// What was seen, in words.
    pub seen: String,
    /// Whether that is enough.
    pub shown: bool,
}

/// What traffic of the machines' own, sent when a fault had been applied, has shown before its time began to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Links that were looked at.
    pub links: usize,
    /// Of these, links whose counters show that they obey.
    pub obey: usize,
    /// How long it took, from when the last order was obeyed.
    pub took: Duration,
}

/// Everything noted of one occurrence of a fault.
#[derive(Clone, Debug)]
pub struct Witness {
    id: FaultId,
    /// What it did first, and whom it touched in its turns.
    effects: Vec<Effect>,
    touched: Vec<usize>,
    /// Just before it was applied, just after, just before it was healed, and last of all.
    before: Snapshot,
    applied: Option<Snapshot>,
    ended: Option<Snapshot>,
    after: Option<Snapshot>,
    healed: bool,
    confirmed: Option<Confirmed>,
    /// Counters when the links that it cuts were last cut, while they are.
    down: Option<Snapshot>,
    /// Frames that crossed while they were, until the last time they were mended.
    crossed: u64,
    /// What was seen meanwhile; the harness fills it.
    pub sighting: Sighting,
}

/// Counters at one moment: links summed by direction, one for each link effect of the fault.
#[derive(Clone, Debug, Default)]
struct Snapshot {
    at: Duration,
    directions: Vec<LinkCounters>,
    nodes: Vec<NodeCounters>,
    /// What the links from each machine that is to be silent have done, summed.
    silent: Vec<LinkCounters>,
}

impl Witness {
    /// Begins with an act that applies a fault and has not been done yet.
    pub fn before(act: &Act, counting: &impl Counting) -> Self {
        let effects = act.effects.clone();
        let mut witness = Self {
            id: act.fault,
            before: Snapshot::take(&effects, counting),
            effects,
            touched: Vec::new(),
            applied: None,
            ended: None,
            after: None,
            healed: false,
            confirmed: None,
            down: None,
            crossed: 0,
            sighting: Sighting { mined_by_side: vec![0; act.sides.len()], ..Sighting::default() },
        };
        witness.touch(act);
        witness
    }

    /// Which occurrence it is of.
    pub fn id(&self) -> FaultId {
        self.id
    }

    /// Nodes it touched so far, ascending.
    pub fn touched(&self) -> &[usize] {
        &self.touched
    }

    /// What it did first.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// Whether the fault is in force.
    pub fn in_force(&self) -> bool {
        self.ended.is_none()
    }

    /// An act of this occurrence is about to be done.
    pub fn about_to(&mut self, act: &Act, counting: &impl Counting) {
        self.touch(act);
        if act.verb == Verb::Undo {
            self.mend(counting);
        }
        if act.verb == Verb::Undo && act.phase == Phase::Whole {
            self.ended = Some(Snapshot::take(&self.effects, counting));
            self.healed = true;
        }
    }

    /// An act of this occurrence has been done.
    pub fn done(&mut self, act: &Act, counting: &impl Counting) {
        if act.verb == Verb::Undo {
            return;
        }
        let snapshot = Snapshot::take(&self.effects, counting);
        if act.phase == Phase::Whole {
            self.applied = Some(snapshot.clone());
        }
        self.down = Some(snapshot);
    }

    /// Traffic of the machines' own has been sent over its links: what that showed.
    pub fn confirm(&mut self, confirmed: Confirmed) {
        self.confirmed = Some(confirmed);
    }

    /// The run is over.
    pub fn last(&mut self, counting: &impl Counting) {
        self.mend(counting);
        let snapshot = Snapshot::take(&self.effects, counting);
        self.ended.get_or_insert_with(|| snapshot.clone());
        self.after = Some(snapshot);
    }

    /// Its links are about to be mended, if they are cut.
    fn mend(&mut self, counting: &impl Counting) {
        let Some(down) = self.down.take() else { return };
        let now = Snapshot::take(&self.effects, counting);
        let carried = down.directions.iter().zip(&now.directions).map(|(down, now)| (*now - *down).carried);
        self.crossed += carried.sum::<u64>();
    }

    fn touch(&mut self, act: &Act) {
        self.touched.extend(act.effects.iter().filter_map(Effect::node));
        self.touched.sort_unstable();
        self.touched.dedup();
    }
}

impl Snapshot {
    fn take(effects: &[Effect], counting: &impl Counting) -> Self {
        let sum = |effect: &Effect| match effect {
            Effect::Links { from, to, .. } => {
                let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
                let counters = pairs.filter(|(from, to)| from != to).map(|(from, to)| counting.link(from, to));
                Some(counters.fold(LinkCounters::default(), |sum, link| sum + link))
            }
            _ => None,
        };
        let everyone = 0..counting.nodes();
        let from = |effect: &Effect| match effect {
            Effect::Stop { node, kind: CrashKind::Machine | CrashKind::Torn } | Effect::Destroy { node } => {
                let others = everyone.clone().filter(|other| other != node);
                Some(others.fold(LinkCounters::default(), |sum, other| sum + counting.link(*node, other)))
            }
            _ => None,
        };
        Self {
            at: counting.at(),
            directions: effects.iter().filter_map(sum).collect(),
            nodes: everyone.clone().map(|node| counting.node(node)).collect(),
            silent: effects.iter().filter_map(from).collect(),
        }
    }
}

impl Add for LinkCounters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            travel: self.travel + other.travel,
            unhurt: self.unhurt + other.unhurt,
            queued: self.queued + other.queued,
            carried: self.carried + other.carried,
            bytes: self.bytes + other.bytes,
            held: self.held + other.held,
            leaked: self.leaked + other.leaked,
            lost: self.lost + other.lost,
        }
    }
}

impl Sub for LinkCounters {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(other.sent),
            travel: self.travel.saturating_sub(other.travel),
            unhurt: self.unhurt.saturating_sub(other.unhurt),
            queued: self.queued.saturating_sub(other.queued),
            carried: self.carried.saturating_sub(other.carried),
            bytes: self.bytes.saturating_sub(other.bytes),
            held: self.held.saturating_sub(other.held),
            leaked: self.leaked.saturating_sub(other.leaked),
            lost: self.lost.saturating_sub(other.lost),
        }
    }
}
