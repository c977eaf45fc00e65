//! Peers: what this node knows of others. Where they listen, who is connected, who misbehaved and who is banned.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use schism_wire::{Multiaddr, PeerId};

use super::book::{Book, Group};
use crate::bounds::{BAN_SCORE, BAN_SECONDS, BANS, FORGIVEN_A_SECOND, SCORES};
use crate::control::{PeerState, PeersState};

/// What this node knows of others.
#[derive(Debug, Default)]
pub struct Peers {
    book: Book,
    connected: BTreeMap<PeerId, Connected>,
    /// Misbehaviour, also of peers that have left: leaving does not clear it.
    scores: BTreeMap<PeerId, Score>,
    bans: BTreeMap<PeerId, String>,
    /// Peers banned for a time and since when, the oldest ban first.
    banned_since: VecDeque<(Duration, PeerId)>,
}

#[derive(Debug)]
struct Connected {
    outbound: bool,
    round_trip: Option<Duration>,
}

/// Points of misbehaviour, and when it was last charged.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    points: u32,
    at: Duration,
}

impl Score {
    /// What is left of it by now: some is forgiven every second.
    fn by(self, now: Duration) -> u32 {
        let forgiven = now.saturating_sub(self.at).as_secs().saturating_mul(FORGIVEN_A_SECOND);
        self.points.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

/// What a charge led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charged {
    /// Its score stays below the limit.
    Noted,
    /// It is over: the peer is to be banned.
    TooMuch,
}

impl Peers {
    /// Nobody but whom this book knows.
    pub fn with(book: Book) -> Self {
        Self { book, ..Self::default() }
    }

    /// The first connection to a peer is up.
    pub fn connected(&mut self, peer: PeerId, outbound: bool) {
        self.connected.insert(peer, Connected { outbound, round_trip: None });
    }

    /// The last connection to a peer is down.
    pub fn disconnected(&mut self, peer: PeerId) {
        self.connected.remove(&peer);
    }

    /// A peer answered a ping.
    pub fn round_trip(&mut self, peer: PeerId, time: Duration) {
        if let Some(connected) = self.connected.get_mut(&peer) {
            connected.round_trip = Some(time);
        }
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.connected.contains_key(&peer)
    }

    /// Connected peers, ordered by id.
    pub fn all_connected(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.connected.keys().copied()
    }

    /// Notes where a peer listens, as somebody of group `source` says.
    pub fn learn(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, source: &Group, chance: &mut StdRng) {
        let connected = &self.connected;
        self.book.learn(peer, addresses, source, |known| connected.contains_key(&known), chance);
    }

    /// Where peers listen.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// The same, to note who was met there and who was not.
    pub fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// At most this many random entries of the book, the first address of each, for `asker`.
    pub fn some(&self, most: usize, asker: PeerId, chance: &mut StdRng) -> Vec<(PeerId, Multiaddr)> {
        let others = self.book.all().filter(|(peer, _)| *peer != asker);
        let mut known: Vec<_> =
            others.filter_map(|(peer, addresses)| Some((peer, addresses.first()?.clone()))).collect();
        while known.len() > most {
            known.swap_remove(chance.random_range(0..known.len()));
        }
        known
    }

    /// Adds to a peer's misbehaviour.
    pub fn charge(&mut self, peer: PeerId, points: u32, now: Duration) -> Charged {
        if !self.scores.contains_key(&peer) && self.scores.len() >= SCORES {
            let guilt = |(known, score): &(&PeerId, &Score)| (score.by(now), **known);
            let least = self.scores.iter().min_by_key(guilt).map(|(known, _)| *known);
            least.map(|known| self.scores.remove(&known));
        }
        let score = self.scores.entry(peer).or_default();
        *score = Score { points: score.by(now).saturating_add(points), at: now };
        if score.points >= BAN_SCORE { Charged::TooMuch } else { Charged::Noted }
    }

    /// Refuses a peer from now on: as long as bans last where it is said when it began, else until told otherwise. Returns
    /// whose ban had to be lifted to keep the list within its bound.
    pub fn ban(&mut self, peer: PeerId, reason: String, began: Option<Duration>) -> Option<PeerId> {
        self.banned_since.retain(|(_, banned)| *banned != peer);
        self.banned_since.extend(began.map(|began| (began, peer)));
        self.bans.insert(peer, reason);
        self.book.forget(peer);
        // Scores are for those who may yet come to a ban: the banned would crowd them out.
        self.scores.remove(&peer);
        let oldest = if self.bans.len() > BANS { self.banned_since.front().map(|(_, peer)| *peer) } else { None };
        oldest.inspect(|oldest| self.unban(*oldest))
    }

    /// Lifts the bans that have lasted long enough, and gives whose they were.
    pub fn forgive(&mut self, now: Duration) -> Vec<PeerId> {
        let over = |since: &Duration| now.saturating_sub(*since) >= Duration::from_secs(BAN_SECONDS);
        let old = self.banned_since.iter().take_while(|(since, _)| over(since)).map(|(_, peer)| *peer);
        let old: Vec<PeerId> = old.collect();
        old.iter().for_each(|peer| self.unban(*peer));
        old
    }

    /// Lifts a ban and forgets what led to it.
    pub fn unban(&mut self, peer: PeerId) {
        self.bans.remove(&peer);
        self.banned_since.retain(|(_, banned)| *banned != peer);
        self.scores.remove(&peer);
    }

    /// Whether a peer is refused.
    pub fn is_banned(&self, peer: PeerId) -> bool {
        self.bans.contains_key(&peer)
    }

