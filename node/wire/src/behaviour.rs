//! The behaviour: all protocols of a node on one connection, combined. Order matters: what refuses a connection
//! comes first, or a protocol behind it believes in a connection that never was.

use std::sync::Arc;
use std::time::Duration;

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, identify, ping};

use crate::codec::Codec;
use crate::gossip::{self, Gossipsub, Topics};
use crate::hurried;
use crate::limits::{HANDSHAKES, Limits, STREAMS_PER_CONNECTION};
use crate::traffic::Traffic;
use crate::wire::Settings;

/// Between two pings: they measure the way, and find the peer that stands still behind an open connection.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long the answer to one may take.
const PING_TIME: Duration = Duration::from_secs(15);
/// Between two times that a peer is told our addresses.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    pub(crate) blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub(crate) gossip: Gossipsub,
    pub(crate) asks: request_response::Behaviour<Codec>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

impl Behaviour {
    pub(crate) fn new(
        identity: &Keypair,
        settings: &Settings,
        topics: &Topics,
        limits: Limits,
        traffic: Arc<Traffic>,
    ) -> Self {
        let chain = settings.chain();
        let hurried = |time| hurried(time, settings.haste);
        let ask = StreamProtocol::try_from_owned(format!("/schism/{chain}/ask/1")).expect("it starts with a slash");
        Self {
            limits: connection_limits::Behaviour::new(connection_limits(settings)),
            blocked: allow_block_list::Behaviour::default(),
            gossip: gossip::gossipsub(&chain, topics, limits, settings.haste, traffic.clone()),
            asks: request_response::Behaviour::with_codec(
                Codec { limits, traffic },
                [(ask, ProtocolSupport::Full)],
                request_response::Config::default()
                    .with_request_timeout(hurried(settings.response_time))
                    .with_max_concurrent_streams(STREAMS_PER_CONNECTION),
            ),
            identify: identify::Behaviour::new(
                identify::Config::new(protocol_version(&chain), identity.public())
                    .with_agent_version(format!("schism/{}", env!("CARGO_PKG_VERSION")))
                    .with_interval(hurried(IDENTIFY_INTERVAL))
                    .with_cache_size(0),
            ),
            ping: ping::Behaviour::new(
                ping::Config::new().with_interval(hurried(PING_INTERVAL)).with_timeout(hurried(PING_TIME)),
            ),
        }
    }
}

/// What a node of this chain calls its protocols.
pub(crate) fn protocol_version(chain: &str) -> String {
    format!("/schism/{chain}/1")
}

/// Two to a peer, not one: nodes that dial each other at the same moment would refuse both. See `Wire::established`.
fn connection_limits(settings: &Settings) -> ConnectionLimits {
    let most = |connections: usize| Some(u32::try_from(connections).unwrap_or(u32::MAX));
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(HANDSHAKES))
        .with_max_pending_outgoing(Some(HANDSHAKES))
        .with_max_established_incoming(most(settings.most_inbound))
        .with_max_established(most(settings.most_connections))
        .with_max_established_per_peer(Some(2))
}
