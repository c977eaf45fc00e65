//! Chain quality: of any so many consecutive blocks of an honest node's best chain, honest nodes mined at least their
//! share. (Garay, Kiayias, Leonardos 2015, definition 4.)

use schism_node::control::Event;

use super::{Check, Finding, NewBlocks, Of, View};
use crate::timeline::{Entry, Happening};

/// Counts, once per block, who mined the stretch that ends with it.
#[derive(Debug)]
pub struct ChainQuality {
    of: Of,
    at_least: f64,
    over: u32,
    new: NewBlocks,
    worst: Option<u32>,
}

impl ChainQuality {
    /// At least this share of any `over` consecutive blocks.
    pub fn new(at_least: f64, over: u32) -> Self {
        Self { of: Of::Everyone, at_least, over, new: NewBlocks::default(), worst: None }
    }

    /// The same, of these nodes only.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    /// How many of the stretch that ends with a block honest nodes mined; nothing near genesis.
    fn honest(&self, view: &View, last: usize) -> Option<u32> {
        let mut honest = 0;
        let mut at = Some(last);
        for _ in 0..self.over {
            let block = view.blocks().get(at?);
            if block.height == 0 {
                return None;
            }
            honest += u32::from(block.miner.is_some_and(|miner| view.nodes()[miner].judged));
            at = block.parent;
        }
        Some(honest)
    }
}

impl Check for ChainQuality {
    fn name(&self) -> &'static str {
        "chain_quality"
    }

    fn asked(&self) -> String {
        format!("honest nodes mined {:.0} % of any {} blocks", self.at_least * 100.0, self.over)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let Happening::Event(Event::TipChanged { .. }) = &entry.what else { return None };
        let node = entry.node.filter(|&node| self.of.holds(node))?;
        let mut finding = None;
        for place in self.new.on_chain_of(view, node) {
            let Some(honest) = self.honest(view, place) else { continue };
            self.worst = Some(self.worst.unwrap_or(u32::MAX).min(honest));
            if f64::from(honest) < self.at_least * f64::from(self.over) {
                let block = view.blocks().get(place);
                let what =
                    format!("of the {} blocks up to height {} honest nodes mined {honest}", self.over, block.height);
                finding = Some(Finding::violated("chain_quality", view, what).timed().on_node(node).about(block.hash));
            }
        }
        finding
    }

    fn seen(&self) -> String {
        match self.worst {
            Some(honest) => format!("{honest} of {} in the worst stretch", self.over),
            None => format!("the chain was shorter than {} blocks", self.over),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    #[test]
    fn a_chain_mostly_mined_by_an_adversary_is_caught() {
        let mut story = Story::of(10).asking(ChainQuality::new(0.5, 4));
        for miner in [0, 1, 9, 2, 9, 0] {
            let block = story.mine(miner);
            story.everyone_hears(block);
        }
        assert!(story.findings().is_empty());
        for _ in 0..2 {
            let block = story.mine(9);
            story.everyone_hears(block);
        }
        assert_eq!(story.findings().len(), 1);
    }
}
