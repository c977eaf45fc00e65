//! A chain of a tree: ancestors, forks, locators, leaves, and what is missing on the way to the best header.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::{Id, Mark, Tree, skip_height};
use crate::bounds::BODIES_WANTED;
use crate::control::{ChainTip, TipStatus};

impl Tree {
    /// The ancestor of `id` (or itself) at `height`; nothing above it.
    pub fn ancestor(&self, id: Id, height: u32) -> Option<Id> {
        let mut walk = id;
        if height > self.height(id) {
            return None;
        }
        while self.height(walk) > height {
            let here = self.height(walk);
            let skip = skip_height(here);
            let before = skip_height(here - 1);
            // The long link, unless the parent's would land closer to the goal.
            let jump = skip == height || (skip > height && !(before + 2 < skip && before >= height));
            walk = if jump { self.at(walk).skip } else { self.at(walk).parent };
        }
        Some(walk)
    }

    /// From `id` down to genesis, both included.
    pub fn walk(&self, id: Id) -> impl Iterator<Item = Id> + '_ {
        std::iter::successors(Some(id), |id| (self.height(*id) > 0).then(|| self.parent(*id)))
    }

    /// The last block that both chains have in common.
    pub fn fork(&self, one: Id, other: Id) -> Id {
        let height = self.height(one).min(self.height(other));
        let (mut one, mut other) = (self.ancestor(one, height), self.ancestor(other, height));
        while one != other {
            one = one.map(|id| self.parent(id));
            other = other.map(|id| self.parent(id));
        }
        one.unwrap_or(Id(0))
    }

    /// From `above` (not included) up to `id`, oldest first; `above` is an ancestor.
    pub fn path(&self, above: Id, id: Id) -> Vec<Id> {
        let mut path: Vec<Id> = self.walk(id).take_while(|step| *step != above).collect();
        path.reverse();
        path
    }

    /// Whether this block is on the active chain.
    pub fn is_active(&self, id: Id) -> bool {
        self.active.get(self.height(id) as usize) == Some(&id)
    }

    /// The block of the active chain at `height`.
    pub fn active_at(&self, height: u32) -> Option<Id> {
        self.active.get(height as usize).copied()
    }

    /// Hashes of missing bodies on the way to the best header, oldest first, within [`BODIES_WANTED`] blocks of the
    /// first that is missing.
    pub fn missing(&self, most: usize) -> Vec<BlockHash> {
        let best = self.best_header;
        if self.is_complete(best) {
            return Vec::new();
        }
        // Along a chain the complete blocks come first: search for the last of them.
        let (mut complete, mut incomplete) = (0, self.height(best));
        while incomplete - complete > 1 {
            let middle = complete + (incomplete - complete) / 2;
            match self.ancestor(best, middle) {
                Some(id) if self.is_complete(id) => complete = middle,
                _ => incomplete = middle,
            }
        }
        let last = self.height(best).min(complete.saturating_add(BODIES_WANTED as u32));
        let Some(last) = self.ancestor(best, last) else { return Vec::new() };
        let mut window: Vec<Id> = self.walk(last).take_while(|id| self.height(*id) > complete).collect();
        window.reverse();
        window.retain(|id| !self.has_body(*id));
        window.truncate(most);
        window.into_iter().map(|id| self.hash(id)).collect()
    }

    /// Hashes from `id` back to genesis: the last ten, then ever more sparsely.
    pub fn locator(&self, id: Id) -> Vec<BlockHash> {
        let mut hashes = Vec::new();
        let (mut height, mut stride) = (self.height(id), 1);
        while let Some(at) = self.ancestor(id, height) {
            hashes.push(self.hash(at));
            if height == 0 {
                break;
            }
            if hashes.len() >= 10 {
                stride *= 2;
            }
            height = height.saturating_sub(stride);
        }
        hashes
    }

    /// Headers of the active chain after the first hash of the locator that lies on it, `most` at most.
    pub fn headers_after(&self, locator: &[BlockHash], most: usize) -> Vec<Header> {
        let known = locator.iter().filter_map(|hash| self.find(hash)).find(|id| self.is_active(*id));
        let from = known.map_or(0, |id| self.height(id)) as usize + 1;
        self.active.iter().skip(from).take(most).map(|id| *self.header(*id)).collect()
    }

    /// Every leaf, best first; of equal work the one known first.
    pub fn leaves(&self) -> Vec<ChainTip> {
        let active = self.active_tip();
        let ids = (0..self.entries.len() as u32).map(Id);
        let mut leaves: Vec<Id> = ids.filter(|id| self.at(*id).children.is_empty() || *id == active).collect();
        leaves.sort_by_key(|id| (*id != active, std::cmp::Reverse(self.at(*id).work), *id));
        leaves
            .into_iter()
            .map(|id| ChainTip {
                tip: self.tip(id),
                branch_length: self.height(id) - self.height(self.fork(id, active)),
                status: self.status(id),
            })
            .collect()
    }

    fn status(&self, id: Id) -> TipStatus {
        match id {
            _ if id == self.active_tip() => TipStatus::Active,
            _ if self.is_dead(id) => TipStatus::Invalid,
            _ if self.mark(id) == Mark::Valid => TipStatus::ValidFork,
            _ if self.is_complete(id) => TipStatus::ValidHeaders,
            _ => TipStatus::HeadersOnly,
        }
    }
}
