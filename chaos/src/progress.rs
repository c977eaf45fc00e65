//! Progress: how far a schedule has got. A state machine without a clock of its own: it is told what time it is and how
//! many blocks there are, and says what is due and when to ask again.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::active::Active;
use crate::draw::{Nobody, NodeDescription, NodeState, seed_for};
use crate::effect::{Effect, Resolved};
use crate::fault::Fault;
use crate::quantity::Length;
use crate::schedule::{Lasting, Moment, Start, Step};

/// One occurrence of one step of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId {
    /// The step's place in the schedule.
    pub step: usize,
    /// Counted from 0.
    pub occurrence: u32,
}

/// Something to do now.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// For which occurrence.
    pub fault: FaultId,
    /// To do or to undo.
    pub verb: Verb,
    /// Whether the occurrence begins or ends with it, or only takes one of its turns.
    pub phase: Phase,
    /// What. Empty when a churn begins: nobody has left yet.
    pub effects: Vec<Effect>,
    /// The sides the fault makes, if any.
    pub sides: Vec<Vec<usize>>,
}

/// To do or to undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Bring the effects into force.
    Apply,
    /// Take them off.
    Undo,
}

/// Where in an occurrence an act stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The occurrence begins with `Apply` and is healed with `Undo`.
    Whole,
    /// A churn's node leaves or returns, a flapping link goes down or up; the occurrence goes on.
    Turn,
}

/// What the schedule is told about the run.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Time since the load started.
    pub at: Duration,
    /// The greatest height any honest node has reported.
    pub height: u32,
    /// Blocks mined since the load started, on any side.
    pub mined: u64,
    /// The nodes, newcomers included.
    pub nodes: &'a [NodeDescription],
}

/// What is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Due {
    /// To be done in this order.
    pub acts: Vec<Act>,
    /// Occurrences that found nobody to happen to; they are over.
    pub skipped: Vec<(FaultId, Nobody)>,
}

/// How far a schedule has got.
#[derive(Debug)]
pub struct Progress {
    steps: Vec<Step>,
    states: Vec<StepState>,
    lasting: Vec<Occurrence>,
    active: Active,
    joined: BTreeSet<usize>,
    pace: Pace,
    seed: u64,
}

/// A length in blocks counts blocks mined by anyone; where mining has all but stopped, it is over after so many times
/// the time those blocks should have taken, or a fault that stops mining would never be healed.
pub const PATIENCE: u32 = 5;

/// How lengths become moments.
#[derive(Clone, Copy, Debug)]
struct Pace {
    interval: Duration,
    factor: f64,
}

/// How far one step has got.
#[derive(Clone, Debug, Default)]
struct StepState {
    /// When the next occurrence begins, once known.
    next: Option<When>,
    begun: u32,
    over: u32,
    /// No more occurrences.
    exhausted: bool,
}

/// One occurrence in force.
#[derive(Debug)]
struct Occurrence {
    fault: FaultId,
    resolved: Resolved,
    ends: Ends,
    turns: Turns,
}

#[derive(Debug, PartialEq)]
enum Ends {
    At(When),
    WithSchedule,
    Never,
}

/// What an occurrence does while it lasts.
#[derive(Debug)]
enum Turns {
    None,
    Flap { down: Duration, up: Duration, is_down: bool, next: Duration },
    Churn { every: Duration, away: Duration, next: Duration, returns: Vec<(Duration, Effect)>, chance: Box<StdRng> },
}

/// A moment that can be waited for.
#[derive(Clone, Debug, PartialEq)]
enum When {
    Time(Duration),
    Mined { count: u64, at_the_latest: Duration },
    Met(Start),
}

impl Progress {
    /// A schedule that has not begun. Blocks aim at `interval` (before any pace); lengths are multiplied by `pace`;
    /// everything drawn comes from `seed`.
    pub fn new(steps: Vec<Step>, interval: Duration, pace: f64, seed: u64) -> Self {
        let states = vec![StepState::default(); steps.len()];
        let pace = Pace { interval, factor: pace };
        Self { steps, states, lasting: Vec::new(), active: Active::default(), joined: BTreeSet::new(), pace, seed }
    }

