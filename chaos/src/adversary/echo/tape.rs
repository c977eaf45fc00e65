//! A tape: what was announced, asked and answered, in its bytes.

use std::collections::{BTreeSet, VecDeque};

use schism_node::wire::limits::RESPONSE_BYTES;
use schism_node::wire::{Request, Response, Topic, decode_response, encode_response};
use tokio::time::Instant;

/// Announcements and questions kept on a tape, and answers of each kind.
const MOST_FRAMES: usize = 20_000;
const MOST_ANSWERS: usize = 64;
/// Hashes asked for at once in a recorded session.
const BODIES: usize = 8;

/// Something that was said, in its bytes.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// An announcement.
    Gossip(Topic, Vec<u8>),
    /// A question.
    Question(Vec<u8>),
}

/// What was recorded.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Oldest first, each once.
    pub(super) frames: VecDeque<(Instant, Said)>,
    known: BTreeSet<Vec<u8>>,
    /// Answers as they came, by the kind of question.
    headers: VecDeque<Vec<u8>>,
    bodies: VecDeque<Vec<u8>>,
    pools: VecDeque<Vec<u8>>,
}

impl Tape {
    pub(super) fn keep(&mut self, said: Said) {
        let (Said::Gossip(_, bytes) | Said::Question(bytes)) = &said;
        if self.frames.len() < MOST_FRAMES && self.known.insert(bytes.clone()) {
            self.frames.push_back((Instant::now(), said));
        }
    }

    /// Keeps an answer; what to ask next where it tells of more.
    pub(super) fn keep_answer(&mut self, bytes: Vec<u8>) -> Option<Request> {
        let response = decode_response(&bytes, RESPONSE_BYTES).ok()?;
        let (answers, next) = match response {
            Response::Headers(headers) => {
                let hashes = headers.iter().rev().take(BODIES).map(|header| header.block_hash());
                let hashes: Vec<_> = hashes.collect();
                (&mut self.headers, (!hashes.is_empty()).then_some(Request::Blocks { hashes }))
            }
            Response::Blocks(_) => (&mut self.bodies, None),
            Response::Pool(txids) => {
                let txids: Vec<_> = txids.into_iter().take(BODIES).collect();
                (&mut self.pools, (!txids.is_empty()).then_some(Request::Transactions { txids }))
            }
            _ => return None,
        };
        answers.push_back(bytes);
        if answers.len() > MOST_ANSWERS {
            answers.pop_front();
        }
        next
    }

    /// An answer of the kind that is asked for, from the record where there is one: the oldest first, round and round.
    pub(super) fn answer(&mut self, request: Option<&Request>) -> Vec<u8> {
        let (recorded, nothing) = match request {
            Some(Request::Headers { .. }) | None => (Some(&mut self.headers), Response::Headers(Vec::new())),
            Some(Request::Blocks { .. }) => (Some(&mut self.bodies), Response::Blocks(Vec::new())),
            Some(Request::Pool) => (Some(&mut self.pools), Response::Pool(Vec::new())),
            Some(Request::BlockTransactions(_)) => (None, Response::BlockTransactions(None)),
            Some(Request::Transactions { .. }) => (None, Response::Transactions(Vec::new())),
            Some(Request::Addresses) => (None, Response::Addresses(Vec::new())),
        };
        let recorded = recorded.and_then(|answers| {
            answers.rotate_left(usize::from(answers.len() > 1));
            answers.back().cloned()
        });
        recorded.unwrap_or_else(|| encode_response(&nothing, RESPONSE_BYTES))
    }
}
