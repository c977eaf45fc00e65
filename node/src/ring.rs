//! The ring: the four doors through which actors tell each other things.
//!
//! A door traces what goes through it and never blocks. Whoever starts a node may replace doors, so that something
//! (an adversary, a slow actor) stands between the honest ones without a branch in their code.

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler, Message, Recipient};
use bitcoin::hashes::Hash;

use crate::control::Question;
use crate::messages::{Announced, Source, ToLedger, ToMempool, ToMiner, ToNetwork, Verdict};
use crate::surroundings::Trace;

/// The doors of all four actors. Each actor holds all; whom it tells is said at the top of its file.
#[derive(Clone)]
pub struct Ring {
    /// Judges blocks, headers and the coins of transactions.
    pub ledger: Door<ToLedger>,
    /// Keeps unconfirmed transactions.
    pub mempool: Door<ToMempool>,
    /// Finds blocks.
    pub miner: Door<ToMiner>,
    /// Talks to peers.
    pub network: Door<ToNetwork>,
}

/// Where one actor is told things.
pub struct Door<M: Message<Result = ()> + Send + 'static> {
    to: Recipient<M>,
    trace: Trace,
}

impl<M: Message<Result = ()> + Send + Traced> Door<M> {
    /// The door of an actor.
    pub fn of<A>(actor: Addr<A>, trace: Trace) -> Self
    where
        A: Actor + Handler<M>,
        A::Context: ToEnvelope<A, M>,
    {
        Self { to: actor.recipient(), trace }
    }

    /// Puts a message in the actor's mailbox. A mailbox that has gone with its actor swallows it.
    pub fn tell(&self, message: M) {
        self.trace.note(M::KIND, || message.digest());
        self.to.do_send(message);
    }
}

impl<M: Message<Result = ()> + Send> Clone for Door<M> {
    fn clone(&self) -> Self {
        Self { to: self.to.clone(), trace: self.trace.clone() }
    }
}

/// What stands for a message in the trace: enough that two different messages differ.
pub trait Traced {
    /// The kind the trace shows.
    const KIND: &'static str;
    /// Bytes that stand for the content.
    fn digest(&self) -> Vec<u8>;
}

/// A variant's number, where it came from, and bytes that stand for the rest.
fn digest(variant: u8, source: Option<&Source>, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = vec![variant];
    if let Some(Source::Peer { peer, item }) = source {
        bytes.extend_from_slice(&peer.to_bytes());
        bytes.extend_from_slice(&item.0.to_be_bytes());
    }
    bytes.extend_from_slice(content.as_ref());
    bytes
}

/// What stands for a question.
fn question(question: &Question) -> Vec<u8> {
    match question {
        Question::Submit { transaction } => transaction.compute_wtxid().to_byte_array().to_vec(),
        Question::SubmitBlock { block } => block.block_hash().to_byte_array().to_vec(),
        question => format!("{question:?}").into_bytes(),
    }
}

impl Traced for ToLedger {
    const KIND: &'static str = "to_ledger";
    fn digest(&self) -> Vec<u8> {
        match self {
            Self::CheckTransaction { transaction, source } => {
                digest(0, Some(source), transaction.compute_wtxid().as_byte_array())
            }
            Self::CheckBlock { block, source } => digest(1, Some(source), block.block_hash().as_byte_array()),
            Self::CheckHeaders { headers, source } => {
                let last = headers.last().map(|header| header.block_hash().to_byte_array());
                digest(2, Some(source), last.unwrap_or_default())
            }
            Self::Serve { ask, request } => digest(3, None, format!("{ask:?} {request:?}")),
            Self::Asked(asked) => digest(4, None, question(&asked.question)),
        }
    }
}

impl Traced for ToMempool {
    const KIND: &'static str = "to_mempool";
    fn digest(&self) -> Vec<u8> {
        match self {
            Self::Candidate { transaction, source, .. } => {
                digest(0, Some(source), transaction.compute_wtxid().as_byte_array())
            }
            Self::TipChanged(change) => digest(1, None, change.tip.hash.as_byte_array()),
            Self::Reconstruct { compact, source } => {
                digest(2, Some(source), compact.header.block_hash().as_byte_array())
            }
            Self::Missing { peer, hash, transactions } => {
                let count = transactions.as_ref().map_or(u64::MAX, |found| found.transactions.len() as u64);
                digest(3, None, [&peer.to_bytes()[..], hash.as_byte_array(), &count.to_be_bytes()].concat())
            }
            Self::Serve { ask, request } => digest(4, None, format!("{ask:?} {request:?}")),
            Self::Asked(asked) => digest(5, None, question(&asked.question)),
            Self::Offered { peer, txids } => {
                digest(6, None, [peer.to_bytes(), txids.iter().flat_map(|id| id.to_byte_array()).collect()].concat())
            }
            Self::Templates { wanted } => digest(7, None, [u8::from(*wanted)]),
        }
    }
}

impl Traced for ToMiner {
    const KIND: &'static str = "to_miner";
    fn digest(&self) -> Vec<u8> {
        match self {
            Self::Template(template) => {
                let mut content = template.parent.hash.to_byte_array().to_vec();
                content.extend_from_slice(&(template.transactions.len() as u64).to_be_bytes());
                content.extend_from_slice(&template.fees.to_sat().to_be_bytes());
                digest(0, None, content)
            }
            Self::Asked(asked) => digest(1, None, question(&asked.question)),
        }
    }
}

impl Traced for ToNetwork {
    const KIND: &'static str = "to_network";
    fn digest(&self) -> Vec<u8> {
        match self {
            Self::Verdict { source, verdict } => match verdict {
                Verdict::Relay(Announced::Block(block)) => digest(0, Some(source), block.block_hash().as_byte_array()),
                Verdict::Relay(Announced::Transaction(transaction)) => {
                    digest(1, Some(source), transaction.compute_wtxid().as_byte_array())
                }
                Verdict::Relay(Announced::Headers) => digest(2, Some(source), []),
                Verdict::Refuse(reason) => digest(3, Some(source), format!("{reason:?}")),
                Verdict::Drop => digest(4, Some(source), []),
            },
            Self::TipChanged { change, .. } => digest(5, None, change.tip.hash.as_byte_array()),
            Self::Want(want) => digest(6, None, format!("{want:?}")),
            Self::Tell { ask, response } => digest(7, None, format!("{ask:?} {}", response.summary())),
            Self::Asked(asked) => digest(8, None, question(&asked.question)),
        }
    }
}
