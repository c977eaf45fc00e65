//! A lobby: the pool with all that stands around it, judging who comes in. How it follows the tip: `follow`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, OutPoint, Transaction, Txid};

use super::orphans::Orphans;
use super::pool::{Entrant, Pool};
use super::recent::Recent;
use crate::bounds;
use crate::chain::{ActiveRules, Coin, Refused, Rules, block, policy, spend, transaction};
use crate::control::Dropped;
use crate::messages::{Next, Source};
use crate::surroundings::{Cost, Verifier, VirtualWork};

/// The pool, the orphans beside it, and the next block they are judged for.
pub struct Lobby {
    pub(super) rules: Arc<Rules>,
    verifier: Arc<dyn Verifier>,
    work: Arc<dyn VirtualWork>,
    /// What waits for a block.
    pub pool: Pool,
    /// What waits for its parents.
    pub orphans: Orphans,
    pub(super) next: Next,
    pub(super) active: ActiveRules,
    pub(super) confirmed: Recent<Txid>,
    /// Who is on the way back to the pool, and why.
    pub(super) returning: BTreeMap<Txid, Returning>,
}

/// Why a transaction is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returning {
    /// Its block left the chain. Comes right behind the change of tip that says so.
    Freed,
    /// It was pooled until a change of tip made its coins or signatures doubtful; it goes round by Ledger for new ones.
    Again,
}

/// What became of a candidate.
#[derive(Debug)]
pub struct Judged {
    /// Its id.
    pub txid: Txid,
    /// Of itself.
    pub outcome: Outcome,
    /// Of others, who left the pool for it.
    pub dropped: Vec<(Txid, Dropped)>,
    /// Orphans that waited for it and want their coins now.
    pub retry: Vec<Arc<Transaction>>,
}

/// What became of a candidate itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the pool.
    Taken {
        /// What it pays.
        fee: Amount,
        /// Whether it was there before, and only came back: no news.
        again: bool,
    },
    /// It is in the pool or in a block already.
    Known,
    /// It waits for its parents, of whom these are worth asking for.
    Orphaned {
        /// Parents.
        wanted: Vec<Txid>,
    },
    /// It is refused.
    Refused {
        /// Why.
        reason: Refused,
        /// Whether it was pooled until now.
        again: bool,
    },
}

impl Lobby {
    /// An empty pool before the first block.
    pub fn new(rules: Arc<Rules>, verifier: Arc<dyn Verifier>, work: Arc<dyn VirtualWork>) -> Self {
        let active = rules.at(1);
        let next = Next {
            height: 1,
            bits: rules.pow_limit,
            min_time: rules.genesis.header.time.saturating_add(1),
            max_block_bytes: active.max_block_bytes,
            fork_id: active.fork_id,
            subsidy: rules.subsidy(1),
        };
        Self {
            rules,
            verifier,
            work,
            pool: Pool::default(),
            orphans: Orphans::default(),
            next,
            active,
            confirmed: Recent::of(bounds::CONFIRMED_REMEMBERED),
            returning: BTreeMap::new(),
        }
    }

    /// The block that all are judged for.
    pub fn next(&self) -> &Next {
        &self.next
    }

    /// Signature operations that block may hold.
    pub fn signature_operations(&self) -> usize {
        self.active.max_signature_operations()
    }

    /// Judges a transaction. `coins` are those that the chain has for it, one an input.
    pub fn judge(&mut self, tx: &Arc<Transaction>, coins: &[Option<Coin>], source: &Source, now: u64) -> Judged {
        let txid = tx.compute_txid();
        let returning = self.returning.remove(&txid);
        let again = returning == Some(Returning::Again);
        let mut judged = Judged { txid, outcome: Outcome::Known, dropped: Vec::new(), retry: Vec::new() };
        if self.pool.contains(&txid) {
            return judged;
        }
        if let Some(height) = self.confirmed.height(&txid) {
            if let (Some(reason), Source::Peer { .. }) = (self.old_news(height), source) {
                judged.outcome = Outcome::Refused { reason, again };
            }
            return judged;
        }
        if tx.is_coinbase() {
            // Before its coins are looked for: what spends nothing would wait for a parent that never comes.
            judged.outcome = Outcome::Refused { reason: Refused::CoinbaseLoose, again };
            return judged;
        }
        let coins = match self.find_coins(tx, coins) {
            Ok(coins) => coins,
            Err(missing) => {
                judged.outcome =
                    self.orphan(tx, missing, source, now).unwrap_or_else(|reason| Outcome::Refused { reason, again });
                return judged;
            }
        };
        judged.outcome = match self.admit(tx, txid, &coins, returning.is_some(), now, &mut judged.dropped) {
            Ok(fee) => Outcome::Taken { fee, again },
            Err(reason) => Outcome::Refused { reason, again },
        };
        self.orphans.drop(&txid);
        if matches!(judged.outcome, Outcome::Taken { .. }) {
            judged.retry = self.orphans.parent_came(&txid);
        }
        judged
    }

    /// Lets go who waited too long. Returns who left the pool.
    pub fn expire(&mut self, now: u64) -> Vec<(Txid, Dropped)> {
        self.orphans.expire(now.checked_sub(bounds::ORPHAN_SECONDS));
        let mut dropped = Vec::new();
        while let Some(oldest) = self.pool.oldest().filter(|oldest| oldest.since + bounds::POOL_EXPIRY_SECONDS <= now) {
            let txid = oldest.entrant.txid;
            dropped.extend(self.pool.remove(&txid).iter().map(|entry| (entry.entrant.txid, Dropped::Expired)));
        }
        dropped
    }

