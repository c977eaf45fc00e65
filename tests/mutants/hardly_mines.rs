//! Hardly mines: honest miners that lose 99 of 100 hashes. The chain does not grow, as `chain_growth` sees; and where
//! somebody else goes on mining, most of it is theirs, as `chain_quality` sees.

use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::checks::{ChainGrowth, ChainQuality};
use schism::run::story::{Failed, Story, seconds};
use schism_node::NodeConfig;

use super::Mutant;
use super::scene::{PAIR, Small, TEMPO};

/// A tenth of the hash power is not honest.
const WITH_A_STRANGER: &str = "\
{ name: three, overlay: mesh, link: { latency: 50ms },
  groups: { miner: { count: 2, hash_power: 90% }, stranger: { count: 1, role: adversary, hash_power: 10% } } }";

pub const STANDS_STILL: Mutant = Mutant {
    name: "hardly_mines",
    red: "chain_growth",
    mutation: || Arc::new(HardlyMines),
    play: |mutation| {
        let asked = || Box::new(ChainGrowth::new(0.3, seconds(300), TEMPO, false)) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(wait(story)) }.play(mutation)
    },
    experiment: false,
};

pub const LEAVES_IT_TO_STRANGERS: Mutant = Mutant {
    name: "leaves_mining_to_strangers",
    red: "chain_quality",
    mutation: || Arc::new(HardlyMines),
    play: |mutation| {
        let asked = || Box::new(ChainQuality::new(0.5, 10)) as _;
        Small { topology: WITH_A_STRANGER, asked, tell: |story| Box::pin(wait_for_blocks(story)) }.play(mutation)
    },
    experiment: false,
};

async fn wait(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    story.pass(seconds(1_200)).await
}

async fn wait_for_blocks(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    story.wait_until("twenty blocks", seconds(6_000), |view| view.mined() >= 20).await
}

#[derive(Debug)]
struct HardlyMines;

impl Mutation for HardlyMines {
    fn config(&self, mut config: NodeConfig) -> NodeConfig {
        if config.name.starts_with("miner") {
            config.mining.hashes_per_second /= 100.0;
        }
        config
    }
}