    /// What is due now. To be asked at [`Progress::next_wake`], after every block mined and at every new height.
    pub fn poll(&mut self, now: Now<'_>) -> Due {
        let mut due = Due::default();
        // What happens in one round may be what another step waits for. Every round begins or ends an occurrence or
        // takes a turn that is in the past, so rounds come to an end.
        loop {
            let before = due.acts.len() + due.skipped.len();
            self.end(&now, &mut due);
            self.take_turns(&now, &mut due);
            self.begin(&now, &mut due);
            if due.acts.len() + due.skipped.len() == before {
                return due;
            }
        }
    }

    /// When to ask again at the latest; nothing while everything awaited is not a matter of time.
    pub fn next_wake(&self) -> Option<Duration> {
        let time = |when: &When| match when {
            When::Time(at) | When::Mined { at_the_latest: at, .. } => Some(*at),
            When::Met(start) => match start {
                Start::At(length) => self.pace.since(Duration::ZERO, 0, *length).time(),
                _ => None,
            },
        };
        let begins = self.states.iter().zip(&self.steps).filter(|(state, _)| !state.exhausted);
        let begins = begins.filter_map(|(state, step)| match &state.next {
            Some(next) => time(next),
            None => time(&When::Met(step.trigger.start.clone())),
        });
        let ends = self.lasting.iter().filter_map(|occurrence| match &occurrence.ends {
            Ends::At(when) => time(when),
            _ => None,
        });
        let turns = self.lasting.iter().filter_map(|occurrence| match &occurrence.turns {
            Turns::None => None,
            Turns::Flap { next, .. } => Some(*next),
            Turns::Churn { next, returns, .. } => returns.iter().map(|(at, _)| *at).chain([*next]).min(),
        });
        begins.chain(ends).chain(turns).min()
    }

    /// Whether nothing more will happen by itself: what is still in force lasts until the schedule ends, or for ever.
    pub fn over(&self) -> bool {
        self.states.iter().all(|state| state.exhausted)
            && self.lasting.iter().all(|occurrence| !matches!(occurrence.ends, Ends::At(_)))
    }

    /// Ends the schedule: heals everything that is not permanent and begins nothing any more. `finally` follows.
    pub fn finish(&mut self) -> Due {
        let mut due = Due::default();
        self.states.iter_mut().for_each(|state| state.exhausted = true);
        for occurrence in std::mem::take(&mut self.lasting) {
            if occurrence.ends == Ends::Never {
                self.lasting.push(occurrence);
            } else {
                self.heal(occurrence, &mut due);
            }
        }
        due
    }

    /// The schedule, in the order of its file.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What is in force.
    pub fn active(&self) -> &Active {
        &self.active
    }

    /// Steps that never began: what they waited for did not come.
    pub fn never_begun(&self) -> impl Iterator<Item = &Step> {
        self.states.iter().zip(&self.steps).filter(|(state, _)| state.begun == 0).map(|(_, step)| step)
    }

    fn end(&mut self, now: &Now<'_>, due: &mut Due) {
        let ended = |occurrence: &Occurrence| match &occurrence.ends {
            Ends::At(when) => self.reached(when, now),
            _ => false,
        };
        let ended: Vec<FaultId> = self.lasting.iter().filter(|o| ended(o)).map(|o| o.fault).collect();
        for fault in ended {
            if let Some(place) = self.lasting.iter().position(|occurrence| occurrence.fault == fault) {
                let occurrence = self.lasting.remove(place);
                self.heal(occurrence, due);
            }
        }
    }

