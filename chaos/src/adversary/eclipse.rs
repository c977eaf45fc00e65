//! Eclipse: peers of one owner who want to be all the peers that a victim has. Each has an address of its own; some connect to the
//! victim and tell it of all the others whenever it asks whom else there is, and wait for the day on which it starts anew
//! and chooses its peers from what it was told.
//!
//! ```text
//! waiting ── begin ──▶ addresses listen, and connect to the victim ── rest ──▶ all of them leave
//! ```
//! The adversary's own node is the victim's peer as well. While the attack lasts it hears of nobody else's blocks and
//! transactions, so that its chain is what a victim that hears of nobody else takes for the chain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use schism_node::messages::{ToLedger, ToNetwork};
use schism_node::ring::Ring;
use schism_node::wire::limits::{ADDRESSES_PER_RESPONSE, RESPONSE_BYTES};
use schism_node::wire::{Keypair, Request, Response, encode_response};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::between::{Strategy, shelve};
use super::leash::{Leash, Phase, Signal};
use super::rogue::{Heard, Means, Rogue, name};

/// How much of the network the attacker owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eclipse {
    /// Addresses that it listens at.
    pub addresses: u32,
    /// Groups of addresses that they are of; at most 64, with 250 addresses each.
    pub groups: u32,
    /// Connections that it seeks to the victim.
    pub dials: u32,
}

impl Default for Eclipse {
    fn default() -> Self {
        Self { addresses: 220, groups: 55, dials: 24 }
    }
}

/// Groups that there can be, and addresses of one.
pub const MOST_GROUPS: u32 = 64;
/// See [`MOST_GROUPS`].
pub const MOST_PER_GROUP: u32 = 250;

/// Between two looks at whether victims are connected, and so from a victim's crash to the first dial after it.
const TICK: Duration = Duration::from_millis(500);
/// Between two dials of a victim that has no room: the longest of waits that double.
const LONGEST_WAIT: Duration = Duration::from_secs(8);
/// When who does not connect by itself looks.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Who is told of, and where.
type Catalogue = Arc<Vec<(PeerId, Multiaddr)>>;

/// Tells its peers when to begin and to end, and keeps its own node to itself meanwhile.
pub(super) struct Eclipser {
    leash: Leash,
    racing: watch::Sender<bool>,
}

impl Eclipser {
    pub(super) fn new(how: Eclipse, leash: Leash, means: &Means) -> Self {
        let (racing, begun) = watch::channel(false);
        let chance = &mut StdRng::seed_from_u64(means.chance);
        let identities: Vec<Keypair> = (0..how.addresses).map(|_| name(chance)).collect();
        let places = places(how);
        let listed = identities.iter().enumerate().map(|(number, identity)| {
            let (group, host) = places[number];
            (identity.public().to_peer_id(), (means.place)(group, host))
        });
        let catalogue: Catalogue = Arc::new(listed.collect());
        for (number, identity) in identities.into_iter().enumerate() {
            let peer = Peer {
                means: means.clone(),
                place: places[number],
                identity,
                dials: (number as u32) < how.dials,
                catalogue: catalogue.clone(),
                chance: StdRng::seed_from_u64(chance.next_u64()),
                begun: begun.clone(),
            };
            means.spawner.spawn_local(Box::pin(peer.go_on()));
        }
        Self { leash, racing }
    }
}

/// The group of each address and its number in that. Who connects is a machine, costlier than an address: those stand two by two
/// in the first groups, and the rest is spread over all.
fn places(how: Eclipse) -> Vec<(u8, u8)> {
    let mut taken = vec![0; how.groups as usize];
    let place = |number: u32| {
        let group = (if number < how.dials { number / 2 } else { number }) % how.groups;
        let host = &mut taken[group as usize];
        *host += 1;
        (group as u8, *host - 1)
    };
    (0..how.addresses).map(place).collect()
}

impl Strategy for Eclipser {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        match message {
            ToLedger::CheckBlock { source, .. }
            | ToLedger::CheckHeaders { source, .. }
            | ToLedger::CheckTransaction { source, .. }
                if *self.racing.borrow() && source.peer().is_some() =>
            {
                self.leash.note(|deeds| deeds.held_back += 1);
                shelve(source, ring);
            }
            other => ring.ledger.tell(other),
        }
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        ring.network.tell(message);
    }

    fn signal(&mut self, signal: Signal, _: &Ring) {
        let racing = match signal {
            Signal::Begin { .. } => true,
            Signal::Delivered { .. } => return,
            Signal::Rest => false,
        };
        self.racing.send_replace(racing);
        self.leash.note(|deeds| {
            deeds.phase = if racing { Phase::Racing } else { Phase::Resting };
            deeds.begun += u64::from(racing);
        });
    }
}

/// One of the attacker's addresses, and who answers there.
struct Peer {
    means: Means,
    place: (u8, u8),
    identity: Keypair,
    /// Whether it connects to the victim by itself.
    dials: bool,
    catalogue: Catalogue,
    chance: StdRng,
    begun: watch::Receiver<bool>,
}

impl Peer {
    async fn go_on(mut self) {
        // An error: there is nobody left to say when.
        while self.begun.wait_for(|begun| *begun).await.is_ok() {
            let (group, host) = self.place;
            let mut rogue = Rogue::at(&self.means, &self.identity, group, host);
            let mut tick = Instant::now() + if self.dials { TICK } else { NEVER };
            let mut refused = BTreeMap::new();
            loop {
                tokio::select! {
                    biased;
                    over = self.begun.wait_for(|begun| !*begun) => match over {
                        Ok(_) => break,
                        Err(_) => return,
                    },
                    heard = timeout_at(tick, rogue.next()) => match heard {
                        Ok(heard) => answer(&mut rogue, heard, &self.catalogue, &mut self.chance),
                        Err(_) => {
                            tick = Instant::now() + TICK;
                            seek(&mut rogue, &self.means.targets, &mut refused);
                        }
                    },
                }
            }
        }
    }
}

/// Dials the victims that it is not connected to, those who had no room ever more seldom.
fn seek(rogue: &mut Rogue, targets: &[(PeerId, Multiaddr)], refused: &mut BTreeMap<PeerId, (Duration, Instant)>) {
    for target in targets {
        if rogue.connected().contains(&target.0) {
            refused.remove(&target.0);
            continue;
        }
        let now = Instant::now();
        let (wait, next) = refused.entry(target.0).or_insert((TICK, now));
        if *next <= now {
            *next = now + *wait;
            *wait = (2 * *wait).min(LONGEST_WAIT);
            rogue.dial(target);
        }
    }
}

/// Answers who asks whom else there is, and has nothing else.
fn answer(rogue: &mut Rogue, heard: Heard, catalogue: &Catalogue, chance: &mut StdRng) {
    let Heard::Asked(request, answer) = heard else { return };
    let response = match request {
        Some(Request::Addresses) => {
            let some = (0..ADDRESSES_PER_RESPONSE).map(|_| catalogue[chance.random_range(0..catalogue.len())].clone());
            Response::Addresses(some.collect())
        }
        Some(Request::Blocks { .. }) => Response::Blocks(Vec::new()),
        Some(Request::BlockTransactions(_)) => Response::BlockTransactions(None),
        Some(Request::Transactions { .. }) => Response::Transactions(Vec::new()),
        Some(Request::Pool) => Response::Pool(Vec::new()),
        Some(Request::Headers { .. }) | None => Response::Headers(Vec::new()),
    };
    rogue.answer(answer, encode_response(&response, RESPONSE_BYTES));
}
