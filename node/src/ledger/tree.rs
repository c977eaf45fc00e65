//! A block tree: every header this node knows, what is known about its block, and which leaf is best.
//!
//! Best is most work among blocks whose whole chain of bodies is here and unbroken by an invalid one; of equal work,
//! the one that was complete first. Nothing here reads a disk or judges a block.

mod chains;
mod facts;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bitcoin::block::Header;
use bitcoin::{BlockHash, Work};

use crate::bounds::{IDLE_BODIES, SIDE_HEADERS};
use crate::chain::Refused;
use crate::chain::work::block_work;
use crate::ledger::store::Mark;

/// A header's number in its tree: the order in which headers became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u32);

/// The tree. Its root is genesis, which is complete and valid from the start.
#[derive(Debug)]
pub struct Tree {
    entries: Vec<Entry>,
    by_hash: BTreeMap<BlockHash, Id>,
    /// The best chain as far as it is connected, by height.
    active: Vec<Id>,
    /// Complete blocks that may be better than the active tip, which is one of them.
    candidates: BTreeSet<Candidate>,
    /// The header with most work of those that no invalid block lies under; the first known of equals.
    best_header: Id,
    /// Bodies that were never connected, by height, as far back as they are counted.
    idle: BTreeSet<(u32, Id)>,
    arrivals: u64,
    completions: u64,
}

#[derive(Debug)]
struct Entry {
    header: Header,
    hash: BlockHash,
    parent: Id,
    /// An ancestor far back, so that any is found in a logarithm of steps.
    skip: Id,
    children: Vec<Id>,
    height: u32,
    work: Work,
    mark: Mark,
    /// Its body's place in the order of arrival; nothing while it is not here.
    body: Option<u64>,
    /// The turn in which it and all its ancestors had bodies; nothing while one is missing.
    complete: Option<u64>,
    /// It or an ancestor is invalid.
    dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    work: Work,
    complete: Reverse<u64>,
    id: Id,
}

impl Tree {
    /// A tree of one block.
    pub fn new(genesis: Header) -> Self {
        let root = Id(0);
        let hash = genesis.block_hash();
        let work = block_work(genesis.bits);
        let entry = Entry {
            header: genesis,
            hash,
            parent: root,
            skip: root,
            children: Vec::new(),
            height: 0,
            work,
            mark: Mark::Valid,
            body: Some(0),
            complete: Some(0),
            dead: false,
        };
        Self {
            entries: vec![entry],
            by_hash: BTreeMap::from([(hash, root)]),
            active: vec![root],
            candidates: BTreeSet::from([Candidate { work, complete: Reverse(0), id: root }]),
            best_header: root,
            idle: BTreeSet::new(),
            arrivals: 1,
            completions: 1,
        }
    }

    /// Adds a header under a parent in the tree, whose rules it was found to keep. A known one stays as it is.
    pub fn insert(&mut self, header: Header, parent: Id, mark: Mark) -> Id {
        let hash = header.block_hash();
        if let Some(known) = self.find(&hash) {
            return known;
        }
        let id =
            Id(u32::try_from(self.entries.len()).expect("fewer headers than 2³²: 80 bytes each fill memory first"));
        let (height, work, dead) = {
            let parent = self.at(parent);
            (parent.height + 1, parent.work + block_work(header.bits), parent.dead || mark == Mark::Invalid)
        };
        let skip = self.ancestor(parent, skip_height(height)).unwrap_or(parent);
        self.entries.push(Entry {
            header,
            hash,
            parent,
            skip,
            children: Vec::new(),
            height,
            work,
            mark,
            body: None,
            complete: None,
            dead,
        });
        self.by_hash.insert(hash, id);
        self.at_mut(parent).children.push(id);
        if !dead && work > self.at(self.best_header).work {
            self.best_header = id;
        }
        id
    }

    /// Whether one more header under `parent` has a place: always when it makes the best chain of headers longer.
    pub fn check_place(&self, header: &Header, parent: Id) -> Result<(), Refused> {
        let best = self.at(self.best_header);
        let beside = self.entries.len() - 1 - best.height as usize;
        if beside >= SIDE_HEADERS && self.at(parent).work + block_work(header.bits) <= best.work {
            return Err(Refused::SideHeadersFull { most: SIDE_HEADERS });
        }
        Ok(())
    }