    /// What the door is told; traffic and items are for others to fill in.
    pub fn state(&self, now: Duration) -> PeersState {
        let connected = self.connected.iter().map(|(peer, connected)| PeerState {
            peer: *peer,
            outbound: connected.outbound,
            misbehaviour: self.scores.get(peer).map_or(0, |score| score.by(now)),
            round_trip: connected.round_trip.map(|time| time.as_secs_f64()),
        });
        PeersState {
            connected: connected.collect(),
            banned: self.bans.iter().map(|(peer, reason)| (*peer, reason.clone())).collect(),
            addresses: self.book.len(),
            ..PeersState::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::bounds::{ADDRESSES, ADDRESSES_PER_PEER};

    const NOW: Duration = Duration::ZERO;

    fn address(port: usize) -> Multiaddr {
        format!("/ip4/10.1.0.1/tcp/{}", port % 60_000).parse().expect("an address")
    }

    #[test]
    fn the_book_keeps_its_bound_and_the_connected() {
        let (mut peers, mut chance) = (Peers::default(), StdRng::seed_from_u64(1));
        let friend = PeerId::random();
        peers.connected(friend, true);
        peers.learn(friend, vec![address(1)], &Group::of(&address(1)), &mut chance);
        for port in 0..3 * ADDRESSES {
            peers.learn(PeerId::random(), vec![address(port); 100], &Group::of(&address(1)), &mut chance);
        }
        assert_eq!(peers.book().len(), ADDRESSES);
        assert!(peers.book().all().all(|(_, addresses)| addresses.len() <= ADDRESSES_PER_PEER));
        assert_eq!(peers.book().addresses(friend), [address(1)]);
    }

    #[test]
    fn small_charges_add_up_to_a_ban_and_leaving_does_not_clear_them() {
        let (mut peers, peer) = (Peers::default(), PeerId::random());
        assert_eq!(peers.charge(peer, BAN_SCORE - 1, NOW), Charged::Noted);
        peers.connected(peer, false);
        peers.disconnected(peer);
        assert_eq!(peers.charge(peer, 1, NOW), Charged::TooMuch);
    }

    #[test]
    fn small_charges_are_forgiven_in_time_unless_they_come_faster() {
        let (mut peers, [slow, fast]) = (Peers::default(), [PeerId::random(), PeerId::random()]);
        let (mut noted, mut banned) = (0, None);
        for second in 0..10 * u64::from(BAN_SCORE) {
            let now = Duration::from_secs(second);
            noted += u64::from(peers.charge(slow, 1, now) == Charged::Noted);
            let charged = peers.charge(fast, 2, now);
            banned = banned.or((charged == Charged::TooMuch).then_some(second));
        }
        assert_eq!((noted, banned), (10 * u64::from(BAN_SCORE), Some(u64::from(BAN_SCORE) - 2)));
    }

    #[test]
    fn names_that_are_banned_do_not_crowd_out_who_is_halfway_there() {
        let mut peers = Peers::default();
        for _ in 0..SCORES {
            let peer = PeerId::random();
            peers.charge(peer, BAN_SCORE, NOW);
            peers.ban(peer, "rubbish".to_owned(), Some(Duration::ZERO));
        }
        let (one, other) = (PeerId::random(), PeerId::random());
        peers.charge(one, BAN_SCORE / 2, NOW);
        peers.charge(other, BAN_SCORE / 2, NOW);
        assert_eq!(peers.charge(one, BAN_SCORE / 2, NOW), Charged::TooMuch);
    }

    #[test]
    fn a_lifted_ban_leaves_nothing_behind() {
        let (mut peers, peer) = (Peers::default(), PeerId::random());
        peers.charge(peer, BAN_SCORE, NOW);
        peers.ban(peer, "rubbish".to_owned(), Some(Duration::ZERO));
        assert!(peers.is_banned(peer));
        peers.unban(peer);
        assert!(!peers.is_banned(peer));
        assert_eq!(peers.charge(peer, 1, NOW), Charged::Noted);
    }

    #[test]
    fn a_ban_is_over_after_its_time_and_not_before() {
        let (mut peers, [first, second]) = (Peers::default(), [PeerId::random(), PeerId::random()]);
        let lasts = Duration::from_secs(BAN_SECONDS);
        peers.ban(first, "rubbish".to_owned(), Some(Duration::ZERO));
        peers.ban(second, "rubbish".to_owned(), Some(lasts / 2));
        assert_eq!(peers.forgive(lasts - Duration::from_secs(1)), []);
        assert_eq!(peers.forgive(lasts), [first]);
        assert!(!peers.is_banned(first) && peers.is_banned(second));
        let by_order = PeerId::random();
        peers.ban(by_order, "by order".to_owned(), None);
        peers.ban(first, "again".to_owned(), Some(lasts));
        assert_eq!(peers.forgive(2 * lasts), [second, first]);
        assert!(peers.is_banned(by_order));
    }

    #[test]
    fn scores_and_bans_keep_their_bounds_and_the_worst_are_remembered() {
        let mut peers = Peers::default();
        let worst = PeerId::random();
        peers.charge(worst, 99, NOW);
        let lifted = (0..2 * SCORES.max(BANS)).filter_map(|_| {
            let peer = PeerId::random();
            peers.charge(peer, 1, NOW);
            peers.ban(peer, String::new(), Some(Duration::ZERO))
        });
        assert_eq!(lifted.count(), 2 * SCORES.max(BANS) - BANS);
        assert!(peers.scores.len() <= SCORES);
        assert_eq!(peers.charge(worst, 1, NOW), Charged::TooMuch);
        assert_eq!(peers.state(NOW).banned.len(), BANS);
    }
}
