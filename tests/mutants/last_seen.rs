//! Last seen: nodes that say they follow the last seen of two blocks with equal work. Where the link is slow, miners find
//! siblings, and `most_work` sees a node leave its tip for no more work.

use std::sync::Arc;
use std::time::Duration;

use schism::backend::mutation::Mutation;
use schism::checks::MostWork;
use schism::run::story::{Failed, Story, seconds};
use schism_chaos::fault::{Fault, Links};
use schism_node::Surroundings;

use super::Mutant;
use super::fickle::follows_the_last_seen;
use super::scene::{PAIR, Small};

pub const MUTANT: Mutant = Mutant {
    name: "follows_the_last_seen",
    red: "most_work",
    mutation: || Arc::new(LastSeen),
    play: |mutation| {
        let asked = || Box::new(MostWork::default()) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(tell(story)) }.play(mutation)
    },
    experiment: false,
};

/// Each of two miners hears of the other's blocks two seconds late, where one is due every ten: siblings are common.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    story.wait_until("three blocks", seconds(300), |view| view.mined() >= 3).await?;
    let slow = Fault::Latency { links: Links::Every, by: seconds(2), jitter: Duration::ZERO };
    let slow = story.apply(slow).await?;
    story.wait_until("forty blocks", seconds(900), |view| view.mined() >= 40).await?;
    story.heal(slow).await
}

#[derive(Debug)]
struct LastSeen;

impl Mutation for LastSeen {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        follows_the_last_seen(surroundings)
    }
}
