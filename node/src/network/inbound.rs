//! Inbound: who connected to us, and who of them makes room when there are too many. Those are protected who would be hard to
//! be for somebody who wants all places: the near, the useful, the old. Of the others the largest group loses its youngest.
//!
//! After Bitcoin Core's eviction, scaled to fewer places.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schism_wire::PeerId;

use super::book::Group;

/// Of those with the shortest way so many stay.
const NEAR: usize = 2;
/// Of those who last told us something new so many stay.
const USEFUL: usize = 4;

/// Who connected to us.
#[derive(Debug)]
pub struct Inbound {
    most: usize,
    guests: BTreeMap<PeerId, Guest>,
}

/// One of them.
#[derive(Clone, Debug)]
struct Guest {
    group: Group,
    since: Duration,
    round_trip: Option<Duration>,
    /// When it last told us something good and new.
    useful: Option<Duration>,
}

impl Inbound {
    /// Nobody yet; so many have a place.
    pub fn new(most: usize) -> Self {
        Self { most, guests: BTreeMap::new() }
    }

    /// Somebody connected to us. Gives who is to leave for that, where there are too many.
    pub fn arrived(&mut self, peer: PeerId, group: Group, now: Duration) -> Option<PeerId> {
        self.guests.insert(peer, Guest { group, since: now, round_trip: None, useful: None });
        if self.guests.len() <= self.most { None } else { self.leaves() }
    }

    /// Somebody is gone.
    pub fn left(&mut self, peer: PeerId) {
        self.guests.remove(&peer);
    }

    /// Somebody answered a ping.
    pub fn round_trip(&mut self, peer: PeerId, time: Duration) {
        if let Some(guest) = self.guests.get_mut(&peer) {
            guest.round_trip = Some(guest.round_trip.map_or(time, |known| known.min(time)));
        }
    }

    /// Somebody told us something good and new.
    pub fn useful(&mut self, peer: PeerId, now: Duration) {
        if let Some(guest) = self.guests.get_mut(&peer) {
            guest.useful = Some(now);
        }
    }

    /// The group that somebody who is here comes from.
    pub fn group(&self, peer: PeerId) -> Option<Group> {
        self.guests.get(&peer).map(|guest| guest.group.clone())
    }

    /// Who makes room.
    fn leaves(&self) -> Option<PeerId> {
        let mut open: Vec<(&PeerId, &Guest)> = self.guests.iter().collect();
        spare(&mut open, NEAR, |guest| guest.round_trip);
        spare(&mut open, USEFUL, |guest| guest.useful.map(Reverse));
        // The older half of the rest.
        open.sort_by_key(|(peer, guest)| (guest.since, **peer));
        open.drain(..open.len() / 2);
        let mut groups: BTreeMap<&Group, usize> = BTreeMap::new();
        self.guests.values().for_each(|guest| *groups.entry(&guest.group).or_default() += 1);
        let leaves = open.into_iter().max_by_key(|(peer, guest)| (groups[&guest.group], guest.since, **peer));
        leaves.map(|(peer, _)| *peer)
    }
}

/// Takes out the first few of those who have such a merit.
fn spare<K: Ord>(open: &mut Vec<(&PeerId, &Guest)>, most: usize, merit: impl Fn(&Guest) -> Option<K>) {
    let mut meritorious: Vec<_> = open.iter().filter_map(|(peer, guest)| Some((merit(guest)?, **peer))).collect();
    meritorious.sort();
    let spared: BTreeSet<PeerId> = meritorious.into_iter().take(most).map(|(_, peer)| peer).collect();
    open.retain(|(peer, _)| !spared.contains(peer));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    fn group(number: usize) -> Group {
        Group::named(&number.to_string())
    }

    #[test]
    fn nobody_leaves_while_there_is_room() {
        let mut inbound = Inbound::new(3);
        for peer in peers(3) {
            assert_eq!(inbound.arrived(peer, group(0), Duration::ZERO), None);
        }
    }

    #[test]
    fn of_a_crowd_of_one_group_one_makes_room_for_a_stranger() {
        let (mut inbound, crowd) = (Inbound::new(10), peers(10));
        for (second, peer) in crowd.iter().enumerate() {
            inbound.arrived(*peer, group(0), Duration::from_secs(second as u64));
        }
        let stranger = PeerId::random();
        let leaves = inbound.arrived(stranger, group(1), Duration::from_secs(60));
        assert_eq!(leaves, Some(crowd[9]), "the youngest of the largest group");
    }

    #[test]
    fn one_who_tells_news_or_is_near_stays_in_whatever_crowd() {
        let (mut inbound, honest) = (Inbound::new(10), peers(2));
        for (number, peer) in honest.iter().enumerate() {
            // Of the crowd's own group, and as young as anyone.
            inbound.arrived(*peer, group(0), Duration::from_secs(50));
            if number == 0 {
                inbound.useful(*peer, Duration::from_secs(51));
            } else {
                inbound.round_trip(*peer, Duration::from_millis(1));
            }
        }
        for second in 0..200 {
            let newcomer = PeerId::random();
            if let Some(leaves) = inbound.arrived(newcomer, group(0), Duration::from_secs(20 + second)) {
                assert!(!honest.contains(&leaves));
                inbound.left(leaves);
            }
        }
        assert_eq!(inbound.guests.len(), 10);
    }
}
