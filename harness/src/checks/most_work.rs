//! Most work: a node moves only to a chain with strictly more work than the one it leaves. First seen wins a tie.
//!
//! Asked of every run, whether its file says so or not: it is what fork choice means.

use bitcoin::Work;
use schism_node::control::Event;

use super::{Check, Finding, View};
use crate::timeline::{Entry, Happening};

/// Remembers how much work each node stands on.
#[derive(Debug, Default)]
pub struct MostWork {
    stood: Vec<Option<Work>>,
    moves: u64,
}

impl Check for MostWork {
    fn name(&self) -> &'static str {
        "most_work"
    }

    fn asked(&self) -> String {
        "a node leaves its tip only for strictly more work".to_owned()
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged)?;
        self.stood.resize(view.nodes().len(), None);
        match &entry.what {
            // A machine's crash may take blocks with it: the node starts from where its store stands.
            Happening::Event(Event::Started { ledger }) => {
                self.stood[node] = Some(ledger.tip.work);
                None
            }
            Happening::Event(Event::TipChanged { ledger, disconnected, .. }) => {
                let before = self.stood[node].replace(ledger.tip.work)?;
                self.moves += 1;
                if ledger.tip.work > before {
                    return None;
                }
                let what = format!(
                    "{} left its tip for one with {} work, undoing {} blocks",
                    view.name(node),
                    if ledger.tip.work == before { "only the same" } else { "less" },
                    disconnected.len(),
                );
                Some(Finding::violated("most_work", view, what).on_node(node).about(ledger.tip.hash))
            }
            _ => None,
        }
    }

    fn seen(&self) -> String {
        format!("{} moves, each to more work", self.moves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    #[test]
    fn last_seen_tie_breaking_is_caught_and_first_seen_passes() {
        let mut story = Story::of(3).asking(MostWork::default());
        let ours = story.mine(0);
        let theirs = story.mine(1);
        story.hear(2, ours);
        let longer = story.mine(1);
        story.hear(0, longer);
        assert!(story.findings().is_empty());
        story.hear(2, theirs);
        assert_eq!(story.only_finding().node, Some(2));
    }
}
