//! Only liars are banned: no honest node ever bans another, and whoever has earned a ban gets it at once.
//!
//! Names that belong to no node of the cluster are liars: nobody else makes them.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_node::bounds::{BAN_SCORE, FORGIVEN_A_SECOND};
use schism_node::control::{Event, PeerId};

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Knows who was charged and banned by whom.
#[derive(Debug)]
pub struct OnlyLiarsBanned {
    of: Of,
    at_least: u32,
    least_charges: u32,
    /// Points, and when they were charged last.
    scores: BTreeMap<(usize, PeerId), (u64, Duration)>,
    /// Who is to be banned with a node's next words.
    due: BTreeMap<usize, PeerId>,
    charges: u64,
    bans: u64,
}

impl OnlyLiarsBanned {
    /// And that many of them at least, after that many charges at least.
    pub fn new(at_least: u32, least_charges: u32) -> Self {
        let (scores, due) = (BTreeMap::new(), BTreeMap::new());
        Self { of: Of::Everyone, at_least, least_charges, scores, due, charges: 0, bans: 0 }
    }

    /// By these nodes alone.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn is_honest(view: &View, peer: &PeerId) -> Option<usize> {
        view.known_as(peer).filter(|&node| view.nodes()[node].judged)
    }
}

impl Check for OnlyLiarsBanned {
    fn name(&self) -> &'static str {
        "only_liars_banned"
    }

    fn asked(&self) -> String {
        let charges =
            if self.least_charges > 0 { format!(", after {} charges", self.least_charges) } else { String::new() };
        format!("no honest node is banned, and {} who lied are, each as soon as that is proven{charges}", self.at_least)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        let Happening::Event(event) = &entry.what else { return None };
        let broken = |what: String| Finding::violated("only_liars_banned", view, what).on_node(node);
        let due = self.due.remove(&node);
        match event {
            Event::PeerBanned { peer, reason } => {
                self.bans += 1;
                let honest = Self::is_honest(view, peer)?;
                let what = format!("{} banned {}, which is honest: {reason}", view.name(node), view.name(honest));
                // Who is minutes behind tells the past as news.
                Some(broken(what).timed())
            }
            _ if due.is_some() => {
                let peer = due.map_or_else(String::new, |peer| peer.to_string());
                Some(broken(format!("{} has proof against {peer} and did not ban it", view.name(node))))
            }
            Event::PeerCharged { peer, points, .. } => {
                self.charges += 1;
                let (score, at) = self.scores.entry((node, *peer)).or_default();
                // A real node forgives on its own clock, up to a second before we would.
                let since = entry.at.saturating_sub(*at);
                let forgiven = if since.is_zero() { 0 } else { FORGIVEN_A_SECOND * (since.as_secs() + 1) };
                (*score, *at) = (score.saturating_sub(forgiven) + u64::from(*points), entry.at);
                if *score >= u64::from(BAN_SCORE) {
                    self.scores.remove(&(node, *peer));
                    self.due.insert(node, *peer);
                }
                None
            }
            _ => None,
        }
    }

    fn satisfied(&self, _: &View) -> bool {
        self.bans >= u64::from(self.at_least) && self.charges >= u64::from(self.least_charges)
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let what = || format!("{} were banned, after {} charges", self.bans, self.charges);
        (!self.satisfied(view)).then(|| Finding::stalled("only_liars_banned", view, what()))
    }

    fn seen(&self) -> String {
        format!("{} charges, {} bans, none of honest nodes", self.charges, self.bans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    fn charge(story: &mut Story, points: u32) {
        let peer = PeerId::from_bytes(&[0, 1, 99]).expect("an identity multihash is a peer id");
        story.say(0, Event::PeerCharged { peer, points, reason: "rubbish".into(), refused: None });
    }

    #[test]
    fn a_ban_of_an_honest_node_is_caught_and_one_of_an_adversary_is_not() {
        for (banned, findings) in [(9, 0), (1, 1)] {
            let mut story = Story::of(10).asking(OnlyLiarsBanned::new(1, 0));
            story.ban(0, banned);
            assert_eq!(story.findings().len(), findings);
        }
    }

    #[test]
    fn a_proven_liar_that_is_not_banned_at_once_is_caught() {
        let mut story = Story::of(10).asking(OnlyLiarsBanned::new(0, 0));
        charge(&mut story, BAN_SCORE / 2);
        story.mine(0);
        assert!(story.findings().is_empty());
        charge(&mut story, BAN_SCORE / 2 + 1);
        story.mine(0);
        assert_eq!(story.only_finding().node, Some(0));
    }

    #[test]
    fn what_is_forgiven_in_time_is_no_proof() {
        let mut story = Story::of(10).asking(OnlyLiarsBanned::new(0, 2));
        charge(&mut story, BAN_SCORE - 1);
        story.wait(60);
        charge(&mut story, BAN_SCORE / 2);
        story.mine(0);
        assert_eq!(story.end(), []);
    }

    #[test]
    fn nobody_banned_or_charged_proves_nothing() {
        assert_eq!(Story::of(1).asking(OnlyLiarsBanned::new(1, 0)).end().len(), 1);
        assert_eq!(Story::of(1).asking(OnlyLiarsBanned::new(0, 1)).end().len(), 1);
    }
}
