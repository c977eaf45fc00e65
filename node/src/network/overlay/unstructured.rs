//! An unstructured overlay: so many outbound connections to random peers, whoever they are, found by asking peers for
//! peers. Bootstrap peers start it and are let go when others have been found: their places are for newcomers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use schism_wire::{Multiaddr, PeerId};

use super::{DIAL_TIME, FIRST_WAIT, Move};
use crate::bounds::{ADDRESSES, ANCHORS};
use crate::config::OverlayConfig;
use crate::network::book::notes::Anchor;
use crate::network::peers::Peers;

/// Between two questions for addresses after a newcomer's first; the wait doubles, as peers run out of news.
const ASK_SOON: Duration = Duration::from_secs(2);
/// The longest wait between two questions for addresses, and the usual one of who knows enough peers.
const ASK_LATER: Duration = Duration::from_secs(60);
/// The longest wait before a failed address is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// Between two feelers, on average: Bitcoin Core's. Each is a whole connection, made and ended: at ten seconds they were a third
/// of all that a thousand nodes did.
const FEELER_INTERVAL: Duration = Duration::from_secs(120);

/// Random outbound connections.
#[derive(Debug)]
pub(super) struct Unstructured {
    degree: usize,
    bootstrap: BTreeMap<PeerId, Multiaddr>,
    /// Peers of the last life that are still to be dialled.
    anchors: Vec<Anchor>,
    /// When it next looks whether an address is there, and whom it is just looking for since when.
    next_feeler: Duration,
    feeler: Option<(PeerId, Duration)>,
    /// Whom it chose and when: connected or being dialled.
    chosen: BTreeMap<PeerId, Duration>,
    /// How often a peer failed in a row, and when it may be chosen again.
    failed: BTreeMap<PeerId, (u32, Duration)>,
    next_question: Duration,
    /// Between the last question for addresses and the next, while too few peers are known.
    patience: Duration,
    chance: StdRng,
}

impl Unstructured {
    pub(super) fn new(config: &OverlayConfig, anchors: Vec<Anchor>, mut chance: StdRng) -> Self {
        let feels = config.defences.feelers;
        let next_feeler = if feels { until_feeler(&mut chance) } else { Duration::MAX };
        Self {
            degree: config.degree,
            bootstrap: config.bootstrap.iter().cloned().collect(),
            anchors,
            next_feeler,
            feeler: None,
            chosen: BTreeMap::new(),
            failed: BTreeMap::new(),
            next_question: Duration::ZERO,
            patience: ASK_SOON,
            chance,
        }
    }

    /// `patience` is what this node waits for the other to dial first: two ends that failed at the same moment would
    /// else try again at the same moments for ever.
    pub(super) fn disconnected(&mut self, peer: PeerId, now: Duration, patience: Duration) {
        self.dial_failed(peer, now, patience);
        self.patience = ASK_SOON;
        self.next_question = self.next_question.min(now + ASK_SOON);
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, now: Duration, patience: Duration) {
        self.feeler.take_if(|(felt, _)| *felt == peer);
        let Some(since) = self.chosen.remove(&peer) else { return };
        let (failures, next) = self.failed.entry(peer).or_default();
        *failures = if now.saturating_sub(since) > LONGEST_WAIT { 0 } else { *failures };
        *next = now + patience + FIRST_WAIT.saturating_mul(1 << (*failures).min(8)).min(LONGEST_WAIT);
        *failures += 1;
    }

    /// What to do now; `open` says whom it may choose at all.
    pub(super) fn step(&mut self, now: Duration, peers: &Peers, open: impl Fn(PeerId) -> bool) -> Vec<Move> {
        if self.degree == 0 {
            return Vec::new();
        }
        self.chosen.retain(|peer, since| peers.is_connected(*peer) || now.saturating_sub(*since) < DIAL_TIME);
        if self.failed.len() > ADDRESSES {
            self.failed.retain(|_, (_, next)| *next > now);
        }
        let mut moves = Vec::new();
        while self.chosen.len() < self.degree {
            let anchor = self.anchors.pop().filter(|(peer, _)| open(*peer) && !peers.is_connected(*peer));
            let Some((peer, addresses)) = anchor.or_else(|| self.choose(now, peers, &open)) else { break };
            self.chosen.insert(peer, now);
            moves.push(Move::Dial { peer, addresses });
        }
        moves.extend(self.feel(now, peers, &open));
        moves.extend(self.release(peers));
        moves.extend(self.ask(now, peers));
        moves
    }

