//! Network, the actor. Ledger and Mempool tell it verdicts, wants, answers and the tip; the door asks it about peers.
//! It tells Ledger what is to be judged or served from the chain, and Mempool what concerns the pool.
//!
//! It owns the wire and polls it: what peers say is in `heard`, what the other actors say in `told`.

mod heard;
mod told;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waking, Poll};
use std::time::Duration;

use actix::fut::ActorFuture;
use actix::{Actor, AsyncContext, Context, Handler};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use schism_wire::{Keypair, Multiaddr, PeerId, Settings, Transport, Wire};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::error;

use super::admission::Admission;
use super::book::notes::{Anchor, Notes};
use super::book::{Book, notes};
use super::gossip::Announcer;
use super::inbound::Inbound;
use super::overlay::{Move, Overlay};
use super::peers::{Charged, Peers};
use super::reconcile::Reconcile;
use super::sync::Sync;
use crate::bounds::{NEWCOMERS, RESPONSE_SECONDS};
use crate::chain::{Refused, Rules};
use crate::config::OverlayConfig;
use crate::control::Event;
use crate::messages::ToNetwork;
use crate::ring::Ring;
use crate::surroundings::{Cost, Spawner, VirtualWork};

/// Between two looks at what is overdue: connections to seek, verdicts that do not come, peers to compare with.
const PULSE: Duration = Duration::from_secs(1);
/// Pulses between two comparisons with one peer after the other: what gossip lost is found without luck.
const PULSES_PER_COMPARISON: u64 = 30;
/// Pulses between two looks at whether the notes have to be written anew.
const PULSES_PER_NOTES: u64 = 60;
/// Pulses between two peers that are exchanged for others, while what is missing does not come.
const PULSES_PER_EXCHANGE: u64 = 5;
/// Things heard before the mailbox has its turn: verdicts make room for what is heard next.
const HEARD_AT_ONCE: usize = 32;

/// What a network is made of.
pub struct Parts {
    /// Its identity.
    pub identity: Keypair,
    /// Where it listens.
    pub listen: Multiaddr,
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// How it finds and keeps its peers.
    pub overlay: OverlayConfig,
    /// How bytes reach them.
    pub transport: Transport,
    /// Runs its connections.
    pub spawner: Arc<dyn Spawner>,
    /// Seed of its choices and nonces; differs between nodes.
    pub chance: u64,
    /// The other actors.
    pub ring: Ring,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + std::marker::Sync>,
    /// What handling bytes costs.
    pub work: Arc<dyn VirtualWork>,
    /// Where it keeps what it knows of others from one life to the next.
    pub notes: Box<dyn Notes>,
}

/// Talks to peers.
pub struct Network {
    wire: Wire,
    ring: Ring,
    events: Arc<dyn Fn(Event) + Send + std::marker::Sync>,
    work: Arc<dyn VirtualWork>,
    listen: Multiaddr,
    peers: Peers,
    inbound: Inbound,
    notes: Box<dyn Notes>,
    /// The changes of the book and the anchors that they say; nothing before they were first written.
    noted: Option<(u64, Vec<Anchor>)>,
    overlay: Overlay,
    admission: Admission,
    sync: Sync,
    reconcile: Reconcile,
    announcer: Announcer,
    chance: StdRng,
    start: Instant,
    haste: f64,
    pulses: u64,
    /// Whether it may have connections.
    active: bool,
    /// Bytes received that have been charged.
    charged_bytes: u64,
}

/// How many connections there is room for.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    /// For all together.
    all: usize,
    /// For who connects to us.
    inbound: usize,
    /// For who has just connected and is weighed against the others; none where nobody is.
    newcomers: usize,
}

impl Places {
    fn of(overlay: &OverlayConfig) -> Self {
        let (most, ours) = (overlay.most_connections, overlay.degree + overlay.keep.len());
        // Who seeks nobody has the peers it was told of: nobody else is weighed against them, and nobody looked for.
        let seeks = overlay.degree > 0;
        let newcomers = if overlay.defences.protect_inbound && seeks { NEWCOMERS } else { 0 };
        // Whoever takes all other places shall not keep it from looking who else is there.
        let feeler = usize::from(overlay.defences.feelers && seeks);
        let all = most.saturating_add(newcomers).saturating_add(feeler);
        Self { all, inbound: most.saturating_sub(ours).max(most / 2), newcomers }
    }
}

impl Network {
    /// A network that listens and dials once its actor is started.
    pub fn new(parts: Parts) -> Self {
        let Parts { identity, listen, rules, overlay, transport, spawner, chance, ring, events, work, notes } = parts;
        let upgrades = rules.upgrades.iter().filter_map(|upgrade| upgrade.max_block_bytes);
        let (defences, places) = (overlay.defences, Places::of(&overlay));
        let settings = Settings {
            genesis: rules.genesis.block_hash(),
            max_block_bytes: upgrades.fold(rules.max_block_bytes, usize::max),
            most_connections: places.all,
            most_inbound: places.inbound.saturating_add(places.newcomers),
            response_time: Duration::from_secs(RESPONSE_SECONDS),
            haste: overlay.haste,
        };
        let mut chance = StdRng::seed_from_u64(chance);
        let mut fork = || StdRng::seed_from_u64(chance.next_u64());
        let (overlay_chance, nonces) = (fork(), fork());
        let (book, anchors) =
            Book::opened(notes.read().as_deref(), defences.buckets, defences.try_before_evict, chance.next_u64());
        let anchors = if defences.anchors { anchors } else { Vec::new() };
        Self {
            wire: Wire::new(&identity, transport, &settings, Box::new(move |future| spawner.spawn(future))),
            ring,
            events,
            work,
            listen,
            peers: Peers::with(book),
            inbound: Inbound::new(if places.newcomers > 0 { places.inbound } else { usize::MAX }),
            notes,
            noted: None,
            overlay: Overlay::new(identity.public().to_peer_id(), &overlay, anchors, Duration::ZERO, overlay_chance),
            admission: Admission::default(),
            sync: Sync::new(settings.genesis),
            reconcile: Reconcile::default(),
            announcer: Announcer::new(nonces),
            chance,
            start: Instant::now(),
            haste: overlay.haste,
            pulses: 0,
            active: true,
            charged_bytes: 0,
        }
    }

