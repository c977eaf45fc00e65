//! Chain growth: the best chain of honest nodes grows by its share of what the interval promises, over any stretch of
//! a given length. (Garay, Kiayias, Leonardos 2015, definition 5.)

use std::collections::VecDeque;
use std::time::Duration;

use schism_node::control::Event;

use super::{Check, Finding, Of, Tempo, View};
use crate::timeline::{Entry, Happening};

/// Keeps when the best height rose, as far back as a stretch reaches.
#[derive(Debug)]
pub struct ChainGrowth {
    of: Of,
    at_least: f64,
    over: Duration,
    interval: Duration,
    /// Only the last stretch counts: asked finally.
    last_only: bool,
    /// When which height was reached first; the first one is the last at or before the stretch's beginning.
    rises: VecDeque<(Duration, u32)>,
    slowest: Option<u32>,
}

impl ChainGrowth {
    /// At least this share (1 is a block per interval) over any stretch of this length, or over the last one only.
    pub fn new(at_least: f64, over: Duration, tempo: Tempo, last_only: bool) -> Self {
        let interval = tempo.interval.mul_f64(tempo.pace);
        Self {
            of: Of::Everyone,
            at_least,
            over,
            interval,
            last_only,
            rises: VecDeque::from([(Duration::ZERO, 0)]),
            slowest: None,
        }
    }

    /// The same, of these nodes only.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn promised(&self) -> f64 {
        self.at_least * self.over.as_secs_f64() / self.interval.as_secs_f64()
    }

    /// Looks at the stretch that ends now.
    fn measure(&mut self, view: &View) -> Option<Finding> {
        let start = view.now().checked_sub(self.over)?;
        while self.rises.get(1).is_some_and(|(at, _)| *at <= start) {
            self.rises.pop_front();
        }
        let grown = self.rises.back()?.1 - self.rises.front()?.1;
        self.slowest = Some(self.slowest.unwrap_or(u32::MAX).min(grown));
        let promised = self.promised();
        (f64::from(grown) < promised).then(|| {
            let what = format!(
                "the best chain grew by {grown} blocks in the {:.0} s before {:.0} s; {promised:.1} were asked",
                self.over.as_secs_f64(),
                view.now().as_secs_f64(),
            );
            Finding::stalled("chain_growth", view, what)
        })
    }
}

impl Check for ChainGrowth {
    fn name(&self) -> &'static str {
        "chain_growth"
    }

    fn asked(&self) -> String {
        format!("{:.1} blocks in any {:.0} s", self.promised(), self.over.as_secs_f64())
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let Happening::Event(Event::TipChanged { ledger, .. }) = &entry.what else { return None };
        entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        if ledger.tip.height <= self.rises.back().map_or(0, |(_, height)| *height) {
            return None;
        }
        // A stretch is poorest just before a block.
        let finding = if self.last_only { None } else { self.measure(view) };
        self.rises.push_back((view.now(), ledger.tip.height));
        finding
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        self.measure(view)
    }

    fn seen(&self) -> String {
        match self.slowest {
            Some(blocks) => format!("{blocks} blocks in the slowest stretch"),
            None => "the run was shorter than one stretch".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    fn half_in_a_minute() -> ChainGrowth {
        let tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
        ChainGrowth::new(0.5, Duration::from_secs(60), tempo, false)
    }

    #[test]
    fn a_chain_at_its_pace_passes_and_one_that_stands_still_is_caught() {
        let mut story = Story::of(1).asking(half_in_a_minute());
        for _ in 0..20 {
            story.wait(10);
            story.mine(0);
        }
        assert!(story.findings().is_empty());
        story.wait(50);
        story.mine(0);
        assert_eq!(story.only_finding().verdict, crate::report::Verdict::Stalled);
    }

    #[test]
    fn a_chain_that_ends_in_silence_is_caught_at_the_end() {
        let mut story = Story::of(1).asking(half_in_a_minute());
        story.mine(0);
        story.wait(100);
        assert_eq!(story.end().len(), 1);
    }
}
