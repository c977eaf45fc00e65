//! Blocks told compactly, and how each announcement ends.

use bitcoin::bip152::HeaderAndShortIds;

use super::Mempool;
use crate::chain::header;
use crate::mempool::reconstruct::{Ending, Step};
use crate::messages::{Source, ToLedger, ToNetwork, Verdict, Want};

impl Mempool {
    pub(super) fn reconstruct(&mut self, compact: &HeaderAndShortIds, source: Source) {
        let hash = match header::check_work(&compact.header, &self.rules) {
            Ok(hash) => hash,
            Err(reason) => return self.end(Ending::Refused { reason, source }),
        };
        if let Some(height) = self.connected.height(&hash) {
            return self.end(match self.lobby.old_news(height) {
                Some(reason) => Ending::Refused { reason, source },
                None => Ending::Needless { source },
            });
        }
        let pooled = self.lobby.pool.entries().map(|(_, entry)| (entry.entrant.wtxid, &entry.entrant.transaction));
        let orphans = self.lobby.orphans.transactions().map(|transaction| (transaction.compute_wtxid(), transaction));
        let largest = self.rules.upgrades.iter().filter_map(|upgrade| upgrade.max_block_bytes);
        let largest = largest.fold(self.rules.max_block_bytes, usize::max);
        let now = self.now();
        match self.reconstructions.begin(compact, source, pooled.chain(orphans), largest, now) {
            Step::Ended(ending) => self.end(ending),
            Step::Owed { from, hash, indexes } => {
                self.ring.network.tell(ToNetwork::Want(Want::BlockTransactions { from, hash, indexes }));
            }
        }
    }

    /// The one verdict of an announcement: Ledger's, who is told the source with what earns it, or ours.
    pub(super) fn end(&mut self, ending: Ending) {
        match ending {
            Ending::Built { block, source } => {
                let needless = self.reconstructions.settle(&block.block_hash());
                self.ring.ledger.tell(ToLedger::CheckBlock { block, source });
                needless.into_iter().for_each(|ending| self.end(ending));
            }
            Ending::HeaderOnly { header, source } => {
                self.ring.ledger.tell(ToLedger::CheckHeaders { headers: vec![header], source });
            }
            Ending::Needless { source } => self.tell_verdict(source, Verdict::Drop),
            Ending::Refused { reason, source } => self.tell_verdict(source, Verdict::Refuse(reason)),
        }
    }
}
