//! A private branch: blocks mined apart from everyone, to undo a payment that the others' blocks confirm.
//!
//! ```text
//! resting ── begin ──▶ racing ── delivered, and ahead ──▶ released ── rest ──▶ resting
//!    ▲                   │                                   │
//!    └──── too far behind: the others' blocks after all ─────┘
//! ```
//! While it races, the node's Ledger hears of no other's block and no other of its own. Once released it goes on
//! mining on its branch, in the open, until the others follow it or it is too far behind.
//!
//! It is told when to begin, when the payment counts as final and when to rest; or it goes by heights, and then races once.

use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::{Block, BlockHash, OutPoint};
use schism_node::chain::Tip;
use schism_node::chain::assemble::said_height;
use schism_node::messages::{Announced, Source, ToLedger, ToNetwork, Verdict};
use schism_node::ring::Ring;
use serde::{Deserialize, Serialize};

use super::between::{Strategy, shelve};
use super::leash::{Leash, Phase, Signal};
use super::secret::Secret;

/// How a private branch is raced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateBranch {
    /// It gives up once it is so many blocks behind; at least 1.
    pub deficit: u32,
    /// It tells its branch once it is so many blocks ahead: 1 is strictly more work, 0 a tie.
    pub lead: u32,
    /// Blocks it has before the payment is made. Whoever makes the payment waits for them.
    pub pre_mined: u32,
    /// It begins by itself, once, when its chain is so high; 0: it is told everything.
    pub from_height: u32,
    /// Where it began by itself, payments count as final under so many blocks of the others.
    pub confirmations: u32,
}

impl Default for PrivateBranch {
    fn default() -> Self {
        Self { deficit: 20, lead: 1, pre_mined: 0, from_height: 0, confirmations: 6 }
    }
}

/// Races private branches, one after the other.
pub(super) struct PrivateBranches {
    how: PrivateBranch,
    leash: Leash,
    /// The tip that this node's Ledger last told of.
    tip: Option<Tip>,
    secret: Secret,
    race: Option<Race>,
    /// Whether it has begun by itself.
    began: bool,
    /// Blocks of others that this node has only now taken in: everyone else knows them.
    stale_news: BTreeSet<BlockHash>,
}

/// One race, in blocks of equal work.
struct Race {
    /// The branch, oldest first; once it is public, others may have made it longer.
    branch: Vec<Arc<Block>>,
    /// The height it began at.
    fork: u32,
    /// How high others stand above the fork.
    best: u32,
    /// Their blocks in the order in which they came, for the day they are taken in.
    held: Vec<Arc<Block>>,
    delivered: bool,
    released: bool,
    /// Whether others have built on the branch.
    followed: bool,
}

impl PrivateBranches {
    pub(super) fn new(how: PrivateBranch, leash: Leash) -> Self {
        Self { how, leash, tip: None, secret: Secret::default(), race: None, began: false, stale_news: BTreeSet::new() }
    }

    fn begin(&mut self, spends: Vec<OutPoint>) {
        let Some(fork) = self.tip.filter(|_| self.race.is_none()) else { return };
        self.stale_news.clear();
        self.secret.keep_spends(spends);
        self.race = Some(Race {
            branch: Vec::new(),
            fork: fork.height,
            best: 0,
            held: Vec::new(),
            delivered: false,
            released: false,
            followed: false,
        });
        self.leash.note(|deeds| {
            (deeds.phase, deeds.branch, deeds.public) = (Phase::Racing, 0, 0);
            deeds.begun += 1;
        });
    }

    /// A block that belongs to the branch or to the others; whether Ledger may have it now.
    fn sort(&mut self, block: &Arc<Block>, source: Source) -> bool {
        let Some(race) = &mut self.race else { return true };
        // Others can build on the branch only once they know of it; before, they build on the fork.
        let on_branch = |last: &Arc<Block>| last.block_hash() == block.header.prev_blockhash;
        if source == Source::Own || (race.released && race.branch.last().is_some_and(on_branch)) {
            race.followed |= source != Source::Own;
            race.branch.push(block.clone());
            if !race.released {
                self.secret.keep(block.clone());
                self.leash.note(|deeds| deeds.withheld += 1);
            }
            return true;
        }
        race.hold(block.clone());
        self.leash.note(|deeds| deeds.held_back += 1);
        false
    }

    /// Looks at the race after something in it has changed.
    fn consider(&mut self, ring: &Ring) {
        let Some(race) = &mut self.race else { return };
        let (branch, public) = (race.branch.len() as u32, race.best);
        self.leash.note(|deeds| (deeds.branch, deeds.public) = (branch, public));
        race.delivered |= self.began && public >= self.how.confirmations;
        if self.began && race.followed {
            self.rest(ring);
        } else if race.delivered && !race.released && branch >= public + self.how.lead {
            race.released = true;
            race.branch.iter().for_each(|block| self.secret.tell(block.clone(), ring));
            self.leash.note(|deeds| {
                deeds.phase = Phase::Released;
                deeds.released += 1;
            });
        } else if public >= branch + self.how.deficit {
            self.leash.note(|deeds| deeds.given_up += 1);
            self.rest(ring);
        }
    }

    /// Takes in what the others have found meanwhile; Ledger chooses between the branches as everyone's does.
    fn rest(&mut self, ring: &Ring) {
        let Some(race) = self.race.take() else { return };
        self.secret.drop_all();
        self.stale_news = race.held.iter().map(|block| block.block_hash()).collect();
        for block in race.held {
            ring.ledger.tell(ToLedger::CheckBlock { block, source: Source::Own });
        }
        self.leash.note(|deeds| deeds.phase = Phase::Resting);
    }
}

impl Race {
    /// Holds a block of the others back. It stands as high as it says itself: whoever goes by its parent waits for ever where
    /// the parent was lost on the way, for nobody fetches what Ledger does not miss.
    fn hold(&mut self, block: Arc<Block>) {
        let height = said_height(&block).unwrap_or(0);
        self.best = self.best.max(height.saturating_sub(self.fork));
        self.held.push(block);
    }
}

impl Strategy for PrivateBranches {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        match message {
            ToLedger::CheckBlock { block, source } => {
                if self.sort(&block, source) {
                    ring.ledger.tell(ToLedger::CheckBlock { block, source });
                } else {
                    shelve(source, ring);
                }
                self.consider(ring);
            }
            ToLedger::CheckHeaders { source, .. } if self.race.is_some() => shelve(source, ring),
            ToLedger::CheckTransaction { transaction, source: source @ Source::Peer { .. } }
                if self.secret.concerns(&transaction) =>
            {
                shelve(source, ring);
            }
            other => ring.ledger.tell(other),
        }
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        match &message {
            ToNetwork::TipChanged { change, .. } => {
                self.tip = Some(change.tip);
                let from_height = self.how.from_height;
                if !self.began && from_height > 0 && change.tip.height >= from_height {
                    self.began = true;
                    self.begin(Vec::new());
                }
            }
            ToNetwork::Verdict { source: Source::Own, verdict: Verdict::Relay(Announced::Block(block)) }
                if self.stale_news.contains(&block.block_hash()) =>
            {
                return;
            }
            _ => {}
        }
        self.secret.pass(message, ring);
    }

    fn signal(&mut self, signal: Signal, ring: &Ring) {
        match signal {
            Signal::Begin { spends } => self.begin(spends),
            Signal::Delivered { confirmations } => {
                if let Some(race) = &mut self.race {
                    race.delivered = true;
                    race.best = race.best.max(confirmations);
                }
                self.consider(ring);
            }
            Signal::Rest => self.rest(ring),
        }
    }
}
