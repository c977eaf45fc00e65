//! Components: who can reach whom, as the faults in force have it, and since when. Two nodes are connected when a path
//! of running nodes and whole links joins them; a connection needs both directions.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_chaos::active::Active;

/// Who may be connected to whom when nothing is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Everyone to everyone: the overlay finds another way where one is cut.
    Any,
    /// Only along these links.
    Links(Vec<(usize, usize)>),
}

/// A largest set of nodes that are connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Who, ascending.
    pub members: Vec<usize>,
    /// Since when all of them have been connected.
    pub since: Duration,
}

/// The components now.
#[derive(Clone, Debug)]
pub struct Components {
    wiring: Wiring,
    components: Vec<Component>,
    of: Vec<Option<usize>>,
    epoch: u64,
}

impl Components {
    /// Nobody is connected yet.
    pub fn new(nodes: usize, wiring: Wiring) -> Self {
        Self { wiring, components: Vec::new(), of: vec![None; nodes], epoch: 0 }
    }

    /// All of them, ordered by their first member.
    pub fn all(&self) -> &[Component] {
        &self.components
    }

    /// The component a node is in, by its place in [`Components::all`]; nothing while it does not run.
    pub fn place(&self, node: usize) -> Option<usize> {
        self.of.get(node).copied().flatten()
    }

    /// The component a node is in.
    pub fn of(&self, node: usize) -> Option<&Component> {
        self.place(node).map(|place| &self.components[place])
    }

    /// Grows whenever anything changes.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Works the components out anew.
    pub(super) fn update(&mut self, active: &Active, running: &[bool], at: Duration) {
        let mut union = Union((0..running.len()).collect());
        match &self.wiring {
            Wiring::Any => join_by_class(active, running, &mut union),
            Wiring::Links(links) => {
                for &(a, b) in links {
                    if running[a] && running[b] && !active.apart(a, b) {
                        union.join(a, b);
                    }
                }
            }
        }
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for node in (0..running.len()).filter(|&node| running[node]) {
            members.entry(union.root(node)).or_default().push(node);
        }
        let mut components: Vec<Component> =
            members.into_values().map(|members| Component { since: self.since(&members, at), members }).collect();
        components.sort_by_key(|component| component.members[0]);
        if components == self.components {
            return;
        }
        self.of = vec![None; running.len()];
        for (place, component) in components.iter().enumerate() {
            component.members.iter().for_each(|&node| self.of[node] = Some(place));
        }
        self.components = components;
        self.epoch += 1;
    }

    /// Who were together before stay together since then; anyone new starts the time anew.
    fn since(&self, members: &[usize], at: Duration) -> Duration {
        let first = self.place(members[0]);
        match first {
            Some(place) if members.iter().all(|&node| self.place(node) == Some(place)) => self.components[place].since,
            _ => at,
        }
    }
}

/// Joins nodes without looking at all pairs: nodes that the same cuts name are in the same class, and of two classes
/// one pair of nodes stands for all.
fn join_by_class(active: &Active, running: &[bool], union: &mut Union) {
    let mut classes: BTreeMap<Vec<(bool, bool)>, Vec<usize>> = BTreeMap::new();
    for node in (0..running.len()).filter(|&node| running[node]) {
        classes.entry(active.named_by(node)).or_default().push(node);
    }
    let classes: Vec<Vec<usize>> = classes.into_values().collect();
    for (place, class) in classes.iter().enumerate() {
        if class.len() > 1 && !active.apart(class[0], class[1]) {
            class.iter().for_each(|&node| union.join(class[0], node));
        }
        for other in &classes[place + 1..] {
            if !active.apart(class[0], other[0]) {
                // Every pair of the two classes is joined, so all of both are.
                class.iter().for_each(|&node| union.join(other[0], node));
                other.iter().for_each(|&node| union.join(class[0], node));
            }
        }
    }
}

/// Disjoint sets; the root of each is its smallest node.
struct Union(Vec<usize>);

