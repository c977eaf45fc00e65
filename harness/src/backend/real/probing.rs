//! Probing: what links do to traffic that is no node's, on machines whose nodes need not run.

use super::Real;
use super::attached::Outcome;
use super::site::Site;
use crate::backend::Backend;
use crate::supervisor::probe::{Probe, Probed};
use crate::supervisor::protocol::{Fruit, What};

/// A probe under way.
#[derive(Debug)]
#[must_use = "what is measured is not known before it was waited for"]
pub struct Probing {
    from: usize,
    outcome: Outcome,
}

impl<S: Site> Real<S> {
    /// Makes every machine, with links as they were set, and has each answer probes. No node is started.
    ///
    /// # Errors
    /// Why a machine could not be made.
    pub async fn stand(&mut self) -> Result<(), String> {
        self.attach()?;
        (0..self.hosts.len()).try_for_each(|node| self.order(node, What::AnswerProbes))?;
        self.settle().await
    }

    /// Begins to measure what the link from one machine to another does, and the link back.
    ///
    /// # Errors
    /// When nobody is there to measure it.
    pub fn begin_probe(&mut self, from: usize, to: usize, what: Probe) -> Result<Probing, String> {
        let to = self.hosts[to].address;
        Ok(Probing { from, outcome: self.give(from, What::Probe { to, what })? })
    }

    /// Waits for what a probe measures.
    ///
    /// # Errors
    /// When it measured nothing.
    pub async fn probed(&self, Probing { from, outcome }: Probing) -> Result<Probed, String> {
        match self.fruit(from, outcome).await? {
            Fruit::Probed(probed) => Ok(probed),
            _ => Err("a supervisor answered a probe in riddles".to_owned()),
        }
    }
}
