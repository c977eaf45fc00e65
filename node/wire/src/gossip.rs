//! Gossip: how announcements reach everyone. Nothing is signed (blocks and transactions prove themselves), nothing
//! travels on before the node has judged it, and who sends rubbish loses standing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use libp2p::gossipsub::{
    self, DataTransform, IdentTopic, Message, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
    RawMessage, TopicHash, TopicScoreParams, ValidationMode, Version, WhitelistSubscriptionFilter,
};
use sha2::{Digest, Sha256};

use crate::hurried;
use crate::limits::{GOSSIP_QUEUE, Limits};
use crate::traffic::Traffic;
use crate::words::Topic;

/// Gossipsub as this network uses it.
pub(crate) type Gossipsub = gossipsub::Behaviour<Counted, WhitelistSubscriptionFilter>;

/// Peers tell each other in whole seconds how long a link stays pruned.
const LEAST_BACKOFF: Duration = Duration::from_secs(1);

/// The topics of one chain: two chains do not mix.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    blocks: TopicHash,
    transactions: TopicHash,
}

impl Topics {
    pub(crate) fn of(chain: &str) -> Self {
        let [blocks, transactions] = subjects(chain).map(|topic| topic.hash());
        Self { blocks, transactions }
    }

    pub(crate) fn hash(&self, topic: Topic) -> &TopicHash {
        match topic {
            Topic::Blocks => &self.blocks,
            Topic::Transactions => &self.transactions,
        }
    }

    pub(crate) fn topic(&self, hash: &TopicHash) -> Option<Topic> {
        [Topic::Blocks, Topic::Transactions].into_iter().find(|topic| self.hash(*topic) == hash)
    }
}

/// What is spoken of: blocks, transactions.
fn subjects(chain: &str) -> [IdentTopic; 2] {
    ["blocks", "transactions"].map(|name| IdentTopic::new(format!("schism/{chain}/{name}")))
}

/// Gossipsub for a chain, subscribed to its topics.
pub(crate) fn gossipsub(chain: &str, topics: &Topics, limits: Limits, haste: f64, traffic: Arc<Traffic>) -> Gossipsub {
    let hashes: HashSet<_> = [topics.blocks.clone(), topics.transactions.clone()].into();
    let mut gossip = gossipsub::Behaviour::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config(chain, topics, limits, haste),
        WhitelistSubscriptionFilter(hashes),
        Counted(traffic),
    )
    .expect("anonymous messages fit anonymous validation");
    gossip.with_peer_score(scores(topics, haste), thresholds()).expect("the constants below agree with each other");
    for name in ["blocks", "transactions"] {
        gossip
            .subscribe(&IdentTopic::new(format!("schism/{chain}/{name}")))
            .expect("our own topics pass our own filter");
    }
    gossip
}

