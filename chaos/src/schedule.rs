//! A schedule: what happens when. Each step is a fault with a trigger and an end.

use crate::fault::Fault;
use crate::quantity::Length;

/// One entry of an experiment's `faults`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, for `after`, `control` and the report: as the file says or, where it does not, the fault's kind with
    /// a number when the kind occurs more than once (`crash`, `crash-2`). Unique in the schedule.
    pub name: String,
    /// Whether the file itself gave the name.
    pub named: bool,
    /// When it starts.
    pub trigger: Trigger,
    /// What happens.
    pub fault: Fault,
    /// When it is healed.
    pub lasting: Lasting,
    /// What must be seen while it acts, beyond what every fault of its kind must show.
    pub prove: Prove,
}

/// When a step starts, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// The first time.
    pub start: Start,
    /// Waits this long after `start` is met; zero where the file does not say.
    pub delay: Length,
    /// Then again and again, from start to start; a repetition waits for the end of the one before it.
    pub every: Option<Length>,
    /// How many times in all; without it, with `every`, until the schedule ends. Never 0.
    pub times: Option<u32>,
}

/// The moment a trigger waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// This long after the load started.
    At(Length),
    /// An honest node's best chain is this high for the first time.
    AtHeight(u32),
    /// Something happened to another step.
    After(Moment),
}

/// Something that happens to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The step of this name has started (for the first time).
    Started(String),
    /// The step of this name is over: healed, after its last repetition. `after: heal` is resolved to the
    /// nearest step above it that heals.
    Healed(String),
}

/// How long a step's fault lasts before its inverse is applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Lasting {
    /// This long, each time: `for`.
    For(Length),
    /// Until something happens: `until`.
    Until(Start),
    /// Until the schedule ends; then everything is healed before `finally` is asked. What a file that says nothing gets.
    End,
    /// It is never healed: `permanent: true`.
    Permanent,
    /// It is over at once and has nothing to heal: restart, join.
    Instant,
}

/// Evidence that is asked of one step, beyond *applied*, *tight* and *healed*: without it the verdict is inconclusive.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prove {
    /// Blocks mined on each side while it acted, at least.
    pub each_side_mined: Option<u32>,
    /// Different best tips held at one moment by honest nodes, at least.
    pub tips_differ: Option<u32>,
    /// Connections that broke because of it, at least, summed over nodes.
    pub peers_lost: Option<u32>,
    /// Frames it held, lost or delayed, at least.
    pub frames_touched: Option<u64>,
    /// Blocks that the nodes it picked had missed at its end, at least, each.
    pub blocks_missed: Option<u32>,
    /// Blocks refused by the nodes it picked, or blocks of theirs refused by others, at least, in all.
    pub blocks_refused: Option<u32>,
    /// Blocks mined by those that it gave hash power to, at least, in all.
    pub blocks_mined: Option<u32>,
    /// Writes lost with a machine's crash, at least, in all.
    pub writes_lost: Option<u64>,
}
