//! Beside the best chain: a block that lost a race by a moment is judged where it stands, against the coins its own
//! parent left, so that it may be told on. Whoever hears both sides of a race follows the winner at once, and nobody
//! passes on what could turn out to be rubbish.

use std::collections::BTreeMap;

use bitcoin::OutPoint;

use super::Ledger;
use super::reorganise::Bodies;
use super::store::{Mark, StoreFailure};
use super::tree::Id;
use super::validate::Stopped;
use crate::chain::{Coin, Refused};

/// Blocks of the best chain after the fork, up to which a branch counts as racing: so many are undone in memory to find
/// the coins that its blocks spend, and each block beside has cost its maker the work of one.
const RACE: u32 = 2;

/// What a block beside the best chain is.
pub(super) enum Beside {
    /// Valid where it stands.
    Valid,
    /// It breaks a rule where it stands.
    Refused(Refused),
    /// Nobody looks at it before it matters: it is too far off, or a block under it was not looked at.
    NotJudged,
}

impl Ledger {
    /// Judges a block that is not on the best chain and whose body is here. What is found lasts.
    pub(super) fn judge_beside(&mut self, id: Id) -> Result<Beside, StoreFailure> {
        let tip = self.tree.active_tip();
        let fork = self.tree.fork(tip, id);
        let mut branch = self.tree.path(fork, id);
        branch.pop();
        let racing = self.tree.height(tip) - self.tree.height(fork) <= RACE;
        if !racing || branch.iter().any(|under| self.tree.mark(*under) != Mark::Valid) {
            return Ok(Beside::NotJudged);
        }
        match self.check_beside(id, fork, &branch) {
            Ok(signature_checks) => {
                self.signature_checks += u64::from(signature_checks);
                self.mark(id, Mark::Valid);
                Ok(Beside::Valid)
            }
            Err(Stopped::Refused(reason)) => {
                self.mark(id, Mark::Invalid);
                Ok(Beside::Refused(reason))
            }
            Err(Stopped::Store(failure)) => Err(failure),
        }
    }

    /// Goes from the tip to a block's parent in memory and checks the block there; how many signatures it had.
    fn check_beside(&self, id: Id, fork: Id, branch: &[Id]) -> Result<u32, Stopped> {
        let (mut bodies, mut standing) = (Bodies::new(), self.standing);
        let mut differing = BTreeMap::<OutPoint, Option<Coin>>::new();
        for undone in self.tree.path(fork, self.tree.active_tip()).into_iter().rev() {
            let placed = self.placed(undone, &mut bodies)?;
            let (step, before) = placed.change(self.undo_of(&placed)?, &self.rules).undo(&standing);
            differing.extend(step.coins);
            standing = before;
        }
        for under in branch {
            let placed = self.placed(*under, &mut bodies)?;
            let found = self.check(&placed, &|outpoint| self.coin_under(&differing, outpoint), false)?;
            let (step, after) = placed.change(found.undo, &self.rules).apply(&standing);
            differing.extend(step.coins);
            standing = after;
        }
        let placed = self.placed(id, &mut bodies)?;
        Ok(self.check(&placed, &|outpoint| self.coin_under(&differing, outpoint), true)?.signature_checks)
    }

    fn coin_under(
        &self,
        differing: &BTreeMap<OutPoint, Option<Coin>>,
        outpoint: &OutPoint,
    ) -> Result<Option<Coin>, StoreFailure> {
        differing.get(outpoint).map_or_else(|| self.store.coin(outpoint), |coin| Ok(coin.clone()))
    }
}
