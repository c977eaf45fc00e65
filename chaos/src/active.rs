//! What is active: the effects in force now, and what they add up to. Effects overlap (a node crashed twice, a link cut
//! by two partitions), so healing one must not heal the other; this is the one place that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effect::{Effect, GateChange, LinkChange};
use crate::fault::{Actor, CrashKind, DiskTrouble};
use crate::progress::{Act, Verb};

/// The effects in force.
#[derive(Clone, Debug, Default)]
pub struct Active {
    links: Vec<Effect>,
    stopped: BTreeMap<usize, usize>,
    frozen: BTreeMap<usize, usize>,
    /// Upgrades that nodes have taken, by name.
    taken: BTreeMap<usize, BTreeSet<String>>,
    hash_power: Vec<Effect>,
    clocks: Vec<Effect>,
    gates: Vec<Effect>,
    disks: Vec<Effect>,
    destroyed: BTreeSet<usize>,
}

/// What a backend must do now, after an act was counted in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Deed {
    /// Ask [`Active::link`] anew for every link: some have changed.
    Relink,
    /// Stop the node.
    Stop(usize, CrashKind),
    /// Start the node on the store it left.
    Start(usize),
    /// Stop the node and start it at once.
    Restart(usize, CrashKind),
    /// Have the node take what [`Active::taken`] says; one that runs is stopped and started at once.
    Upgrade(usize, CrashKind),
    /// Let the node hash [`Active::hash_power`] times as fast as its plan says.
    SetHashRate(usize),
    /// Let the node stand still.
    Freeze(usize),
    /// Let it go on.
    Thaw(usize),
    /// Set the node's clock to [`Active::clock`].
    SetClock(usize),
    /// Set what stands before one of its actors to [`Active::gate`].
    SetGate(usize, Actor),
    /// Set what is wrong with the node's disk to [`Active::disk`].
    SetDisk(usize),
    /// Stop the node and delete its store.
    Destroy(usize),
    /// Start the node for the first time.
    Join(usize),
}

/// What all changes of one directed link add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkState {
    /// Nothing crosses.
    pub cut: bool,
    /// On top of the link's own latency; delays add up.
    pub latency: Duration,
    /// On top of the link's own jitter.
    pub jitter: Duration,
    /// The narrowest limit.
    pub bits_per_second: Option<u64>,
    /// The share lost when each loss strikes by itself.
    pub loss: f64,
}

/// What all changes at one actor's gate add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GateState {
    /// Each message is late by this.
    pub slow: Duration,
    /// This share is lost.
    pub drop: f64,
    /// All wait.
    pub hold: bool,
}

impl Active {
    /// Counts an act in and says what there is to do.
    pub fn count_in(&mut self, act: &Act) -> Vec<Deed> {
        let mut deeds = Vec::new();
        for effect in &act.effects {
            let deed = match act.verb {
                Verb::Apply => self.apply(effect),
                Verb::Undo => self.undo(effect),
            };
            // One look at all links is enough.
            deeds.extend(deed.filter(|deed| *deed != Deed::Relink || !deeds.contains(deed)));
        }
        deeds
    }

    /// The state of the link from one node to another.
    pub fn link(&self, from: usize, to: usize) -> LinkState {
        let mut state = LinkState::default();
        let mut carried = 1.0;
        for effect in &self.links {
            let Effect::Links { from: sources, to: targets, change } = effect else { continue };
            if sources.binary_search(&from).is_err() || targets.binary_search(&to).is_err() {
                continue;
            }
            match change {
                LinkChange::Cut => state.cut = true,
                LinkChange::Latency { by, jitter } => {
                    state.latency += *by;
                    state.jitter += *jitter;
                }
                LinkChange::Bandwidth(bits) => {
                    let narrowest = state.bits_per_second.unwrap_or(u64::MAX).min(*bits);
                    state.bits_per_second = Some(narrowest);
                }
                LinkChange::Loss(share) => carried *= 1.0 - share,
            }
        }
        state.loss = 1.0 - carried;
        state
    }

    /// Whether nothing can cross between two nodes as peers: a connection needs both directions.
    pub fn apart(&self, a: usize, b: usize) -> bool {
        self.cuts(a, b) || self.cuts(b, a)
    }

    fn cuts(&self, from: usize, to: usize) -> bool {
        self.links.iter().any(|effect| {
            matches!(effect, Effect::Links { from: sources, to: targets, change: LinkChange::Cut }
                if sources.binary_search(&from).is_ok() && targets.binary_search(&to).is_ok())
        })
    }

