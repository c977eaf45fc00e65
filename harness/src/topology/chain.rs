//! Chain rules as a topology says them: a preset, and what is different from it.

use std::time::Duration;

use schism_chaos::quantity::Size;

/// A preset and its differences.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainRules {
    /// Where everything not said here comes from.
    pub preset: Preset,
    /// The time between blocks that difficulty aims at.
    pub interval: Option<Duration>,
    /// How the target follows the blocks.
    pub difficulty: Option<DifficultyRule>,
    /// Largest serialised block.
    pub block_size: Option<Size>,
    /// Blocks on a coinbase before it may be spent.
    pub coinbase_maturity: Option<u32>,
    /// Blocks after which the subsidy halves.
    pub halving: Option<u32>,
    /// How far in the future a header's time may lie.
    pub max_future: Option<Duration>,
    /// Named changes from a height on, lowest height first.
    pub upgrades: Vec<UpgradeRule>,
}

/// A set of rules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Preset {
    /// 10 s blocks, tiny work.
    #[default]
    Lab,
    /// Bitcoin's.
    BitcoinMainnet,
}

/// How the target follows the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifficultyRule {
    /// Not at all.
    Fixed,
    /// Bitcoin's.
    Retarget {
        /// Blocks between changes.
        window: u32,
    },
    /// aserti3-2d.
    Asert {
        /// Time ahead of schedule that doubles the difficulty.
        half_life: Duration,
    },
}

/// A named change of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpgradeRule {
    /// Its name; unique.
    pub name: String,
    /// The first height it holds at.
    pub height: u32,
    /// A new largest block.
    pub block_size: Option<Size>,
    /// A new difficulty algorithm.
    pub difficulty: Option<DifficultyRule>,
    /// What signatures commit to from here on (replay protection).
    pub fork_id: Option<u32>,
}
