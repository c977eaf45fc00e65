//! A reconstruction: a block announced compactly (BIP152) that is being put together from what the pool holds and
//! what its announcer still owes.
//!
//! Every announcement ends in exactly one [`Ending`], and so gets exactly one verdict: from Ledger, when the block or
//! at least its header goes there, or from here.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, HeaderAndShortIds};
use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, Transaction, Wtxid};
use schism_wire::PeerId;

use super::compact::{Compact, Unfit};
use crate::bounds;
use crate::chain::Refused;
use crate::messages::Source;

/// How an announcement ends. Whoever is handed one tells the verdict, or passes the source on with what earns it.
#[derive(Debug)]
pub enum Ending {
    /// The block is whole: Ledger judges it.
    Built {
        /// The block.
        block: Arc<Block>,
        /// Its announcer.
        source: Source,
    },
    /// It cannot be put together, but its header carries work: Ledger judges that, and fetches the body as it fetches
    /// any other.
    HeaderOnly {
        /// The header.
        header: Header,
        /// Its announcer.
        source: Source,
    },
    /// The same block came to the end another way.
    Needless {
        /// Its announcer.
        source: Source,
    },
    /// No block can have been announced like this.
    Refused {
        /// Why.
        reason: Refused,
        /// Its announcer.
        source: Source,
    },
}

/// Where an announcement stands after a step.
#[derive(Debug)]
pub enum Step {
    /// At its end.
    Ended(Ending),
    /// Waiting: these transactions of the block are owed by its announcer.
    Owed {
        /// Who announced it.
        from: PeerId,
        /// The block.
        hash: BlockHash,
        /// Places in the block, in order.
        indexes: Vec<u64>,
    },
}

/// The reconstructions under way.
#[derive(Debug, Default)]
pub struct Reconstructions {
    /// By block and announcer: a second announcer may be honest where the first is not.
    waiting: BTreeMap<(BlockHash, PeerId), Waiting>,
}

#[derive(Debug)]
struct Waiting {
    compact: Compact,
    source: Source,
    since: u64,
}

impl Reconstructions {
    /// Begins with an announcement whose header's work holds. `at_hand` are the transactions of the pool; `largest` is the
    /// most bytes a block may have.
    pub fn begin<'a>(
        &mut self,
        announced: &HeaderAndShortIds,
        source: Source,
        at_hand: impl Iterator<Item = (Wtxid, &'a Arc<Transaction>)>,
        largest: usize,
        now: u64,
    ) -> Step {
        let hash = announced.header.block_hash();
        let mut compact = match Compact::open(announced, largest) {
            Ok(compact) => compact,
            Err(Unfit::Malformed) => {
                return Step::Ended(Ending::Refused { reason: Refused::CompactMalformed, source });
            }
            Err(Unfit::Ambiguous) => return Step::Ended(Ending::HeaderOnly { header: announced.header, source }),
        };
        compact.fill(at_hand);
        let indexes = compact.missing();
        if indexes.is_empty() {
            return Step::Ended(finish(compact, source));
        }
        // Without an announcer to ask, or with no room to wait, the header has to do.
        let Source::Peer { peer: from, .. } = source else {
            return Step::Ended(Ending::HeaderOnly { header: announced.header, source });
        };
        let rivals = self.waiting.keys().filter(|(other, _)| *other == hash).count();
        if self.waiting.contains_key(&(hash, from)) {
            return Step::Ended(Ending::Needless { source });
        }
        if rivals >= bounds::RECONSTRUCTIONS_PER_BLOCK || self.waiting.len() >= bounds::RECONSTRUCTIONS {
            return Step::Ended(Ending::HeaderOnly { header: announced.header, source });
        }
        self.waiting.insert((hash, from), Waiting { compact, source, since: now });
        Step::Owed { from, hash, indexes }
    }

    /// The announcer sent what it owed, or said that it cannot. Nothing when nothing was owed.
    pub fn paid(&mut self, from: PeerId, hash: BlockHash, paid: Option<BlockTransactions>) -> Option<Ending> {
        let Waiting { mut compact, source, .. } = self.waiting.remove(&(hash, from))?;
        let Some(paid) = paid.filter(|paid| paid.block_hash == hash) else {
            return Some(Ending::HeaderOnly { header: compact.header(), source });
        };
        // Not what the announcer itself had named by short id: no accident.
        if compact.complete(paid.transactions).is_err() {
            return Some(Ending::Refused { reason: Refused::CompactMalformed, source });
        }
        Some(finish(compact, source))
    }

    /// The block came to its end: nobody owes any of it now.
    pub fn settle(&mut self, hash: &BlockHash) -> Vec<Ending> {
        self.take(|(waiting, _), _| waiting == hash)
            .into_iter()
            .map(|waiting| Ending::Needless { source: waiting.source })
            .collect()
    }

    /// Gives up on those that began at `before` or earlier.
    pub fn expire(&mut self, before: u64) -> Vec<Ending> {
        self.take(|_, waiting| waiting.since <= before)
            .into_iter()
            .map(|waiting| Ending::HeaderOnly { header: waiting.compact.header(), source: waiting.source })
            .collect()
    }

    /// When the one that waits longest began.
    pub fn oldest_since(&self) -> Option<u64> {
        self.waiting.values().map(|waiting| waiting.since).min()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn take(&mut self, which: impl Fn(&(BlockHash, PeerId), &Waiting) -> bool) -> Vec<Waiting> {
        self.waiting.extract_if(.., |key, waiting| which(key, waiting)).map(|(_, waiting)| waiting).collect()
    }
}

/// All places are filled. Short ids collide, by accident or by the design of whoever made a transaction: then the
/// result is not the block, which is nobody's fault.
fn finish(compact: Compact, source: Source) -> Ending {
    let header = compact.header();
    match compact.build() {
        Ok(block) => Ending::Built { block: Arc::new(block), source },
        Err(Unfit::Ambiguous) => Ending::HeaderOnly { header, source },
        Err(Unfit::Malformed) => Ending::Refused { reason: Refused::CompactMalformed, source },
    }
}
