//! A rogue: a peer of its own on the wire, beside an adversary's node. It speaks the protocols that nodes speak and keeps
//! none of their rules: what it says is bytes, under a name that nobody has heard of. Names cost nothing: who bans one
//! rogue meets the next.

mod codec;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::secp256k1::SecretKey;
use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, PublishError, TopicHash, ValidationMode, Version};
use libp2p::request_response::{self, Message, ProtocolSupport, ResponseChannel};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use rand::Rng;
use rand::rngs::StdRng;
use schism_node::chain::Rules;
use schism_node::clock::Clock;
use schism_node::surroundings::Spawner;
use schism_node::wire::{Keypair, Request, Topic, Transport, chain_name, decode_request};

pub(super) use codec::Frame;

/// Makes ways to peers from the address of this group and number, for any name.
pub type TransportAt = Arc<dyn Fn(u8, u8, &Keypair) -> Transport>;

/// What an adversary has besides its node's actors.
#[derive(Clone)]
pub struct Means {
    /// The chain its node follows.
    pub rules: Arc<Rules>,
    /// Nodes it knows: those that its own keeps connections to.
    pub targets: Vec<(PeerId, Multiaddr)>,
    /// Makes ways to peers, for any name.
    pub transport: Arc<dyn Fn(&Keypair) -> Transport>,
    /// What time its node takes it to be.
    pub clock: Clock,
    /// Addresses beside its node's: by the group they are of and their number in that.
    pub place: Arc<dyn Fn(u8, u8) -> Multiaddr>,
    /// The same as a place to live at, for any name.
    pub transport_at: TransportAt,
    /// Runs its futures, and ends them with its node.
    pub spawner: Arc<dyn Spawner>,
    /// Seed of its choices.
    pub chance: u64,
    /// The key of coins that genesis may have given it.
    pub purse: SecretKey,
}

/// Between two looks of gossip at whom it tells: as nodes have it, and for those who have nothing to tell.
const HEARTBEAT: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(60 * 60);

/// A name that nobody has heard of.
pub(super) fn name(chance: &mut StdRng) -> Keypair {
    let mut secret = [0; 32];
    chance.fill_bytes(&mut secret);
    Keypair::ed25519_from_bytes(&mut secret).expect("any 32 bytes are a secret key of ed25519")
}

/// A peer that is nobody's node.
pub(super) struct Rogue {
    swarm: Swarm<Behaviour>,
    topics: [IdentTopic; 2],
    connected: BTreeSet<PeerId>,
}

/// What happens to a rogue.
pub(super) enum Heard {
    /// It is connected to a peer.
    Connected,
    /// A peer listens to what it says on both topics from now on.
    Listens(PeerId),
    /// A peer is gone, or could not be reached.
    Gone(PeerId),
    /// A peer asks, in words if they are any.
    Asked(Option<Request>, Answer),
    /// A peer said something to everyone.
    Said(Topic, Vec<u8>),
    /// A peer answered, in these bytes.
    Answered(PeerId, Vec<u8>),
    /// A question came to nothing.
    Unanswered,
}

/// A peer that waits for an answer.
pub(super) struct Answer(ResponseChannel<Frame>);

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    asks: request_response::Behaviour<codec::Raw>,
}

impl Rogue {
    /// A rogue that knows nobody yet; it lives at `means`' node and is known by this name.
    pub(super) fn of(means: &Means, identity: &Keypair) -> Self {
        Self::with(means, identity, (means.transport)(identity), codec::Raw::default(), HEARTBEAT)
    }

    /// The same, and it never reads what it is answered.
    pub(super) fn that_leaves_answers(means: &Means, identity: &Keypair) -> Self {
        Self::with(means, identity, (means.transport)(identity), codec::Raw { leaves_answers: true }, HEARTBEAT)
    }

    /// A rogue that lives at an address of its own and listens there. It has nothing to say: its gossip hardly stirs, since there
    /// may be hundreds of them.
    pub(super) fn at(means: &Means, identity: &Keypair, group: u8, host: u8) -> Self {
        let transport = (means.transport_at)(group, host, identity);
        let mut rogue = Self::with(means, identity, transport, codec::Raw::default(), SELDOM);
        let _ = rogue.swarm.listen_on((means.place)(group, host)); // nobody reaches it where that cannot be
        rogue
    }

