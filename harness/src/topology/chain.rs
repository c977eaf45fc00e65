//! Chain rules as a topology says them: a preset, and what is different from it.

use std::time::Duration;

use schism_chaos::quantity::{Pause, Size};
use schism_node::chain::work::expected_hashes;

use crate::yaml::{Context, Node, Printed, list, map, text};

/// A preset and its differences.
#[derive(Clone, Debug, Default, PartialEq)]
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

impl Preset {
    const WORDS: &[(&str, Self)] = &[("lab", Self::Lab), ("bitcoin-mainnet", Self::BitcoinMainnet)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, preset)| *preset == self).map_or("", |(word, _)| word)
    }
}

impl ChainRules {
    /// The time between blocks that difficulty aims at, before any pace.
    pub fn interval(&self) -> Duration {
        self.rules(&[]).interval
    }

    /// Hashes per second at which blocks come at the interval from the start.
    pub fn natural_hash_rate(&self) -> f64 {
        let rules = self.rules(&[]);
        expected_hashes(rules.genesis.header.bits) / rules.interval.as_secs_f64()
    }
}

/// Reads the `chain` of a topology.
pub(super) fn read(context: &Context, node: &Node) -> Option<ChainRules> {
    let fields = context.map(node, "a chain")?;
    let preset = fields.or("preset", Preset::Lab, |context, node| context.word(node, "preset", Preset::WORDS));
    let interval = fields.optional("interval", positive);
    let difficulty = fields.optional("difficulty", read_difficulty);
    let block_size = fields.optional("block_size", Context::quantity::<Size>);
    let coinbase_maturity = fields.optional("coinbase_maturity", Context::whole::<u32>);
    let halving = fields.optional("halving", Context::count);
    let max_future = fields.optional("max_future", Context::pause);
    let upgrades = fields.or("upgrades", Vec::new(), read_upgrades);
    fields.finish();
    Some(ChainRules {
        preset: preset?,
        interval: interval?,
        difficulty: difficulty?,
        block_size: block_size?,
        coinbase_maturity: coinbase_maturity?,
        halving: halving?,
        max_future: max_future?,
        upgrades: upgrades?,
    })
}

/// Reads how a target follows the blocks.
pub(crate) fn read_difficulty(context: &Context, node: &Node) -> Option<DifficultyRule> {
    if node.as_text().is_some() {
        return context.word(node, "difficulty", &[("fixed", DifficultyRule::Fixed)]);
    }
    let fields = context.map(node, "a difficulty")?;
    let window = fields.optional("retarget", |context, node| {
        let fields = context.map(node, "a retarget")?;
        let window = fields.required("window", Context::count);
        fields.finish();
        window
    });
    let half_life = fields.optional("asert", |context, node| {
        let fields = context.map(node, "an asert")?;
        let half_life = fields.required("half_life", positive);
        fields.finish();
        half_life
    });
    fields.finish();
    match (window?, half_life?) {
        (Some(window), None) => Some(DifficultyRule::Retarget { window }),
        (None, Some(half_life)) => Some(DifficultyRule::Asert { half_life }),
        _ => {
            let help = "say `fixed`, `{ retarget: { window: 20 } }` or `{ asert: { half_life: 10m } }`";
            context.wrong(node.at, "a difficulty follows exactly one algorithm", Some(help.into()));
            None
        }
    }
}

fn read_upgrades(context: &Context, node: &Node) -> Option<Vec<UpgradeRule>> {
    let upgrades = context.list(node, "`upgrades`", |context, node| {
        let fields = context.map(node, "an upgrade")?;
        let name = fields.required("name", Context::name);
        let height = fields.required("at_height", Context::count);
        let block_size = fields.optional("block_size", Context::quantity::<Size>);
        let difficulty = fields.optional("difficulty", read_difficulty);
        let fork_id = fields.optional("fork_id", Context::whole::<u32>);
        fields.finish();
        let upgrade = UpgradeRule {
            name: name?,
            height: height?,
            block_size: block_size?,
            difficulty: difficulty?,
            fork_id: fork_id?,
        };
        Some((node.at, upgrade))
    })?;
    for (position, (at, upgrade)) in upgrades.iter().enumerate() {
        let before = &upgrades[..position];
        if before.iter().any(|(_, other)| other.name == upgrade.name) {
            context.wrong(*at, format!("there are two upgrades `{}`", upgrade.name), Some("rename one".into()));
            return None;
        }
        if before.iter().any(|(_, other)| other.height > upgrade.height) {
            context.wrong(*at, "upgrades stand in the order of their heights", Some("move it up".into()));
            return None;
        }
    }
    Some(upgrades.into_iter().map(|(_, upgrade)| upgrade).collect())
}

fn positive(context: &Context, node: &Node) -> Option<Duration> {
    let time = context.pause(node)?;
    if time.is_zero() {
        context.wrong(node.at, "this time cannot be nothing", Some("say `10s`".into()));
    }
    (!time.is_zero()).then_some(time)
}

/// Prints what [`read`] reads.
pub(super) fn print(chain: &ChainRules) -> Printed {
    map([
        ("preset", Some(text(chain.preset.word()))),
        ("interval", chain.interval.map(Pause).map(text)),
        ("difficulty", chain.difficulty.map(print_difficulty)),
        ("block_size", chain.block_size.map(text)),
        ("coinbase_maturity", chain.coinbase_maturity.map(Into::into)),
        ("halving", chain.halving.map(Into::into)),
        ("max_future", chain.max_future.map(Pause).map(text)),
        ("upgrades", (!chain.upgrades.is_empty()).then(|| list(&chain.upgrades, print_upgrade))),
    ])
}

/// Prints what [`read_difficulty`] reads.
pub(crate) fn print_difficulty(difficulty: DifficultyRule) -> Printed {
    match difficulty {
        DifficultyRule::Fixed => text("fixed"),
        DifficultyRule::Retarget { window } => map([("retarget", Some(map([("window", Some(window.into()))])))]),
        DifficultyRule::Asert { half_life } => {
            map([("asert", Some(map([("half_life", Some(text(Pause(half_life))))])))])
        }
    }
}

fn print_upgrade(upgrade: &UpgradeRule) -> Printed {
    map([
        ("name", Some(text(&upgrade.name))),
        ("at_height", Some(upgrade.height.into())),
        ("block_size", upgrade.block_size.map(text)),
        ("difficulty", upgrade.difficulty.map(print_difficulty)),
        ("fork_id", upgrade.fork_id.map(Into::into)),
    ])
}
