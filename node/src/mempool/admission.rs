//! Admission: whether there is room for a transaction in the pool, and who makes room for it.

use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint, Txid};

use super::pool::{Entrant, Pool};
use super::rate::Rate;
use crate::chain::Refused;
use crate::control::Dropped;

/// Those who make room for an entrant.
#[derive(Debug, Default)]
pub struct Plan {
    /// The spenders of its coins, with all that descend from them.
    replaced: BTreeSet<Txid>,
}

/// What an entry cost the others.
#[derive(Debug, Default)]
pub struct Admitted {
    /// Those who left.
    pub dropped: Vec<(Txid, Dropped)>,
    /// Whether the entrant itself had to leave again: it paid worst.
    pub evicted: Option<Refused>,
}

impl Pool {
    /// Whether an entrant may come in, and instead of whom. Changes nothing, so that it comes before signatures are
    /// checked. `returning` ones, whom a reorganisation freed, were accepted before: for them only conflicts count, as
    /// else a long chain of payments would be lost.
    pub fn plan(&self, entrant: &Entrant, returning: bool) -> Result<Plan, Refused> {
        let ancestors = self.ancestors(&self.parents_of(&entrant.transaction));
        let plan = self.replace(entrant, &ancestors)?;
        if !returning {
            self.check_floor(entrant)?;
            self.check_family(&ancestors, &plan)?;
            self.check_room(entrant, &plan)?;
        }
        Ok(plan)
    }

    /// Takes the entrant in as planned. While there are too many bytes, the worst-paying package leaves.
    pub fn admit(&mut self, entrant: Entrant, plan: Plan, now: u64) -> Admitted {
        let (txid, rate) = (entrant.txid, entrant.rate());
        let mut admitted = Admitted::default();
        for replaced in plan.replaced {
            admitted.dropped.extend(self.remove(&replaced).iter().map(|e| (e.entrant.txid, Dropped::Replaced)));
        }
        self.insert(entrant, now);
        while self.bytes() > self.limits.bytes {
            let Some((floor, worst)) = self.worst() else { break };
            for gone in self.remove(&worst) {
                match gone.entrant.txid {
                    own if own == txid => admitted.evicted = Some(pool_full(rate, floor)),
                    other => admitted.dropped.push((other, Dropped::Evicted)),
                }
            }
        }
        admitted
    }

    /// Replacement by fee, as BIP125 has it but for its signal: whoever spends a coin that is spent here has to pay a
    /// better rate than the spender, and for all that goes with it, and for its own way through the network.
    fn replace(&self, entrant: &Entrant, ancestors: &BTreeSet<Txid>) -> Result<Plan, Refused> {
        let spent = entrant.transaction.input.iter().map(|input| input.previous_output);
        let conflicts: Vec<(OutPoint, Txid)> = spent.filter_map(|coin| Some((coin, self.spender(&coin)?))).collect();
        let mut replaced = BTreeSet::new();
        for (outpoint, with) in conflicts {
            if self.get(&with).is_some_and(|entry| entry.entrant.rate() >= entrant.rate()) {
                return Err(Refused::ConflictInPool { outpoint, with });
            }
            replaced.insert(with);
            replaced.extend(self.descendants(&with));
        }
        let (count, most) = (replaced.len(), self.limits.replaced);
        if count > most {
            return Err(Refused::ReplacesTooMany { count, most });
        }
        if let Some(txid) = replaced.intersection(ancestors).next() {
            return Err(Refused::ReplacesAncestor { txid: *txid });
        }
        if count > 0 {
            let lost: Amount = replaced.iter().filter_map(|txid| self.get(txid)).map(|entry| entry.entrant.fee).sum();
            let needed = lost + self.limits.floor.price(entrant.bytes);
            if entrant.fee < needed {
                return Err(Refused::ReplacementTooCheap { offered: entrant.fee, needed });
            }
        }
        Ok(Plan { replaced })
    }

    fn check_floor(&self, entrant: &Entrant) -> Result<(), Refused> {
        let floor = self.limits.floor;
        match entrant.rate() < floor {
            true => Err(Refused::FeeTooLow { offered: per_kilobyte(entrant.rate()), floor: per_kilobyte(floor) }),
            false => Ok(()),
        }
    }

    fn check_family(&self, ancestors: &BTreeSet<Txid>, plan: &Plan) -> Result<(), Refused> {
        let most = self.limits.family;
        let refuse = |count| if count > most { Err(Refused::TooManyRelatives { count, most }) } else { Ok(()) };
        refuse(ancestors.len() + 1)?;
        // Each ancestor counts itself, its other descendants and the entrant.
        ancestors
            .iter()
            .try_for_each(|ancestor| refuse(2 + self.descendants(ancestor).difference(&plan.replaced).count()))
    }

    /// Where the pool is full, an entrant has to pay better than the package that would leave for it: or every
    /// signature of a flood that pays nothing would be checked.
    fn check_room(&self, entrant: &Entrant, plan: &Plan) -> Result<(), Refused> {
        let freed: usize =
            plan.replaced.iter().filter_map(|txid| self.get(txid)).map(|entry| entry.entrant.bytes).sum();
        match self.worst() {
            Some((floor, _)) if self.bytes() - freed + entrant.bytes > self.limits.bytes && entrant.rate() <= floor => {
                Err(pool_full(entrant.rate(), floor))
            }
            _ => Ok(()),
        }
    }
}

fn pool_full(offered: Rate, floor: Rate) -> Refused {
    Refused::PoolFull { offered: per_kilobyte(offered), floor: per_kilobyte(floor) }
}

/// In satoshi for 1,000 serialised bytes, as reasons state it.
fn per_kilobyte(rate: Rate) -> u64 {
    rate.price(1_000).to_sat()
}
