//! Bounded peers' data: what peers can fill stays within the node's bounds, whatever they send.

use schism_node::bounds;
use schism_node::control::Answer;

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Holds every sample of a pool and of a network against `schism_node::bounds`.
#[derive(Debug)]
pub struct BoundedPeersData {
    of: Of,
    pool_bytes: usize,
    most: Most,
}

/// The most of each that any node held.
#[derive(Debug, Default)]
struct Most {
    pool_bytes: usize,
    orphans: usize,
    unjudged: usize,
    addresses: usize,
}

impl BoundedPeersData {
    /// With this many bytes in one pool at most; nothing: the node's own bound.
    pub fn new(pool_bytes: Option<usize>) -> Self {
        let pool_bytes = pool_bytes.unwrap_or(bounds::POOL_BYTES).min(bounds::POOL_BYTES);
        Self { of: Of::Everyone, pool_bytes, most: Most::default() }
    }

    /// Of these nodes alone.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }
}

impl Check for BoundedPeersData {
    fn name(&self) -> &'static str {
        "bounded_peers_data"
    }

    fn asked(&self) -> String {
        format!(
            "pools of {} bytes, {} orphans, {} unjudged items, {} addresses at most",
            self.pool_bytes,
            bounds::ORPHANS,
            bounds::UNJUDGED,
            bounds::ADDRESSES
        )
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        let held = match &entry.what {
            Happening::Answer(Answer::Pool(pool)) => vec![
                ("bytes in its pool", pool.bytes, self.pool_bytes, &mut self.most.pool_bytes),
                ("orphans", pool.orphans, bounds::ORPHANS, &mut self.most.orphans),
            ],
            Happening::Answer(Answer::Peers(peers)) => vec![
                ("unjudged items", peers.most_unjudged, bounds::UNJUDGED, &mut self.most.unjudged),
                ("addresses", peers.addresses, bounds::ADDRESSES, &mut self.most.addresses),
            ],
            _ => return None,
        };
        let mut finding = None;
        for (what, held, bound, most) in held {
            *most = held.max(*most);
            if held > bound {
                let what = format!("{} held {held} {what}; the bound is {bound}", view.name(node));
                finding = finding.or(Some(Finding::violated("bounded_peers_data", view, what).on_node(node)));
            }
        }
        finding
    }

    fn seen(&self) -> String {
        let Most { pool_bytes, orphans, unjudged, addresses } = &self.most;
        format!("at most {pool_bytes} bytes, {orphans} orphans, {unjudged} unjudged items, {addresses} addresses")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;
    use schism_node::control::{PeersState, PoolState};

    #[test]
    fn a_full_house_passes_and_one_more_is_caught() {
        let pool = |bytes, orphans| Answer::Pool(PoolState { bytes, orphans, ..Default::default() });
        let peers = |most_unjudged| Answer::Peers(PeersState { most_unjudged, ..Default::default() });
        let full = [pool(bounds::POOL_BYTES, bounds::ORPHANS), peers(bounds::UNJUDGED)];
        let over = [pool(bounds::POOL_BYTES + 1, 0), pool(0, bounds::ORPHANS + 1), peers(bounds::UNJUDGED + 1)];
        for one_more in over {
            let mut story = Story::of(1).asking(BoundedPeersData::new(None));
            full.iter().for_each(|full| story.answer(0, full.clone()));
            assert!(story.findings().is_empty());
            story.answer(0, one_more);
            assert_eq!(story.findings().len(), 1);
        }
    }

    #[test]
    fn only_those_who_are_meant_are_asked() {
        let over = || Answer::Pool(PoolState { bytes: 11, ..Default::default() });
        let mut story = Story::of(2).asking(BoundedPeersData::new(Some(10)).among(Of::Nodes(vec![1])));
        story.answer(0, over());
        assert!(story.findings().is_empty());
        story.answer(1, over());
        assert_eq!(story.findings().len(), 1);
    }
}
