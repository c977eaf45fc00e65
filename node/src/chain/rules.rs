//! Rules: what a chain allows, by height.

use std::time::Duration;

use bitcoin::{Amount, Block, CompactTarget, ScriptBuf};
use serde::{Deserialize, Serialize};

use super::{Coin, genesis};

/// The rules of one chain: constants, and named upgrades that change some of them from a height on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// The preset's name: `lab`, `bitcoin-mainnet`.
    pub name: String,
    /// The first block; consensus bytes as hex where it is written down.
    #[serde(with = "crate::control::hex")]
    pub genesis: Block,
    /// Whether the outputs of the first block can be spent, and then at once; Bitcoin's never can.
    pub genesis_spendable: bool,
    /// The time between blocks that difficulty aims at.
    pub interval: Duration,
    /// The easiest target allowed; also the genesis block's in the presets.
    pub pow_limit: CompactTarget,
    /// The hardest target that difficulty ever asks for, so that a lab's blocks can always be ground.
    pub hardest: Option<CompactTarget>,
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
    /// Whether coinbases commit to witnesses (BIP141), P2WPKH is enforced, and lock times are held against the
    /// median time past (BIP113) instead of the block's own.
    pub witness: bool,
    /// Whether signatures must be strict DER (BIP66) to be valid, not only to be relayed.
    pub strict_signatures: bool,
    /// Named changes, lowest height first.
    pub upgrades: Vec<Upgrade>,
}

/// How the target follows the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Upgrade {
    /// Its name.
    pub name: String,
    /// The first height it holds at.
    pub height: u32,
    /// A new largest block, in bytes.
    pub max_block_bytes: Option<usize>,
    /// A new difficulty algorithm; ASERT is anchored at the block before `height`.
    pub difficulty: Option<Difficulty>,
    /// What signatures commit to from here on (replay protection); its upper 8 bits are not signed.
    pub fork_id: Option<u32>,
}

/// Where the lab's genesis pays to, so that wallets are funded from the start.
pub type Allocation = (ScriptBuf, Amount);

/// What holds for the block at one height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveRules {
    /// The height.
    pub height: u32,
    /// Largest serialised block, in bytes.
    pub max_block_bytes: usize,
    /// How this block's target follows from its ancestors'.
    pub difficulty: Difficulty,
    /// The height of the block that ASERT measures from: the last before the algorithm holds.
    pub anchor: u32,
    /// What signatures commit to besides the transaction.
    pub fork_id: Option<u32>,
    /// See [`Rules::witness`].
    pub witness: bool,
    /// See [`Rules::strict_signatures`].
    pub strict_signatures: bool,
}

impl ActiveRules {
    /// Signature operations a block may hold: one for every 50 bytes, as in Bitcoin (20,000 a megabyte).
    pub fn max_signature_operations(&self) -> usize {
        self.max_block_bytes / 50
    }

    /// The time that a transaction's lock is held against: the median time past of the parent or the block's own.
    pub fn lock_time(&self, median: u32, block: u32) -> u32 {
        if self.witness { median } else { block }
    }
}

impl Rules {
    /// The lab: 10 s blocks at 2⁸ expected hashes, at most 2²⁰; funded through `allocations`.
    ///
    /// Difficulty is ASERT with Bitcoin Cash's half life of 288 blocks: a thousand blocks mined at once make it only
    /// eleven times harder, a day of doubled hash rate is followed within the hour.
    pub fn lab(allocations: &[Allocation]) -> Self {
        let pow_limit = CompactTarget::from_consensus(LAB_LIMIT);
        Self {
            name: "lab".into(),
            genesis: genesis::lab(allocations, pow_limit),
            genesis_spendable: true,
            interval: Duration::from_secs(10),
            pow_limit,
            hardest: Some(CompactTarget::from_consensus(LAB_HARDEST)),
            difficulty: Difficulty::Asert { half_life: Duration::from_secs(2_880) },
            coinbase_maturity: 10,
            initial_subsidy: Amount::from_int_btc(50),
            halving_interval: 1_000,
            max_future: Duration::from_secs(120),
            max_block_bytes: 100_000,
            witness: true,
            strict_signatures: true,
            upgrades: Vec::new(),
        }
    }

