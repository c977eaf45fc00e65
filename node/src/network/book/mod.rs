//! A book: addresses of other nodes, of which it chooses whom to dial. Whoever fills the book chooses for us, so what one part
//! of the network can fill of it is bounded.
//!
//! - this file: the book. Flat, all addresses are alike; in buckets, they are held apart by where they came from and by
//!   whether somebody was met there. `tables`: the buckets. `group`: which addresses belong together.
//! - `notes`: the book as a text that outlives the node.

mod group;
pub mod notes;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand::RngExt;
use rand::rngs::StdRng;
use schism_wire::{Multiaddr, PeerId};

pub use group::Group;
use tables::{Slot, Tables};

use crate::bounds::{ADDRESSES, ADDRESSES_PER_PEER, CHALLENGES, HOPELESS};

/// Addresses of other nodes.
#[derive(Clone, Debug, Default)]
pub struct Book {
    entries: BTreeMap<PeerId, Entry>,
    /// Nothing: the book is flat.
    tables: Option<Tables>,
    /// Whether who was met is met again before somebody else takes the place.
    try_before_evict: bool,
    /// Who waits for whose place: the one who holds it is met first. One a place.
    challenges: BTreeMap<PeerId, PeerId>,
    /// How often anything of it changed that notes say.
    changes: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// Where it listens; the first decides its group.
    addresses: Vec<Multiaddr>,
    /// The group of who told of it first.
    source: Group,
    slot: Option<Slot>,
    /// Dials in a row that came to nothing.
    failures: u32,
}

impl Book {
    /// An empty book in buckets that this secret arranges.
    pub fn in_buckets(secret: u64, try_before_evict: bool) -> Self {
        Self { tables: Some(Tables::new(secret)), try_before_evict, ..Self::default() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a peer is in it.
    pub fn knows(&self, peer: PeerId) -> bool {
        self.entries.contains_key(&peer)
    }

    /// Where a peer listens; empty where that is not known.
    pub fn addresses(&self, peer: PeerId) -> &[Multiaddr] {
        self.entries.get(&peer).map_or(&[], |entry| &entry.addresses)
    }

    /// A number that is another one whenever notes of it would say something else.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Everyone, ordered by id.
    pub fn all(&self) -> impl Iterator<Item = (PeerId, &[Multiaddr])> + '_ {
        self.entries.iter().map(|(peer, entry)| (*peer, entry.addresses.as_slice()))
    }

    /// Notes where a peer listens, as somebody of group `source` says. Nobody of whom `keep` is true is forgotten for that.
    ///
    /// A full flat book forgets a random other, so that nobody can keep others out of it, nor drive everybody out at once.
    /// In buckets whoever stands at a place keeps it, unless it could not be reached for a while.
    pub fn learn(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        source: &Group,
        keep: impl Fn(PeerId) -> bool,
        chance: &mut StdRng,
    ) {
        let Some(group) = addresses.first().map(Group::of) else { return };
        let addresses: Vec<_> = addresses.into_iter().take(ADDRESSES_PER_PEER).collect();
        if let Some(known) = self.entries.get_mut(&peer) {
            // Another group would mean another place: what was learnt first counts.
            if (self.tables.is_none() || known.group() == group) && known.addresses != addresses {
                known.addresses = addresses;
                self.changes += 1;
            }
            return;
        }
        let slot = self.tables.as_ref().map(|tables| tables.new_slot(&peer, &group, source));
        let leaves = match (slot, &self.tables) {
            (Some(slot), Some(tables)) => match tables.at(slot) {
                Some(holder) if keep(holder) || !self.is_hopeless(holder) => return,
                holder => holder,
            },
            _ if self.entries.len() >= ADDRESSES => {
                let loose: Vec<_> = self.entries.keys().filter(|known| !keep(**known)).copied().collect();
                if loose.is_empty() {
                    return;
                }
                Some(loose[chance.random_range(0..loose.len())])
            }
            _ => None,
        };
        leaves.inspect(|leaves| self.forget(*leaves));
        self.stand(peer, slot);
        self.changes += 1;
        self.entries.insert(peer, Entry { addresses, source: source.clone(), slot, failures: 0 });
    }

    /// A peer was met where it listens.
    pub fn met(&mut self, peer: PeerId) {
        self.challenges.remove(&peer); // it is there, so its place is not free
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.failures = 0;
        let (Some(slot), Some(tables)) = (entry.slot, &self.tables) else { return };
        if slot.tried {
            return;
        }
        let wanted = tables.tried_slot(&peer, &entry.group());
        match tables.at(wanted) {
            Some(holder) if self.try_before_evict => {
                if self.challenges.len() < CHALLENGES {
                    self.challenges.entry(holder).or_insert(peer);
                }
            }
            holder => self.promote(peer, wanted, holder),
        }
    }

    /// A peer was not met where it should listen.
    pub fn missed(&mut self, peer: PeerId) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.failures = entry.failures.saturating_add(1);
        if let (Some(challenger), Some(slot)) = (self.challenges.remove(&peer), entry.slot)
            && self.entries.contains_key(&challenger)
        {
            self.promote(challenger, slot, Some(peer));
        }
    }

