//! A lobby: the pool with all that stands around it, judging who comes in as the tip moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bitcoin::{Amount, Transaction, Txid};

use super::orphans::Orphans;
use super::pool::{Entrant, Pool};
use super::recent::Recent;
use crate::bounds;
use crate::chain::{ActiveRules, Coin, Refused, Rules, block, policy, spend, transaction};
use crate::control::Dropped;
use crate::messages::{Next, Source, TipChange};
use crate::surroundings::{Cost, Verifier, VirtualWork};

/// The pool, the orphans beside it, and the next block they are judged for.
pub struct Lobby {
    rules: Arc<Rules>,
    verifier: Arc<dyn Verifier>,
    work: Arc<dyn VirtualWork>,
    /// What waits for a block.
    pub pool: Pool,
    /// What waits for its parents.
    pub orphans: Orphans,
    next: Next,
    active: ActiveRules,
    confirmed: Recent<Txid>,
    /// Who is on the way back to the pool, and why.
    returning: BTreeMap<Txid, Returning>,
}

/// Why a transaction is on its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returning {
    /// Its block left the chain. Comes right behind the change of tip that says so.
    Freed,
    /// It was pooled until a change of tip made its coins or signatures doubtful; it goes round by Ledger for new ones.
    Again,
}

/// What became of a candidate.
#[derive(Debug)]
pub struct Judged {
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

/// What a change of tip did.
#[derive(Debug, Default)]
pub struct Followed {
    /// Who left the pool, other than by being confirmed.
    pub dropped: Vec<(Txid, Dropped)>,
    /// Who wants new coins from Ledger, parents before children.
    pub retry: Vec<Arc<Transaction>>,
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
        let mut judged = Judged { outcome: Outcome::Known, dropped: Vec::new(), retry: Vec::new() };
        if self.pool.contains(&txid) || self.confirmed.contains(&txid) {
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
        judged.outcome = match self.admit(tx, &coins, returning.is_some(), now, &mut judged.dropped) {
            Ok(fee) => Outcome::Taken { fee, again },
            Err(reason) => Outcome::Refused { reason, again },
        };
        self.orphans.drop(&txid);
        if matches!(judged.outcome, Outcome::Taken { .. }) {
            judged.retry = self.orphans.parent_came(&txid);
        }
        judged
    }

