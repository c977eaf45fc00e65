//! Skips signatures: nodes whose verifier takes every signature for good. A forged payment is submitted, and
//! `no_forgery` sees it taken.

use std::path::Path;
use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::backend::simulated::Simulated;
use schism::checks::NoForgery;
use schism::run::story::{Failed, Story, seconds};
use schism::topology::Topology;
use schism_chaos::simulation::{Settings, simulate};
use schism_node::Surroundings;
use schism_node::chain::SignatureCheck;
use schism_node::surroundings::Verifier;

use super::{Mutant, scene};

pub const MUTANT: Mutant = Mutant {
    name: "skips_signatures",
    red: "no_forgery",
    mutation: || Arc::new(SkipsSignatures),
    play,
    experiment: false,
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

fn play(mutation: Option<Arc<dyn Mutation>>) -> scene::Found {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topologies/pair.yaml");
    let topology = Topology::load(&file, &[]).map_err(|refusal| format!("{refusal:?}"))?;
    let told = simulate(Settings::seeded(3), move |simulation| async move {
        let backend = Simulated::new(simulation, false);
        let backend = match mutation {
            Some(mutation) => backend.mutated(mutation),
            None => backend,
        };
        let mut story = Story::on(backend, &topology, 3);
        story.ask_whether(Box::new(NoForgery::default()));
        match tell(&mut story).await {
            Ok(()) | Err(Failed::Found { .. }) => {}
            Err(failed) => return Err(failed.to_string()),
        }
        let found = story.run().findings().iter();
        Ok(found.map(|found| (found.check.to_owned(), found.what.clone())).collect())
    });
    told.map_err(|failure| failure.to_string())?.value
}

/// A false payment beside a good one: the good one alone is confirmed.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    let node = story.view().nodes()[0].name.clone();
    story.pay(&node).await?;
    story.forge(&node).await?;
    story.wait_until("three blocks", seconds(300), |view| view.mined() >= 3).await
}
