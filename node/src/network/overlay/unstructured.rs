//! An unstructured overlay: so many outbound connections to random peers, whoever they are, found by asking peers for
//! peers. Bootstrap peers start it and are let go when others have been found: their places are for newcomers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use schism_wire::{Multiaddr, PeerId};

use super::Move;
use crate::bounds::ADDRESSES;
use crate::network::peers::Peers;

/// Between two questions for addresses after a newcomer's first; the wait doubles, as peers run out of news.
const ASK_SOON: Duration = Duration::from_secs(2);
/// The longest wait between two questions for addresses, and the usual one of who knows enough peers.
const ASK_LATER: Duration = Duration::from_secs(60);
/// The first wait before a failed address is tried again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait before a failed address is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// A dial that is not heard of for this long is forgotten.
const DIAL_TIME: Duration = Duration::from_secs(30);

/// Random outbound connections.
#[derive(Debug)]
pub(super) struct Unstructured {
    degree: usize,
    bootstrap: BTreeMap<PeerId, Multiaddr>,
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
    pub(super) fn new(degree: usize, bootstrap: Vec<(PeerId, Multiaddr)>, chance: StdRng) -> Self {
        Self {
            degree,
            bootstrap: bootstrap.into_iter().collect(),
            chosen: BTreeMap::new(),
            failed: BTreeMap::new(),
            next_question: Duration::ZERO,
            patience: ASK_SOON,
            chance,
        }
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, now: Duration) {
        self.dial_failed(peer, now);
        self.patience = ASK_SOON;
        self.next_question = self.next_question.min(now + ASK_SOON);
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, now: Duration) {
        let Some(since) = self.chosen.remove(&peer) else { return };
        let (failures, next) = self.failed.entry(peer).or_default();
        *failures = if now.saturating_sub(since) > LONGEST_WAIT { 0 } else { *failures };
        *next = now + FIRST_WAIT.saturating_mul(1 << (*failures).min(8)).min(LONGEST_WAIT);
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
            let Some((peer, addresses)) = self.choose(now, peers, &open) else { break };
            self.chosen.insert(peer, now);
            moves.push(Move::Dial { peer, addresses });
        }
        moves.extend(self.release(peers));
        moves.extend(self.ask(now, peers));
        moves
    }

    /// A random peer that is known, open, not connected and not failing; bootstrap peers only when there is no other.
    fn choose(
        &mut self,
        now: Duration,
        peers: &Peers,
        open: impl Fn(PeerId) -> bool,
    ) -> Option<(PeerId, Vec<Multiaddr>)> {
        let fit = |peer: PeerId| {
            let resting = self.failed.get(&peer).is_some_and(|(_, next)| *next > now);
            open(peer) && !peers.is_connected(peer) && !self.chosen.contains_key(&peer) && !resting
        };
        let others = peers.book().filter(|(peer, _)| fit(*peer) && !self.bootstrap.contains_key(peer));
        let mut candidates: Vec<_> = others.map(|(peer, addresses)| (peer, addresses.to_vec())).collect();
        if candidates.is_empty() {
            let bootstrap = self.bootstrap.iter().filter(|(peer, _)| fit(**peer));
            candidates = bootstrap.map(|(peer, address)| (*peer, vec![address.clone()])).collect();
        }
        if candidates.is_empty() {
            return None;
        }
        let one = self.chance.random_range(0..candidates.len());
        Some(candidates.swap_remove(one))
    }

    /// Lets one bootstrap peer go when all places but its own are taken by others: the next step fills it.
    fn release(&mut self, peers: &Peers) -> Option<Move> {
        let up: BTreeSet<_> = self.chosen.keys().filter(|peer| peers.is_connected(**peer)).copied().collect();
        let others_known = peers.book().filter(|(peer, _)| !self.bootstrap.contains_key(peer)).count();
        let peer = up.iter().find(|peer| self.bootstrap.contains_key(peer)).copied()?;
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
        let enough = self.chosen.len() >= self.degree && peers.book().count() > 2 * self.degree;
        self.next_question = now + if enough { ASK_LATER } else { self.patience };
        self.patience = (2 * self.patience).min(ASK_LATER);
        Some(Move::AskAddresses { peer: connected[self.chance.random_range(0..connected.len())] })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn address() -> Multiaddr {
        "/ip4/10.1.0.1/tcp/4001".parse().expect("an address")
    }

    fn seek(degree: usize, bootstrap: &[PeerId]) -> Unstructured {
        let bootstrap = bootstrap.iter().map(|peer| (*peer, address())).collect();
        Unstructured::new(degree, bootstrap, StdRng::seed_from_u64(7))
    }

    fn knowing(known: &[PeerId]) -> Peers {
        let (mut peers, mut chance) = (Peers::default(), StdRng::seed_from_u64(1));
        known.iter().for_each(|peer| peers.learn(*peer, vec![address()], &mut chance));
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
        shape.disconnected(first[0], Duration::from_secs(2));
        let second = dialled(&shape.step(Duration::from_secs(2), &peers, |_| true));
        assert_eq!(second.len(), 1);
        assert_ne!(second[0], first[0], "who just failed rests");
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
        others.iter().for_each(|peer| peers.learn(*peer, vec![address()], &mut StdRng::seed_from_u64(1)));
        for peer in dialled(&shape.step(Duration::from_secs(1), &peers, |_| true)) {
            peers.connected(peer, true);
        }
        let moves = shape.step(Duration::from_secs(2), &peers, |_| true);
        assert!(moves.iter().any(|step| matches!(step, Move::Hang { peer, .. } if *peer == bootstrap[0])));
    }
}