    /// Time since the start, as its own timers count it.
    fn now(&self) -> Duration {
        let elapsed = self.start.elapsed();
        if self.haste == 1.0 { elapsed } else { elapsed.mul_f64(self.haste) }
    }

    /// Once a second of its own time: what is overdue.
    fn pulse(&mut self) {
        let now = self.now();
        self.pulses += 1;
        for waiting in self.admission.give_up(now) {
            self.close(&waiting);
        }
        for forgiven in self.peers.forgive(now) {
            self.wire.unban(forgiven);
        }
        if self.pulses.is_multiple_of(PULSES_PER_COMPARISON)
            && let Some(peer) = self.sync.anyone(self.pulses / PULSES_PER_COMPARISON)
        {
            self.sync.ask_headers(peer, None);
            self.reconcile.introduced(peer);
        }
        if self.pulses.is_multiple_of(PULSES_PER_EXCHANGE)
            && let Some(peer) = self.sync.useless(now).find(|peer| self.overlay.chose(*peer))
        {
            self.wire.disconnect(peer, "makes room for a peer who may have what it did not give");
        }
        self.seek(now);
        if self.pulses.is_multiple_of(PULSES_PER_NOTES) {
            self.note();
        }
    }

    /// Writes down what the next life is to know of others, where that has changed.
    fn note(&mut self) {
        let now = (self.peers.book().changes(), self.overlay.anchors(&self.peers));
        if self.noted.as_ref() == Some(&now) {
            return;
        }
        match self.notes.write(&notes::written(self.peers.book(), &now.1)) {
            Ok(()) => self.noted = Some(now),
            Err(error) => tracing::warn!(%error, "what is known of peers was not written down"),
        }
    }

    /// Dials and lets go as the overlay decides.
    fn seek(&mut self, now: Duration) {
        if !self.active {
            return;
        }
        for step in self.overlay.step(now, &self.peers) {
            match step {
                Move::Dial { peer, addresses } => self.wire.dial(peer, addresses),
                Move::AskAddresses { peer } => self.wire.request(peer, schism_wire::Request::Addresses),
                Move::Hang { peer, reason } => self.wire.disconnect(peer, reason),
            }
        }
    }

    /// Asks and tells what follows from everything heard and told so far. False when there was nothing to do.
    fn settle(&mut self) -> bool {
        let (now, admission) = (self.now(), &self.admission);
        let mut asks = self.sync.next(now, |peer| admission.room(peer));
        asks.extend(self.reconcile.next(self.sync.is_busy(), |peer| admission.room(peer)));
        let announcement = self.announcer.next(now, self.sync.is_busy());
        let something = !asks.is_empty() || announcement.is_some();
        for (peer, request) in asks {
            self.wire.request(peer, request);
        }
        announcement.inspect(|announcement| self.publish(announcement));
        let received = self.wire.bytes_received();
        if received > self.charged_bytes {
            self.work.charge(Cost::Bytes((received - self.charged_bytes) as usize));
            self.charged_bytes = received;
        }
        something
    }

    /// Adds to a peer's misbehaviour, and bans it when that is enough.
    fn charge(&mut self, peer: PeerId, points: u32, reason: &str, refused: Option<Refused>) {
        if points == 0 || self.peers.is_banned(peer) {
            return;
        }
        (self.events)(Event::PeerCharged { peer, points, reason: reason.to_owned(), refused });
        if self.peers.charge(peer, points, self.now()) == Charged::TooMuch {
            self.ban(peer, reason, Some(self.now()));
        }
    }

    fn ban(&mut self, peer: PeerId, reason: &str, began: Option<Duration>) {
        (self.events)(Event::PeerBanned { peer, reason: reason.to_owned() });
        if let Some(lifted) = self.peers.ban(peer, reason.to_owned(), began) {
            self.wire.unban(lifted);
        }
        self.wire.ban(peer, &format!("banned: {reason}"));
    }
}

impl Actor for Network {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if let Err(reason) = self.wire.listen(self.listen.clone()) {
            error!(address = %self.listen, reason, "cannot listen");
        }
        let mut pulse = tokio::time::interval(PULSE.div_f64(self.haste));
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        context.spawn(Life { pulse });
    }
}

impl Handler<ToNetwork> for Network {
    type Result = ();

    fn handle(&mut self, message: ToNetwork, _: &mut Context<Self>) {
        self.told(message);
    }
}

/// What polls the wire, as long as the actor lives. The pulse is part of it, not an interval of the context's: what
/// the wire is told takes effect when it is polled after.
struct Life {
    pulse: Interval,
}

impl ActorFuture<Network> for Life {
    type Output = ();

    fn poll(
        mut self: Pin<&mut Self>,
        network: &mut Network,
        _: &mut Context<Network>,
        waking: &mut Waking<'_>,
    ) -> Poll<()> {
        let mut heard = 0;
        loop {
            while self.pulse.poll_tick(waking).is_ready() {
                network.pulse();
            }
            while let Poll::Ready(event) = network.wire.poll(waking) {
                network.heard(event);
                heard += 1;
                if heard >= HEARD_AT_ONCE {
                    waking.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            if !network.settle() {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests;
