//! Defenceless: nodes that say they have a defence of their book of addresses, or of their inbound places, and leave it out. The
//! claim that it makes eclipses rarer is refuted.

use std::path::Path;
use std::sync::Arc;

use schism::backend::mutation::Mutation;
use schism::claim::Point;
use schism::claim::judge::judge;
use schism::claim::part::{Measured, Part, hold, parts};
use schism::experiment::Experiment;
use schism::report::Verdict;
use schism_chaos::simulation::Fidelity;
use schism_node::NodeConfig;
use schism_node::config::Defences;

use super::{MUTANT, Mutant, scene};
use crate::tell;

pub const ALL: [Mutant; 3] = [
    Mutant {
        name: "keeps_a_flat_book",
        mutation: || Arc::new(Without("buckets")),
        play: |mutation| measure("buckets", mutation),
        ..USUAL
    },
    Mutant {
        name: "forgets_its_anchors",
        mutation: || Arc::new(Without("anchors")),
        play: |mutation| measure("anchors", mutation),
        ..USUAL
    },
    Mutant {
        name: "protects_no_guest",
        mutation: || Arc::new(Without("protect_inbound")),
        play: |mutation| measure("protect_inbound", mutation),
        ..USUAL
    },
];

/// The claim as its file has it is held by a trial of its own.
const USUAL: Mutant =
    Mutant { name: "", red: "eclipse", mutation: || Arc::new(Without("")), play: |_| Ok(Vec::new()), experiment: true };

/// Stands before a defence where a process holds what it is compared with: a simulation is one process.
pub const REFERENCE: &str = "reference of ";

#[derive(Debug)]
struct Without(&'static str);

impl Mutation for Without {
    fn config(&self, mut config: NodeConfig) -> NodeConfig {
        for (word, on) in config.overlay.defences.each() {
            *on &= word != self.0;
        }
        config
    }
}

/// Measures two points of the file's control, one without a defence and one with it.
fn measure(defence: &str, mutation: Option<Arc<dyn Mutation>>) -> scene::Found {
    let (experiment, [_, with]) = pair(defence)?;
    let measured = hold(&experiment, Fidelity::Memory, &with, mutation)?;
    let told = tell::process(MUTANT, &format!("{REFERENCE}{defence}"), tell::Surroundings::Here);
    let said = told.map_err(|failed| failed.message().unwrap_or_default().to_owned())?.said;
    let reference: Measured = serde_json::from_str(said.trim()).map_err(|error| format!("{error}: {said}"))?;
    let claim = experiment.claim.ok_or("the file makes no claim")?;
    match judge(&claim, &[reference.tally, measured.tally]) {
        (Verdict::Passed, ..) => Ok(Vec::new()),
        (Verdict::Refuted, why, _) => Ok(vec![("eclipse".to_owned(), why.unwrap_or_default())]),
        (verdict, why, _) => Err(format!("{verdict:?}: {}", why.unwrap_or_default())),
    }
}

/// Holds the point without this defence, and gives what was measured as JSON.
pub fn reference(defence: &str) -> Result<String, String> {
    let (experiment, [without, _]) = pair(defence)?;
    let measured = hold(&experiment, Fidelity::Memory, &without, None)?;
    serde_json::to_string(&measured).map_err(|error| error.to_string())
}

/// The claim about two points that differ in one defence, and a part of each.
fn pair(defence: &str) -> Result<(Experiment, [Part; 2]), String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/attacks/eclipse.yaml");
    let mut experiment =
        Experiment::load(&file, &["profile=control".to_owned()]).map_err(|refusal| refusal.to_string())?;
    let claim = experiment.claim.as_mut().ok_or("the file makes no claim")?;
    let bit = Defences::WORDS.iter().position(|word| *word == defence).ok_or("no defence is called that")?;
    let chosen = claim.chosen();
    let elsewhere = |point: &Point| point.0.iter().copied().filter(|(name, _)| *name != "defences").collect::<Vec<_>>();
    let apart = |without: &Point, with: &Point| {
        with.whole("defences") == without.whole("defences") + (1 << bit) && elsewhere(with) == elsewhere(without)
    };
    let pairs = chosen.iter().flat_map(|without| chosen.iter().map(move |with| (without, with)));
    let (without, with) =
        pairs.into_iter().find(|(without, with)| apart(without, with)).ok_or("no two points differ in it alone")?;
    let points = vec![without.clone(), with.clone()];
    let parts = parts(&claim.what, &points, experiment.seed);
    claim.points = vec![(claim.profile.clone(), points)];
    let part = |point: usize| parts.iter().find(|part| part.point == point).cloned().ok_or("a point has no parts");
    Ok((experiment, [part(0)?, part(1)?]))
}
