//! The wire: one node's end of every connection. It is polled by whoever owns it and is otherwise told what to do;
//! nothing here is generic, so that the swarm is compiled in this package only. What it is told takes effect when it
//! is polled next: the owner polls it after telling.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bitcoin::BlockHash;
use bitcoin::hashes::Hash;
use futures::StreamExt;
use libp2p::gossipsub::{MessageAcceptance, PublishError};
use libp2p::identity::Keypair;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionId, Swarm};
use libp2p::{Multiaddr, PeerId};

use crate::Transport;
use crate::behaviour::Behaviour;
use crate::encoding::encode_announcement;
use crate::event::{Event, Failure, GossipId, Judgement, Unpublished};
use crate::gossip::Topics;
use crate::limits::Limits;
use crate::traffic::Traffic;
use crate::words::{Announcement, AskId, Request, Response};

mod happened;

/// Runs the futures of connections.
pub type Executor = Box<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send>;

/// What a wire is told about its node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first block of the chain: nodes of another chain are not talked to.
    pub genesis: BlockHash,
    /// The largest block that any rule of the chain allows, in bytes.
    pub max_block_bytes: usize,
    /// Connections at most, in both directions together.
    pub most_connections: usize,
    /// Connections accepted at most: what is left is for our own dials, so that nobody can take all.
    pub most_inbound: usize,
    /// How long a response may take.
    pub response_time: Duration,
    /// How fast time-outs and intervals run, in seconds a second; 1 but where a story is hurried.
    pub haste: f64,
}

impl Settings {
    pub(crate) fn chain(&self) -> String {
        chain_name(&self.genesis)
    }
}

