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
    stage: Stage,
    /// When it was first sought.
    since: Option<Duration>,
    /// Who did not have it, and when.
    lacked: BTreeMap<PeerId, Duration>,
}

/// How far a body has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody is asked, and nobody is to be before then.
    Wanted { from: Duration },
    /// This peer is asked.
    Asked(PeerId),
    /// It is here and waits for its verdict: Ledger's lists name it until then.
    Here,
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

    /// A body is here and waits for its verdict.
    pub(super) fn arrived(&mut self, hash: BlockHash) {
        self.find(hash).into_iter().for_each(|body| body.stage = Stage::Here);
    }

    /// A body was good: no list will name it again.
    pub(super) fn taken(&mut self, hash: BlockHash) {
        self.0.retain(|body| body.hash != hash);
    }

    /// A body that was here is wanted again from then on, unless the next list no longer names it.
    pub(super) fn put_back(&mut self, hash: BlockHash, from: Duration) {
        let here = self.find(hash).filter(|body| body.stage == Stage::Here);
        here.into_iter().for_each(|body| body.stage = Stage::Wanted { from });
    }

    /// A body asked of `peer` did not come; `lacked` says when we learned that the peer does not have it.
    pub(super) fn release(&mut self, hash: BlockHash, peer: PeerId, lacked: Option<Duration>) {
        if let Some(body) = self.find(hash).filter(|body| body.stage == Stage::Asked(peer)) {
            body.stage = Stage::Wanted { from: Duration::ZERO };
            body.lacked.extend(lacked.map(|since| (peer, since)));
        }
    }

    /// A peer is gone.
    pub(super) fn release_all(&mut self, peer: PeerId) {
        for body in &mut self.0 {
            body.lacked.remove(&peer);
            if body.stage == Stage::Asked(peer) {
                body.stage = Stage::Wanted { from: Duration::ZERO };
            }
        }
    }

    /// Who did not have the first body that has been sought for so long.
    pub(super) fn lacked_for(&self, long: Duration, now: Duration) -> impl Iterator<Item = PeerId> + '_ {
        let sought = |body: &&Body| body.since.is_some_and(|since| now.saturating_sub(since) >= long);
        let missing = self.0.iter().find(|body| body.stage != Stage::Here && sought(body));
        missing.into_iter().flat_map(|body| body.lacked.keys().copied())
    }

    fn find(&mut self, hash: BlockHash) -> Option<&mut Body> {
        self.0.iter_mut().find(|body| body.hash == hash)
    }

    /// Whom to ask for which bodies now. Each goes to the least busy of the best class of peers that may have it.
    pub(super) fn assign(
        &mut self,
        partners: &mut BTreeMap<PeerId, Partner>,
        now: Duration,
        room: impl Fn(PeerId) -> usize,
    ) -> BTreeMap<PeerId, Vec<BlockHash>> {
        let mut asks: BTreeMap<PeerId, Vec<BlockHash>> = BTreeMap::new();
        if !self.0.iter().any(|body| body.is_due(now)) {
            return asks;
        }
        let spare = |peer: PeerId, partner: &Partner| BODIES_PER_PEER.min(room(peer)).saturating_sub(partner.in_flight);
        let mut left: usize = partners.iter().map(|(peer, partner)| spare(*peer, partner)).sum();
        for body in self.0.iter_mut().filter(|body| body.is_due(now)) {
            body.since.get_or_insert(now);
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
            body.stage = Stage::Asked(*peer);
            asks.entry(*peer).or_default().push(body.hash);
        }
        asks
    }
}

impl Body {
    fn new(hash: BlockHash) -> Self {
        Self { hash, stage: Stage::Wanted { from: Duration::ZERO }, since: None, lacked: BTreeMap::new() }
    }

    fn is_due(&self, now: Duration) -> bool {
        matches!(self.stage, Stage::Wanted { from } if from <= now)
    }

    fn lacks(&self, peer: &PeerId, now: Duration) -> bool {
        let since = self.lacked.get(peer);
        since.is_some_and(|since| now.saturating_sub(*since) < Duration::from_secs(LACKS_SECONDS))
    }
}
