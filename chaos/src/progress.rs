//! Progress: how far a schedule has got. A state machine without a clock of its own: it is told what time it is and how
//! many blocks there are, and says what is due and when to ask again.

mod act;
mod moment;
#[cfg(test)]
mod tests;
mod turns;

pub use act::{Act, Due, FaultId, Now, Phase, Verb};
pub use moment::PATIENCE;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::active::Active;
use crate::draw::{NodeDescription, NodeState, seed_for};
use crate::effect::{Effect, Resolved};
use crate::schedule::{Lasting, Moment, Start, Step};
use moment::{Pace, When};
use turns::Turns;

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
        let turns = self.lasting.iter().filter_map(|occurrence| occurrence.turns.next());
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

    /// Adds a step while the schedule runs; it begins when its trigger says.
    pub fn add(&mut self, step: Step) {
        self.steps.push(step);
        self.states.push(StepState::default());
    }

    /// Ends a step before its time, for good: heals what is in force of it and begins it no more. Nothing where no step has
    /// this name.
    pub fn end_step(&mut self, name: &str) -> Option<Due> {
        let step = self.steps.iter().position(|step| step.name == name)?;
        self.states[step].exhausted = true;
        let mut due = Due::default();
        let (ended, rest) =
            std::mem::take(&mut self.lasting).into_iter().partition(|o: &Occurrence| o.fault.step == step);
        self.lasting = rest;
        let ended: Vec<Occurrence> = ended;
        ended.into_iter().for_each(|occurrence| self.heal(occurrence, &mut due));
        Some(due)
    }

    /// What applied this fault has been seen to be in force only now: its length counts from here.
    pub fn in_force_since(&mut self, fault: FaultId, at: Duration, mined: u64) {
        let Lasting::For(length) = self.steps[fault.step].lasting else { return };
        if let Some(occurrence) = self.lasting.iter_mut().find(|occurrence| occurrence.fault == fault) {
            occurrence.ends = Ends::At(self.pace.since(at, mined, length));
        }
    }

    /// Steps of which something is in force, with what it does.
    pub fn in_force(&self) -> impl Iterator<Item = (&Step, &Resolved)> {
        self.lasting.iter().map(|occurrence| (&self.steps[occurrence.fault.step], &occurrence.resolved))
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
        let effects = turns.rest(resolved.effects);
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
        let turns = Turns::of(&kind, self.pace, now.at, seed);
        // Of a churn nobody has left yet.
        let effects = if matches!(turns, Turns::Churn { .. }) { Vec::new() } else { resolved.effects.clone() };
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
            let turns = occurrence.turns.take(now.at, &occurrence.resolved.effects, &alive);
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
            node.rejects.retain(|upgrade| !self.active.taken(index, upgrade));
            node.hash_share *= self.active.hash_power(index);
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