    /// Which of these are new here.
    pub fn unknown(&self, txids: &[Txid]) -> Vec<Txid> {
        let known = |txid| self.pool.contains(txid) || self.orphans.contains(txid) || self.confirmed.contains(txid);
        txids.iter().filter(|txid| !known(*txid)).copied().collect()
    }

    /// Why what was confirmed at this height is no news; nothing where it may be on its way since.
    pub fn old_news(&self, height: u32) -> Option<Refused> {
        let depth = self.next.height.saturating_sub(height);
        (depth >= bounds::OLD_NEWS_BLOCKS).then_some(Refused::LongKnown { depth })
    }

    /// Whether a signature that does not hold, or is of the other kind, may be an honest one of the other side of a fork that is near.
    pub fn near_fork(&self) -> bool {
        let around = self.next.height.saturating_sub(FORK_BLOCKS)..=self.next.height.saturating_add(FORK_BLOCKS);
        around.map(|height| self.rules.at(height).fork_id).any(|fork_id| fork_id != self.active.fork_id)
    }

    /// The coin of every input, from the chain or from the pool; or the coins that are not there.
    fn find_coins(&self, tx: &Transaction, coins: &[Option<Coin>]) -> Result<Vec<Coin>, Vec<OutPoint>> {
        let mut missing = Vec::new();
        let mut found = Vec::with_capacity(tx.input.len());
        for (index, input) in tx.input.iter().enumerate() {
            let outpoint = input.previous_output;
            match coins.get(index).cloned().flatten().or_else(|| self.pool.coin(&outpoint)) {
                Some(coin) => found.push(coin),
                None => missing.push(outpoint),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(missing) }
    }

    /// Keeps a transaction whose parents may only be late. Those of our own have no peer to ask, and a parent that is
    /// here but lacks the coin will never have it.
    fn orphan(
        &mut self,
        tx: &Arc<Transaction>,
        missing: Vec<OutPoint>,
        source: &Source,
        now: u64,
    ) -> Result<Outcome, Refused> {
        transaction::check(tx)?;
        let parent_here = |parent: &Txid| self.pool.contains(parent) || self.confirmed.contains(parent);
        let hopeless = missing.iter().find(|outpoint| parent_here(&outpoint.txid));
        let Source::Peer { peer, .. } = source else {
            return Err(Refused::CoinMissing { outpoint: missing[0] });
        };
        if let Some(outpoint) = hopeless {
            return Err(Refused::CoinMissing { outpoint: *outpoint });
        }
        let (bytes, most) = (tx.total_size(), policy::MAX_TRANSACTION_BYTES);
        if bytes > most {
            return Err(Refused::TransactionTooLarge { bytes, most });
        }
        let parents: BTreeSet<Txid> = missing.iter().map(|outpoint| outpoint.txid).collect();
        let (count, most) = (parents.len() + 1, bounds::POOL_FAMILY);
        if count > most {
            return Err(Refused::TooManyRelatives { count, most });
        }
        Ok(Outcome::Orphaned { wanted: self.orphans.keep(tx.clone(), *peer, parents, now) })
    }

    /// All checks, the cheap ones first, and then the entry. Returns the fee.
    fn admit(
        &mut self,
        tx: &Arc<Transaction>,
        txid: Txid,
        coins: &[Coin],
        returning: bool,
        now: u64,
        dropped: &mut Vec<(Txid, Dropped)>,
    ) -> Result<Amount, Refused> {
        transaction::check(tx)?;
        self.check_final(tx)?;
        let fee = transaction::check_coins(tx, coins, self.next.height, &self.rules)?;
        if !returning {
            policy::check(tx, coins, &self.active)?;
        }
        let matured = coins.iter().filter(|coin| coin.height != u32::MAX).filter_map(|c| self.rules.spendable_from(c));
        let entrant = Entrant {
            txid,
            wtxid: tx.compute_wtxid(),
            fee,
            bytes: tx.total_size(),
            signature_operations: block::signature_operations(tx),
            spendable_from: matured.max().unwrap_or(0),
            height: self.next.height.saturating_sub(1),
            transaction: tx.clone(),
        };
        let plan = self.pool.plan(&entrant, returning)?;
        self.check_signatures(tx, coins)?;
        let admitted = self.pool.admit(entrant, plan, now);
        dropped.extend(admitted.dropped);
        admitted.evicted.map_or(Ok(fee), Err)
    }

    fn check_signatures(&self, tx: &Transaction, coins: &[Coin]) -> Result<(), Refused> {
        let checks = spend::checks(tx, coins, &self.active)?;
        let operations = checks.iter().map(|check| check.operations()).sum();
        self.work.charge(Cost::SignatureChecks(operations));
        self.verifier.verify(&checks).map_err(|input| Refused::SignatureInvalid { input })
    }

    pub(super) fn check_final(&self, tx: &Transaction) -> Result<(), Refused> {
        let median = self.next.min_time.saturating_sub(1);
        transaction::check_final(tx, self.next.height, self.active.lock_time(median, self.next.min_time))
    }
}

/// Blocks on either side of a change of fork id, within which honest peers may not have followed yet.
const FORK_BLOCKS: u32 = 6;