    fn heal(&mut self, occurrence: Occurrence, due: &mut Due) {
        let Occurrence { fault, resolved, turns, .. } = occurrence;
        let effects = match turns {
            Turns::None | Turns::Flap { is_down: true, .. } => resolved.effects,
            Turns::Flap { .. } => Vec::new(),
            Turns::Churn { returns, .. } => returns.into_iter().map(|(_, effect)| effect).collect(),
        };
        self.states[fault.step].over += 1;
        self.act(Act { fault, verb: Verb::Undo, phase: Phase::Whole, effects, sides: resolved.sides }, due);
    }

    fn begin(&mut self, now: &Now<'_>, due: &mut Due) {
        for step in 0..self.steps.len() {
            if self.states[step].exhausted {
                continue;
            }
            let trigger = self.steps[step].trigger.clone();
            if self.states[step].next.is_none() {
                if !self.met(&trigger.start, now) {
                    continue;
                }
                self.states[step].next = Some(self.pace.since(now.at, now.mined, trigger.delay));
            }
            let due_now = self.states[step].next.as_ref().is_some_and(|next| self.reached(next, now));
            // A repetition waits for the end of the one before it.
            if !due_now || self.states[step].over < self.states[step].begun {
                continue;
            }
            let occurrence = self.states[step].begun;
            self.states[step].begun += 1;
            match trigger.every {
                Some(every) if trigger.times.is_none_or(|times| occurrence + 1 < times) => {
                    self.states[step].next = Some(self.pace.since(now.at, now.mined, every));
                }
                _ => self.states[step].exhausted = true,
            }
            self.start(FaultId { step, occurrence }, now, due);
        }
    }

    fn start(&mut self, fault: FaultId, now: &Now<'_>, due: &mut Due) {
        let seed = seed_for(seed_for(self.seed, fault.step as u64), u64::from(fault.occurrence));
        let step = &self.steps[fault.step];
        let (lasting, kind) = (step.lasting.clone(), step.fault.clone());
        let resolved = match kind.resolve(&self.described(now.nodes), seed) {
            Ok(resolved) => resolved,
            Err(nobody) => {
                self.states[fault.step].over += 1;
                due.skipped.push((fault, nobody));
                return;
            }
        };
        let mut effects = resolved.effects.clone();
        let turns = match kind {
            Fault::Flap { down, up, .. } => {
                let grain = Duration::from_millis(1); // never zero, so that time goes on
                let (down, up) = (self.pace.time(down).max(grain), self.pace.time(up).max(grain));
                Turns::Flap { down, up, is_down: true, next: now.at + down }
            }
            Fault::Churn { rate, away, .. } => {
                effects.clear();
                let mut chance = Box::new(StdRng::seed_from_u64(seed_for(seed, 2)));
                let every = Duration::from_secs_f64(self.pace.factor / rate.0.max(1e-9));
                let next = now.at + exponential(every, &mut chance);
                Turns::Churn { every, away: self.pace.time(away), next, returns: Vec::new(), chance }
            }
            _ => Turns::None,
        };
        let sides = resolved.sides.clone();
        self.act(Act { fault, verb: Verb::Apply, phase: Phase::Whole, effects, sides }, due);
        let ends = match lasting {
            Lasting::Instant => {
                self.states[fault.step].over += 1;
                return;
            }
            Lasting::For(length) => Ends::At(self.pace.since(now.at, now.mined, length)),
            Lasting::Until(start) => Ends::At(When::Met(start)),
            Lasting::End => Ends::WithSchedule,
            Lasting::Permanent => Ends::Never,
        };
        self.lasting.push(Occurrence { fault, resolved, ends, turns });
    }

