//! Keeps honest peers: whatever strangers do, honest nodes stay connected to each other. Who was cut off, stopped or frozen by
//! a fault may lose its peers.

use schism_node::control::{Answer, Event};

use super::{Check, Finding, Of, View};
use crate::timeline::{Entry, Happening};

/// Watches connections end, and counts what came.
#[derive(Debug)]
pub struct KeepsHonestPeers {
    of: Of,
    /// Strangers that must come and go.
    least: u32,
    /// Whether a fault has acted: from then on connections may end for that.
    faults: bool,
    came: u64,
    went: u64,
    /// The most bytes that one node has received, and the peers it had at once.
    received: u64,
    peers: usize,
}

impl KeepsHonestPeers {
    /// While at least so many connections of strangers end.
    pub fn new(least: u32) -> Self {
        Self { of: Of::Everyone, least, faults: false, came: 0, went: 0, received: 0, peers: 0 }
    }

    /// Of these nodes alone.
    pub fn among(self, of: Of) -> Self {
        Self { of, ..self }
    }
}

impl Check for KeepsHonestPeers {
    fn name(&self) -> &'static str {
        "keeps_honest_peers"
    }

    fn asked(&self) -> String {
        format!("honest nodes stay connected to each other while {} strangers come and go", self.least)
    }

    fn on(&mut self, view: &View, entry: &Entry) -> Option<Finding> {
        if let Happening::Acted(_) = &entry.what {
            self.faults = true;
        }
        let node = entry.node.filter(|&node| view.nodes()[node].judged && self.of.holds(node))?;
        match &entry.what {
            Happening::Event(Event::PeerConnected { peer, .. }) => {
                self.came += u64::from(view.known_as(peer).is_none());
                None
            }
            Happening::Event(Event::PeerDisconnected { peer, reason }) => {
                let known = view.known_as(peer);
                self.went += u64::from(known.is_none());
                let honest = known.filter(|&other| view.nodes()[other].judged && !self.faults)?;
                let what = format!("{} lost {}, which is honest: {reason}", view.name(node), view.name(honest));
                Some(Finding::violated("keeps_honest_peers", view, what).timed().on_node(node))
            }
            Happening::Answer(Answer::Peers(peers)) => {
                self.received = self.received.max(peers.bytes_received);
                self.peers = self.peers.max(peers.connected.len());
                None
            }
            _ => None,
        }
    }

    fn satisfied(&self, _: &View) -> bool {
        self.went >= u64::from(self.least)
    }

    fn at_end(&mut self, view: &View) -> Option<Finding> {
        let few = self.went < u64::from(self.least);
        few.then(|| Finding::stalled("keeps_honest_peers", view, format!("{} strangers came and went", self.went)))
    }

    fn seen(&self) -> String {
        format!(
            "{} connections of strangers, {} of them ended; at most {} peers at once and {} bytes received by one node",
            self.came, self.went, self.peers, self.received
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::story::Story;

    #[test]
    fn an_honest_peer_that_is_lost_is_caught_and_a_stranger_is_not() {
        let mut story = Story::of(2).asking(KeepsHonestPeers::new(1));
        story.lose_peer(0, None);
        assert!(story.findings().is_empty());
        assert!(story.satisfied());
        story.lose_peer(0, Some(1));
        assert_eq!(story.only_finding().node, Some(0));
    }

    #[test]
    fn nobody_who_came_and_went_proves_nothing() {
        assert_eq!(Story::of(1).asking(KeepsHonestPeers::new(1)).end().len(), 1);
    }
}