    /// A peer that is known, open, not connected and not failing, as the book draws it; bootstrap peers only when there is no
    /// other.
    fn choose(
        &mut self,
        now: Duration,
        peers: &Peers,
        open: impl Fn(PeerId) -> bool,
    ) -> Option<(PeerId, Vec<Multiaddr>)> {
        let (failed, chosen, feeler) = (&self.failed, &self.chosen, self.feeler);
        let fit = |peer: PeerId| {
            let resting = failed.get(&peer).is_some_and(|(_, next)| *next > now);
            let felt = feeler.is_some_and(|(felt, _)| felt == peer);
            open(peer) && !peers.is_connected(peer) && !chosen.contains_key(&peer) && !resting && !felt
        };
        let known = |peer: PeerId| fit(peer) && !self.bootstrap.contains_key(&peer);
        if let Some(peer) = peers.book().choose(&mut self.chance, known) {
            return Some((peer, peers.book().addresses(peer).to_vec()));
        }
        let bootstrap = self.bootstrap.iter().filter(|(peer, _)| fit(**peer));
        let mut candidates: Vec<_> = bootstrap.map(|(peer, address)| (*peer, vec![address.clone()])).collect();
        if candidates.is_empty() {
            return None;
        }
        let one = self.chance.random_range(0..candidates.len());
        Some(candidates.swap_remove(one))
    }

    /// Looks whether somebody is there, and ends the connection as soon as that is known.
    fn feel(&mut self, now: Duration, peers: &Peers, open: impl Fn(PeerId) -> bool) -> Option<Move> {
        if let Some((peer, since)) = self.feeler {
            let met = peers.is_connected(peer) && !self.chosen.contains_key(&peer);
            if met || now.saturating_sub(since) >= DIAL_TIME {
                self.feeler = None;
            }
            return met.then_some(Move::Hang { peer, reason: "it is there: that was all" });
        }
        if now < self.next_feeler {
            return None;
        }
        self.next_feeler = now + until_feeler(&mut self.chance);
        let (failed, chosen) = (&self.failed, &self.chosen);
        let resting = |peer: PeerId| failed.get(&peer).is_some_and(|(_, next)| *next > now);
        let fit = |peer| open(peer) && !peers.is_connected(peer) && !chosen.contains_key(&peer) && !resting(peer);
        let peer = peers.book().doubtful(&mut self.chance, fit)?;
        self.feeler = Some((peer, now));
        Some(Move::Dial { peer, addresses: peers.book().addresses(peer).to_vec() })
    }

    pub(super) fn chose(&self, peer: PeerId) -> bool {
        self.chosen.contains_key(&peer)
    }

    /// Whom it chose and is connected to, the longest first.
    pub(super) fn anchors(&self, peers: &Peers) -> Vec<Anchor> {
        let mut up: Vec<_> = self.chosen.iter().filter(|(peer, _)| peers.is_connected(**peer)).collect();
        up.sort_by_key(|(peer, since)| (**since, **peer));
        up.into_iter().take(ANCHORS).map(|(peer, _)| (*peer, peers.book().addresses(*peer).to_vec())).collect()
    }

    /// Lets one bootstrap peer go when all places but its own are taken by others: the next step fills it.
    fn release(&mut self, peers: &Peers) -> Option<Move> {
        let up: BTreeSet<_> = self.chosen.keys().filter(|peer| peers.is_connected(**peer)).copied().collect();
        let peer = up.iter().find(|peer| self.bootstrap.contains_key(peer)).copied()?;
        let others_known = peers.book().all().filter(|(peer, _)| !self.bootstrap.contains_key(peer)).count();
        // In a network so small that the bootstrap peers are needed, they stay.
        (up.len() >= self.degree && others_known >= 2 * self.degree)
            .then_some(Move::Hang { peer, reason: "found enough peers beside the bootstrap" })
    }

    fn ask(&mut self, now: Duration, peers: &Peers) -> Option<Move> {
        if now < self.next_question {
            return None;
        }
        let connected: Vec<_> = peers.all_connected().collect();
        if connected.is_empty() {
            return None;
        }
        let enough = self.chosen.len() >= self.degree && peers.book().len() > 2 * self.degree;
        self.next_question = now + if enough { ASK_LATER } else { self.patience };
        self.patience = (2 * self.patience).min(ASK_LATER);
        Some(Move::AskAddresses { peer: connected[self.chance.random_range(0..connected.len())] })
    }
}

