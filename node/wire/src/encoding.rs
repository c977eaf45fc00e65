//! Encoding: words to bytes and back, in Bitcoin's consensus encodings. Decoding trusts nothing: a count is held
//! against its limit and against the bytes that are left before anything is allocated for it, and nothing may follow.

use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::block::Header;
use bitcoin::consensus::{Decodable, Encodable};
use bitcoin::{Block, BlockHash, Transaction, Txid, VarInt};
use libp2p::{Multiaddr, PeerId};

use crate::limits;
use crate::words::{Announcement, Request, Response, Topic};

/// Why bytes of a peer are no word of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The message is longer than its kind allows.
    #[error("{bytes} bytes where {limit} are allowed")]
    TooLong {
        /// How long it is, or says it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A list is longer than its kind allows, or than the bytes that follow.
    #[error("{count} {what} where {limit} are allowed")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it says there are.
        count: u64,
        /// How many there may be.
        limit: usize,
    },
    /// No such kind of message.
    #[error("no message has kind {0}")]
    UnknownKind(u8),
    /// Bytes follow where the message should end.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// Bitcoin's encoding is violated.
    #[error("{0}")]
    Encoding(String),
}

impl From<bitcoin::consensus::encode::Error> for Malformed {
    fn from(error: bitcoin::consensus::encode::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

/// The bytes of a request.
pub fn encode_request(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::new();
    match request {
        Request::Headers { locator } => list(&mut bytes, 0, locator),
        Request::Blocks { hashes } => list(&mut bytes, 1, hashes),
        Request::BlockTransactions(request) => {
            bytes.push(2);
            put(&mut bytes, &ascending(request));
        }
        Request::Transactions { txids } => list(&mut bytes, 3, txids),
        Request::Pool => bytes.push(4),
        Request::Addresses => bytes.push(5),
    }
    bytes
}

/// A request from bytes.
pub fn decode_request(bytes: &[u8]) -> Result<Request, Malformed> {
    let mut rest = within(bytes, limits::REQUEST_BYTES)?;
    let rest = &mut rest;
    let request = match kind(rest)? {
        0 => Request::Headers { locator: take(rest, "hashes", limits::LOCATOR, 32)? },
        1 => Request::Blocks { hashes: take(rest, "hashes", limits::BLOCKS_PER_RESPONSE, 32)? },
        2 => {
            // The crate's decoder trusts the count that follows the hash.
            let mut after_hash = rest.get(32..).unwrap_or_default();
            count(&mut after_hash, "indexes", limits::BLOCK_TRANSACTIONS, 1)?;
            let request = BlockTransactionsRequest::consensus_decode(rest)?;
            if let Some(index) = request.indexes.last().filter(|index| **index >= limits::BLOCK_TRANSACTIONS as u64) {
                return Err(Malformed::Encoding(format!("no block has a transaction {index}")));
            }
            Request::BlockTransactions(request)
        }
        3 => Request::Transactions { txids: take(rest, "ids", limits::TRANSACTIONS_PER_RESPONSE, 32)? },
        4 => Request::Pool,
        5 => Request::Addresses,
        other => return Err(Malformed::UnknownKind(other)),
    };
    ends(rest)?;
    Ok(request)
}

/// The bytes of a response. What does not fit into `limit` bytes is left out from the end: whoever asked asks again.
pub fn encode_response(response: &Response, limit: usize) -> Vec<u8> {
    match response {
        Response::Headers(headers) => fitting(0, headers, limits::HEADERS_PER_RESPONSE, limit),
        Response::Blocks(blocks) => fitting(1, blocks, limits::BLOCKS_PER_RESPONSE, limit),
        Response::BlockTransactions(found) => {
            let mut bytes = vec![2, u8::from(found.is_some())];
            if let Some(found) = found {
                put(&mut bytes, &found.block_hash);
                bytes.extend(list_of(&found.transactions, limits::BLOCK_TRANSACTIONS, limit.saturating_sub(34)));
            }
            bytes
        }
        Response::Transactions(found) => fitting(3, found, limits::TRANSACTIONS_PER_RESPONSE, limit),
        Response::Pool(ids) => fitting(4, ids, limits::POOL_IDS, limit),
        Response::Addresses(found) => {
            let found: Vec<_> = found.iter().map(|(peer, address)| Address(*peer, address.clone())).collect();
            fitting(5, &found, limits::ADDRESSES_PER_RESPONSE, limit)
        }
    }
}

/// A response from bytes, of at most `limit`.
pub fn decode_response(bytes: &[u8], limit: usize) -> Result<Response, Malformed> {
    let mut rest = within(bytes, limit)?;
    let rest = &mut rest;
    let response = match kind(rest)? {
        0 => Response::Headers(take::<Header>(rest, "headers", limits::HEADERS_PER_RESPONSE, 80)?),
        1 => Response::Blocks(shared(take::<Block>(rest, "blocks", limits::BLOCKS_PER_RESPONSE, 81)?)),
        2 => Response::BlockTransactions(match kind(rest)? {
            0 => None,
            1 => Some(BlockTransactions {
                block_hash: BlockHash::consensus_decode(rest)?,
                transactions: take::<Transaction>(rest, "transactions", limits::BLOCK_TRANSACTIONS, 10)?,
            }),
            other => return Err(Malformed::UnknownKind(other)),
        }),
        3 => Response::Transactions(shared(take::<Transaction>(
            rest,
            "transactions",
            limits::TRANSACTIONS_PER_RESPONSE,
            10,
        )?)),
        4 => Response::Pool(take::<Txid>(rest, "ids", limits::POOL_IDS, 32)?),
        5 => {
            let found = take::<Address>(rest, "addresses", limits::ADDRESSES_PER_RESPONSE, 4)?;
            Response::Addresses(found.into_iter().map(|Address(peer, address)| (peer, address)).collect())
        }
        other => return Err(Malformed::UnknownKind(other)),
    };
    ends(rest)?;
    Ok(response)
}

/// The bytes of an announcement; which kind it is, its topic says.
pub fn encode_announcement(announcement: &Announcement) -> Vec<u8> {
    match announcement {
        Announcement::Block(compact) => bitcoin::consensus::serialize(compact.as_ref()),
        Announcement::Transaction(transaction) => bitcoin::consensus::serialize(transaction.as_ref()),
    }
}

/// An announcement on a topic from bytes, of at most `limit`.
pub fn decode_announcement(topic: Topic, bytes: &[u8], limit: usize) -> Result<Announcement, Malformed> {
    let mut rest = within(bytes, limit)?;
    let rest = &mut rest;
    let announcement = match topic {
        Topic::Blocks => Announcement::Block(Arc::new(compact(rest)?)),
        Topic::Transactions => Announcement::Transaction(Arc::new(Transaction::consensus_decode(rest)?)),
    };
    ends(rest)?;
    Ok(announcement)
}

/// A compact block whose counts and prefilled positions make sense.
fn compact(rest: &mut &[u8]) -> Result<HeaderAndShortIds, Malformed> {
    let header = Header::consensus_decode(rest)?;
    let nonce = u64::consensus_decode(rest)?;
    let short_ids: Vec<_> = take(rest, "short ids", limits::BLOCK_TRANSACTIONS, 6)?;
    let prefilled_txs: Vec<bitcoin::bip152::PrefilledTransaction> =
        take(rest, "prefilled transactions", limits::BLOCK_TRANSACTIONS - short_ids.len(), 11)?;
    let transactions = short_ids.len() + prefilled_txs.len();
    let mut next = 0;
    for prefilled in &prefilled_txs {
        let index = next + usize::from(prefilled.idx);
        if index >= transactions {
            return Err(Malformed::Encoding(format!("prefilled transaction {index} of {transactions}")));
        }
        next = index + 1;
    }
    Ok(HeaderAndShortIds { header, nonce, short_ids, prefilled_txs })
}

/// Indexes in the only order that their encoding can say. (The crate's encoder panics on any other.)
fn ascending(request: &BlockTransactionsRequest) -> BlockTransactionsRequest {
    let mut indexes = request.indexes.clone();
    indexes.sort_unstable();
    indexes.dedup();
    indexes.retain(|index| *index < limits::BLOCK_TRANSACTIONS as u64);
    BlockTransactionsRequest { block_hash: request.block_hash, indexes }
}

/// A peer and where it listens.
struct Address(PeerId, Multiaddr);

impl Encodable for Address {
    fn consensus_encode<W: bitcoin::io::Write + ?Sized>(&self, to: &mut W) -> Result<usize, bitcoin::io::Error> {
        Ok(self.0.to_bytes().consensus_encode(to)? + self.1.to_vec().consensus_encode(to)?)
    }
}

impl Decodable for Address {
    fn consensus_decode<R: bitcoin::io::Read + ?Sized>(
        from: &mut R,
    ) -> Result<Self, bitcoin::consensus::encode::Error> {
        use bitcoin::consensus::encode::Error::ParseFailed;
        let mut bytes = |limit: usize| -> Result<Vec<u8>, bitcoin::consensus::encode::Error> {
            let length = VarInt::consensus_decode(from)?.0;
            if length > limit as u64 {
                return Err(ParseFailed("address too long"));
            }
            let mut bytes = vec![0; length as usize];
            from.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        let peer = PeerId::from_bytes(&bytes(limits::PEER_ID_BYTES)?).map_err(|_| ParseFailed("not a peer id"))?;
        let address =
            Multiaddr::try_from(bytes(limits::ADDRESS_BYTES)?).map_err(|_| ParseFailed("not a multiaddress"))?;
        Ok(Self(peer, address))
    }
}

fn within(bytes: &[u8], limit: usize) -> Result<&[u8], Malformed> {
    if bytes.len() > limit { Err(Malformed::TooLong { bytes: bytes.len(), limit }) } else { Ok(bytes) }
}

fn kind(rest: &mut &[u8]) -> Result<u8, Malformed> {
    Ok(u8::consensus_decode(rest)?)
}

fn ends(rest: &[u8]) -> Result<(), Malformed> {
    if rest.is_empty() { Ok(()) } else { Err(Malformed::Trailing(rest.len())) }
}

/// Reads a count of things that take at least `least` bytes each.
fn count(rest: &mut &[u8], what: &'static str, most: usize, least: usize) -> Result<usize, Malformed> {
    let count = VarInt::consensus_decode(rest)?.0;
    let limit = most.min(rest.len() / least);
    if count > limit as u64 { Err(Malformed::TooMany { what, count, limit }) } else { Ok(count as usize) }
}

/// Reads a list of things that take at least `least` bytes each.
fn take<T: Decodable>(rest: &mut &[u8], what: &'static str, most: usize, least: usize) -> Result<Vec<T>, Malformed> {
    let count = count(rest, what, most, least)?;
    let mut things = Vec::with_capacity(count.min(rest.len() / size_of::<T>().max(1) + 1));
    for _ in 0..count {
        things.push(T::consensus_decode(rest)?);
    }
    Ok(things)
}

fn shared<T>(things: Vec<T>) -> Vec<Arc<T>> {
    things.into_iter().map(Arc::new).collect()
}

fn put(bytes: &mut Vec<u8>, thing: &(impl Encodable + ?Sized)) {
    let written = thing.consensus_encode(bytes);
    debug_assert!(written.is_ok(), "a vector takes all that is written");
}

fn list(bytes: &mut Vec<u8>, kind: u8, things: &[impl Encodable]) {
    bytes.push(kind);
    put(bytes, &VarInt(things.len() as u64));
    things.iter().for_each(|thing| put(bytes, thing));
}

fn fitting(kind: u8, things: &[impl Encodable], most: usize, limit: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(list_of(things, most, limit.saturating_sub(1)));
    bytes
}

/// As many of `things` as `most` and `limit` bytes allow, with their count before them.
fn list_of(things: &[impl Encodable], most: usize, limit: usize) -> Vec<u8> {
    let longest_count = 9;
    let (mut body, mut count) = (Vec::new(), 0);
    for thing in things.iter().take(most) {
        let before = body.len();
        put(&mut body, thing);
        if body.len() + longest_count > limit {
            body.truncate(before);
            break;
        }
        count += 1;
    }
    let mut bytes = Vec::with_capacity(longest_count + body.len());
    put(&mut bytes, &VarInt(count));
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests;