/// A chain's short name in protocols and topics: the first bytes of its genesis hash as people write it.
pub fn chain_name(genesis: &BlockHash) -> String {
    let hash = genesis.to_byte_array();
    hash.iter().rev().skip_while(|byte| **byte == 0).take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// One node's end of every connection.
pub struct Wire {
    swarm: Swarm<Behaviour>,
    chain: String,
    topics: Topics,
    limits: Limits,
    traffic: Arc<Traffic>,
    /// Events not yet polled.
    events: VecDeque<Event>,
    /// Connections of each peer, oldest first.
    links: BTreeMap<PeerId, Vec<Link>>,
    /// Why we closed what is closing.
    closing: BTreeMap<PeerId, String>,
    /// Requests of peers that await our response.
    asks: BTreeMap<AskId, Ask>,
    ask_ids: BTreeMap<InboundRequestId, AskId>,
    /// Requests of ours that await theirs.
    requests: BTreeMap<OutboundRequestId, Request>,
    next_ask: u64,
}

struct Link {
    id: ConnectionId,
    outbound: bool,
}

struct Ask {
    peer: PeerId,
    inbound: InboundRequestId,
    channel: ResponseChannel<Response>,
}

impl Wire {
    /// A wire that listens nowhere and is connected to nobody.
    pub fn new(identity: &Keypair, transport: Transport, settings: &Settings, executor: Executor) -> Self {
        let (chain, limits) = (settings.chain(), Limits::for_blocks_of(settings.max_block_bytes));
        let (topics, traffic) = (Topics::of(&chain), Arc::new(Traffic::default()));
        let behaviour = Behaviour::new(identity, settings, &topics, limits, traffic.clone());
        // Which connections to keep is the overlay's decision: none is closed for being idle.
        let config = swarm::Config::with_executor(executor)
            .with_idle_connection_timeout(Duration::from_secs(365 * 24 * 60 * 60));
        let swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), config);
        Self {
            swarm,
            chain,
            topics,
            limits,
            traffic,
            events: VecDeque::new(),
            links: BTreeMap::new(),
            closing: BTreeMap::new(),
            asks: BTreeMap::new(),
            ask_ids: BTreeMap::new(),
            requests: BTreeMap::new(),
            next_ask: 0,
        }
    }

    /// The next thing that happened.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            match self.swarm.poll_next_unpin(context) {
                Poll::Ready(Some(event)) => self.happened(event),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Our own id.
    pub fn local_peer(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// Listens here; [`Event::Listening`] follows. The error says why not.
    pub fn listen(&mut self, address: Multiaddr) -> Result<(), String> {
        self.swarm.listen_on(address).map(drop).map_err(|error| error.to_string())
    }

    /// Peers may be told that we are reached here.
    pub fn add_external_address(&mut self, address: Multiaddr) {
        self.swarm.add_external_address(address);
    }

    /// Connects to a peer. Nothing happens if it is connected or being dialled; otherwise [`Event::Connected`] or
    /// [`Event::DialFailed`] follows.
    pub fn dial(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let dial =
            DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).addresses(addresses).build();
        match self.swarm.dial(dial) {
            Ok(()) | Err(swarm::DialError::DialPeerConditionFalse(_)) => {}
            Err(error) => self.dial_failed(peer, &error),
        }
    }

    /// Closes every connection to a peer; [`Event::Disconnected`] follows with this reason.
    pub fn disconnect(&mut self, peer: PeerId, reason: &str) {
        if self.links.contains_key(&peer) {
            self.closing.entry(peer).or_insert_with(|| reason.to_owned());
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// Closes every connection to a peer and refuses new ones, in both directions.
    pub fn ban(&mut self, peer: PeerId, reason: &str) {
        self.disconnect(peer, reason);
        self.swarm.behaviour_mut().blocked.block_peer(peer);
    }

    /// Undoes a ban.
    pub fn unban(&mut self, peer: PeerId) {
        self.swarm.behaviour_mut().blocked.unblock_peer(peer);
    }

    /// Tells everyone. Equal bytes go round once: to announce a block again, give its compact form another nonce.
    pub fn publish(&mut self, announcement: &Announcement) -> Result<(), Unpublished> {
        let topic = self.topics.hash(announcement.topic());
        let data = encode_announcement(announcement);
        let bytes = data.len();
        if bytes > self.limits.announcement_bytes {
            return Err(Unpublished::TooLarge { bytes });
        }
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(topic.clone(), data) {
            Ok(_) => {
                let listeners = gossip.all_peers().filter(|(_, topics)| topics.contains(&topic)).count();
                self.traffic.served(bytes * listeners);
                Ok(())
            }
            Err(PublishError::Duplicate) => Err(Unpublished::Duplicate),
            Err(PublishError::AllQueuesFull(_)) => Err(Unpublished::QueuesFull),
            Err(PublishError::MessageTooLarge) => Err(Unpublished::TooLarge { bytes }),
            Err(_) => Err(Unpublished::NobodyListens),
        }
    }

    /// The one judgement on an announcement. False when it comes too late for the announcement to be passed on.
    pub fn judge(&mut self, id: &GossipId, judgement: Judgement) -> bool {
        let acceptance = match judgement {
            Judgement::Accept => MessageAcceptance::Accept,
            Judgement::Reject => MessageAcceptance::Reject,
            Judgement::Ignore => MessageAcceptance::Ignore,
        };
        let topic = self.topics.hash(id.topic);
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let in_time = gossip.report_message_validation_result(&id.message, &id.from, acceptance);
        if in_time && judgement == Judgement::Accept {
            let receivers = gossip.mesh_peers(topic).filter(|peer| **peer != id.from).count();
            self.traffic.served(id.bytes * receivers);
        }
        in_time
    }

    /// Asks a peer; [`Event::Answered`] or [`Event::Failed`] follows.
    pub fn request(&mut self, peer: PeerId, request: Request) {
        if self.links.contains_key(&peer) {
            let outbound = self.swarm.behaviour_mut().asks.send_request(&peer, Ok(request.clone()));
            self.requests.insert(outbound, request);
        } else {
            self.events.push_back(Event::Failed { peer, asked: request, failure: Failure::NotConnected });
        }
    }

    /// How many requests of a peer await our response.
    pub fn asks_of(&self, peer: PeerId) -> usize {
        self.asks.values().filter(|ask| ask.peer == peer).count()
    }

    /// Answers a peer. Nothing happens if it no longer waits.
    pub fn respond(&mut self, ask: AskId, response: Response) {
        if let Some(Ask { inbound, channel, .. }) = self.asks.remove(&ask) {
            self.ask_ids.remove(&inbound);
            let _ = self.swarm.behaviour_mut().asks.send_response(channel, response);
        }
    }

    /// Leaves a peer without an answer, which it learns at once.
    pub fn ignore(&mut self, ask: AskId) {
        if let Some(Ask { inbound, .. }) = self.asks.remove(&ask) {
            self.ask_ids.remove(&inbound);
        }
    }

    /// Connected peers, ordered by id, and whether we dialled.
    pub fn connected(&self) -> impl Iterator<Item = (PeerId, bool)> + '_ {
        self.links.iter().map(|(peer, links)| (*peer, links.first().is_some_and(|link| link.outbound)))
    }

    /// Whether a peer is connected.
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.links.contains_key(&peer)
    }

    /// Payload bytes of responses and announcements sent since start. Gossip passed on is counted by the peers it is
    /// meant for.
    pub fn bytes_served(&self) -> u64 {
        self.traffic.bytes_served()
    }

    /// Payload bytes received since start, duplicates included.
    pub fn bytes_received(&self) -> u64 {
        self.traffic.bytes_received()
    }
}

#[cfg(test)]
mod tests;
