//! Every limit on what a peer can fill: name, value, reason.

pub use schism_wire::limits::*;

/// Items of one peer that wait for a verdict; more are dropped. Bounds every mailbox together with the next.
pub const UNJUDGED_PER_PEER: usize = 16;
/// Items of all peers that wait for a verdict.
pub const UNJUDGED: usize = 256;
/// Misbehaviour at which a peer is banned; the points are in `Refused::blame`.
pub const BAN_SCORE: u32 = 100;
/// Orphans beside the pool: Bitcoin Core's old default.
pub const ORPHANS: usize = 100;
/// Bytes of all orphans: twenty of the largest.
pub const ORPHAN_BYTES: usize = 1_000_000;
/// Seconds an orphan may wait for its parents, which were asked for when it came.
pub const ORPHAN_SECONDS: u64 = 120;
/// Bytes of transactions in the pool: a few hundred full lab blocks.
pub const POOL_BYTES: usize = 20_000_000;
/// Ancestors and descendants a pooled transaction may have, itself included: Bitcoin Core's default.
pub const POOL_FAMILY: usize = 25;
/// Transactions that one may replace, with all that descend from those: Bitcoin Core's.
pub const POOL_REPLACED: usize = 100;
/// What a pooled transaction pays at least, in satoshi for 1,000 serialised bytes: Bitcoin Core's default.
pub const FEE_FLOOR_PER_KILOBYTE: u64 = 1_000;
/// Confirmed transactions remembered, so that a late copy is not taken for an orphan: some full lab blocks.
pub const CONFIRMED_REMEMBERED: usize = 2_000;
/// Connected blocks remembered, so that a late announcement is not put together again, and one far too late is charged.
pub const BLOCKS_REMEMBERED: usize = 1_000;
/// Blocks under which what a peer tells is old news and charged: some minutes, longer than anything honest is under way.
pub const OLD_NEWS_BLOCKS: u32 = 36;
/// Seconds a transaction may wait in the pool: Bitcoin Core's two weeks, in lab time two hours.
pub const POOL_EXPIRY_SECONDS: u64 = 7_200;
/// Compact blocks being completed at once.
pub const RECONSTRUCTIONS: usize = 16;
/// Announcers of one block asked at once: Bitcoin Core's; one of them is honest more often than the first is.
pub const RECONSTRUCTIONS_PER_BLOCK: usize = 3;
/// Blocks that one question may have mined at once.
pub const MINED_AT_ONCE: u32 = 10_000;
/// Blocks kept although their parent's header is unknown: none are; their header is asked for instead.
pub const UNCONNECTED_HEADERS: usize = 0;
/// Header trees may hold this many headers beside the best chain before low-work ones are refused.
pub const SIDE_HEADERS: usize = 50_000;
/// Bodies kept although they were never connected, counted this far back from the tip; each cost its work. Those on the
/// way to the best header are kept beyond it.
pub const IDLE_BODIES: usize = 1_024;
/// Bodies wanted at once, oldest first: a window that many peers can work on, and 25 MB of lab blocks at most.
pub const BODIES_WANTED: usize = 256;
/// Blocks refused only for their future time that wait to be judged again.
pub const EARLY_BLOCKS: usize = 16;
/// Seconds they wait at most: beyond it somebody's clock is wrong, not ours slow.
pub const EARLY_SECONDS: u32 = 7_200;
/// Bytes of a block in a file of blocks: Bitcoin's protocol limit for any message.
pub const FRAME_BYTES: u32 = 32 << 20;
/// Addresses in the book: as many as its buckets have places.
pub const ADDRESSES: usize = (NEW_BUCKETS * NEW_PER_BUCKET + TRIED_BUCKETS * TRIED_PER_BUCKET) as usize;
/// Buckets of addresses that others told of, and places in each: a sixteenth of Bitcoin Core's.
pub const NEW_BUCKETS: u64 = 64;
/// See [`NEW_BUCKETS`].
pub const NEW_PER_BUCKET: u64 = 12;
/// Buckets of addresses where somebody was met, and places in each.
pub const TRIED_BUCKETS: u64 = 32;
/// See [`TRIED_BUCKETS`].
pub const TRIED_PER_BUCKET: u64 = 8;
/// Dials in a row that came to nothing, after which an address may be replaced by another: Bitcoin Core's.
pub const HOPELESS: u32 = 3;
/// Places of the book that others wait for at once.
pub const CHALLENGES: usize = 16;
/// Outbound peers that are dialled first in the next life: Bitcoin Core's.
pub const ANCHORS: usize = 2;
/// Connections accepted beyond the most that are kept, so that a newcomer can be weighed against those who are here.
pub const NEWCOMERS: usize = 8;
/// Seconds a peer may take for a response before another is asked.
pub const RESPONSE_SECONDS: u64 = 10;
/// Seconds after which a verdict is no longer waited for: a message to an actor was lost.
pub const VERDICT_SECONDS: u64 = 120;
/// Peers whose misbehaviour is remembered; the least guilty are forgotten first.
pub const SCORES: usize = 1_000;
/// Peers refused; the oldest ban is lifted first. Identities cost nothing, so a longer list protects no better.
pub const BANS: usize = 1_000;
/// Seconds a ban lasts: Bitcoin Core's day, in lab time five minutes. Who was on the wrong side of a fork may come back.
pub const BAN_SECONDS: u64 = 300;
/// Points of a peer's misbehaviour that are forgiven every second: as many as an honest one is charged that tells of old
/// tips while it catches up. Who is charged faster comes to a ban.
pub const FORGIVEN_A_SECOND: u64 = 1;
/// Points for bytes that are no message, or an answer nobody asked for: two of them within a minute ban.
pub const RUBBISH_BLAME: u32 = 80;
/// Bodies asked of one peer at once: half of what may wait for a verdict, so that announcements still get in.
pub const BODIES_PER_PEER: usize = 8;
/// Seconds after which a peer that did not have a body may be asked for it again.
pub const LACKS_SECONDS: u64 = 10;
/// Requests of one peer that await our response; more are left without one.
pub const ASKS_PER_PEER: usize = 16;