fn config(chain: &str, topics: &Topics, limits: Limits, haste: f64) -> gossipsub::Config {
    let transactions = || topics.transactions.clone();
    let seconds = |seconds| hurried(Duration::from_secs(seconds), haste);
    gossipsub::ConfigBuilder::default()
        // One version is spoken: each more is compared at every poll of every connection.
        .protocol_id(format!("/schism/{chain}/gossip/1.1.0"), Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(id)
        // Two seconds, as Bitcoin Core lets announcements wait: ids are exchanged so often to find what was lost, not to spread it.
        .heartbeat_initial_delay(seconds(1))
        .heartbeat_interval(seconds(2))
        // A verdict may take a while (a block waits for its parents): unjudged messages are kept this many heartbeats.
        .history_length(15)
        .history_gossip(3)
        .max_transmit_size(limits.announcement_bytes.saturating_add(4 * 1024))
        // Overlays here have two to a hundred peers and about six links a node. Blocks are few and urgent: nearly every
        // link carries them, so that the one link that joins two halves does not wait for the exchange of
        // ids. Transactions are many and may wait for it: each copy more costs every node a frame.
        .mesh_n_low(6)
        .mesh_n(8)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        .mesh_n_low_for_topic(2, transactions())
        .mesh_n_for_topic(3, transactions())
        .mesh_n_high_for_topic(4, transactions())
        .mesh_outbound_min_for_topic(1, transactions())
        .gossip_lazy(1)
        .gossip_factor(0.1)
        // A pruned link may be the one that is needed after a heal.
        .prune_backoff(seconds(10).max(LEAST_BACKOFF))
        .flood_publish(true)
        // What waits for a stalled link is kept until the link carries again or its connection ends.
        .connection_handler_queue_len(GOSSIP_QUEUE)
        .publish_queue_duration(seconds(120))
        .forward_queue_duration(seconds(120))
        // What follows is as libp2p has it, at our pace.
        .unsubscribe_backoff(seconds(10).max(LEAST_BACKOFF))
        .graft_flood_threshold(seconds(10).max(LEAST_BACKOFF))
        .iwant_followup_time(seconds(3))
        .fanout_ttl(seconds(60))
        .duplicate_cache_time(seconds(60))
        .build()
        .expect("the constants above agree with each other")
}

/// SHA-256 of topic and content, never the block's hash: ids are remembered before anything is judged, and a good
/// header under junk must not shut the good block out, nor a message on the wrong topic the right one.
fn id(message: &Message) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(message.topic.as_str().as_bytes());
    hash.update([0]);
    hash.update(&message.data);
    MessageId::from(hash.finalize().to_vec())
}

/// Only what proves ill will counts against a peer: invalid messages, and promises broken again and again. The
/// defaults also punish quiet topics and shared addresses, which a laboratory is full of.
fn scores(topics: &Topics, haste: f64) -> PeerScoreParams {
    // libp2p forgives once a second and no more often.
    let left_after_a_second = |left: f64| left.powf(haste);
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: hurried(Duration::from_secs(1), haste),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: left_after_a_second(0.9),
        first_message_deliveries_cap: 10.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: left_after_a_second(0.99),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topics.blocks.clone(), topic.clone()), (topics.transactions.clone(), topic)].into(),
        topic_score_cap: 4.0,
        app_specific_weight: 0.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: -1.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: left_after_a_second(0.9),
        slow_peer_weight: 0.0,
        retain_score: hurried(Duration::from_secs(600), haste),
        ..PeerScoreParams::default()
    }
}

/// Three invalid messages end the exchange of ids, five end it all.
fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -100.0,
        publish_threshold: -200.0,
        graylist_threshold: -400.0,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 0.5,
    }
}

/// Leaves messages as they are and counts what arrives, duplicates included.
pub(crate) struct Counted(Arc<Traffic>);

impl DataTransform for Counted {
    fn inbound_transform(&self, raw: RawMessage) -> Result<Message, std::io::Error> {
        self.0.received(raw.data.len());
        Ok(Message { source: raw.source, data: raw.data, sequence_number: raw.sequence_number, topic: raw.topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gossip_keeps_the_pace_it_is_told() {
        let (topics, limits) = (Topics::of("0f"), Limits::for_blocks_of(100_000));
        let at = |haste| config("0f", &topics, limits, haste);
        assert_eq!(at(1.0).heartbeat_interval(), Duration::from_secs(2));
        assert_eq!(at(10.0).heartbeat_interval(), Duration::from_millis(200));
        assert_eq!(at(10.0).iwant_followup_time(), Duration::from_millis(300));
        assert_eq!([at(1.0), at(5.0), at(100.0)].map(|it| it.prune_backoff().as_secs()), [10, 2, 1]);
        let forgiven = |haste| scores(&topics, haste).behaviour_penalty_decay;
        assert!((forgiven(2.0) - forgiven(1.0).powi(2)).abs() < 1e-9);
        // libp2p refuses constants that do not agree: none at any pace of a story.
        for haste in [0.5, 1.0, 10.0, 20.0, 100.0] {
            gossipsub("0f", &topics, limits, haste, Arc::default());
        }
    }
}
