//! Rewritten: what was so deep that everyone took it for final was undone after all, on every honest node, and payments among it
//! were spent otherwise. It says how deep and how many: what a majority of the hash power can do, a minority cannot.

use super::no_lost_confirmed::NoLostConfirmed;
use super::{Check, Finding, Of, View};
use crate::timeline::Entry;

/// Knows what was confirmed.
#[derive(Debug)]
pub struct Rewritten {
    of: Of,
    deep: u32,
    confirmed: NoLostConfirmed,
    outcome: String,
}

impl Rewritten {
    /// By so many blocks at least, each node at once.
    pub fn by(deep: u32, of: Of) -> Self {
        let (confirmed, outcome) = (NoLostConfirmed::new(deep, of.clone()), "not looked at yet".to_owned());
        Self { of, deep, confirmed, outcome }
    }
}

impl Check for Rewritten {
    fn name(&self) -> &'static str {
        "rewritten"
    }

    fn asked(&self) -> String {
        format!(
            "every node undoes {0} blocks at once, and payments that had {0} confirmations are spent otherwise",
            self.deep
        )
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        self.confirmed.on(view, entry)
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let mine: Vec<u32> =
            view.expected().filter(|&node| self.of.holds(node)).map(|node| view.nodes()[node].deepest).collect();
        let rewrote = mine.iter().filter(|&&deepest| deepest >= self.deep).count();
        let otherwise = self.confirmed.replaced(view);
        self.outcome = format!(
            "{rewrote} of {} nodes undid {} blocks or more at once, {} at most; {otherwise} payments that had as many \
             confirmations were spent otherwise",
            mine.len(),
            self.deep,
            mine.iter().max().unwrap_or(&0),
        );
        let stood = rewrote < mine.len() || mine.is_empty() || otherwise == 0;
        stood.then(|| Finding::stalled("rewritten", view, self.outcome.clone()))
    }

    fn seen(&self) -> String {
        self.outcome.clone()
    }
}

#[cfg(test)]
mod tests {
    use schism_node::control::{Dropped, Event};

    use super::*;
    use crate::checks::story::Story;
    use crate::timeline::Intent;

    /// What the adversary's branch has in place of the payment.
    #[derive(Clone, Copy)]
    enum Instead {
        Rival,
        Same,
        /// Nothing, and the pools let the payment go.
        LetGo,
    }

    /// Nine honest nodes have a payment two deep, and so many of them hear of the adversary's longer branch.
    fn told(deep: u32, hear: usize, instead: Instead) -> Story {
        let mut story = Story::of(10).asking(Rewritten::by(deep, Of::Everyone));
        let payment = story.pay(0, 0, Intent::Conflicting);
        let rival = story.pay(1, 0, Intent::Conflicting);
        let txid = payment.compute_txid();
        story.mine_with(0, vec![payment.clone()]);
        let public = story.mine(0);
        (1..9).for_each(|node| story.hear(node, public));
        let first = match instead {
            Instead::Rival => vec![rival],
            Instead::Same => vec![payment],
            Instead::LetGo => Vec::new(),
        };
        story.mine_with(9, first);
        story.mine(9);
        let secret = story.mine(9);
        (0..hear).for_each(|node| story.hear(node, secret));
        if let Instead::LetGo = instead {
            story.say(0, Event::TransactionDropped { txid, why: Dropped::Evicted });
        }
        story
    }

    #[test]
    fn a_branch_that_spends_a_final_payment_otherwise_is_seen_on_every_node() {
        let mut story = told(2, 9, Instead::Rival);
        assert_eq!(story.end(), []);
        assert!(story.seen().starts_with("9 of 9 nodes undid 2 blocks"), "{}", story.seen());
    }

    #[test]
    fn less_deep_on_fewer_nodes_or_without_a_rival_is_none() {
        for (deep, hear, instead) in
            [(3, 9, Instead::Rival), (2, 8, Instead::Rival), (2, 9, Instead::Same), (2, 9, Instead::LetGo)]
        {
            assert_eq!(told(deep, hear, instead).end().len(), 1);
        }
    }
}