    fn take_turns(&mut self, now: &Now<'_>, due: &mut Due) {
        for place in 0..self.lasting.len() {
            let alive: Vec<bool> =
                self.described(now.nodes).iter().map(|node| node.state == NodeState::Alive).collect();
            let occurrence = &mut self.lasting[place];
            let fault = occurrence.fault;
            let candidates = &occurrence.resolved.effects;
            let mut turns = Vec::new();
            match &mut occurrence.turns {
                Turns::None => {}
                Turns::Flap { down, up, is_down, next } => {
                    if *next <= now.at {
                        *is_down = !*is_down;
                        *next += if *is_down { *down } else { *up };
                        let verb = if *is_down { Verb::Apply } else { Verb::Undo };
                        turns.push((verb, candidates.clone()));
                    }
                }
                Turns::Churn { every, away, next, returns, chance } => {
                    while let Some(back) = returns.iter().position(|(at, _)| *at <= now.at) {
                        turns.push((Verb::Undo, vec![returns.remove(back).1]));
                    }
                    if *next <= now.at {
                        *next += exponential(*every, chance);
                        let here = |effect: &&Effect| effect.node().is_some_and(|node| alive[node]);
                        let here: Vec<&Effect> = candidates.iter().filter(here).collect();
                        if !here.is_empty() {
                            let leaving = here[chance.random_range(0..here.len())].clone();
                            returns.push((now.at + exponential(*away, chance), leaving.clone()));
                            turns.push((Verb::Apply, vec![leaving]));
                        }
                    }
                }
            }
            for (verb, effects) in turns {
                self.act(Act { fault, verb, phase: Phase::Turn, effects, sides: Vec::new() }, due);
            }
        }
    }

    fn act(&mut self, act: Act, due: &mut Due) {
        for effect in &act.effects {
            if let Effect::Join { node, .. } = effect {
                self.joined.insert(*node);
            }
        }
        self.active.count_in(&act);
        due.acts.push(act);
    }

    /// The nodes as they are once everything due so far has been done.
    fn described(&self, nodes: &[NodeDescription]) -> Vec<NodeDescription> {
        let mut described = nodes.to_vec();
        for (index, node) in described.iter_mut().enumerate() {
            if node.state == NodeState::Absent && !self.joined.contains(&index) {
                continue;
            }
            node.state = if self.active.stopped(index) { NodeState::Dead } else { NodeState::Alive };
        }
        described
    }

    fn reached(&self, when: &When, now: &Now<'_>) -> bool {
        match when {
            When::Time(at) => now.at >= *at,
            When::Mined { count, at_the_latest } => now.mined >= *count || now.at >= *at_the_latest,
            When::Met(start) => self.met(start, now),
        }
    }

    fn met(&self, start: &Start, now: &Now<'_>) -> bool {
        let state = |name: &str| {
            let place = self.steps.iter().position(|step| step.name == name);
            place.map(|place| &self.states[place])
        };
        match start {
            Start::At(length) => self.reached(&self.pace.since(Duration::ZERO, 0, *length), now),
            Start::AtHeight(height) => now.height >= *height,
            Start::After(Moment::Started(name)) => state(name).is_some_and(|state| state.begun > 0),
            Start::After(Moment::Healed(name)) => {
                state(name).is_some_and(|state| state.exhausted && state.over == state.begun)
            }
        }
    }
}

impl Pace {
    /// The moment so much later.
    fn since(self, at: Duration, mined: u64, length: Length) -> When {
        match length {
            Length::Time(_) => When::Time(at + self.time(length)),
            Length::Blocks(blocks) => {
                When::Mined { count: mined + blocks.ceil() as u64, at_the_latest: at + self.time(length) * PATIENCE }
            }
        }
    }

    /// A length as it is expected in time.
    fn time(self, length: Length) -> Duration {
        length.duration(self.interval, self.factor)
    }
}

impl When {
    fn time(&self) -> Option<Duration> {
        match self {
            Self::Time(at) | Self::Mined { at_the_latest: at, .. } => Some(*at),
            Self::Met(_) => None,
        }
    }
}

/// A draw from the exponential distribution, never zero so that time goes on.
fn exponential(mean: Duration, chance: &mut StdRng) -> Duration {
    let uniform: f64 = chance.random();
    mean.mul_f64(-(1.0 - uniform).ln()).max(Duration::from_millis(1))
}
