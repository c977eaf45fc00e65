//! Sync: catching up with peers that know more. Headers first, from each peer that may have more; then bodies, from
//! several peers at once. Who stalls is passed over, who lacks a body is not asked for it again soon.
//!
//! It only decides what to ask; Ledger judges what comes back and says which bodies it wants.

mod bodies;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Block, BlockHash};
use schism_wire::{Failure, PeerId, Request};

use crate::bounds::RESPONSE_SECONDS;
use bodies::Bodies;

/// After a body that was no good, before another copy is asked for.
const AGAIN: Duration = Duration::from_secs(1);
/// A body that nobody has given for this long may be one that nobody here will give: twice what one peer may take.
const STUCK: Duration = Duration::from_secs(2 * RESPONSE_SECONDS);

/// Catching up with peers that know more.
#[derive(Debug)]
pub struct Sync {
    /// From the best tip back, ever more sparsely.
    locator: Arc<Vec<BlockHash>>,
    partners: BTreeMap<PeerId, Partner>,
    bodies: Bodies,
}

/// What sync knows of one connected peer.
#[derive(Debug, Default)]
struct Partner {
    headers: Headers,
    /// Its last answer held headers: it knows something that we may lack.
    offers: bool,
    /// Bodies asked of it and not answered yet.
    in_flight: usize,
    stalls: u32,
    /// It let a request time out: others are preferred until then.
    stalled_until: Duration,
}

/// Whether headers are to be asked of a peer.
#[derive(Debug, Default)]
struct Headers {
    asked: bool,
    due: bool,
    /// What to start from; the tip's locator if nothing is said.
    from: Option<Arc<Vec<BlockHash>>>,
}

/// A peer sent something that it was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unasked;

impl Sync {
    /// Sync of a node that has nothing but the genesis block and knows nobody.
    pub fn new(genesis: BlockHash) -> Self {
        Self { locator: Arc::new(vec![genesis]), partners: BTreeMap::new(), bodies: Bodies::default() }
    }

    /// A peer hears us from now on: what it has of older things it must be asked for.
    pub fn introduced(&mut self, peer: PeerId) {
        self.partners.entry(peer).or_default().headers.due = true;
    }

    /// A peer is gone; what was asked of it is asked of others.
    pub fn disconnected(&mut self, peer: PeerId) {
        self.partners.remove(&peer);
        self.bodies.release_all(peer);
    }

    /// The best tip moved.
    pub fn tip_changed(&mut self, locator: Arc<Vec<BlockHash>>) {
        if !locator.is_empty() {
            self.locator = locator;
        }
    }

    /// A peer may have more than we know, perhaps starting from these.
    pub fn ask_headers(&mut self, peer: PeerId, from: Option<Arc<Vec<BlockHash>>>) {
        if let Some(partner) = self.partners.get_mut(&peer) {
            partner.headers.due = true;
            partner.headers.from = from;
        }
    }

    /// Ledger's list of bodies it wants, which replaces the last.
    pub fn want_bodies(&mut self, hashes: Vec<BlockHash>) {
        let busy = self.is_busy();
        self.bodies.replace(hashes);
        if busy && !self.is_busy() {
            self.ask_on();
        }
    }

    /// Whether bodies are still to come: the tip is about to move again.
    pub fn is_busy(&self) -> bool {
        !self.bodies.is_empty()
    }

    /// One connected peer, a different one each turn: whoever asks somebody now and then needs no luck to catch up.
    pub fn anyone(&self, turn: u64) -> Option<PeerId> {
        let count = self.partners.len() as u64;
        self.partners.keys().nth(turn.checked_rem(count)? as usize).copied()
    }

