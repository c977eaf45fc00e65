//! Limits: how much one message of a peer can make us read, hold and compute. Checked before anything is allocated.

/// Hashes in a locator: sparse enough for any height (Bitcoin's limit).
pub const LOCATOR: usize = 101;
/// Headers in one response: Bitcoin's.
pub const HEADERS_PER_RESPONSE: usize = 2_000;
/// Blocks in one response: a window that several peers can share.
pub const BLOCKS_PER_RESPONSE: usize = 16;
/// Transactions asked for at once: a few full lab blocks.
pub const TRANSACTIONS_PER_RESPONSE: usize = 1_000;
/// Ids in the list of a pool: a full pool of small transactions.
pub const POOL_IDS: usize = 50_000;
/// Addresses in one response.
pub const ADDRESSES_PER_RESPONSE: usize = 64;
/// Addresses that a peer may claim for itself (identify).
pub const ADDRESSES_PER_PEER: usize = 8;
/// Bytes of one address.
pub const ADDRESS_BYTES: usize = 256;
/// Bytes of a peer's id: a multihash of 32 bytes or an inlined key.
pub const PEER_ID_BYTES: usize = 64;
/// Transactions in a block as BIP152 can number them.
pub const BLOCK_TRANSACTIONS: usize = u16::MAX as usize;
/// Requests in flight on one connection, in both directions together.
pub const STREAMS_PER_CONNECTION: usize = 32;
/// Connections whose handshake is under way, in each direction.
pub const HANDSHAKES: u32 = 64;
/// Messages that wait for one slow peer before more are lost to it.
pub const GOSSIP_QUEUE: usize = 1_000;
/// Bytes of one request: the longest locator or list of ids, or the indexes of a large block.
pub const REQUEST_BYTES: usize = 256 * 1024;
/// Bytes of one response, unless a single block is larger.
pub const RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The limits that depend on the chain.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one response.
    pub response_bytes: usize,
    /// Bytes of one announcement: a compact block may carry its whole block.
    pub announcement_bytes: usize,
}

impl Limits {
    /// Limits for a chain whose blocks have at most this many bytes.
    pub fn for_blocks_of(max_block_bytes: usize) -> Self {
        let framing = 64 * 1024;
        Self {
            response_bytes: RESPONSE_BYTES.max(max_block_bytes.saturating_add(framing)),
            announcement_bytes: max_block_bytes.saturating_add(framing),
        }
    }
}
