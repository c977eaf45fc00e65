//! Validation of a block under its parent's coins: what can only be said where the block stands.
//!
//! Before this the header was found to keep its rules (`chain::header`) and the block to be what its header commits to
//! (`chain::block`), so whatever is refused here is the block's own fault and lasts.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, Block, OutPoint, Transaction, Txid};

use super::coins::outputs;
use super::store::{StoreFailure, Undo};
use crate::chain::template::is_unspendable;
use crate::chain::{Coin, Refused, Rules, SignatureCheck, spend, transaction};
use crate::surroundings::{Cost, Verifier, VirtualWork};

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The chain's rules.
    pub rules: &'a Rules,
    /// The block's height.
    pub height: u32,
    /// Median time of its parent and the ten before.
    pub median: u32,
}

/// Who checks signatures, and whom it is charged to.
#[derive(Clone, Copy)]
pub struct Checkers<'a> {
    /// Checks them, a block's in one batch.
    pub verifier: &'a dyn Verifier,
    /// Is charged for them.
    pub work: &'a dyn VirtualWork,
}

/// What validation found.
#[derive(Debug)]
pub struct Found {
    /// The coins spent.
    pub undo: Undo,
    /// Signature operations that were checked.
    pub signature_checks: u32,
}

/// Why validation ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The block breaks a rule.
    Refused(Refused),
    /// The store failed: nothing is known about the block.
    Store(StoreFailure),
}

impl From<Refused> for Stopped {
    fn from(reason: Refused) -> Self {
        Self::Refused(reason)
    }
}

impl From<StoreFailure> for Stopped {
    fn from(failure: StoreFailure) -> Self {
        Self::Store(failure)
    }
}

/// Looks up a coin among those that a block's parent left.
pub type Coins<'a> = &'a dyn Fn(&OutPoint) -> Result<Option<Coin>, StoreFailure>;

/// Validates a block against the coins that its parent left. Signatures are checked unless `checkers` is nothing, for a
/// block that was valid once.
pub fn validate(
    block: &Block,
    txids: &[Txid],
    place: Place<'_>,
    coins: Coins<'_>,
    checkers: Option<Checkers<'_>>,
) -> Result<Found, Stopped> {
    let mut view = View { left: coins, made: BTreeMap::new(), spent: BTreeSet::new() };
    let active = place.rules.at(place.height);
    let lock_time = active.lock_time(place.median, block.header.time);
    let (mut fees, mut undo) = (Amount::ZERO, Vec::new());
    let mut batch = Batch::default();
    for (index, (tx, &txid)) in block.txdata.iter().zip(txids).enumerate() {
        view.check_overwrites(tx, txid)?;
        transaction::check_final(tx, place.height, lock_time).map_err(|reason| reason.in_block(txid))?;
        if index > 0 {
            let coins = view.spend(tx, txid, &txids[index..])?;
            let fee = transaction::check_coins(tx, &coins, place.height, place.rules);
            fees += fee.map_err(|reason| reason.in_block(txid))?;
            if checkers.is_some() {
                let checks = spend::checks(tx, &coins, &active).map_err(|reason| reason.in_block(txid))?;
                batch.add(index, checks);
            }
            undo.extend(coins);
        }
        view.make(tx, txid, place.height);
    }
    check_claim(block, place, fees)?;
    let signature_checks = match checkers {
        Some(checkers) => batch.check(checkers, txids)?,
        None => 0,
    };
    Ok(Found { undo: Undo(undo), signature_checks })
}

fn check_claim(block: &Block, place: Place<'_>, fees: Amount) -> Result<(), Refused> {
    let claimed: Amount = block.txdata[0].output.iter().map(|output| output.value).sum();
    let allowed = place.rules.subsidy(place.height) + fees;
    if claimed > allowed { Err(Refused::CoinbaseTooMuch { claimed, allowed }) } else { Ok(()) }
}

/// The coins as one transaction of the block after the other sees them.
struct View<'a> {
    left: Coins<'a>,
    made: BTreeMap<OutPoint, Coin>,
    spent: BTreeSet<OutPoint>,
}

impl View<'_> {
    /// BIP30: an output that exists already would be gone without being spent.
    fn check_overwrites(&self, tx: &Transaction, txid: Txid) -> Result<(), Stopped> {
        for vout in 0..tx.output.len() as u32 {
            if (self.left)(&OutPoint { txid, vout })?.is_some() {
                return Err(Refused::TransactionOverwrites { txid }.into());
            }
        }
        Ok(())
    }

    /// Takes the coins that a transaction spends; `not_before` are the transactions from it on.
    fn spend(&mut self, tx: &Transaction, txid: Txid, not_before: &[Txid]) -> Result<Vec<Coin>, Stopped> {
        let mut coins = Vec::with_capacity(tx.input.len());
        for outpoint in tx.input.iter().map(|input| input.previous_output) {
            if !self.spent.insert(outpoint) {
                return Err(Refused::SpentTwice { outpoint }.into());
            }
            let coin = match self.made.remove(&outpoint) {
                Some(coin) => Some(coin),
                None => (self.left)(&outpoint)?,
            };
            coins.push(coin.ok_or_else(|| match not_before.contains(&outpoint.txid) {
                true => Refused::SpentBeforeMade { outpoint },
                false => Refused::CoinMissing { outpoint }.in_block(txid),
            })?);
        }
        Ok(coins)
    }

    fn make(&mut self, tx: &Transaction, txid: Txid, height: u32) {
        self.made.extend(outputs(tx, txid, height).filter(|(_, coin)| !is_unspendable(&coin.script)));
    }
}

/// All signatures of a block, checked at once.
#[derive(Default)]
struct Batch {
    checks: Vec<SignatureCheck>,
    /// Where in the batch each transaction's checks begin, and its place in the block.
    begins: Vec<(usize, usize)>,
    operations: u32,
}

impl Batch {
    fn add(&mut self, transaction: usize, checks: Vec<SignatureCheck>) {
        self.begins.push((self.checks.len(), transaction));
        self.operations += checks.iter().map(SignatureCheck::operations).sum::<u32>();
        self.checks.extend(checks);
    }

    fn check(self, checkers: Checkers<'_>, txids: &[Txid]) -> Result<u32, Refused> {
        checkers.work.charge(Cost::SignatureChecks(self.operations));
        checkers.verifier.verify(&self.checks).map_err(|failed| {
            let of = self.begins.partition_point(|(begin, _)| *begin <= failed).saturating_sub(1);
            let (begin, transaction) = self.begins[of];
            Refused::SignatureInvalid { input: failed - begin }.in_block(txids[transaction])
        })?;
        Ok(self.operations)
    }
}
