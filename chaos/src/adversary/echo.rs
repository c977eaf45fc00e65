//! Echo: a rogue records all that peers tell, ask and answer, and others tell, ask and answer it again later, as it was, to
//! everyone: to the chain it came from and to the other where there are two. Or what they say was recorded on a chain with
//! another genesis. Who is sent away comes back under a new name and goes on where it stood.
//!
//! - `tape`: what was recorded, and what of it answers a question.
//! - `elsewhere`: the tape of a chain with another genesis.

mod elsewhere;
mod tape;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use schism_node::messages::{ToLedger, ToNetwork};
use schism_node::ring::Ring;
use schism_node::wire::{PeerId, Request, encode_request};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::between::Strategy;
use super::leash::Leash;
use super::rogue::{Frame, Heard, Means, Rogue, name};
use tape::{Said, Tape};

/// How traffic is recorded and sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// Seconds after which what was recorded is sent again.
    pub after_seconds: u32,
    /// What is sent a second, once it is old enough.
    pub a_second: u32,
    /// On what chain it was recorded.
    pub chain: Recorded,
}

/// On what chain traffic was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recorded {
    /// That of whom it is sent to, whichever side of a fork they are on.
    Here,
    /// One with another genesis.
    Elsewhere,
}

impl Recorded {
    /// Their words in YAML.
    pub const WORDS: [(&str, Self); 2] = [("here", Self::Here), ("elsewhere", Self::Elsewhere)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, recorded)| *recorded == self).map_or("", |(word, _)| word)
    }
}

impl Default for Echo {
    fn default() -> Self {
        Self { after_seconds: 400, a_second: 20, chain: Recorded::Here }
    }
}

/// How long one name is used at most, and how long a name that was sent away rests.
const LIFE: Duration = Duration::from_secs(60);
const REST: Duration = Duration::from_millis(500);
/// Between two bursts, and between two sessions that are recorded.
const TICK: Duration = Duration::from_millis(200);
const SESSION: Duration = Duration::from_secs(60);

/// Starts a player with the first tip, and a recorder where there is something to record.
pub(super) struct Recording {
    how: Echo,
    leash: Leash,
    means: Means,
    started: bool,
}

impl Recording {
    pub(super) fn new(how: Echo, leash: Leash, means: Means) -> Self {
        Self { how, leash, means, started: false }
    }

    fn start(&mut self) {
        let mut chance = StdRng::seed_from_u64(self.means.chance);
        let [recorder, player] = [0, 1].map(|_| StdRng::seed_from_u64(chance.next_u64()));
        let means = || self.means.clone();
        let tape = match self.how.chain {
            Recorded::Here => {
                let tape = Arc::default();
                self.means.spawner.spawn_local(Box::pin(record(means(), recorder, Arc::clone(&tape))));
                tape
            }
            Recorded::Elsewhere => Arc::new(Mutex::new(elsewhere::tape(self.means.purse))),
        };
        let player = Player { how: self.how, leash: self.leash.clone(), means: means(), chance: player, tape };
        self.means.spawner.spawn_local(Box::pin(player.go_on()));
    }
}

impl Strategy for Recording {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        ring.ledger.tell(message);
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { .. } = &message
            && !std::mem::replace(&mut self.started, true)
        {
            self.start();
        }
        ring.network.tell(message);
    }
}

fn lock(tape: &Mutex<Tape>) -> MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rogue with a new name that dials everyone.
fn stranger(means: &Means, chance: &mut StdRng) -> Rogue {
    let mut rogue = Rogue::of(means, &name(chance));
    means.targets.iter().for_each(|target| rogue.dial(target));
    rogue
}

