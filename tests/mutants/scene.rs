//! A scene: what happens to a cluster, mutated or not, and what the checks find in it.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schism::backend::mutation::Mutation;
use schism::backend::simulated::Simulated;
use schism::checks::{Check, Tempo};
use schism::experiment::{Check as Asked, Experiment};
use schism::interrupt::Interrupt;
use schism::report::{Results, Verdict};
use schism::run::story::{Failed, Story};
use schism::suite::{Backend, Setup, play};
use schism::topology::Topology;
use schism_chaos::quantity::Length;
use schism_chaos::simulation::{Fidelity, Settings, simulate};

/// Findings in order, each with its check; or why there are none to speak of.
pub type Found = Result<Vec<(String, String)>, String>;

/// Plays an experiment of `chaos/` under its own seed, after `adjust` has changed what it asks.
pub fn experiment(file: &str, mutation: Option<Arc<dyn Mutation>>, adjust: fn(&mut Experiment)) -> Found {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos").join(file);
    let mut experiment = Experiment::load(&path, &[]).map_err(|refusal| format!("{refusal:?}"))?;
    adjust(&mut experiment);
    let results = played(&experiment, mutation);
    let found: Vec<_> = results.violations.into_iter().map(|found| (found.check, found.what)).collect();
    match results.verdict {
        Verdict::Passed => Ok(found),
        _ if !found.is_empty() => Ok(found),
        verdict => Err(format!("{verdict:?}: {}", results.why.unwrap_or_default())),
    }
}

/// Plays an experiment under its own seed, in memory, and leaves no folder.
pub fn played(experiment: &Experiment, mutation: Option<Arc<dyn Mutation>>) -> Results {
    let setup = Setup {
        backend: Backend::Simulated,
        fidelity: Fidelity::Memory,
        without: None,
        mutation,
        folder: None,
        trace: false,
        repeat: String::new(),
        interrupt: Interrupt::default(),
        timeout_factor: 1.0,
    };
    play(experiment, &setup, Box::new(|_, _| {}))
}

/// Asks what the file asks.
pub fn as_it_is(_: &mut Experiment) {}

/// Asks only what is asked all the time and of bans, for a dozen blocks.
pub fn shortly(experiment: &mut Experiment) {
    experiment.duration = Some(Length::Blocks(12.0));
    experiment.finally.retain(|asked| matches!(asked.check, Asked::OnlyLiarsBanned { .. }));
}

/// A story being told, on a cluster that it borrows.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>>;

/// A small story in which one check is asked.
pub struct Small {
    /// The cluster, as a topology's YAML.
    pub topology: &'static str,
    /// The check.
    pub asked: fn() -> Box<dyn Check>,
    /// What happens.
    pub tell: for<'a> fn(&'a mut Story) -> Telling<'a>,
}

/// Decides what is drawn in a small story.
pub const SEED: u64 = 3;
/// The lab's: a block every ten seconds.
pub const TEMPO: Tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
/// Two miners and one link.
pub const PAIR: &str = "{ name: pair, groups: { miner: { count: 2 } }, overlay: line, link: { latency: 50ms } }";

impl Small {
    /// Tells it, of nodes that are mutated or not.
    pub fn play(self, mutation: Option<Arc<dyn Mutation>>) -> Found {
        let topology = Topology::parse("scene", self.topology).map_err(|refusal| refusal.to_string())?;
        let told = simulate(Settings::seeded(SEED), move |simulation| async move {
            let backend = Simulated::new(simulation, false);
            let backend = match mutation {
                Some(mutation) => backend.mutated(mutation),
                None => backend,
            };
            let mut story = Story::on(backend, &topology, SEED);
            story.ask_whether((self.asked)());
            match (self.tell)(&mut story).await {
                Ok(()) | Err(Failed::Found { .. }) => {}
                Err(failed) => return Err(failed.to_string()),
            }
            let found = story.run().findings().iter();
            Ok(found.map(|found| (found.check.to_owned(), found.what.clone())).collect())
        });
        told.map_err(|failure| failure.to_string())?.value
    }
}
