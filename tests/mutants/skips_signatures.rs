//! Skips signatures: nodes whose verifier takes every signature for good. A forged payment is submitted, and
//! `no_forgery` sees it taken.

use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::checks::NoForgery;
use schism::run::story::{Failed, Story, seconds};
use schism_node::Surroundings;
use schism_node::chain::SignatureCheck;
use schism_node::surroundings::Verifier;

use super::Mutant;
use super::scene::{self, PAIR, Small};

pub const MUTANT: Mutant = Mutant {
    name: "skips_signatures",
    red: "no_forgery",
    mutation: || Arc::new(SkipsSignatures),
    play: |mutation| {
        let asked = || Box::new(NoForgery::default()) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(tell(story)) }.play(mutation)
    },
    experiment: false,
};

/// The same among nodes to which altered payments are sent: `unaltered` sees one taken.
pub const OF_STRANGERS: Mutant = Mutant {
    name: "skips_signatures_of_strangers",
    red: "unaltered",
    mutation: || Arc::new(SkipsSignatures),
    play: |mutation| scene::experiment("attacks/tampering.yaml", mutation, scene::shortly),
    experiment: true,
};

#[derive(Debug)]
struct SkipsSignatures;

impl Mutation for SkipsSignatures {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        Surroundings { verifier: Arc::new(Credulous), ..surroundings }
    }
}

/// A verifier that believes everyone.
struct Credulous;

impl Verifier for Credulous {
    fn verify(&self, _: &[SignatureCheck]) -> Result<(), usize> {
        Ok(())
    }
}

/// A false payment beside a good one: the good one alone is confirmed.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    let node = story.view().nodes()[0].name.clone();
    story.pay(&node).await?;
    story.forge(&node).await?;
    story.wait_until("three blocks", seconds(300), |view| view.mined() >= 3).await
}
