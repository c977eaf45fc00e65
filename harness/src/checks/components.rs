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
