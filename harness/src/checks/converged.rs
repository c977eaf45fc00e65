//! Converged: after everything is healed, every node that must keep up reports the same best block; it has the most work
//! of all valid blocks any of them has seen; ledgers are equal; fresh blocks were mined on it, by miners of each former
//! side; and it stays so.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitcoin::Work;
use schism_chaos::quantity::Length;
use schism_node::control::Event;

use super::deadline::Deadline;
use super::{Check, Finding, Of, Standing, Tempo, View};
use crate::timeline::{Entry, Happening};

/// Two miners may find a block at the same time, and their followers another one each: reorganisations up to this depth
/// happen in peace. A deeper one starts the time of stability anew.
const NATURAL_DEPTH: usize = 2;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// After everything is healed, at the latest, nodes agree for the first time.
    pub within: Length,
    /// Blocks of the agreed chain mined after the heal, at least.
    pub fresh_blocks: u32,
    /// Whether miners of each side of the last fault that made sides must have mined that many.
    pub from_each_side: bool,
    /// And from then on it stays so this long.
    pub stable: Length,
}

/// Waits for agreement, then for fresh blocks, then for it to stay.
#[derive(Debug)]
pub struct Converged {
    asked: Asked,
    tempo: Tempo,
    of: Of,
    standing: Standing,
    /// Blocks any of them stored and none refused, by work.
    valid: BTreeMap<Work, BTreeSet<usize>>,
    /// Whether blocks from before this check was posed are among them.
    caught_up: bool,
    deadline: Option<Deadline>,
    agreed_after: Option<Duration>,
    stable_from: Option<Deadline>,
    converged: bool,
    late: bool,
    missing: String,
}

impl Converged {
    /// Asked of these nodes.
    pub fn new(of: Of, asked: Asked, tempo: Tempo) -> Self {
        Self {
            asked,
            tempo,
            standing: Standing::new(of.clone()),
            of,
            valid: BTreeMap::new(),
            caught_up: false,
            deadline: None,
            agreed_after: None,
            stable_from: None,
            converged: false,
            late: false,
            missing: "the schedule never ended".to_owned(),
        }
    }

    /// The tip all agree on, when nothing speaks against it.
    fn agreed(&self, view: &View) -> Result<usize, String> {
        let Some(tip) = self.standing.agreed() else { return Err(self.tips(view)) };
        let block = view.blocks().get(tip);
        if let Some((work, better)) = self.valid.last_key_value()
            && *work > block.work
        {
            let better = better.first().map(|&place| view.blocks().get(place).hash.to_string());
            return Err(format!("all stand on {}, though {} has more work", block.hash, better.unwrap_or_default()));
        }
        let mut digests = view
            .expected()
            .filter(|&node| self.of.holds(node))
            .filter_map(|node| view.nodes()[node].ledger.as_ref().map(|ledger| &ledger.digest));
        let first = digests.next();
        match digests.any(|digest| Some(digest) != first) {
            true => Err(format!("all stand on {} with different digests", block.hash)),
            false => Ok(tip),
        }
    }

    /// Who stands where, in words.
    fn tips(&self, view: &View) -> String {
        let tips = self.standing.tips().map(|(tip, count)| match tip {
            Some(tip) => {
                let block = view.blocks().get(tip);
                format!("{count} on {} at height {}", &block.hash.to_string()[48..], block.height)
            }
            None => format!("{count} not heard of"),
        });
        let tips: Vec<String> = tips.collect();
        if tips.is_empty() { "nobody is left".to_owned() } else { tips.join(", ") }
    }

    /// Whether nodes differ only because tips have the same work: the next block decides.
    fn tied(&self, view: &View) -> bool {
        let mut works = self.standing.tips().map(|(tip, _)| tip.map(|tip| view.blocks().get(tip).work));
        let first = works.next();
        first.is_some_and(|work| work.is_some()) && works.all(|work| Some(work) == first)
    }

    /// What fresh blocks the chain that ends in `tip` lacks.
    fn unfresh(&self, view: &View, tip: usize, healed: Duration) -> Option<String> {
        let mut miners = Vec::new();
        let mut at = Some(tip);
        while let Some(block) = at.map(|place| view.blocks().get(place)) {
            if block.mined_at.is_none_or(|mined| mined < healed) {
                break;
            }
            miners.push(block.miner);
            at = block.parent;
        }
        let asked = self.asked.fresh_blocks as usize;
        if miners.len() < asked {
            return Some(format!("{} of {asked} fresh blocks", miners.len()));
        }
        if !self.asked.from_each_side {
            return None;
        }
        view.sides().iter().enumerate().find_map(|(number, side)| {
            let can = |&node: &usize| self.of.holds(node) && view.nodes()[node].expected() && view.nodes()[node].mines;
            let mined = miners.iter().flatten().filter(|miner| side.contains(miner)).count();
            // A side without a living miner cannot mine.
            (mined < asked && side.iter().any(can))
                .then(|| format!("{mined} of {asked} fresh blocks by side {}", number + 1))
        })
    }

