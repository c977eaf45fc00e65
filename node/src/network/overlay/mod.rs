//! An overlay: which connections this node seeks. Links it was told to keep it dials again for ever; beyond them a
//! shape of its own (so far: `Unstructured`) decides whom else to know.
//!
//! libp2p does not redial, so all supervision is here. It decides only; the actor dials and hangs up.

mod unstructured;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use schism_wire::{Multiaddr, PeerId};

use super::book::notes::Anchor;
use super::peers::Peers;
use crate::config::OverlayConfig;
use unstructured::Unstructured;

/// The first wait before a link that failed is dialled again; it doubles up to the longest of its kind.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait before a kept link is dialled again: half a block of the lab, so that heals show soon.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A dial that is not heard of for this long is forgotten.
const DIAL_TIME: Duration = Duration::from_secs(30);
/// A connection that lasted this long was a good one: the next wait is the first again.
const GOOD_TIME: Duration = Duration::from_secs(10);
/// Both ends of a link may be told to keep it. Two dials at one moment cost both connections, so the end with the
/// larger id first gives the other this much time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something the overlay wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Connect to a peer.
    Dial {
        /// Whom.
        peer: PeerId,
        /// Where.
        addresses: Vec<Multiaddr>,
    },
    /// Ask a connected peer whom it knows.
    AskAddresses {
        /// Whom.
        peer: PeerId,
    },
    /// End a connection that has served its purpose.
    Hang {
        /// Whose.
        peer: PeerId,
        /// Why, in words.
        reason: &'static str,
    },
}

/// Which connections a node seeks.
#[derive(Debug)]
pub struct Overlay {
    local: PeerId,
    kept: BTreeMap<PeerId, Kept>,
    /// Peers the door hung up on: not sought until it dials them again.
    hung: BTreeSet<PeerId>,
    shape: Unstructured,
}

/// A link that is dialled again for ever.
#[derive(Debug)]
struct Kept {
    address: Multiaddr,
    attempts: u32,
    next: Duration,
    up_since: Option<Duration>,
}

impl Overlay {
    /// An overlay of a node that is connected to nobody.
    /// `anchors` are dialled first.
    pub fn new(local: PeerId, config: &OverlayConfig, anchors: Vec<Anchor>, now: Duration, chance: StdRng) -> Self {
        let mut overlay = Self {
            local,
            kept: BTreeMap::new(),
            hung: BTreeSet::new(),
            shape: Unstructured::new(config, anchors, chance),
        };
        for (peer, address) in &config.keep {
            overlay.keep(*peer, address.clone(), now);
        }
        overlay
    }

    /// Keeps a link from now on.
    pub fn keep(&mut self, peer: PeerId, address: Multiaddr, now: Duration) {
        self.hung.remove(&peer);
        if peer != self.local {
            self.kept.insert(peer, Kept { address, attempts: 0, next: now + self.patience(peer), up_since: None });
        }
    }

    /// Seeks a peer no longer, neither as a kept link nor otherwise.
    pub fn forgo(&mut self, peer: PeerId) {
        self.kept.remove(&peer);
        self.hung.insert(peer);
    }

    /// A peer is connected.
    pub fn connected(&mut self, peer: PeerId, now: Duration) {
        if let Some(kept) = self.kept.get_mut(&peer) {
            kept.up_since = Some(now);
        }
    }

    /// A peer is no longer connected.
    pub fn disconnected(&mut self, peer: PeerId, now: Duration) {
        let patience = self.patience(peer);
        if let Some(kept) = self.kept.get_mut(&peer) {
            if kept.up_since.take().is_some_and(|since| now.saturating_sub(since) >= GOOD_TIME) {
                kept.attempts = 0;
            }
            kept.wait(now, patience);
        }
        self.shape.disconnected(peer, now, patience);
    }

    /// A dial came to nothing.
    pub fn dial_failed(&mut self, peer: PeerId, now: Duration) {
        if let Some(kept) = self.kept.get_mut(&peer) {
            kept.wait(now, Duration::ZERO);
        }
        self.shape.dial_failed(peer, now, Duration::ZERO);
    }

    /// What to do now. To be asked about once a second.
    pub fn step(&mut self, now: Duration, peers: &Peers) -> Vec<Move> {
        let mut moves = Vec::new();
        for (peer, kept) in &mut self.kept {
            if !peers.is_connected(*peer) && !peers.is_banned(*peer) && kept.next <= now {
                kept.next = now + DIAL_TIME;
                moves.push(Move::Dial { peer: *peer, addresses: vec![kept.address.clone()] });
            }
        }
        let (local, kept, hung) = (self.local, &self.kept, &self.hung);
        let open = |peer: PeerId| {
            peer != local && !kept.contains_key(&peer) && !hung.contains(&peer) && !peers.is_banned(peer)
        };
        moves.extend(self.shape.step(now, peers, open));
        moves
    }