    /// Follows the tip: what the blocks confirmed or spent leaves, and what they make doubtful goes round again.
    pub fn follow(&mut self, change: &TipChange) -> Followed {
        let mut followed = Followed::default();
        let active = self.rules.at(change.next.height);
        let other_signatures = active.fork_id != self.active.fork_id;
        self.active = active;
        self.next = change.next.clone();
        let confirmed = ids(&change.connected);
        let freed: BTreeSet<Txid> = ids(&change.disconnected).difference(&confirmed).copied().collect();
        self.let_go(&change.disconnected, freed, &confirmed, &mut followed);
        for tx in change.connected.iter().flat_map(|block| &block.txdata) {
            self.connect(tx, &mut followed);
        }
        if other_signatures {
            let all: Vec<Txid> = self.pool.entries().map(|(txid, _)| *txid).collect();
            self.send_round(all, &mut followed);
        }
        if !change.disconnected.is_empty() || other_signatures {
            self.drop_unmineable(&mut followed);
        }
        followed
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

    /// Whether a signature that does not hold may be an honest one of the other side of a fork that is near.
    pub fn near_fork(&self) -> bool {
        let around = self.next.height.saturating_sub(FORK_BLOCKS)..=self.next.height.saturating_add(FORK_BLOCKS);
        around.map(|height| self.rules.at(height).fork_id).any(|fork_id| fork_id != self.active.fork_id)
    }

    /// The coin of every input, from the chain or from the pool; or the coins that are not there.
    fn find_coins(&self, tx: &Transaction, coins: &[Option<Coin>]) -> Result<Vec<Coin>, Vec<bitcoin::OutPoint>> {
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
        missing: Vec<bitcoin::OutPoint>,
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
        coins: &[Coin],
        returning: bool,
        now: u64,
        dropped: &mut Vec<(Txid, Dropped)>,
    ) -> Result<Amount, Refused> {
        transaction::check(tx)?;
        if tx.is_coinbase() {
            return Err(Refused::CoinbaseLoose);
        }
        self.check_final(tx)?;
        let fee = transaction::check_coins(tx, coins, self.next.height, &self.rules)?;
        if !returning {
            policy::check(tx, coins, &self.active)?;
        }
        let matured = coins.iter().filter(|coin| coin.height != u32::MAX).filter_map(|c| self.rules.spendable_from(c));
        let entrant = Entrant {
            txid: tx.compute_txid(),
            wtxid: tx.compute_wtxid(),
            fee,
            bytes: tx.total_size(),
            signature_operations: block::signature_operations(tx),
            spendable_from: matured.max().unwrap_or(0),
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

    fn check_final(&self, tx: &Transaction) -> Result<(), Refused> {
        let median = self.next.min_time.saturating_sub(1);
        transaction::check_final(tx, self.next.height, self.active.lock_time(median, self.next.min_time))
    }

    /// Blocks left the chain: their transactions will come back as candidates, and who spends their outputs has to
    /// wait for them outside, or it would spend what is nowhere.
    fn let_go(
        &mut self,
        disconnected: &[Arc<bitcoin::Block>],
        freed: BTreeSet<Txid>,
        confirmed: &BTreeSet<Txid>,
        followed: &mut Followed,
    ) {
        self.returning.retain(|txid, why| *why == Returning::Again && !confirmed.contains(txid));
        self.confirmed.forget(&freed);
        let transactions = disconnected.iter().flat_map(|block| block.txdata.iter().skip(1));
        let returning = transactions.map(Transaction::compute_txid).filter(|txid| freed.contains(txid));
        self.returning.extend(returning.map(|txid| (txid, Returning::Freed)));
        let doubtful = freed.iter().flat_map(|txid| self.pool.spenders_of(*txid)).collect();
        self.send_round(doubtful, followed);
    }

    /// Takes these and their descendants out of the pool; they come back by Ledger, behind those that were freed.
    fn send_round(&mut self, txids: Vec<Txid>, followed: &mut Followed) {
        let mut out: Vec<_> = txids.iter().flat_map(|txid| self.pool.remove(txid)).collect();
        out.sort_by_key(|entry| entry.arrival);
        self.returning.extend(out.iter().map(|entry| (entry.entrant.txid, Returning::Again)));
        followed.retry.extend(out.into_iter().map(|entry| entry.entrant.transaction));
    }

    fn connect(&mut self, tx: &Transaction, followed: &mut Followed) {
        let txid = tx.compute_txid();
        self.pool.confirm(&txid);
        self.confirmed.note(txid);
        for input in &tx.input {
            if let Some(conflicting) = self.pool.spender(&input.previous_output) {
                let gone = self.pool.remove(&conflicting);
                followed.dropped.extend(gone.iter().map(|entry| (entry.entrant.txid, Dropped::Conflicting)));
            }
        }
        self.orphans.drop(&txid);
        followed.retry.extend(self.orphans.parent_came(&txid));
    }

    /// On another chain a coin may be younger, a lock ahead again, a block smaller.
    fn drop_unmineable(&mut self, followed: &mut Followed) {
        let unmineable = |entrant: &Entrant| {
            entrant.spendable_from > self.next.height || self.check_final(&entrant.transaction).is_err()
        };
        let out: Vec<Txid> =
            self.pool.entries().filter(|(_, entry)| unmineable(&entry.entrant)).map(|(txid, _)| *txid).collect();
        for txid in out {
            let gone = self.pool.remove(&txid);
            followed.dropped.extend(gone.iter().map(|entry| (entry.entrant.txid, Dropped::Unmineable)));
        }
    }
}

/// Blocks on either side of a change of fork id, within which honest peers may not have followed yet.
const FORK_BLOCKS: u32 = 6;

fn ids(blocks: &[Arc<bitcoin::Block>]) -> BTreeSet<Txid> {
    blocks.iter().flat_map(|block| &block.txdata).map(Transaction::compute_txid).collect()
}
