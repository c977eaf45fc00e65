//! Turns: what an occurrence does while it lasts. A flapping link goes down and up, a churn's nodes leave and return.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::act::Verb;
use super::moment::Pace;
use crate::draw::seed_for;
use crate::effect::Effect;
use crate::fault::Fault;

/// What an occurrence does while it lasts.
#[derive(Debug)]
pub(super) enum Turns {
    None,
    Flap { down: Duration, up: Duration, is_down: bool, next: Duration },
    Churn { every: Duration, away: Duration, next: Duration, returns: Vec<(Duration, Effect)>, chance: Box<StdRng> },
}

impl Turns {
    /// Those of a fault that begins now. Everything drawn comes from `seed`.
    pub(super) fn of(fault: &Fault, pace: Pace, now: Duration, seed: u64) -> Self {
        match *fault {
            Fault::Flap { down, up, .. } => {
                let grain = Duration::from_millis(1); // never zero, so that time goes on
                let (down, up) = (pace.time(down).max(grain), pace.time(up).max(grain));
                Self::Flap { down, up, is_down: true, next: now + down }
            }
            Fault::Churn { rate, away, .. } => {
                let mut chance = Box::new(StdRng::seed_from_u64(seed_for(seed, 2)));
                let every = Duration::from_secs_f64(pace.factor / rate.0.max(1e-9));
                let next = now + exponential(every, &mut chance);
                Self::Churn { every, away: pace.time(away), next, returns: Vec::new(), chance }
            }
            _ => Self::None,
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::Flap { next, .. } => Some(*next),
            Self::Churn { next, returns, .. } => returns.iter().map(|(at, _)| *at).chain([*next]).min(),
        }
    }

    /// Takes those that are due, with the effects of the fault and whether each node is alive.
    pub(super) fn take(&mut self, now: Duration, effects: &[Effect], alive: &[bool]) -> Vec<(Verb, Vec<Effect>)> {
        let mut turns = Vec::new();
        match self {
            Self::None => {}
            Self::Flap { down, up, is_down, next } => {
                if *next <= now {
                    *is_down = !*is_down;
                    *next += if *is_down { *down } else { *up };
                    let verb = if *is_down { Verb::Apply } else { Verb::Undo };
                    turns.push((verb, effects.to_vec()));
                }
            }
            Self::Churn { every, away, next, returns, chance } => {
                while let Some(back) = returns.iter().position(|(at, _)| *at <= now) {
                    turns.push((Verb::Undo, vec![returns.remove(back).1]));
                }
                if *next <= now {
                    *next += exponential(*every, chance);
                    let here = |effect: &&Effect| effect.node().is_some_and(|node| alive[node]);
                    let here: Vec<&Effect> = effects.iter().filter(here).collect();
                    if !here.is_empty() {
                        let leaving = here[chance.random_range(0..here.len())].clone();
                        returns.push((now + exponential(*away, chance), leaving.clone()));
                        turns.push((Verb::Apply, vec![leaving]));
                    }
                }
            }
        }
        turns
    }

    /// What healing has left to undo, of a fault with these effects.
    pub(super) fn rest(self, effects: Vec<Effect>) -> Vec<Effect> {
        match self {
            Self::None | Self::Flap { is_down: true, .. } => effects,
            Self::Flap { .. } => Vec::new(),
            Self::Churn { returns, .. } => returns.into_iter().map(|(_, effect)| effect).collect(),
        }
    }
}

/// A draw from the exponential distribution, never zero so that time goes on.
fn exponential(mean: Duration, chance: &mut StdRng) -> Duration {
    let uniform: f64 = chance.random();
    mean.mul_f64(-(1.0 - uniform).ln()).max(Duration::from_millis(1))
}