    /// The body of this block is here; it and its waiting descendants may be complete now.
    pub fn arrive(&mut self, id: Id) {
        if self.has_body(id) {
            return;
        }
        self.at_mut(id).body = Some(self.arrivals);
        self.arrivals += 1;
        if self.at(id).mark == Mark::Open {
            self.idle.insert((self.at(id).height, id));
        }
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let parent_complete = self.at(self.at(id).parent).complete.is_some();
            let entry = self.at(id);
            if entry.body.is_none() || !parent_complete || entry.complete.is_some() {
                continue;
            }
            let turn = self.completions;
            self.completions += 1;
            self.at_mut(id).complete = Some(turn);
            let entry = self.at(id);
            if !entry.dead && entry.work >= self.at(self.active_tip()).work {
                self.candidates.insert(Candidate { work: entry.work, complete: Reverse(turn), id });
            }
            let mut children = self.at(id).children.clone();
            // The stack turns the order around; whose body came first goes first.
            children.sort_by_key(|child| Reverse(self.at(*child).body));
            waiting.extend(children);
        }
    }

    /// Whether a body that cannot be connected now has a place. Those on the way to the best header always have.
    pub fn has_place_for_body(&self, id: Id) -> bool {
        let parent_complete = self.at(self.at(id).parent).complete.is_some();
        let wanted = || self.missing(usize::MAX).contains(&self.at(id).hash);
        (parent_complete && self.at(id).work > self.at(self.active_tip()).work)
            || self.idle.len() < IDLE_BODIES
            || wanted()
    }

    /// The block was found good where it stands: it is valid wherever its parent is.
    pub fn mark_valid(&mut self, id: Id) {
        self.at_mut(id).mark = Mark::Valid;
    }

    /// The block breaks a rule; neither it nor what builds on it is ever looked at again.
    pub fn mark_invalid(&mut self, id: Id) {
        self.at_mut(id).mark = Mark::Invalid;
        let mut dying = vec![id];
        while let Some(id) = dying.pop() {
            self.at_mut(id).dead = true;
            self.idle.remove(&(self.at(id).height, id));
            if let Some(candidate) = self.candidate(id) {
                self.candidates.remove(&candidate);
            }
            dying.extend(&self.at(id).children);
        }
        if self.at(self.best_header).dead {
            let alive = (0..self.entries.len() as u32).map(Id).filter(|id| !self.at(*id).dead);
            // Of equal work the first known wins, as everywhere.
            self.best_header = alive.max_by_key(|id| (self.at(*id).work, Reverse(*id))).unwrap_or(Id(0));
        }
    }

    /// The leaf to connect: the active tip, or something better.
    pub fn best(&self) -> Id {
        self.candidates.last().map_or(self.active_tip(), |best| best.id)
    }

    /// The active tip moved by one block, up or down.
    pub fn move_tip(&mut self, to: Id) {
        let height = self.at(to).height as usize;
        self.active.truncate(height);
        debug_assert_eq!(self.active.len(), height, "the tip moves one block at a time");
        self.active.push(to);
        self.idle.remove(&(self.at(to).height, to));
    }

    /// The active tip stands where it was opened.
    pub fn open_at(&mut self, tip: Id) {
        let mut chain: Vec<Id> = self.walk(tip).collect();
        chain.reverse();
        self.active = chain;
        self.settle();
    }

    /// The active tip is the best: what is worse needs no second look.
    pub fn settle(&mut self) {
        let tip = self.active_tip();
        if let Some(tip) = self.candidate(tip) {
            self.candidates = self.candidates.split_off(&tip);
        }
        let counted_from = self.at(tip).height.saturating_sub(IDLE_BODIES as u32);
        self.idle = self.idle.split_off(&(counted_from, Id(0)));
    }

    fn candidate(&self, id: Id) -> Option<Candidate> {
        let entry = self.at(id);
        entry.complete.map(|turn| Candidate { work: entry.work, complete: Reverse(turn), id })
    }

    fn at(&self, id: Id) -> &Entry {
        &self.entries[id.0 as usize]
    }

    fn at_mut(&mut self, id: Id) -> &mut Entry {
        &mut self.entries[id.0 as usize]
    }
}

/// How far back a header's second link reaches, so that any ancestor is a logarithm of steps away: Bitcoin Core's
/// `GetSkipHeight`.
fn skip_height(height: u32) -> u32 {
    let lowest_cleared = |number: u32| number & number.wrapping_sub(1);
    match height {
        0 | 1 => 0,
        odd if odd % 2 == 1 => lowest_cleared(lowest_cleared(odd - 1)) + 1,
        even => lowest_cleared(even),
    }
}