    /// For every cut in force whether it keeps this node from being heard, and from hearing. Nodes of which the same is
    /// said are connected to the same others.
    pub fn named_by(&self, node: usize) -> Vec<(bool, bool)> {
        let cuts = self.links.iter().filter_map(|effect| match effect {
            Effect::Links { from, to, change: LinkChange::Cut } => Some((from, to)),
            _ => None,
        });
        cuts.map(|(from, to)| (from.binary_search(&node).is_ok(), to.binary_search(&node).is_ok())).collect()
    }

    /// Whether the node is stopped, for now or for ever.
    pub fn stopped(&self, node: usize) -> bool {
        self.stopped.contains_key(&node) || self.destroyed.contains(&node)
    }

    /// Whether the node is gone for ever.
    pub fn destroyed(&self, node: usize) -> bool {
        self.destroyed.contains(&node)
    }

    /// Whether the node stands still.
    pub fn frozen(&self, node: usize) -> bool {
        self.frozen.contains_key(&node)
    }

    /// Whether a node has taken an upgrade that it rejected.
    pub fn taken(&self, node: usize, upgrade: &str) -> bool {
        self.taken.get(&node).is_some_and(|taken| taken.contains(upgrade))
    }

    /// How many times as fast as its plan says the node hashes.
    pub fn hash_power(&self, node: usize) -> f64 {
        let times = self.hash_power.iter().map(|effect| match effect {
            Effect::HashPower { node: whose, times } if *whose == node => *times,
            _ => 1.0,
        });
        times.product()
    }

    /// The node's clock: seconds ahead, and seconds a second. The last change in force counts.
    pub fn clock(&self, node: usize) -> (f64, f64) {
        let of_node = |effect: &&Effect| effect.node() == Some(node);
        match self.clocks.iter().rfind(of_node) {
            Some(Effect::Clock { by_seconds, rate, .. }) => (*by_seconds, *rate),
            _ => (0.0, 1.0),
        }
    }

    /// What stands before one of a node's actors.
    pub fn gate(&self, node: usize, actor: Actor) -> GateState {
        let mut state = GateState::default();
        let mut passed = 1.0;
        for effect in &self.gates {
            match effect {
                Effect::Gate { node: whose, actor: which, change } if *whose == node && *which == actor => match change
                {
                    GateChange::Slow(by) => state.slow += *by,
                    GateChange::Drop(share) => passed *= 1.0 - share,
                    GateChange::Hold => state.hold = true,
                },
                _ => {}
            }
        }
        state.drop = 1.0 - passed;
        state
    }

    /// What is wrong with a node's disk: the first of what is in force.
    pub fn disk(&self, node: usize) -> Option<DiskTrouble> {
        self.disks.iter().find_map(|effect| match effect {
            Effect::Disk { node: whose, trouble } if *whose == node => Some(*trouble),
            _ => None,
        })
    }

    fn apply(&mut self, effect: &Effect) -> Option<Deed> {
        match effect {
            Effect::Links { .. } => {
                self.links.push(effect.clone());
                Some(Deed::Relink)
            }
            Effect::Stop { node, kind } => {
                let first = !self.stopped(*node);
                *self.stopped.entry(*node).or_default() += 1;
                first.then_some(Deed::Stop(*node, *kind))
            }
            Effect::Restart { node, kind } => (!self.stopped(*node)).then_some(Deed::Restart(*node, *kind)),
            Effect::Upgrade { node, to, kind } => {
                self.taken.entry(*node).or_default().extend(to.iter().cloned());
                Some(Deed::Upgrade(*node, *kind))
            }
            Effect::HashPower { node, .. } => {
                self.hash_power.push(effect.clone());
                Some(Deed::SetHashRate(*node))
            }
            Effect::Freeze { node } => {
                let count = self.frozen.entry(*node).or_default();
                *count += 1;
                (*count == 1).then_some(Deed::Freeze(*node))
            }
            Effect::Clock { node, .. } => {
                self.clocks.push(effect.clone());
                Some(Deed::SetClock(*node))
            }
            Effect::Gate { node, actor, .. } => {
                self.gates.push(effect.clone());
                Some(Deed::SetGate(*node, *actor))
            }
            Effect::Disk { node, .. } => {
                self.disks.push(effect.clone());
                Some(Deed::SetDisk(*node))
            }
            Effect::Destroy { node } => self.destroyed.insert(*node).then_some(Deed::Destroy(*node)),
            Effect::Join { node, .. } => Some(Deed::Join(*node)),
        }
    }

