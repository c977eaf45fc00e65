//! Rules: what a chain allows, by height.

use std::time::Duration;

use bitcoin::{Amount, Block, CompactTarget, ScriptBuf};

/// The rules of one chain: constants, and named upgrades that change some of them from a height on.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// The preset's name: `lab`, `bitcoin-mainnet`.
    pub name: String,
    /// The first block.
    pub genesis: Block,
    /// The time between blocks that difficulty aims at.
    pub interval: Duration,
    /// The easiest target allowed.
    pub pow_limit: CompactTarget,
    /// How the target follows the blocks.
    pub difficulty: Difficulty,
    /// Blocks that must lie on a coinbase before it is spent; genesis outputs of the lab are exempt.
    pub coinbase_maturity: u32,
    /// What the first coinbases may claim.
    pub initial_subsidy: Amount,
    /// Blocks after which the subsidy halves.
    pub halving_interval: u32,
    /// How far in the future a header's time may lie.
    pub max_future: Duration,
    /// Largest serialised block, in bytes.
    pub max_block_bytes: usize,
    /// Whether coinbases commit to witnesses (BIP141) and witness programs are enforced.
    pub witness: bool,
    /// Named changes, lowest height first.
    pub upgrades: Vec<Upgrade>,
}

/// How the target follows the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difficulty {
    /// Always the limit's.
    Fixed,
    /// Bitcoin's: every `window` blocks, by the time the last window took, by a factor of 4 at most.
    Retarget {
        /// Blocks.
        window: u32,
    },
    /// aserti3-2d: every block, exponentially in how far the chain is ahead of its schedule.
    Asert {
        /// Time ahead that doubles the difficulty.
        half_life: Duration,
    },
}

/// A named change of rules from a height on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Upgrade {
    /// Its name.
    pub name: String,
    /// The first height it holds at.
    pub height: u32,
    /// A new largest block, in bytes.
    pub max_block_bytes: Option<usize>,
    /// A new difficulty algorithm; ASERT is anchored at the block before `height`.
    pub difficulty: Option<Difficulty>,
    /// What signatures commit to from here on (replay protection).
    pub fork_id: Option<u32>,
}

/// Where the lab's genesis pays to, so that wallets are funded from the start.
pub type Allocation = (ScriptBuf, Amount);
