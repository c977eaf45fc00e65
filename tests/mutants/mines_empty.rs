//! Mines empty blocks: miners that leave every transaction out. Nobody's payment is ever confirmed, as `payment` sees,
//! and pools grow with every one that is made, until `bounded_peers_data` sees a pool beyond its bound.

use std::sync::Arc;

use bitcoin::Amount;
use schism::backend::mutation::Mutation;
use schism::checks::{BoundedPeersData, Of, Payment};
use schism::run::story::{Failed, Story, seconds};
use schism::timeline::Happening;
use schism_chaos::quantity::Length;
use schism_node::messages::{Template, ToMiner};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

use super::scene::{PAIR, Small, TEMPO};
use super::{Mutant, sieve};

pub const CONFIRMS_NOTHING: Mutant = Mutant {
    name: "mines_empty_blocks",
    red: "payment",
    mutation: || Arc::new(MinesEmpty),
    play: |mutation| {
        let asked = || Box::new(Payment::new(Of::Everyone, vec![0], Length::Blocks(6.0), TEMPO)) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(pay_once(story)) }.play(mutation)
    },
    experiment: false,
};

pub const FILLS_POOLS: Mutant = Mutant {
    name: "mines_empty_blocks_for_long",
    red: "bounded_peers_data",
    mutation: || Arc::new(MinesEmpty),
    play: |mutation| {
        let asked = || Box::new(BoundedPeersData::new(Some(5_000))) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(pay_often(story)) }.play(mutation)
    },
    experiment: false,
};

/// One payment, with time for a dozen blocks.
async fn pay_once(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    let now = story.run().now();
    story.run().record(now, None, Happening::Healed)?;
    story.pay("miner-0").await?;
    story.wait_until("twelve blocks", seconds(600), |view| view.mined() >= 12).await
}

/// Sixty payments of some two hundred bytes, two for each block that is due.
async fn pay_often(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    for payment in 0..60 {
        story.pay(["miner-0", "miner-1"][payment % 2]).await?;
        story.pass(seconds(5)).await?;
        story.run().sample().await?;
    }
    story.pass(seconds(1)).await
}

#[derive(Debug)]
struct MinesEmpty;

impl Mutation for MinesEmpty {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        let empty = |template: Arc<Template>| Template {
            parent: template.parent,
            next: template.next.clone(),
            transactions: Vec::new(),
            fees: Amount::ZERO,
        };
        let miner = sieve::before(ring.miner, spawner, move |message| {
            Some(match message {
                ToMiner::Template(template) => ToMiner::Template(Arc::new(empty(template))),
                other => other,
            })
        });
        Ring { miner, ..ring }
    }
}