    fn undo(&mut self, effect: &Effect) -> Option<Deed> {
        match effect {
            Effect::Links { .. } => take(&mut self.links, effect).then_some(Deed::Relink),
            Effect::Stop { node, .. } => {
                let last = count_down(&mut self.stopped, *node);
                (last && !self.destroyed(*node)).then_some(Deed::Start(*node))
            }
            Effect::HashPower { node, .. } => take(&mut self.hash_power, effect).then_some(Deed::SetHashRate(*node)),
            Effect::Freeze { node } => count_down(&mut self.frozen, *node).then_some(Deed::Thaw(*node)),
            Effect::Clock { node, .. } => take(&mut self.clocks, effect).then_some(Deed::SetClock(*node)),
            Effect::Gate { node, actor, .. } => take(&mut self.gates, effect).then_some(Deed::SetGate(*node, *actor)),
            Effect::Disk { node, .. } => take(&mut self.disks, effect).then_some(Deed::SetDisk(*node)),
            Effect::Restart { .. } | Effect::Upgrade { .. } | Effect::Destroy { .. } | Effect::Join { .. } => None,
        }
    }
}

/// Takes one equal effect out; whether there was one.
fn take(effects: &mut Vec<Effect>, effect: &Effect) -> bool {
    let place = effects.iter().position(|other| other == effect);
    place.map(|place| effects.remove(place)).is_some()
}

/// Counts one down; whether it was the last.
fn count_down(counts: &mut BTreeMap<usize, usize>, node: usize) -> bool {
    match counts.get_mut(&node) {
        Some(count) if *count > 1 => {
            *count -= 1;
            false
        }
        Some(_) => counts.remove(&node).is_some(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{FaultId, Phase};

    fn act(verb: Verb, effect: &Effect) -> Act {
        let fault = FaultId { step: 0, occurrence: 0 };
        Act { fault, verb, phase: Phase::Whole, effects: vec![effect.clone()], sides: Vec::new() }
    }

    #[test]
    fn healing_one_of_two_crashes_leaves_the_node_down() {
        let mut active = Active::default();
        let stop = Effect::Stop { node: 3, kind: CrashKind::Process };
        assert_eq!(active.count_in(&act(Verb::Apply, &stop)), [Deed::Stop(3, CrashKind::Process)]);
        assert_eq!(active.count_in(&act(Verb::Apply, &stop)), []);
        assert_eq!(active.count_in(&act(Verb::Undo, &stop)), []);
        assert!(active.stopped(3));
        assert_eq!(active.count_in(&act(Verb::Undo, &stop)), [Deed::Start(3)]);
        assert!(!active.stopped(3));
    }

    #[test]
    fn what_is_destroyed_never_starts_again() {
        let mut active = Active::default();
        let stop = Effect::Stop { node: 3, kind: CrashKind::Process };
        active.count_in(&act(Verb::Apply, &stop));
        active.count_in(&act(Verb::Apply, &Effect::Destroy { node: 3 }));
        assert_eq!(active.count_in(&act(Verb::Undo, &stop)), []);
        assert!(active.stopped(3));
    }

    #[test]
    fn changes_of_a_link_add_up_and_come_off_one_by_one() {
        let mut active = Active::default();
        let second = Duration::from_secs(1);
        let change = |change| Effect::Links { from: vec![0, 1], to: vec![2], change };
        let changes = [
            change(LinkChange::Latency { by: second, jitter: Duration::ZERO }),
            change(LinkChange::Latency { by: second, jitter: second }),
            change(LinkChange::Loss(0.5)),
            change(LinkChange::Loss(0.5)),
            change(LinkChange::Bandwidth(9)),
            change(LinkChange::Bandwidth(5)),
            change(LinkChange::Cut),
        ];
        changes.iter().for_each(|effect| drop(active.count_in(&act(Verb::Apply, effect))));
        let all = LinkState { cut: true, latency: 2 * second, jitter: second, bits_per_second: Some(5), loss: 0.75 };
        assert_eq!(active.link(1, 2), all);
        assert_eq!(active.link(2, 1), LinkState::default());
        assert!(active.apart(2, 1));
        changes.iter().for_each(|effect| drop(active.count_in(&act(Verb::Undo, effect))));
        assert_eq!(active.link(1, 2), LinkState::default());
    }
}
