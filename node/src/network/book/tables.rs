//! Tables: two sets of buckets, one for addresses that others told of and one for addresses where somebody was met. Which
//! bucket an address belongs in follows from groups and a secret, so that whoever owns few groups reaches few buckets.
//!
//! After Bitcoin Core's address manager, a sixteenth as large.

use std::collections::BTreeMap;

use schism_wire::PeerId;
use sha2::{Digest, Sha256};

use super::Group;
use crate::bounds::{NEW_BUCKETS, NEW_PER_BUCKET, TRIED_BUCKETS, TRIED_PER_BUCKET};

/// Buckets of the first table that what one group tells of can reach: a sixteenth, as in Bitcoin Core.
const NEW_BUCKETS_PER_SOURCE: u64 = 4;
/// Buckets of the second that addresses of one group can reach.
const TRIED_BUCKETS_PER_GROUP: u64 = 2;

/// A place in one of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    /// In the table of addresses where somebody was met, not in that of addresses heard of.
    pub(super) tried: bool,
    /// Which bucket.
    pub(super) bucket: u64,
    /// Which place in it.
    pub(super) place: u64,
}

/// Who stands where.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    secret: u64,
    slots: BTreeMap<Slot, PeerId>,
}

impl Tables {
    /// Empty tables; `secret` decides where everything belongs, and is nobody else's business.
    pub(super) fn new(secret: u64) -> Self {
        Self { secret, slots: BTreeMap::new() }
    }

    /// The secret.
    pub(super) fn secret(&self) -> u64 {
        self.secret
    }

    /// Where a peer belongs of whom others told, whose address is of `group`, told by somebody of group `source`.
    pub(super) fn new_slot(&self, peer: &PeerId, group: &Group, source: &Group) -> Slot {
        let within = self.draw(b"new", &[group.as_bytes(), source.as_bytes()]) % NEW_BUCKETS_PER_SOURCE;
        let bucket = self.draw(b"source", &[source.as_bytes(), &within.to_be_bytes()]) % NEW_BUCKETS;
        let place = self.draw(b"new place", &[&bucket.to_be_bytes(), &peer.to_bytes()]) % NEW_PER_BUCKET;
        Slot { tried: false, bucket, place }
    }

    /// Where a peer belongs that was met at an address of `group`.
    pub(super) fn tried_slot(&self, peer: &PeerId, group: &Group) -> Slot {
        let within = self.draw(b"tried", &[&peer.to_bytes()]) % TRIED_BUCKETS_PER_GROUP;
        let bucket = self.draw(b"group", &[group.as_bytes(), &within.to_be_bytes()]) % TRIED_BUCKETS;
        let place = self.draw(b"tried place", &[&bucket.to_be_bytes(), &peer.to_bytes()]) % TRIED_PER_BUCKET;
        Slot { tried: true, bucket, place }
    }

    /// Who stands there.
    pub(super) fn at(&self, slot: Slot) -> Option<PeerId> {
        self.slots.get(&slot).copied()
    }

    /// Puts somebody there; gives who stood there.
    pub(super) fn put(&mut self, slot: Slot, peer: PeerId) -> Option<PeerId> {
        self.slots.insert(slot, peer)
    }

    /// Frees a place.
    pub(super) fn free(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }

    /// Everyone, ordered by table, bucket and place.
    pub(super) fn all(&self) -> impl Iterator<Item = (Slot, PeerId)> + '_ {
        self.slots.iter().map(|(slot, peer)| (*slot, *peer))
    }

    fn draw(&self, purpose: &[u8], parts: &[&[u8]]) -> u64 {
        let mut hasher = Sha256::new_with_prefix(self.secret.to_be_bytes());
        hasher.update(purpose);
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest: [u8; 32] = hasher.finalize().into();
        u64::from_be_bytes(digest[..8].try_into().expect("eight of 32 bytes"))
    }
}
