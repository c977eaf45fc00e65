//! Checks: one file per property. A check is fed with everything that happened, in order, and says with evidence when
//! its property does not hold. What all checks need to know is kept once, in [`View`].
//!
//! Every check works in about constant time per entry; what cannot is done only when faults act or at the end.

mod agreement;
mod blocks;
mod bounded_peers_data;
mod chain_growth;
mod chain_quality;
mod common_prefix;
mod components;
mod converged;
mod deadline;
mod equivocated;
mod finding;
mod keeps_honest_peers;
mod limits;
mod measure;
mod most_work;
mod new_blocks;
mod no_double_spend;
mod no_forgery;
mod no_lost_confirmed;
mod only_liars_banned;
mod own_side;
mod payment;
mod pool_agreement;
mod refused_reasons;
mod replay;
mod rewritten;
mod served;
mod standing;
#[cfg(test)]
pub(crate) mod story;
mod supply;
mod unaltered;
mod view;

pub use agreement::Agreement;
pub use blocks::{BlockRecord, Blocks, TransactionRecord};
pub use bounded_peers_data::BoundedPeersData;
pub use chain_growth::ChainGrowth;
pub use chain_quality::ChainQuality;
pub use common_prefix::CommonPrefix;
pub use components::{Component, Components};
pub use converged::{Asked, Converged};
pub use deadline::{Deadline, Tempo};
pub use equivocated::Equivocated;
pub use finding::Finding;
pub use keeps_honest_peers::KeepsHonestPeers;
pub use limits::Limits;
pub use measure::Measure;
pub use most_work::MostWork;
pub use new_blocks::NewBlocks;
pub use no_double_spend::NoDoubleSpend;
pub use no_forgery::NoForgery;
pub use no_lost_confirmed::NoLostConfirmed;
pub use only_liars_banned::OnlyLiarsBanned;
pub use own_side::OwnSide;
pub use payment::Payment;
pub use pool_agreement::PoolAgreement;
pub use refused_reasons::RefusedReasons;
pub use replay::Replay;
pub use rewritten::Rewritten;
pub use served::Served;
pub use standing::{Of, Standing};
pub use supply::Supply;
pub use unaltered::Unaltered;
pub use view::{NodeView, View, Wiring};

use std::time::Duration;

use crate::timeline::Entry;

/// One property, asked of a run.
pub trait Check {
    /// Its word in YAML.
    fn name(&self) -> &'static str;

    /// What is asked, in words.
    fn asked(&self) -> String;

    /// Looks at one entry; the view has it already. Says when the property is broken by it.
    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding>;

    /// Whether it has seen all that it needs. A run goes on after its schedule, up to a deadline, until all checks say
    /// so; safety has nothing to wait for.
    fn satisfied(&self, _view: &View) -> bool {
        true
    }

    /// The run is over, all samples are taken. Says when the property is broken, or was not reached.
    fn at_end(&mut self, _view: &View) -> Option<Finding> {
        None
    }

    /// What was seen, in words.
    fn seen(&self) -> String {
        "nothing against it".to_owned()
    }

    /// A figure it measured, for the report and for other checks.
    fn figure(&self) -> Option<(&'static str, f64)> {
        None
    }

    /// Is told, at the end, what another check measured.
    fn told(&mut self, _name: &'static str, _value: f64) {}
}

/// A view, the checks that read it, and what they found.
pub struct Checks {
    view: View,
    checks: Vec<Posed>,
    findings: Vec<Finding>,
}

/// A check that was posed, with how often it was broken.
struct Posed {
    check: Box<dyn Check>,
    findings: u64,
}

impl Checks {
    /// No checks yet.
    pub fn new(view: View) -> Self {
        Self { view, checks: Vec::new(), findings: Vec::new() }
    }

    /// Adds a check; it sees entries from now on. To be done before the first entry, also for what is asked finally: such
    /// checks begin to ask when everything is healed, but most must have seen what was before.
    pub fn pose(&mut self, check: Box<dyn Check>) {
        self.checks.push(Posed { check, findings: 0 });
    }

    /// Feeds one entry to the view and to every check. Gives what was found: of each check only the first finding, for
    /// what follows from a broken property would drown it.
    pub fn feed(&mut self, entry: &Entry) -> Vec<Finding> {
        self.view.feed(entry);
        let mut found = Vec::new();
        for posed in &mut self.checks {
            if let Some(finding) = posed.check.on(&self.view, entry) {
                posed.count(finding, &mut found);
            }
        }
        self.findings.extend(found.iter().cloned());
        found
    }

    /// Whether no check waits for anything more.
    pub fn satisfied(&self) -> bool {
        self.checks.iter().all(|posed| posed.findings > 0 || posed.check.satisfied(&self.view))
    }

    /// Ends the run; no entry may follow.
    pub fn end(&mut self, at: Duration) -> Vec<Finding> {
        self.view.end(at);
        let mut found = Vec::new();
        for (name, value) in self.figures() {
            self.checks.iter_mut().for_each(|posed| posed.check.told(name, value));
        }
        for posed in &mut self.checks {
            if let Some(finding) = posed.check.at_end(&self.view) {
                posed.count(finding, &mut found);
            }
        }
        self.findings.extend(found.iter().cloned());
        found
    }

    /// What checks measured, by name.
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        self.checks.iter().filter_map(|posed| posed.check.figure()).collect()
    }

    /// The view.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The view, to introduce nodes to it.
    pub fn view_mut(&mut self) -> &mut View {
        &mut self.view
    }

    /// What was found so far, first things first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Each check with how many findings it made.
    pub fn posed(&self) -> impl Iterator<Item = (&dyn Check, u64)> {
        self.checks.iter().map(|posed| (posed.check.as_ref(), posed.findings))
    }
}

impl Posed {
    fn count(&mut self, finding: Finding, found: &mut Vec<Finding>) {
        self.findings += 1;
        if self.findings == 1 {
            found.push(finding);
        }
    }
}