    fn with(means: &Means, identity: &Keypair, transport: Transport, codec: codec::Raw, heartbeat: Duration) -> Self {
        let chain = chain_name(&means.rules.genesis.block_hash());
        let topics = ["blocks", "transactions"].map(|name| IdentTopic::new(format!("schism/{chain}/{name}")));
        let ask = StreamProtocol::try_from_owned(format!("/schism/{chain}/ask/1")).expect("it starts with a slash");
        let behaviour = Behaviour {
            gossip: gossipsub(&chain, &topics, heartbeat),
            asks: request_response::Behaviour::with_codec(
                codec,
                [(ask, ProtocolSupport::Full)],
                request_response::Config::default().with_request_timeout(Duration::from_secs(3_600)),
            ),
        };
        let spawner = means.spawner.clone();
        let config = swarm::Config::with_executor(move |future| spawner.spawn(future))
            .with_idle_connection_timeout(Duration::from_secs(24 * 60 * 60));
        let swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), config);
        Self { swarm, topics, connected: BTreeSet::new() }
    }

    /// Connects to a peer, again where it is connected already.
    pub(super) fn dial(&mut self, (peer, address): &(PeerId, Multiaddr)) {
        let options =
            DialOpts::peer_id(*peer).condition(PeerCondition::Always).addresses(vec![address.clone()]).build();
        let _ = self.swarm.dial(options); // what cannot even be tried is as good as gone
    }

    /// Says something to everyone who listens; false when nobody does, or it is more than gossip carries.
    pub(super) fn say(&mut self, topic: Topic, bytes: Vec<u8>) -> bool {
        let topic = self.topic(topic);
        !matches!(
            self.swarm.behaviour_mut().gossip.publish(topic, bytes),
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::MessageTooLarge)
        )
    }

    /// Asks a peer, in these bytes.
    pub(super) fn ask(&mut self, peer: &PeerId, frame: Frame) {
        self.swarm.behaviour_mut().asks.send_request(peer, frame);
    }

    /// Answers a peer, in these bytes.
    pub(super) fn answer(&mut self, Answer(channel): Answer, frame: impl Into<Frame>) {
        let _ = self.swarm.behaviour_mut().asks.send_response(channel, frame.into()); // it may have left
    }

    /// Peers it is connected to.
    pub(super) fn connected(&self) -> &BTreeSet<PeerId> {
        &self.connected
    }

    /// What happens next. May be dropped and asked for again.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    self.connected.insert(peer_id);
                    return Heard::Connected;
                }
                SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                    self.connected.remove(&peer_id);
                    return Heard::Gone(peer_id);
                }
                SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), .. } if !self.connected.contains(&peer) => {
                    return Heard::Gone(peer);
                }
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { peer_id, .. }))
                    if self.topics.iter().all(|topic| self.listens(&peer_id, &topic.hash())) =>
                {
                    return Heard::Listens(peer_id);
                }
                SwarmEvent::Behaviour(BehaviourEvent::Asks(event)) => match event {
                    request_response::Event::Message { message: Message::Request { request, channel, .. }, .. } => {
                        return Heard::Asked(decode_request(&request.bytes).ok(), Answer(channel));
                    }
                    request_response::Event::Message { peer, message: Message::Response { response, .. }, .. } => {
                        return Heard::Answered(peer, response.bytes);
                    }
                    request_response::Event::OutboundFailure { .. } => return Heard::Unanswered,
                    _ => {}
                },
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message { message, .. })) => {
                    let blocks = self.topics[0].hash() == message.topic;
                    return Heard::Said(if blocks { Topic::Blocks } else { Topic::Transactions }, message.data);
                }
                _ => {}
            }
        }
    }

    fn listens(&self, peer: &PeerId, topic: &TopicHash) -> bool {
        self.swarm.behaviour().gossip.all_peers().any(|(known, topics)| known == peer && topics.contains(&topic))
    }

    fn topic(&self, topic: Topic) -> TopicHash {
        let [blocks, transactions] = &self.topics;
        match topic {
            Topic::Blocks => blocks.hash(),
            Topic::Transactions => transactions.hash(),
        }
    }
}

/// Gossip as nodes speak it, without what keeps them honest: nothing is judged, and equal bytes are said again.
fn gossipsub(chain: &str, topics: &[IdentTopic], heartbeat: Duration) -> gossipsub::Behaviour {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id(format!("/schism/{chain}/gossip/1.1.0"), Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(message.data.clone()))
        .duplicate_cache_time(Duration::from_nanos(1))
        .heartbeat_interval(heartbeat)
        .max_transmit_size(64 << 20)
        .flood_publish(true)
        .connection_handler_queue_len(100_000)
        .build()
        .expect("the constants above agree with each other");
    let mut gossip =
        gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).expect("anonymous messages fit the mode");
    for topic in topics {
        gossip.subscribe(topic).expect("no filter refuses it");
    }
    gossip
}
