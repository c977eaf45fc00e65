//! Spends twice: nodes whose store goes on showing coins that are spent. A coin's second spend is taken, mined, and on
//! the best chain of everyone, and `no_double_spend` sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::OutPoint;
use schism::backend::mutation::Mutation;
use schism::checks::NoDoubleSpend;
use schism::payments::Payments;
use schism::run::story::{Failed, Story, seconds};
use schism_node::Surroundings;
use schism_node::chain::Coin;

use super::Mutant;
use super::scene::{PAIR, SEED, Small};
use super::store::{Lie, Lying};

pub const MUTANT: Mutant = Mutant {
    name: "shows_spent_coins",
    red: "no_double_spend",
    mutation: || Arc::new(ShowsSpent),
    play: |mutation| {
        let asked = || Box::new(NoDoubleSpend::default()) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(tell(story)) }.play(mutation)
    },
    experiment: false,
};

/// A payment is confirmed, then another one of the same coin is submitted.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    let rules = story.run().cluster().rules(0).clone();
    let both = Payments::new(SEED, &rules, &[0], 0.0, 1.0).next(|_| None).expect("genesis has funded every wallet");
    let first = story.submit("miner-0", both.transaction).await?;
    let confirmed = move |story: &schism::checks::View| {
        story.nodes().iter().all(|node| node.tip.is_some_and(|tip| story.blocks().confirmed(&first, tip).is_some()))
    };
    story.wait_until("the first is confirmed", seconds(300), confirmed).await?;
    match story.submit("miner-0", both.rival.expect("asked for")).await {
        Ok(_) => {}
        // An honest node.
        Err(Failed::Node { .. }) => return Ok(()),
        Err(failed) => return Err(failed),
    }
    let mined = story.view().mined();
    story.wait_until("three more blocks", seconds(300), move |view| view.mined() >= mined + 3).await
}

#[derive(Debug)]
struct ShowsSpent;

impl Mutation for ShowsSpent {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        Surroundings { store: Box::new(Lying(surroundings.store, Seen::default())), ..surroundings }
    }
}

/// Every coin that was ever looked at.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<OutPoint, Coin>>);

impl Lie for Seen {
    fn coin(&self, outpoint: &OutPoint, coin: Option<Coin>) -> Option<Coin> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(coin) = coin {
            seen.insert(*outpoint, coin);
        }
        seen.get(outpoint).cloned()
    }
}
