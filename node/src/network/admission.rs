//! Admission: which of the things peers send are let in to be judged, and whose they are until they have been.
//!
//! Ledger's and Mempool's mailboxes know no bound. This is it: what is not admitted never reaches them.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcoin::BlockHash;
use schism_wire::{GossipId, ItemId, PeerId};

use crate::bounds::{UNJUDGED, UNJUDGED_PER_PEER, VERDICT_SECONDS};

/// How an item came in, and so what its verdict means for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// As an announcement, which is passed on when the item is good.
    Gossip(GossipId),
    /// As a part of the response to a request of ours.
    Response,
    /// As a body that sync asked for.
    Body(BlockHash),
}

/// An item that waits for its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Who sent it.
    pub peer: PeerId,
    /// How it came in.
    pub origin: Origin,
    since: Duration,
}

/// The items that wait for a verdict.
#[derive(Debug, Default)]
pub struct Admission {
    next: u64,
    waiting: BTreeMap<ItemId, Waiting>,
    per_peer: BTreeMap<PeerId, usize>,
    most: usize,
}

impl Admission {
    /// Lets an item in and numbers it, or does not when too many wait already.
    pub fn admit(&mut self, peer: PeerId, origin: Origin, now: Duration) -> Option<ItemId> {
        if self.room(peer) == 0 {
            return None;
        }
        let item = ItemId(self.next);
        self.next += 1;
        self.waiting.insert(item, Waiting { peer, origin, since: now });
        *self.per_peer.entry(peer).or_default() += 1;
        self.most = self.most.max(self.waiting.len());
        Some(item)
    }

    /// Takes an item out because its verdict is here. `None` for a verdict that came too late, or twice.
    pub fn judged(&mut self, item: ItemId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&item)?;
        if let Some(count) = self.per_peer.get_mut(&waiting.peer) {
            *count -= 1;
            if *count == 0 {
                self.per_peer.remove(&waiting.peer);
            }
        }
        Some(waiting)
    }

    /// How many more items of this peer would be let in now.
    pub fn room(&self, peer: PeerId) -> usize {
        let of_peer = self.per_peer.get(&peer).copied().unwrap_or_default();
        UNJUDGED_PER_PEER.saturating_sub(of_peer).min(UNJUDGED.saturating_sub(self.waiting.len()))
    }

    /// Gives up on items whose verdict is overdue, so that an actor that lost its messages does not leave this node
    /// deaf for ever. Numbers only grow and so does time: the overdue ones come first.
    pub fn give_up(&mut self, now: Duration) -> Vec<Waiting> {
        let mut overdue = Vec::new();
        while let Some((item, waiting)) = self.waiting.first_key_value() {
            if now.saturating_sub(waiting.since) < Duration::from_secs(VERDICT_SECONDS) {
                break;
            }
            let item = *item;
            overdue.extend(self.judged(item));
        }
        overdue
    }

    /// The largest number that waited at once.
    pub fn most(&self) -> usize {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    #[test]
    fn one_peer_fills_its_share_and_no_more() {
        let (mut admission, peers) = (Admission::default(), peers(2));
        let admitted = (0..100).filter_map(|_| admission.admit(peers[0], Origin::Response, Duration::ZERO)).count();
        assert_eq!(admitted, UNJUDGED_PER_PEER);
        assert_eq!(admission.room(peers[1]), UNJUDGED_PER_PEER, "another peer has its own share");
    }

    #[test]
    fn all_peers_together_fill_the_whole_and_no_more() {
        let (mut admission, peers) = (Admission::default(), peers(40));
        let admitted = (0..100)
            .flat_map(|_| &peers)
            .filter(|peer| admission.admit(**peer, Origin::Response, Duration::ZERO).is_some())
            .count();
        assert_eq!(admitted, UNJUDGED);
        assert_eq!(admission.most(), UNJUDGED);
    }

    #[test]
    fn a_verdict_makes_room_once() {
        let (mut admission, peer) = (Admission::default(), PeerId::random());
        let item = admission.admit(peer, Origin::Response, Duration::ZERO).expect("it is empty");
        assert_eq!(admission.judged(item).map(|waiting| waiting.peer), Some(peer));
        assert_eq!(admission.judged(item), None);
        assert_eq!(admission.judged(ItemId(99)), None);
        assert_eq!(admission.room(peer), UNJUDGED_PER_PEER);
    }

    #[test]
    fn overdue_items_make_room() {
        let (mut admission, peer) = (Admission::default(), PeerId::random());
        let early = admission.admit(peer, Origin::Response, Duration::ZERO).expect("it is empty");
        let later = admission.admit(peer, Origin::Response, Duration::from_secs(1)).expect("it is nearly empty");
        assert_eq!(admission.give_up(Duration::from_secs(VERDICT_SECONDS)).len(), 1);
        assert_eq!(admission.judged(early), None, "its late verdict does nothing");
        assert!(admission.judged(later).is_some());
    }
}
