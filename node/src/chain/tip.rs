//! A tip: the block a chain ends in, and the work behind it.

use bitcoin::{BlockHash, Work};
use serde::{Deserialize, Serialize};

/// The last block of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// The block's hash.
    pub hash: BlockHash,
    /// Its height; genesis has 0.
    pub height: u32,
    /// The work of the whole chain up to and including it.
    pub work: Work,
    /// Its header's time, in seconds since the Unix epoch.
    pub time: u32,
}
