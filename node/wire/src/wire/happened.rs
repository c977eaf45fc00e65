//! What happened in the swarm, told as [`Event`]s in the node's words.

use libp2p::core::ConnectedPoint;
use libp2p::request_response::{self, Message, OutboundFailure};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, gossipsub, identify, ping};
use tracing::{debug, warn};

use super::{Ask, Link, Wire};
use crate::behaviour::{BehaviourEvent, protocol_version};
use crate::codec::rubbish;
use crate::encoding::{Malformed, decode_announcement};
use crate::event::{Event, Failure, GossipId, Judgement};
use crate::limits::{ADDRESS_BYTES, ADDRESSES_PER_PEER};
use crate::words::{AskId, Request, Response, Topic};

impl Wire {
    pub(super) fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.gossiped(event),
            SwarmEvent::Behaviour(BehaviourEvent::Asks(event)) => self.asked(event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.identified(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.pinged(event),
            SwarmEvent::NewListenAddr { address, .. } => self.events.push_back(Event::Listening { address }),
            SwarmEvent::ListenerError { error, .. } => warn!(%error, "a listener stumbled"),
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => warn!(%error, "a listener closed"),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                self.closed(peer_id, connection_id, cause.map(|cause| cause.to_string()));
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.dial_failed(peer, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => debug!(%error, "a connection was not accepted"),
            _ => {}
        }
    }

    pub(super) fn dial_failed(&mut self, peer: PeerId, error: &DialError) {
        let tried = matches!(error, DialError::Transport(_) | DialError::WrongPeerId { .. });
        self.events.push_back(Event::DialFailed { peer, tried, reason: error.to_string() });
    }

    /// A second connection to a peer means that both dialled at the same moment, or that the peer has forgotten the
    /// first. Gossipsub introduces itself on a peer's first connection only, so neither can be closed alone without
    /// risking that one side never hears the other: both go, and the overlay dials again, in order.
    fn established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let outbound = endpoint.is_dialer();
        let links = self.links.entry(peer).or_default();
        links.push(Link { id, outbound });
        if links.len() == 1 {
            let address = endpoint.get_remote_address().clone();
            self.events.push_back(Event::Connected { peer, outbound, address });
        } else {
            self.disconnect(peer, "two connections at once");
        }
    }

    fn closed(&mut self, peer: PeerId, id: ConnectionId, cause: Option<String>) {
        let Some(links) = self.links.get_mut(&peer) else { return };
        links.retain(|link| link.id != id);
        if links.is_empty() {
            self.links.remove(&peer);
            let reason = self.closing.remove(&peer).or(cause).unwrap_or_else(|| "closed by the peer".to_owned());
            self.events.push_back(Event::Disconnected { peer, reason });
        }
    }

    fn gossiped(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source: from, message_id: message, message: content } => {
                let Some(topic) = self.topics.topic(&content.topic) else { return };
                let id = GossipId { message, from, topic, bytes: content.data.len() };
                match decode_announcement(topic, &content.data, self.limits.announcement_bytes) {
                    Ok(announcement) => self.events.push_back(Event::Gossip { from, id, announcement }),
                    Err(malformed) => {
                        self.judge(&id, Judgement::Reject);
                        self.events.push_back(Event::Rubbish { peer: from, what: malformed.to_string() });
                    }
                }
            }
            gossipsub::Event::Subscribed { peer_id: peer, topic } if topic == *self.topics.hash(Topic::Blocks) => {
                self.events.push_back(Event::Subscribed { peer });
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => debug!(peer = %peer_id, "gossip was lost to a slow peer"),
            _ => {}
        }
    }

    fn asked(&mut self, event: request_response::Event<Result<Request, Malformed>, Response>) {
        match event {
            request_response::Event::Message { peer, message, .. } => match message {
                Message::Request { request: Err(malformed), .. } => self.rubbish(peer, malformed.to_string()),
                Message::Request { request_id: inbound, request: Ok(request), channel } => {
                    let ask = AskId(self.next_ask);
                    self.next_ask += 1;
                    self.asks.insert(ask, Ask { peer, inbound, channel });
                    self.ask_ids.insert(inbound, ask);
                    self.events.push_back(Event::Requested { ask, peer, request });
                }
                Message::Response { request_id, response } => {
                    let Some(asked) = self.requests.remove(&request_id) else { return };
                    if response.answers(&asked) {
                        self.events.push_back(Event::Answered { peer, asked, response });
                    } else {
                        self.rubbish(peer, "an answer to another question".to_owned());
                        self.events.push_back(Event::Failed { peer, asked, failure: Failure::Rubbish });
                    }
                }
            },
            request_response::Event::OutboundFailure { peer, request_id, error, .. } => {
                let Some(asked) = self.requests.remove(&request_id) else { return };
                let failure = self.failure(peer, error);
                self.events.push_back(Event::Failed { peer, asked, failure });
            }
            request_response::Event::InboundFailure { request_id, .. } => {
                if let Some(ask) = self.ask_ids.remove(&request_id) {
                    self.asks.remove(&ask);
                }
            }
            request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn failure(&mut self, peer: PeerId, error: OutboundFailure) -> Failure {
        match error {
            OutboundFailure::Timeout => Failure::TimedOut,
            OutboundFailure::ConnectionClosed | OutboundFailure::DialFailure => Failure::NotConnected,
            OutboundFailure::UnsupportedProtocols => Failure::OtherProtocol,
            OutboundFailure::Io(error) => match rubbish(&error) {
                Some(malformed) => {
                    self.rubbish(peer, malformed.to_string());
                    Failure::Rubbish
                }
                None => Failure::Broken(error.to_string()),
            },
        }
    }

    fn rubbish(&mut self, peer: PeerId, what: String) {
        self.events.push_back(Event::Rubbish { peer, what });
    }

    fn identified(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id: peer, info, .. } = event else { return };
        if info.protocol_version == protocol_version(&self.chain) {
            let short = |address: &Multiaddr| address.len() <= ADDRESS_BYTES;
            let addresses = info.listen_addrs.into_iter().filter(short).take(ADDRESSES_PER_PEER).collect();
            self.events.push_back(Event::Identified { peer, addresses });
        } else {
            self.disconnect(peer, "follows another chain");
        }
    }

    /// A peer that is silent for three pings is gone, whatever its connection says: frozen, or behind a cut.
    fn pinged(&mut self, event: ping::Event) {
        match event.result {
            Ok(time) => self.events.push_back(Event::RoundTrip { peer: event.peer, time }),
            // The first failure of a row is never told.
            Err(ping::Failure::Timeout) => self.disconnect(event.peer, "does not answer pings"),
            Err(failure) => debug!(peer = %event.peer, %failure, "a ping failed"),
        }
    }
}
