//! What the other actors and the door tell, and what is done about it.

use bitcoin::bip152::BlockTransactionsRequest;
use schism_wire::{Announcement, Judgement, Request};

use super::Network;
use crate::bounds::BAN_SCORE;
use crate::control::{Answer, Asked, PeersState, Question};
use crate::messages::{Announced, Source, ToNetwork, Verdict, Want};
use crate::network::admission::{Origin, Waiting};

/// Why connections end while the network is off.
pub(super) const OFF: &str = "the network is off by order";

impl Network {
    pub(super) fn told(&mut self, message: ToNetwork) {
        match message {
            ToNetwork::Verdict { source: Source::Own, verdict } => {
                if let Verdict::Relay(announced) = verdict {
                    self.tell_others(announced);
                }
            }
            ToNetwork::Verdict { source: Source::Peer { item, .. }, verdict } => {
                match (self.admission.judged(item), verdict) {
                    (Some(waiting), Verdict::Relay(announced)) => self.relay(&waiting, announced),
                    (Some(waiting), Verdict::Refuse(reason)) => {
                        // Gossip listens to nobody after a few rejections, whatever for: small charges would never add
                        // up to a ban.
                        if reason.blame() >= BAN_SCORE {
                            self.judge(&waiting, Judgement::Reject);
                        } else {
                            self.close(&waiting);
                        }
                        self.charge(waiting.peer, reason.blame(), &reason.to_string(), Some(reason.clone()));
                    }
                    (Some(waiting), Verdict::Drop) => self.close(&waiting),
                    (None, Verdict::Relay(announced)) => self.tell_others(announced),
                    (None, _) => {}
                }
            }
            ToNetwork::TipChanged { change, locator } => {
                self.sync.tip_changed(locator);
                if let Some(block) = change.connected.last() {
                    self.announcer.tip(block.clone());
                }
            }
            ToNetwork::Want(want) => self.want(want),
            ToNetwork::Tell { ask, response } => self.wire.respond(ask, response),
            ToNetwork::Asked(asked) => self.asked(asked),
        }
    }

    /// An item is good: an announcement is passed on as it came; what was fetched is news to others only if it is a
    /// transaction (of blocks, the tip is told).
    fn relay(&mut self, waiting: &Waiting, announced: Announced) {
        self.inbound.useful(waiting.peer, self.now());
        match (&waiting.origin, announced) {
            (Origin::Gossip(id), Announced::Block(block)) => {
                if self.wire.judge(id, Judgement::Accept) {
                    self.announcer.passed_on(block.block_hash());
                } else {
                    self.tell_others(Announced::Block(block));
                }
            }
            (Origin::Gossip(id), Announced::Transaction(_)) => {
                self.wire.judge(id, Judgement::Accept);
            }
            // A compact block of which only the header was of use: the others are better told of the block itself.
            (Origin::Gossip(_), Announced::Headers) => self.close(waiting),
            (Origin::Response, announced @ Announced::Transaction(_)) => self.tell_others(announced),
            (Origin::Body(hash), _) => self.sync.judged(*hash, true, self.now()),
            (Origin::Response, Announced::Block(_) | Announced::Headers) => {}
        }
    }

    /// Announces in words of our own.
    fn tell_others(&mut self, announced: Announced) {
        let words = match announced {
            Announced::Block(block) => self.announcer.tell(&block),
            Announced::Transaction(transaction) => Some(Announcement::Transaction(transaction)),
            Announced::Headers => None,
        };
        words.inspect(|words| self.publish(words));
    }

    pub(super) fn publish(&mut self, announcement: &Announcement) {
        if let Err(reason) = self.wire.publish(announcement) {
            tracing::debug!(%reason, "not announced");
        }
    }

    /// Nothing comes of an item, and nobody is to blame.
    pub(super) fn close(&mut self, waiting: &Waiting) {
        self.judge(waiting, Judgement::Ignore);
    }

    fn judge(&mut self, waiting: &Waiting, judgement: Judgement) {
        match &waiting.origin {
            Origin::Gossip(id) => drop(self.wire.judge(id, judgement)),
            Origin::Body(hash) => self.sync.judged(*hash, false, self.now()),
            Origin::Response => {}
        }
    }

    fn want(&mut self, want: Want) {
        match want {
            Want::Headers { from, locator } => self.sync.ask_headers(from, Some(locator)),
            Want::Bodies(hashes) => self.sync.want_bodies(hashes),
            Want::BlockTransactions { from, hash: block_hash, indexes } => {
                let request = BlockTransactionsRequest { block_hash, indexes };
                self.wire.request(from, Request::BlockTransactions(request));
            }
            Want::Transactions { from, txids } => self.reconcile.want(from, txids),
        }
    }

    fn asked(&mut self, Asked { question, answer }: Asked) {
        let now = self.now();
        let said = match question {
            Question::Peers => Answer::Peers(self.state()),
            Question::Dial { peer, address } => {
                self.overlay.keep(peer, address, now);
                self.seek(now);
                Answer::Done
            }
            Question::Hang { peer } => {
                self.overlay.forgo(peer);
                self.wire.disconnect(peer, "hung up on by order");
                Answer::Done
            }
            Question::Ban { peer } => {
                self.ban(peer, "by order", None);
                Answer::Done
            }
            Question::Unban { peer } => {
                self.peers.unban(peer);
                self.wire.unban(peer);
                Answer::Done
            }
            Question::SetNetwork { active } => {
                self.active = active;
                if active {
                    self.seek(now);
                } else {
                    let peers: Vec<_> = self.peers.all_connected().collect();
                    peers.into_iter().for_each(|peer| self.wire.disconnect(peer, OFF));
                }
                Answer::Done
            }
            other => {
                tracing::warn!(?other, "a question for another actor");
                return;
            }
        };
        let _ = answer.send(said);
    }

    fn state(&self) -> PeersState {
        PeersState {
            bytes_served: self.wire.bytes_served(),
            bytes_received: self.wire.bytes_received(),
            most_unjudged: self.admission.most(),
            active: self.active,
            ..self.peers.state(self.now())
        }
    }
}
