//! From what a topology says about its chain to the rules a node follows.

use schism_node::chain::Rules;
use schism_node::chain::rules::{Allocation, Difficulty, Upgrade};

use super::{ChainRules, DifficultyRule, Preset, UpgradeRule};

impl ChainRules {
    /// The rules with every upgrade, and with genesis paying to `allocations` where the preset has a genesis of its own.
    pub fn rules(&self, allocations: &[Allocation]) -> Rules {
        let mut rules = match self.preset {
            Preset::Lab => Rules::lab(allocations),
            Preset::BitcoinMainnet => Rules::bitcoin_mainnet(),
        };
        rules.interval = self.interval.unwrap_or(rules.interval);
        rules.difficulty = self.difficulty.map_or(rules.difficulty, Difficulty::from);
        rules.max_block_bytes = self.block_size.map_or(rules.max_block_bytes, |size| size.0 as usize);
        rules.coinbase_maturity = self.coinbase_maturity.unwrap_or(rules.coinbase_maturity);
        rules.halving_interval = self.halving.unwrap_or(rules.halving_interval);
        rules.max_future = self.max_future.unwrap_or(rules.max_future);
        rules.upgrades = self.upgrades.iter().map(Upgrade::from).collect();
        rules
    }
}

impl From<DifficultyRule> for Difficulty {
    fn from(rule: DifficultyRule) -> Self {
        match rule {
            DifficultyRule::Fixed => Self::Fixed,
            DifficultyRule::Retarget { window } => Self::Retarget { window },
            DifficultyRule::Asert { half_life } => Self::Asert { half_life },
        }
    }
}

impl From<&UpgradeRule> for Upgrade {
    fn from(rule: &UpgradeRule) -> Self {
        Self {
            name: rule.name.clone(),
            height: rule.height,
            max_block_bytes: rule.block_size.map(|size| size.0 as usize),
            difficulty: rule.difficulty.map(Difficulty::from),
            fork_id: rule.fork_id,
        }
    }
}
