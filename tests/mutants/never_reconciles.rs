//! Never reconciles: pools that do not look at what a peer's pool holds. What was paid on one side of a partition never
//! reaches the other, and `pool_agreement` waits in vain.

use std::sync::Arc;
use std::time::Duration;

use schism::backend::mutation::Mutation;
use schism::checks::{Of, PoolAgreement};
use schism::run::story::{Failed, Story, seconds};
use schism::timeline::Happening;
use schism_chaos::quantity::Length;
use schism_node::messages::ToMempool;
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;

use super::scene::{Small, TEMPO};
use super::{Mutant, sieve};

/// Without miners: a block would reconcile them.
const TWO: &str = "{ name: two, groups: { full: { count: 2 } }, overlay: line, link: { latency: 50ms } }";

pub const MUTANT: Mutant = Mutant {
    name: "never_reconciles",
    red: "pool_agreement",
    mutation: || Arc::new(NeverReconciles),
    play: |mutation| {
        let asked = || Box::new(PoolAgreement::new(Of::Everyone, Length::Time(seconds(60)), TEMPO)) as _;
        Small { topology: TWO, asked, tell: |story| Box::pin(tell(story)) }.play(mutation)
    },
    experiment: false,
};

/// Something is paid while the two are apart, and long enough before they meet.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    let apart = story.partition(&["full-0"]).await?;
    story.pay("full-0").await?;
    story.pass(seconds(300)).await?;
    story.heal(apart).await?;
    let healed = story.run().now();
    story.run().record(healed, None, Happening::Healed)?;
    for _ in 0..4 {
        story.pass(seconds(30)).await?;
        story.run().sample().await?;
    }
    story.pass(Duration::ZERO).await
}

#[derive(Debug)]
struct NeverReconciles;

impl Mutation for NeverReconciles {
    fn between(&self, ring: Ring, spawner: &Arc<dyn Spawner>) -> Ring {
        let offered = |message: &ToMempool| matches!(message, ToMempool::Offered { .. });
        let mempool = sieve::before(ring.mempool, spawner, move |message| (!offered(&message)).then_some(message));
        Ring { mempool, ..ring }
    }
}
