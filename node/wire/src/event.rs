//! Events: what the wire tells its node.

use std::time::Duration;

use libp2p::gossipsub::MessageId;
use libp2p::{Multiaddr, PeerId};

use crate::words::{Announcement, AskId, Request, Response, Topic};

/// Something that happened on the wire.
#[derive(Debug)]
pub enum Event {
    /// We listen here.
    Listening {
        /// Where, without our id.
        address: Multiaddr,
    },
    /// The first connection to a peer is up.
    Connected {
        /// Who.
        peer: PeerId,
        /// Whether we dialled.
        outbound: bool,
        /// The other end: where we dialled, or a port that only this connection has.
        address: Multiaddr,
    },
    /// The last connection to a peer is down.
    Disconnected {
        /// Who.
        peer: PeerId,
        /// Why, in words.
        reason: String,
    },
    /// A dial came to nothing.
    DialFailed {
        /// Who was dialled.
        peer: PeerId,
        /// Whether it was tried to reach the peer. What this node itself refuses, for want of room or for a ban, says nothing
        /// of who is there.
        tried: bool,
        /// Why, in words.
        reason: String,
    },
    /// The peer follows our gossip from now on: what is announced before this does not reach it, so this is the
    /// moment to ask it for what we may lack.
    Subscribed {
        /// Who.
        peer: PeerId,
    },
    /// An announcement arrived and is owed a judgement, see [`Wire::judge`](crate::Wire::judge).
    Gossip {
        /// Who passed it on; who made it nobody knows.
        from: PeerId,
        /// What the judgement names.
        id: GossipId,
        /// What it says.
        announcement: Announcement,
    },
    /// A peer asks.
    Requested {
        /// What the response names.
        ask: AskId,
        /// Who asks.
        peer: PeerId,
        /// For what.
        request: Request,
    },
    /// A peer answered our request, with the kind we asked for.
    Answered {
        /// Who answered.
        peer: PeerId,
        /// What we had asked.
        asked: Request,
        /// What it said.
        response: Response,
    },
    /// Our request came to nothing.
    Failed {
        /// Who was asked.
        peer: PeerId,
        /// What we had asked.
        asked: Request,
        /// Why.
        failure: Failure,
    },
    /// A peer sent something that is no word of ours.
    Rubbish {
        /// Who.
        peer: PeerId,
        /// What is wrong with it.
        what: String,
    },
    /// A ping was answered.
    RoundTrip {
        /// By whom.
        peer: PeerId,
        /// After how long.
        time: Duration,
    },
    /// A peer said where it listens.
    Identified {
        /// Who.
        peer: PeerId,
        /// Where, at most [`ADDRESSES_PER_PEER`](crate::limits::ADDRESSES_PER_PEER).
        addresses: Vec<Multiaddr>,
    },
}

/// Names one announcement from one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GossipId {
    pub(crate) message: MessageId,
    pub(crate) from: PeerId,
    pub(crate) topic: Topic,
    pub(crate) bytes: usize,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer within the time a response may take.
    #[error("no response in time")]
    TimedOut,
    /// The connection ended first, or there was none.
    #[error("not connected")]
    NotConnected,
    /// The peer does not speak our protocol: it follows another chain.
    #[error("speaks another protocol")]
    OtherProtocol,
    /// The peer's answer was no word of ours, or not of the kind asked for; it is also told as rubbish.
    #[error("answered rubbish")]
    Rubbish,
    /// The stream broke.
    #[error("{0}")]
    Broken(String),
}

/// What becomes of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Pass it on.
    Accept,
    /// Drop it and count it against whoever sent it.
    Reject,
    /// Drop it.
    Ignore,
}

/// Why an announcement was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpublished {
    /// Nobody listens; whoever connects later asks.
    #[error("no peer listens")]
    NobodyListens,
    /// These very bytes went round before.
    #[error("already went round")]
    Duplicate,
    /// It is larger than an announcement may be.
    #[error("{bytes} bytes are too many")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Every peer's queue is full.
    #[error("every peer's queue is full")]
    QueuesFull,
}