    fn note_blocks(&mut self, view: &View, entry: &Entry) {
        if !std::mem::replace(&mut self.caught_up, true) && self.of == Of::Everyone {
            let known = view.blocks().all().iter().enumerate().filter(|(_, block)| block.connected && !block.refused);
            for (place, block) in known {
                self.valid.entry(block.work).or_default().insert(place);
            }
        }
        if !entry.node.is_some_and(|node| self.of.holds(node) && view.nodes()[node].judged) {
            return;
        }
        match &entry.what {
            Happening::Event(Event::BlockStored { hash, work, .. }) => {
                if let Some(place) = view.blocks().place(hash).filter(|&place| !view.blocks().get(place).refused) {
                    self.valid.entry(*work).or_default().insert(place);
                }
            }
            Happening::Event(Event::BlockRefused { hash, .. }) => {
                let Some(refused) = view.blocks().place(hash) else { return };
                // With it goes all that was built on it; refusals are rare.
                self.valid.values_mut().for_each(|places| places.retain(|&place| !view.blocks().is_on(refused, place)));
                self.valid.retain(|_, places| !places.is_empty());
            }
            _ => {}
        }
    }
}

impl Check for Converged {
    fn name(&self) -> &'static str {
        "converged"
    }

    fn asked(&self) -> String {
        let each = if self.asked.from_each_side { " by each side" } else { "" };
        format!(
            "one best block with the most work within {:.0} s of the heal, {} fresh blocks{each}, stable for {:.0} s",
            self.tempo.time(self.asked.within).as_secs_f64(),
            self.asked.fresh_blocks,
            self.tempo.time(self.asked.stable).as_secs_f64(),
        )
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        self.standing.update(view, entry);
        self.note_blocks(view, entry);
        let healed = view.healed_at()?;
        if self.converged || self.late {
            return None;
        }
        if let Happening::Event(Event::TipChanged { disconnected, .. }) = &entry.what
            && disconnected.len() > NATURAL_DEPTH
            && entry.node.is_some_and(|node| self.standing.holds(node) && view.nodes()[node].expected())
        {
            self.stable_from = None;
        }
        let deadline =
            *self.deadline.get_or_insert_with(|| self.tempo.deadline(healed, view.mined_at_heal(), self.asked.within));
        match self.agreed(view) {
            Ok(tip) => {
                let after = *self.agreed_after.get_or_insert(view.now().saturating_sub(healed));
                match (self.unfresh(view, tip, healed), self.stable_from) {
                    (Some(unfresh), _) => {
                        self.missing = format!("agreed after {:.1} s, but only {unfresh}", after.as_secs_f64())
                    }
                    (None, None) => {
                        self.stable_from = Some(self.tempo.deadline(view.now(), view.mined(), self.asked.stable));
                        self.missing = "the run ended before it was stable".to_owned();
                    }
                    (None, Some(_)) => {}
                }
                // Asked after the line above: with no stability asked for, this is the moment.
                self.converged = self.stable_from.is_some_and(|stable| stable.reached(view));
            }
            Err(why) => self.missing = why,
        }
        if self.agreed_after.is_none() && deadline.passed(view) && !self.tied(view) {
            self.late = true;
            let what = format!("not agreed in time: {}", self.missing);
            return Some(Finding::stalled("converged", view, what));
        }
        None
    }

    fn satisfied(&self, _view: &View) -> bool {
        self.converged
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        if self.converged || self.late {
            return None;
        }
        Some(Finding::stalled("converged", view, self.missing.clone()))
    }

    fn seen(&self) -> String {
        match self.agreed_after {
            Some(after) if self.converged => {
                format!("agreed {:.1} s after the heal, and it stayed so", after.as_secs_f64())
            }
            _ => self.missing.clone(),
        }
    }

    fn figure(&self) -> Option<(&'static str, f64)> {
        self.agreed_after.filter(|_| self.converged).map(|after| ("seconds_to_converge", after.as_secs_f64()))
    }
}