    /// Bitcoin's headers and early blocks: nothing that soft forks added (scripts by hash, witnesses, strict
    /// signatures, heights in coinbases) is checked, so this is no judge of blocks after 2011.
    pub fn bitcoin_mainnet() -> Self {
        Self {
            name: "bitcoin-mainnet".into(),
            genesis: genesis::bitcoin_mainnet(),
            genesis_spendable: false,
            interval: Duration::from_secs(600),
            pow_limit: CompactTarget::from_consensus(0x1d00_ffff),
            hardest: None,
            difficulty: Difficulty::Retarget { window: 2_016 },
            coinbase_maturity: 100,
            initial_subsidy: Amount::from_int_btc(50),
            halving_interval: 210_000,
            max_future: Duration::from_secs(7_200),
            max_block_bytes: 1_000_000,
            witness: false,
            strict_signatures: false,
            upgrades: Vec::new(),
        }
    }

    /// What holds for the block at `height`. Of upgrades at one height the later in the list wins.
    pub fn at(&self, height: u32) -> ActiveRules {
        let mut active = ActiveRules {
            height,
            max_block_bytes: self.max_block_bytes,
            difficulty: self.difficulty,
            anchor: 0,
            fork_id: None,
            witness: self.witness,
            strict_signatures: self.strict_signatures,
        };
        let mut upgrades: Vec<_> = self.upgrades.iter().filter(|upgrade| upgrade.height <= height).collect();
        upgrades.sort_by_key(|upgrade| upgrade.height);
        for upgrade in upgrades {
            active.max_block_bytes = upgrade.max_block_bytes.unwrap_or(active.max_block_bytes);
            active.fork_id = upgrade.fork_id.or(active.fork_id);
            if let Some(difficulty) = upgrade.difficulty {
                active.difficulty = difficulty;
                active.anchor = upgrade.height.saturating_sub(1);
            }
        }
        active
    }

    /// These rules as a node has them that rejects the upgrades of these names.
    pub fn without(&self, rejected: &[String]) -> Self {
        let mut rules = self.clone();
        rules.upgrades.retain(|upgrade| !rejected.contains(&upgrade.name));
        rules
    }

    /// What the coinbase at `height` may claim besides fees.
    pub fn subsidy(&self, height: u32) -> Amount {
        let halvings = height.checked_div(self.halving_interval).unwrap_or(0);
        Amount::from_sat(self.initial_subsidy.to_sat().checked_shr(halvings).unwrap_or(0))
    }

    /// All that may exist at `height`: what genesis paid and every subsidy since, claimed or not.
    pub fn subsidies(&self, height: u32) -> Amount {
        let paid = self.genesis.txdata.iter().flat_map(|transaction| &transaction.output);
        let mut total = paid.fold(0_u64, |total, output| total.saturating_add(output.value.to_sat()));
        let era = self.halving_interval.max(1);
        let mut from = 1;
        while from <= height {
            let subsidy = self.subsidy(from).to_sat();
            if subsidy == 0 {
                break;
            }
            let last = match self.halving_interval {
                0 => height,
                _ => height.min((from / era).saturating_add(1).saturating_mul(era) - 1),
            };
            total = total.saturating_add(subsidy.saturating_mul(u64::from(last - from + 1)));
            let Some(next) = last.checked_add(1) else { break };
            from = next;
        }
        Amount::from_sat(total)
    }

    /// The first height at which `coin` may be spent; `None` when it never can (Bitcoin's genesis).
    pub fn spendable_from(&self, coin: &Coin) -> Option<u32> {
        match coin {
            Coin { coinbase: false, .. } => Some(0),
            Coin { height: 0, .. } => self.genesis_spendable.then_some(0),
            Coin { height, .. } => Some(height.saturating_add(self.coinbase_maturity)),
        }
    }
}

/// 2⁸ expected hashes (the target is 2²⁴⁸, less a 65,536th).
const LAB_LIMIT: u32 = 0x2000_ffff;
/// 2²⁰ expected hashes (the target is 2²³⁶): about a second of one core.
const LAB_HARDEST: u32 = 0x1e10_0000;