impl Union {
    fn root(&mut self, node: usize) -> usize {
        let mut at = node;
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schism_chaos::effect::{Effect, LinkChange};
    use schism_chaos::progress::{Act, FaultId, Phase, Verb};

    fn cut(from: &[usize], to: &[usize]) -> Effect {
        Effect::Links { from: from.to_vec(), to: to.to_vec(), change: LinkChange::Cut }
    }

    fn count_in(active: &mut Active, verb: Verb, effects: Vec<Effect>) {
        let fault = FaultId { step: 0, occurrence: 0 };
        active.count_in(&Act { fault, verb, phase: Phase::Whole, effects, sides: Vec::new() });
    }

    fn members(components: &Components) -> Vec<Vec<usize>> {
        components.all().iter().map(|component| component.members.clone()).collect()
    }

    /// Components after these cuts, of nodes that all run.
    fn cut_into(nodes: usize, wiring: Wiring, cuts: Vec<Effect>) -> Vec<Vec<usize>> {
        let mut active = Active::default();
        count_in(&mut active, Verb::Apply, cuts);
        let mut components = Components::new(nodes, wiring);
        components.update(&active, &vec![true; nodes], Duration::ZERO);
        members(&components)
    }

    #[test]
    fn a_cut_in_one_direction_is_enough_and_a_way_around_joins() {
        assert_eq!(cut_into(4, Wiring::Any, vec![cut(&[0, 1], &[2, 3])]), [vec![0, 1], vec![2, 3]]);
        assert_eq!(cut_into(3, Wiring::Any, vec![cut(&[0], &[1])]), [vec![0, 1, 2]]);
        assert_eq!(cut_into(3, Wiring::Any, vec![cut(&[0, 1], &[0, 1, 2])]), [vec![0], vec![1], vec![2]]);
        let line = || Wiring::Links(vec![(0, 1), (1, 2), (2, 3)]);
        assert_eq!(cut_into(4, line(), vec![]), [vec![0, 1, 2, 3]]);
        assert_eq!(cut_into(4, line(), vec![cut(&[2], &[1])]), [vec![0, 1], vec![2, 3]]);
    }

    #[test]
    fn any_wiring_is_a_mesh_of_all_pairs() {
        let pairs: Vec<(usize, usize)> = (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).collect();
        let sets: [&[usize]; 5] = [&[0], &[1, 2], &[3, 4, 5], &[0, 1, 2, 3, 4, 5], &[2, 3]];
        for first in sets {
            for second in sets {
                for third in sets {
                    let cuts = vec![cut(first, second), cut(third, first)];
                    let mesh = cut_into(6, Wiring::Links(pairs.clone()), cuts.clone());
                    assert_eq!(cut_into(6, Wiring::Any, cuts), mesh, "{first:?} {second:?} {third:?}");
                }
            }
        }
    }

    #[test]
    fn who_stay_together_keep_their_time_and_who_meet_begin_anew() {
        let second = Duration::from_secs;
        let mut active = Active::default();
        let mut components = Components::new(4, Wiring::Any);
        components.update(&active, &[true; 4], second(1));
        let cuts = vec![cut(&[0, 1], &[2, 3])];
        count_in(&mut active, Verb::Apply, cuts.clone());
        components.update(&active, &[true; 4], second(5));
        assert!(components.all().iter().all(|component| component.since == second(1)));
        count_in(&mut active, Verb::Undo, cuts);
        components.update(&active, &[true; 4], second(9));
        assert_eq!(components.all()[0].since, second(9));
        let epoch = components.epoch();
        components.update(&active, &[true; 4], second(10));
        assert_eq!(components.epoch(), epoch);
        components.update(&active, &[true, true, true, false], second(11));
        assert_eq!(components.all()[0].since, second(9), "one left, the others stay together");
        components.update(&active, &[true; 4], second(12));
        assert_eq!(components.all()[0].since, second(12), "one came back");
        assert_eq!(members(&components), [vec![0, 1, 2, 3]]);
    }
}