    /// Who offered more and has not given what has been missing for long: another might. Whoever is among liars only
    /// would never catch up.
    pub fn useless(&self, now: Duration) -> impl Iterator<Item = PeerId> + '_ {
        self.bodies.lacked_for(STUCK, now).filter(|peer| self.partners.get(peer).is_some_and(|partner| partner.offers))
    }

    /// What to ask now; `room` says how many more items of a peer would be let in to be judged.
    pub fn next(&mut self, now: Duration, room: impl Fn(PeerId) -> usize) -> Vec<(PeerId, Request)> {
        let mut asks = Vec::new();
        for (peer, partner) in &mut self.partners {
            if partner.headers.due && !partner.headers.asked && room(*peer) > partner.in_flight {
                let locator = partner.headers.from.take().unwrap_or_else(|| self.locator.clone());
                partner.headers = Headers { asked: true, ..Headers::default() };
                asks.push((*peer, Request::Headers { locator: locator.to_vec() }));
            }
        }
        for (peer, hashes) in self.bodies.assign(&mut self.partners, now, room) {
            asks.push((peer, Request::Blocks { hashes }));
        }
        asks
    }

    /// A peer answered with this many headers.
    pub fn headers_answered(&mut self, peer: PeerId, count: usize) {
        if let Some(partner) = self.partners.get_mut(&peer) {
            partner.headers.asked = false;
            partner.offers = count > 0;
            partner.stalls = 0;
        }
    }

    /// A peer answered with blocks. Returns them if it was asked for all of them.
    pub fn blocks_answered(
        &mut self,
        peer: PeerId,
        asked: &[BlockHash],
        blocks: Vec<Arc<Block>>,
        now: Duration,
    ) -> Result<Vec<Arc<Block>>, Unasked> {
        self.answered(peer, asked.len());
        let sent: Vec<_> = blocks.iter().map(|block| block.block_hash()).collect();
        let all_asked = sent.len() <= asked.len() && sent.iter().all(|hash| asked.contains(hash));
        // A long response is cut at its end, so only what lies before the last block sent is surely not there.
        let sure = match sent.last() {
            Some(last) => asked.iter().position(|hash| hash == last).unwrap_or(asked.len()),
            None => asked.len(),
        };
        for (place, hash) in asked.iter().enumerate() {
            if all_asked && sent.contains(hash) {
                self.bodies.arrived(*hash);
            } else {
                self.bodies.release(*hash, peer, (place < sure || !all_asked).then_some(now));
            }
        }
        if all_asked { Ok(blocks) } else { Err(Unasked) }
    }

    /// There was no room to have this body judged: it is wanted again.
    pub fn not_admitted(&mut self, hash: BlockHash) {
        self.bodies.put_back(hash, Duration::ZERO);
    }

    /// A body was judged. If it was not `good`, Ledger may want another copy; if it does not, it says so next.
    pub fn judged(&mut self, hash: BlockHash, good: bool, now: Duration) {
        if good {
            let busy = self.is_busy();
            self.bodies.taken(hash);
            if busy && !self.is_busy() {
                self.ask_on();
            }
        } else {
            self.bodies.put_back(hash, now + AGAIN);
        }
    }

    /// A request of ours came to nothing.
    pub fn failed(&mut self, peer: PeerId, asked: &Request, failure: &Failure, now: Duration) {
        match asked {
            Request::Headers { .. } => {
                if let Some(partner) = self.partners.get_mut(&peer) {
                    partner.headers.asked = false;
                }
            }
            Request::Blocks { hashes } => {
                self.answered(peer, hashes.len());
                hashes.iter().for_each(|hash| self.bodies.release(*hash, peer, Some(now)));
            }
            _ => {}
        }
        if *failure == Failure::TimedOut
            && let Some(partner) = self.partners.get_mut(&peer)
        {
            partner.stalls += 1;
            let pause = Duration::from_secs(3 * RESPONSE_SECONDS);
            partner.stalled_until = now + pause.saturating_mul(partner.stalls.min(10));
        }
    }

    fn answered(&mut self, peer: PeerId, bodies: usize) {
        if let Some(partner) = self.partners.get_mut(&peer) {
            partner.in_flight = partner.in_flight.saturating_sub(bodies);
        }
    }

    /// All bodies are here. Peers that offered something may have gone on since: a peer that is still catching up
    /// itself tells nobody of every block.
    fn ask_on(&mut self) {
        for partner in self.partners.values_mut().filter(|partner| partner.offers) {
            partner.offers = false;
            partner.headers.due = true;
        }
    }
}

#[cfg(test)]
mod tests;
