//! Served: newcomers get the blocks they lack from their peers, and serve them on as soon as they have them.

use std::collections::{BTreeMap, BTreeSet};

use schism_node::control::Event;

use super::{Check, Finding, View};
use crate::timeline::{Entry, Happening};

/// Counts, for each newcomer, who sent it blocks.
#[derive(Debug)]
pub struct Served {
    to: Vec<usize>,
    by_at_least: u32,
    by: Option<Vec<usize>>,
    while_syncing: bool,
    /// By newcomer: blocks by server.
    servers: BTreeMap<usize, BTreeMap<usize, u32>>,
    /// Newcomers whose first body came from a server that was still behind.
    early: BTreeSet<usize>,
}

impl Served {
    /// These newcomers are each served by at least so many peers; by these and no others, where said; and the first body
    /// came while its sender was still behind, where asked.
    pub fn new(to: Vec<usize>, by_at_least: u32, by: Option<Vec<usize>>, while_syncing: bool) -> Self {
        Self { to, by_at_least, by, while_syncing, servers: BTreeMap::new(), early: BTreeSet::new() }
    }

    fn missing(&self, view: &View) -> Option<(usize, String)> {
        self.to.iter().find_map(|&newcomer| {
            let name = view.name(newcomer);
            let servers = self.servers.get(&newcomer);
            let count = servers.map_or(0, BTreeMap::len);
            let stranger = servers.and_then(|servers| servers.keys().find(|server| !self.allowed(**server)));
            let what = if let Some(stranger) = stranger {
                format!("{name} was served by {}, too", view.name(*stranger))
            } else if count < self.by_at_least as usize {
                format!("{name} was served by {count} of {} peers", self.by_at_least)
            } else if self.while_syncing && !self.early.contains(&newcomer) {
                format!("{name} got its first block only when its server had all of them")
            } else {
                return None;
            };
            Some((newcomer, what))
        })
    }

    fn allowed(&self, server: usize) -> bool {
        self.by.as_ref().is_none_or(|by| by.contains(&server))
    }
}

impl Check for Served {
    fn name(&self) -> &'static str {
        "served"
    }

    fn asked(&self) -> String {
        let early = if self.while_syncing { ", while these were still syncing themselves" } else { "" };
        format!("newcomers get blocks from {} peers{early}", self.by_at_least)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let newcomer = entry.node.filter(|node| self.to.contains(node))?;
        let Happening::Event(Event::BlockStored { from: Some(peer), .. }) = &entry.what else { return None };
        let server = view.known_as(peer)?;
        let servers = self.servers.entry(newcomer).or_default();
        if servers.is_empty() {
            let height = |node: usize| view.nodes()[node].tip.map_or(0, |tip| view.blocks().get(tip).height);
            let best = view.expected().map(height).max().unwrap_or(0);
            if height(server) < best {
                self.early.insert(newcomer);
            }
        }
        *servers.entry(server).or_default() += 1;
        None
    }

    fn satisfied(&self, view: &View) -> bool {
        self.missing(view).is_none()
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        if self.to.is_empty() {
            return Some(Finding::stalled("served", view, "there was no newcomer to serve".to_owned()));
        }
        let (newcomer, what) = self.missing(view)?;
        Some(Finding::stalled("served", view, what).on_node(newcomer))
    }

    fn seen(&self) -> String {
        let counts = self.servers.values().map(|servers| {
            let blocks: u32 = servers.values().sum();
            format!("{blocks} blocks from {} peers", servers.len())
        });
        let counts: Vec<String> = counts.collect();
        if counts.is_empty() { "nobody was served".to_owned() } else { counts.join("; ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    #[test]
    fn a_newcomer_that_never_came_was_not_served() {
        let mut story = Story::of(2).asking(Served::new(Vec::new(), 1, None, false));
        assert_eq!(story.end().len(), 1);
    }

    /// Node 0 has two blocks and node 1 one; node 2 gets its first from `server`.
    fn served_by(server: usize, check: Served) -> Vec<Finding> {
        let mut story = Story::of(3).asking(check);
        let first = story.mine(0);
        story.hear(1, first);
        story.mine(0);
        story.store_from(2, first, server);
        story.end()
    }

    #[test]
    fn a_newcomer_served_by_one_who_is_still_behind_passes() {
        assert_eq!(served_by(1, Served::new(vec![2], 1, Some(vec![1]), true)), []);
    }

    #[test]
    fn each_thing_that_is_missing_is_caught() {
        assert_eq!(served_by(0, Served::new(vec![2], 1, None, true)).len(), 1);
        assert_eq!(served_by(0, Served::new(vec![2], 1, Some(vec![1]), false)).len(), 1);
        assert_eq!(served_by(0, Served::new(vec![2], 2, None, false)).len(), 1);
    }
}
