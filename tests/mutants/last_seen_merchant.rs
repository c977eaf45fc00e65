//! A merchant whose node says that it follows the last seen of two branches with equal work. An attacker that tells its
//! branch at a tie wins nothing from honest nodes, so the strict table holds all the same; from this one it does.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schism::backend::mutation::Mutation;
use schism::claim::judge::judge;
use schism::claim::part::{Part, hold};
use schism::experiment::Experiment;
use schism::report::Verdict;
use schism_chaos::simulation::Fidelity;
use schism_node::{NodeConfig, Surroundings};

use super::fickle::follows_the_last_seen;
use super::{Mutant, scene};

pub const MUTANT: Mutant = Mutant {
    name: "hands_over_to_the_last_seen",
    red: "double_spend",
    mutation: || Arc::<LastSeen>::default(),
    play: measure,
    experiment: false,
};

/// The paid node's name.
const MERCHANT: &str = "merchant-0";
/// Enough to tell .31 from .60, in one process.
const TRIALS: u32 = 100;

/// Measures one point with a branch that is told at a tie.
fn measure(mutation: Option<Arc<dyn Mutation>>) -> scene::Found {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/attacks/double-spend.yaml");
    let settings = ["q=0.3", "confirmations=1", "deficit=8", "topology.groups.attacker.adversary.lead=0"];
    let mut settings = settings.map(str::to_owned).to_vec();
    settings.push(format!("trials={TRIALS}"));
    let experiment = Experiment::load(&file, &settings).map_err(|refusal| refusal.to_string())?;
    let part = Part { point: 0, seed: 23, trials: TRIALS };
    let measured = hold(&experiment, Fidelity::Memory, &part, mutation)?;
    let claim = experiment.claim.ok_or("the file makes no claim")?;
    match judge(&claim, &[measured.tally]) {
        (Verdict::Passed, ..) => Ok(Vec::new()),
        (Verdict::Refuted, why, _) => Ok(vec![("double_spend".to_owned(), why.unwrap_or_default())]),
        (verdict, why, _) => Err(format!("{verdict:?}: {}", why.unwrap_or_default())),
    }
}

#[derive(Debug, Default)]
struct LastSeen {
    /// Whether the node that is about to start is the merchant's: a node is told of itself before it gets its surroundings.
    merchant: Mutex<bool>,
}

impl Mutation for LastSeen {
    fn config(&self, config: NodeConfig) -> NodeConfig {
        *lock(&self.merchant) = config.name == MERCHANT;
        config
    }

    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        if !*lock(&self.merchant) {
            return surroundings;
        }
        follows_the_last_seen(surroundings)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