    /// Whether a peer is one that it chose itself, and for which another would do as well.
    pub fn chose(&self, peer: PeerId) -> bool {
        self.shape.chose(peer)
    }

    /// Whom to dial first in the next life: those it chose itself and is connected to the longest.
    pub fn anchors(&self, peers: &Peers) -> Vec<Anchor> {
        self.shape.anchors(peers)
    }

    fn patience(&self, peer: PeerId) -> Duration {
        if self.local > peer { PATIENCE } else { Duration::ZERO }
    }
}

impl Kept {
    /// Waits before the next dial, longer each time.
    fn wait(&mut self, now: Duration, patience: Duration) {
        let wait = FIRST_WAIT.saturating_mul(1 << self.attempts.min(8)).min(LONGEST_WAIT);
        self.attempts += 1;
        self.next = now + wait + patience;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::config::Defences;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn address() -> Multiaddr {
        "/ip4/10.1.0.1/tcp/4001".parse().expect("an address")
    }

    /// Two ids, the smaller first.
    fn two() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        if a < b { (a, b) } else { (b, a) }
    }

    fn overlay(local: PeerId, keep: &[PeerId]) -> Overlay {
        let keep = keep.iter().map(|peer| (*peer, address())).collect();
        let (bootstrap, defences) = (Vec::new(), Defences::default());
        let config = OverlayConfig { keep, bootstrap, degree: 0, most_connections: 10, defences, haste: 1.0 };
        Overlay::new(local, &config, Vec::new(), Duration::ZERO, StdRng::seed_from_u64(1))
    }

    fn dials(overlay: &mut Overlay, peers: &Peers, second: u64) -> usize {
        let moves = overlay.step(seconds(second), peers);
        moves.iter().filter(|step| matches!(step, Move::Dial { .. })).count()
    }

    #[test]
    fn of_two_that_keep_a_link_the_smaller_dials_first() {
        let (small, large) = two();
        assert_eq!(dials(&mut overlay(small, &[large]), &Peers::default(), 0), 1);
        let mut larger = overlay(large, &[small]);
        assert_eq!(dials(&mut larger, &Peers::default(), 0), 0);
        assert_eq!(dials(&mut larger, &Peers::default(), 1), 1);
    }

    #[test]
    fn a_kept_link_is_dialled_after_one_two_four_and_then_every_five_seconds() {
        let (local, peer) = two();
        let (mut overlay, peers) = (overlay(local, &[peer]), Peers::default());
        let mut dialled = Vec::new();
        for second in 0..30 {
            if dials(&mut overlay, &peers, second) > 0 {
                dialled.push(second);
                overlay.dial_failed(peer, seconds(second));
            }
        }
        assert_eq!(dialled, [0, 1, 3, 7, 12, 17, 22, 27]);
    }

    #[test]
    fn a_link_that_held_is_dialled_soon_and_one_that_flaps_is_not() {
        let (local, peer) = two();
        let (mut overlay, peers) = (overlay(local, &[peer]), Peers::default());
        let redialled = |overlay: &mut Overlay, from: u64| {
            (from..from + 20).find(|second| dials(overlay, &peers, *second) > 0).map(|second| second - from)
        };
        dials(&mut overlay, &peers, 0);
        for start in [0, 100, 200] {
            overlay.connected(peer, seconds(start));
            overlay.disconnected(peer, seconds(start));
            redialled(&mut overlay, start);
        }
        overlay.connected(peer, seconds(300));
        overlay.disconnected(peer, seconds(301));
        assert_eq!(redialled(&mut overlay, 301), Some(5));
        overlay.connected(peer, seconds(400));
        overlay.disconnected(peer, seconds(420));
        assert_eq!(redialled(&mut overlay, 420), Some(1));
    }

    #[test]
    fn whom_the_door_hung_up_on_is_not_dialled_until_it_says_so() {
        let (local, peer) = two();
        let (mut overlay, peers) = (overlay(local, &[peer]), Peers::default());
        overlay.forgo(peer);
        assert_eq!(dials(&mut overlay, &peers, 60), 0);
        overlay.keep(peer, address(), seconds(61));
        assert_eq!(dials(&mut overlay, &peers, 61), 1);
    }

    #[test]
    fn nobody_banned_is_dialled() {
        let (local, peer) = two();
        let (mut overlay, mut peers) = (overlay(local, &[peer]), Peers::default());
        peers.ban(peer, "rubbish".to_owned(), None);
        assert_eq!(dials(&mut overlay, &peers, 60), 0);
        peers.unban(peer);
        assert_eq!(dials(&mut overlay, &peers, 61), 1);
    }
}
