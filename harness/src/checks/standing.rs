//! A standing: how many of the nodes that must keep up stand on which tip, counted along so that agreement is known at
//! once after every entry.

use std::collections::BTreeMap;

use super::View;
use crate::timeline::{Entry, Happening};
use schism_node::control::Event;

/// Of whom something is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Of {
    /// Of every judged node.
    #[default]
    Everyone,
    /// Of these, as far as they are judged.
    Nodes(Vec<usize>),
}

impl Of {
    /// Whether a node is meant.
    pub fn holds(&self, node: usize) -> bool {
        match self {
            Self::Everyone => true,
            Self::Nodes(nodes) => nodes.contains(&node),
        }
    }
}

/// Who stands where.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    of: Of,
    /// By tip; `None` for who must run but has not said where it stands.
    counts: BTreeMap<Option<usize>, usize>,
    /// What each node is counted under; outer `None` for who is not counted.
    counted: Vec<Option<Option<usize>>>,
}

impl Standing {
    /// A standing of these nodes.
    pub fn new(of: Of) -> Self {
        Self { of, ..Self::default() }
    }

    /// Counts one entry in.
    pub fn update(&mut self, view: &View, entry: &Entry) {
        self.counted.resize(view.nodes().len(), None);
        match (&entry.what, entry.node) {
            (Happening::Event(Event::TipChanged { .. } | Event::Started { .. }), Some(node)) => self.count(view, node),
            (Happening::Acted(_), _) => (0..self.counted.len()).for_each(|node| self.count(view, node)),
            _ if self.counts.is_empty() => (0..self.counted.len()).for_each(|node| self.count(view, node)),
            _ => {}
        }
    }

    /// The tip on which all stand; nothing while they differ, or while one has not said.
    pub fn agreed(&self) -> Option<usize> {
        match self.counts.first_key_value() {
            Some((tip, _)) if self.counts.len() == 1 => *tip,
            _ => None,
        }
    }

    /// Every tip somebody stands on, with how many do.
    pub fn tips(&self) -> impl Iterator<Item = (Option<usize>, usize)> {
        self.counts.iter().map(|(tip, count)| (*tip, *count))
    }

    /// Whether a node is meant.
    pub fn holds(&self, node: usize) -> bool {
        self.of.holds(node)
    }

    fn count(&mut self, view: &View, node: usize) {
        let Some(seen) = view.nodes().get(node).filter(|_| self.of.holds(node)) else { return };
        let now = seen.expected().then_some(seen.tip);
        let before = std::mem::replace(&mut self.counted[node], now);
        if let Some(tip) = before
            && let Some(count) = self.counts.get_mut(&tip)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&tip);
            }
        }
        if let Some(tip) = now {
            *self.counts.entry(tip).or_default() += 1;
        }
    }
}