    /// Forgets a peer.
    pub fn forget(&mut self, peer: PeerId) {
        self.challenges.remove(&peer);
        self.changes += 1;
        if let (Some(Entry { slot: Some(slot), .. }), Some(tables)) = (self.entries.remove(&peer), &mut self.tables) {
            tables.free(slot);
        }
    }

    /// Somebody to connect to, of those who are `fit`. Flat, everyone has the same chance; in buckets, first one of the two
    /// tables is drawn, then a bucket of it, then one in that.
    pub fn choose(&self, chance: &mut StdRng, fit: impl Fn(PeerId) -> bool) -> Option<PeerId> {
        let Some(tables) = &self.tables else {
            let all: Vec<_> = self.entries.keys().filter(|peer| fit(**peer)).copied().collect();
            return one(&all, chance);
        };
        let both = [false, true].map(|tried| in_buckets(tables, tried, &fit));
        let tried = match both.each_ref().map(BTreeMap::is_empty) {
            [false, false] => usize::from(chance.random_range(0..2) == 1),
            [_, empty] => usize::from(!empty),
        };
        let buckets: Vec<_> = both[tried].values().collect();
        one(one(&buckets, chance)?, chance)
    }

    /// Somebody to look for without need: who holds a place that another waits for, else one who was never met.
    pub fn doubtful(&self, chance: &mut StdRng, fit: impl Fn(PeerId) -> bool) -> Option<PeerId> {
        let tables = self.tables.as_ref()?;
        let challenged: Vec<_> = self.challenges.keys().copied().filter(|peer| fit(*peer)).collect();
        if !challenged.is_empty() {
            return one(&challenged, chance);
        }
        let buckets: Vec<_> = in_buckets(tables, false, &fit).into_values().collect();
        one(&one(&buckets, chance)?, chance)
    }

    /// A peer's group, as far as it is in the book.
    pub fn group(&self, peer: PeerId) -> Option<Group> {
        self.entries.get(&peer).map(Entry::group)
    }

    /// Who was met, and who was only told of.
    pub fn counts(&self) -> (usize, usize) {
        let tried = self.entries.values().filter(|entry| entry.slot.is_some_and(|slot| slot.tried)).count();
        (tried, self.entries.len() - tried)
    }

    fn is_hopeless(&self, peer: PeerId) -> bool {
        self.entries.get(&peer).is_none_or(|entry| entry.failures >= HOPELESS)
    }

    fn stand(&mut self, peer: PeerId, slot: Option<Slot>) {
        if let (Some(slot), Some(tables)) = (slot, &mut self.tables) {
            tables.put(slot, peer);
        }
    }

    /// Puts a peer among those who were met; who held that place goes back to those heard of, if it finds room there.
    fn promote(&mut self, peer: PeerId, wanted: Slot, holder: Option<PeerId>) {
        let (Some(tables), Some(entry)) = (&mut self.tables, self.entries.get_mut(&peer)) else { return };
        self.changes += 1;
        entry.slot.replace(wanted).into_iter().for_each(|slot| tables.free(slot));
        tables.put(wanted, peer);
        let Some(holder) = holder else { return };
        self.challenges.remove(&holder);
        let Some(entry) = self.entries.get_mut(&holder) else { return };
        let back = tables.new_slot(&holder, &entry.group(), &entry.source);
        if tables.at(back).is_none() && entry.failures == 0 {
            tables.put(back, holder);
            entry.slot = Some(back);
        } else {
            self.entries.remove(&holder);
        }
    }
}

impl Entry {
    fn group(&self) -> Group {
        self.addresses.first().map_or_else(|| Group::named(""), Group::of)
    }
}

/// Those of a table who are fit, by bucket.
fn in_buckets(tables: &Tables, tried: bool, fit: impl Fn(PeerId) -> bool) -> BTreeMap<u64, Vec<PeerId>> {
    let mut buckets: BTreeMap<u64, Vec<PeerId>> = BTreeMap::new();
    for (slot, peer) in tables.all().filter(|(slot, peer)| slot.tried == tried && fit(*peer)) {
        buckets.entry(slot.bucket).or_default().push(peer);
    }
    buckets
}

fn one<T: Clone>(all: &[T], chance: &mut StdRng) -> Option<T> {
    (!all.is_empty()).then(|| all[chance.random_range(0..all.len())].clone())
}
