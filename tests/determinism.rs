//! The gate: every experiment twice under each of three seeds, in two processes and two surroundings, leaves the same
//! trace; another seed leaves another.

use std::path::PathBuf;

use libtest_mimic::{Failed, Trial};
use schism::suite::Job;

use crate::experiments::{self, JOB};
use crate::tell::{self, Surroundings};

/// Seeds of the gate; `ci/determinism.sh` asks for more.
const SEEDS: [u64; 3] = [101, 102, 103];
/// Fewer hashed items over all of one experiment's runs would show nothing.
const ITEMS: u64 = 10_000;

/// One trial an experiment.
pub fn trials() -> Vec<Trial> {
    let named = |file: PathBuf| (experiments::template(&file).name, file);
    let trial = |(name, file): (String, PathBuf)| {
        Trial::test(format!("trace_{name}"), move || holds(&file)).with_kind("simulated")
    };
    experiments::files().into_iter().map(named).map(trial).collect()
}

fn holds(file: &std::path::Path) -> Result<(), Failed> {
    let mut traces = Vec::new();
    let mut items = 0;
    for seed in SEEDS {
        let job = Job { seed, ..experiments::template(file) };
        let here = traced(&job, Surroundings::Here)?;
        let elsewhere = traced(&job, Surroundings::Elsewhere)?;
        if here != elsewhere {
            return Err(format!("seed {seed} left {here:?} here and {elsewhere:?} elsewhere").into());
        }
        items += here.1;
        traces.push(here.0);
    }
    traces.sort();
    traces.dedup();
    if traces.len() < SEEDS.len() {
        return Err("two seeds left the same trace: the seed does not reach what happens".into());
    }
    if items < ITEMS {
        return Err(format!("only {items} items were hashed").into());
    }
    Ok(())
}

/// The trace a run leaves and how much went into it, whatever its verdict.
fn traced(job: &Job, surroundings: Surroundings) -> Result<(String, u64), Failed> {
    let said = tell::process(JOB, &serde_json::to_string(job)?, surroundings)?.said;
    let words: Option<Vec<&str>> =
        said.lines().find_map(|line| line.strip_prefix("trace ")).map(|line| line.split(' ').collect());
    match words.as_deref() {
        Some([hash, "over", items, "items"]) => Ok(((*hash).to_owned(), items.parse()?)),
        _ => Err(format!("the run left no trace:\n{said}").into()),
    }
}
