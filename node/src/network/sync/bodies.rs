//! Bodies: the blocks whose headers are known and whose content is not, and who has been asked for each.

use std::collections::BTreeMap;
use std::time::Duration;

use bitcoin::BlockHash;
use schism_wire::PeerId;

use super::Partner;
use crate::bounds::{BODIES_PER_PEER, BODIES_WANTED, LACKS_SECONDS};

/// Bodies to fetch, in the order wanted.
#[derive(Debug, Default)]
pub(super) struct Bodies(Vec<Body>);

#[derive(Debug)]
struct Body {
    hash: BlockHash,
    asked: Option<PeerId>,
    /// Who did not have it, and when.
    lacked: BTreeMap<PeerId, Duration>,
}

/// How gladly a peer is asked for bodies: the first class that has anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Offers,
    MayHave,
    Stalled,
}

impl Bodies {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a new list; what has been asked for stays asked.
    pub(super) fn replace(&mut self, hashes: Vec<BlockHash>) {
        let mut known: BTreeMap<_, _> = self.0.drain(..).map(|body| (body.hash, body)).collect();
        let listed = hashes.into_iter().take(BODIES_WANTED);
        self.0 = listed.map(|hash| known.remove(&hash).unwrap_or_else(|| Body::new(hash))).collect();
    }

    pub(super) fn arrived(&mut self, hash: BlockHash) {
        self.0.retain(|body| body.hash != hash);
    }

    pub(super) fn put_back(&mut self, hash: BlockHash) {
        if !self.0.iter().any(|body| body.hash == hash) {
            self.0.insert(0, Body::new(hash));
        }
    }

    /// A body asked of `peer` did not come; `lacked` says when we learned that the peer does not have it.
    pub(super) fn release(&mut self, hash: BlockHash, peer: PeerId, lacked: Option<Duration>) {
        if let Some(body) = self.0.iter_mut().find(|body| body.hash == hash && body.asked == Some(peer)) {
            body.asked = None;
            body.lacked.extend(lacked.map(|since| (peer, since)));
        }
    }

    pub(super) fn release_all(&mut self, peer: PeerId) {
        for body in &mut self.0 {
            body.lacked.remove(&peer);
            body.asked = body.asked.filter(|asked| *asked != peer);
        }
    }

    /// Whom to ask for which bodies now. Each goes to the least busy of the best class of peers that may have it.
    pub(super) fn assign(
        &mut self,
        partners: &mut BTreeMap<PeerId, Partner>,
        now: Duration,
        room: impl Fn(PeerId) -> usize,
    ) -> BTreeMap<PeerId, Vec<BlockHash>> {
        let mut asks: BTreeMap<PeerId, Vec<BlockHash>> = BTreeMap::new();
        if self.0.iter().all(|body| body.asked.is_some()) {
            return asks;
        }
        let spare = |peer: PeerId, partner: &Partner| BODIES_PER_PEER.min(room(peer)).saturating_sub(partner.in_flight);
        let mut left: usize = partners.iter().map(|(peer, partner)| spare(*peer, partner)).sum();
        for body in self.0.iter_mut().filter(|body| body.asked.is_none()) {
            if left == 0 {
                break;
            }
            let class = |partner: &Partner| match partner {
                partner if partner.stalled_until > now => Class::Stalled,
                partner if partner.offers => Class::Offers,
                _ => Class::MayHave,
            };
            let may_have = |peer: &PeerId| !body.lacks(peer, now);
            let Some(best) = partners.iter().filter(|(peer, _)| may_have(peer)).map(|(_, it)| class(it)).min() else {
                continue;
            };
            let free = partners
                .iter_mut()
                .filter(|(peer, partner)| may_have(peer) && class(partner) == best && spare(**peer, partner) > 0);
            let Some((peer, partner)) = free.min_by_key(|(peer, partner)| (partner.in_flight, **peer)) else {
                continue;
            };
            partner.in_flight += 1;
            left -= 1;
            body.asked = Some(*peer);
            asks.entry(*peer).or_default().push(body.hash);
        }
        asks
    }
}

impl Body {
    fn new(hash: BlockHash) -> Self {
        Self { hash, asked: None, lacked: BTreeMap::new() }
    }

    fn lacks(&self, peer: &PeerId, now: Duration) -> bool {
        let since = self.lacked.get(peer);
        since.is_some_and(|since| now.saturating_sub(*since) < Duration::from_secs(LACKS_SECONDS))
    }
}