/// Drawn, or nodes that started together would all feel at the same moments.
fn until_feeler(chance: &mut StdRng) -> Duration {
    // In (0, 1]: its logarithm is finite.
    FEELER_INTERVAL.mul_f64(-(1.0 - chance.random::<f64>()).ln())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::config::Defences;
    use crate::network::book::{Book, Group};

    fn address() -> Multiaddr {
        "/ip4/10.1.0.1/tcp/4001".parse().expect("an address")
    }

    fn seek(degree: usize, bootstrap: &[PeerId]) -> Unstructured {
        seek_with(degree, bootstrap, &[])
    }

    fn seek_with(degree: usize, bootstrap: &[PeerId], anchors: &[PeerId]) -> Unstructured {
        let config = OverlayConfig {
            keep: Vec::new(),
            bootstrap: bootstrap.iter().map(|peer| (*peer, address())).collect(),
            degree,
            most_connections: 100,
            defences: Defences::default(),
            haste: 1.0,
        };
        let anchors = anchors.iter().map(|peer| (*peer, vec![address()])).collect();
        Unstructured::new(&config, anchors, StdRng::seed_from_u64(7))
    }

    fn knowing(known: &[PeerId]) -> Peers {
        let (mut peers, mut chance) = (Peers::default(), StdRng::seed_from_u64(1));
        known.iter().for_each(|peer| peers.learn(*peer, vec![address()], &Group::of(&address()), &mut chance));
        peers
    }

    fn dialled(moves: &[Move]) -> Vec<PeerId> {
        moves.iter().filter_map(|step| if let Move::Dial { peer, .. } = step { Some(*peer) } else { None }).collect()
    }

    fn ids(count: usize) -> Vec<PeerId> {
        (0..count).map(|_| PeerId::random()).collect()
    }

    #[test]
    fn a_newcomer_dials_the_bootstrap_and_asks_it_for_peers() {
        let known = ids(1);
        let (mut shape, mut peers) = (seek(4, &known), Peers::default());
        assert_eq!(dialled(&shape.step(Duration::ZERO, &peers, |_| true)), known);
        peers.connected(known[0], true);
        let moves = shape.step(Duration::from_secs(1), &peers, |_| true);
        assert_eq!(moves, [Move::AskAddresses { peer: known[0] }]);
    }

    #[test]
    fn it_keeps_exactly_its_degree_of_connections() {
        let known = ids(20);
        let (mut shape, mut peers) = (seek(4, &[]), knowing(&known));
        let first = dialled(&shape.step(Duration::ZERO, &peers, |_| true));
        assert_eq!(first.len(), 4);
        first.iter().for_each(|peer| peers.connected(*peer, true));
        assert_eq!(dialled(&shape.step(Duration::from_secs(1), &peers, |_| true)), []);
        peers.disconnected(first[0]);
        shape.disconnected(first[0], Duration::from_secs(2), Duration::ZERO);
        let second = dialled(&shape.step(Duration::from_secs(2), &peers, |_| true));
        assert_eq!(second.len(), 1);
        assert_ne!(second[0], first[0], "who just failed rests");
    }

    #[test]
    fn of_two_that_dialled_each_other_at_one_moment_one_dials_before_the_other() {
        let other = ids(1);
        let again = |patience: u64| {
            let (mut shape, mut peers) = (seek(1, &[]), knowing(&other));
            shape.step(Duration::ZERO, &peers, |_| true);
            peers.connected(other[0], true);
            peers.disconnected(other[0]);
            shape.disconnected(other[0], Duration::ZERO, Duration::from_secs(patience));
            (1..10).find(|second| !dialled(&shape.step(Duration::from_secs(*second), &peers, |_| true)).is_empty())
        };
        assert_eq!((again(0), again(1)), (Some(1), Some(2)));
    }

    #[test]
    fn the_same_seed_chooses_the_same_peers() {
        let known = ids(50);
        let choose = || dialled(&seek(6, &[]).step(Duration::ZERO, &knowing(&known), |_| true));
        assert_eq!(choose(), choose());
    }

    #[test]
    fn the_bootstrap_is_let_go_when_others_are_found() {
        let (bootstrap, others) = (ids(1), ids(10));
        let (mut shape, mut peers) = (seek(2, &bootstrap), Peers::default());
        shape.step(Duration::ZERO, &peers, |_| true);
        peers.connected(bootstrap[0], true);
        let (source, mut chance) = (Group::of(&address()), StdRng::seed_from_u64(1));
        others.iter().for_each(|peer| peers.learn(*peer, vec![address()], &source, &mut chance));
        for peer in dialled(&shape.step(Duration::from_secs(1), &peers, |_| true)) {
            peers.connected(peer, true);
        }
        let moves = shape.step(Duration::from_secs(2), &peers, |_| true);
        assert!(moves.iter().any(|step| matches!(step, Move::Hang { peer, .. } if *peer == bootstrap[0])));
    }

    #[test]
    fn anchors_are_dialled_before_anyone_else() {
        let (anchors, known) = (ids(2), ids(50));
        let dialled = dialled(&seek_with(3, &[], &anchors).step(Duration::ZERO, &knowing(&known), |_| true));
        assert!(anchors.iter().all(|anchor| dialled[..2].contains(anchor)), "{dialled:?}");
        assert!(known.contains(&dialled[2]));
    }

    #[test]
    fn a_feeler_looks_for_one_who_was_never_met_and_hangs_up() {
        let mut peers = Peers::with(Book::in_buckets(7, true));
        // Some of them want the same place.
        let (mut shape, known) = (seek(1, &[]), ids(20));
        let (source, mut chance) = (Group::of(&address()), StdRng::seed_from_u64(1));
        known.iter().for_each(|peer| peers.learn(*peer, vec![address()], &source, &mut chance));
        let first = dialled(&shape.step(Duration::ZERO, &peers, |_| true));
        peers.connected(first[0], true);
        let later = 20 * FEELER_INTERVAL;
        let felt = dialled(&shape.step(later, &peers, |_| true));
        assert_eq!(felt.len(), 1);
        assert_ne!(felt, first);
        peers.connected(felt[0], true);
        let moves = shape.step(later + Duration::from_secs(1), &peers, |_| true);
        assert!(matches!(&moves[..], [Move::Hang { peer, .. }, ..] if *peer == felt[0]), "{moves:?}");
    }
}
