//! A scene: what happens to a cluster, mutated or not, and what the checks find in it.

use std::path::Path;
use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::experiment::Experiment;
use schism::report::Verdict;
use schism::suite::{Backend, Setup, play};
use schism_chaos::simulation::Fidelity;

/// Findings in order, each with its check; or why there are none to speak of.
pub type Found = Result<Vec<(String, String)>, String>;

/// Plays an experiment of `chaos/` under its own seed, after `adjust` has changed what it asks.
pub fn experiment(file: &str, mutation: Option<Arc<dyn Mutation>>, adjust: fn(&mut Experiment)) -> Found {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos").join(file);
    let mut experiment = Experiment::load(&path, &[]).map_err(|refusal| format!("{refusal:?}"))?;
    adjust(&mut experiment);
    let setup = Setup {
        backend: Backend::Simulated,
        fidelity: Fidelity::Memory,
        without: None,
        mutation,
        folder: None,
        trace: false,
        repeat: String::new(),
    };
    let results = play(&experiment, &setup, Box::new(|_, _| {}));
    let found: Vec<_> = results.violations.into_iter().map(|found| (found.check, found.what)).collect();
    match results.verdict {
        Verdict::Passed => Ok(found),
        _ if !found.is_empty() => Ok(found),
        verdict => Err(format!("{verdict:?}: {}", results.why.unwrap_or_default())),
    }
}

/// Asks what the file asks.
pub fn as_it_is(_: &mut Experiment) {}