/// Listens, asks now and then for what there is, and says nothing that is not asked for.
async fn record(means: Means, mut chance: StdRng, tape: Arc<Mutex<Tape>>) {
    loop {
        let mut rogue = stranger(&means, &mut chance);
        let mut session = Instant::now() + TICK;
        let mut gone = BTreeSet::new();
        while gone.len() < means.targets.len() {
            match timeout_at(session, rogue.next()).await {
                Ok(Heard::Said(topic, bytes)) => lock(&tape).keep(Said::Gossip(topic, bytes)),
                Ok(Heard::Asked(request, answer)) => {
                    if let Some(request) = &request {
                        lock(&tape).keep(Said::Question(encode_request(request)));
                    }
                    rogue.answer(answer, Tape::default().answer(request.as_ref()));
                }
                Ok(Heard::Answered(peer, bytes)) => {
                    let next = lock(&tape).keep_answer(bytes);
                    next.iter().for_each(|request| rogue.ask(&peer, encode_request(request).into()));
                }
                Ok(Heard::Gone(peer)) => drop(gone.insert(peer)),
                Ok(_) => {}
                Err(_) => {
                    session = Instant::now() + SESSION;
                    let peers: Vec<PeerId> = rogue.connected().iter().copied().collect();
                    for (peer, request) in peers.iter().flat_map(|peer| {
                        [Request::Headers { locator: Vec::new() }, Request::Pool].map(|request| (peer, request))
                    }) {
                        rogue.ask(peer, encode_request(&request).into());
                    }
                }
            }
        }
        tokio::time::sleep(REST).await;
    }
}

/// Sends again what was recorded, from its beginning to its end and over again.
struct Player {
    how: Echo,
    leash: Leash,
    means: Means,
    chance: StdRng,
    tape: Arc<Mutex<Tape>>,
}

impl Player {
    async fn go_on(mut self) {
        let mut position = 0;
        loop {
            tokio::time::sleep(REST).await;
            let old = Duration::from_secs(self.how.after_seconds.into());
            let oldest = lock(&self.tape).frames.front().map(|(at, _)| *at);
            match oldest {
                None => continue,
                Some(at) if at.elapsed() < old => tokio::time::sleep(old - at.elapsed()).await,
                Some(_) => {}
            }
            let mut rogue = stranger(&self.means, &mut self.chance);
            position = self.live(&mut rogue, position).await;
        }
    }

    /// Plays until everyone has sent this name away, or for as long as a name is used; where the tape stands then.
    async fn live(&self, rogue: &mut Rogue, mut position: usize) -> usize {
        let mut gone = BTreeSet::new();
        let (end, mut tick) = (Instant::now() + LIFE, Instant::now() + TICK);
        while gone.len() < self.means.targets.len() && Instant::now() < end {
            match timeout_at(tick, rogue.next()).await {
                Ok(Heard::Gone(peer)) => drop(gone.insert(peer)),
                Ok(Heard::Asked(request, answer)) => {
                    let response = lock(&self.tape).answer(request.as_ref());
                    rogue.answer(answer, response);
                }
                Ok(_) => {}
                Err(_) => {
                    tick = Instant::now() + TICK;
                    let burst = (f64::from(self.how.a_second) * TICK.as_secs_f64()).ceil() as usize;
                    for _ in 0..burst {
                        position = self.play(rogue, position);
                    }
                }
            }
        }
        position
    }

    /// Sends what stands here on the tape, where it is old enough; the next place.
    fn play(&self, rogue: &mut Rogue, position: usize) -> usize {
        let old = Duration::from_secs(self.how.after_seconds.into());
        let frame = lock(&self.tape).frames.get(position).filter(|(at, _)| at.elapsed() >= old).cloned();
        let Some((_, said)) = frame else { return 0 };
        self.leash.note(|deeds| deeds.told += 1);
        match said {
            Said::Gossip(topic, bytes) => drop(rogue.say(topic, bytes)),
            Said::Question(bytes) => {
                let (peers, frame): (Vec<PeerId>, Frame) = (rogue.connected().iter().copied().collect(), bytes.into());
                peers.iter().for_each(|peer| rogue.ask(peer, frame.clone()));
            }
        }
        position + 1
    }
}
