//! The gate: every experiment twice under each of three seeds, in two processes and two surroundings, leaves the same
//! trace; another seed leaves another, because other things happen. Attacks on a network, which take longer, are played
//! twice under their own seed; claims play many simulations, and `attacks` holds those against each other.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use schism::experiment::Experiment;
use schism::interrupt::Interrupt;
use schism::report::Results;
use schism::suite::Job;

use crate::tell::{self, Surroundings};
use crate::{attacks, experiments};

/// Where a process finds the job whose trace it is to leave.
pub const TRACED: &str = "SCHISM_TRACED";
/// Seeds of the gate; `ci/determinism.sh` asks for more.
const SEEDS: [u64; 3] = [101, 102, 103];
/// Fewer hashed items over all of one experiment's runs would show nothing.
const ITEMS: u64 = 100_000;

/// One trial an experiment.
pub fn trials() -> Vec<Trial> {
    let named = |file: PathBuf| (experiments::template(&file).name, file);
    let trial = |(name, file): (String, PathBuf)| {
        Trial::test(format!("trace_{name}"), move || holds(&file)).with_kind("simulated")
    };
    experiments::files().into_iter().map(named).map(trial).chain(of_attacks()).collect()
}

/// One trial an attack that is no claim.
fn of_attacks() -> impl Iterator<Item = Trial> {
    let settings = vec![attacks::BRIEF.to_owned()];
    attacks::files().into_iter().filter_map(move |file| {
        // A file that cannot be read fails where it is played.
        let experiment = Experiment::load(&file, &settings).ok().filter(|experiment| experiment.claim.is_none())?;
        let (seed, settings) = (experiment.seed, settings.clone());
        let job = Job { seed, settings, ..experiments::template(&file) };
        let holds = move || same(&job).map(drop);
        Some(Trial::test(format!("trace_attack_{}", experiment.name), holds).with_kind("simulated"))
    })
}

/// Plays a job twice; what both left.
fn same(job: &Job) -> Result<Left, Failed> {
    let (seed, job) = (job.seed, serde_json::to_string(job)?);
    let here = Left::by(TRACED, &job, Surroundings::Here)?;
    let elsewhere = Left::by(TRACED, &job, Surroundings::Elsewhere)?;
    if here == elsewhere {
        return Ok(here);
    }
    Err(format!("seed {seed} left {here:?} here and {elsewhere:?} elsewhere").into())
}

fn holds(file: &std::path::Path) -> Result<(), Failed> {
    let mut left = Vec::new();
    for seed in SEEDS {
        left.push(same(&Job { seed, ..experiments::template(file) })?);
    }
    for (number, one) in left.iter().enumerate() {
        // The trace holds identities, which any seed changes; that blocks come at other times is another matter.
        if left[..number].iter().any(|other| other.trace == one.trace || other.happened == one.happened) {
            return Err(format!("two seeds left the same: the seed does not reach what happens\n{left:?}").into());
        }
    }
    let items: u64 = left.iter().map(|left| left.items).sum();
    if items < ITEMS {
        return Err(format!("only {items} items were hashed").into());
    }
    Ok(())
}

/// What a run leaves, whatever its verdict.
#[derive(Debug, PartialEq)]
pub struct Left {
    /// The hash of everything.
    pub trace: String,
    /// How much went into it.
    pub items: u64,
    /// When which node moved to which height, in words.
    pub happened: String,
}

impl Left {
    /// What a process leaves that is started for this.
    ///
    /// # Errors
    /// When it leaves no trace.
    pub fn by(variable: &str, value: &str, surroundings: Surroundings) -> Result<Self, Failed> {
        let said = tell::process(variable, value, surroundings)?.said;
        let line = |word: &str| said.lines().find_map(|line| line.strip_prefix(word));
        let trace = line("trace ").and_then(|trace| trace.split_once(" over "));
        match (trace, line("happened ")) {
            (Some((trace, items)), Some(happened)) => {
                Ok(Self { trace: trace.to_owned(), items: items.parse()?, happened: happened.to_owned() })
            }
            _ => Err(format!("the run left no trace:\n{said}").into()),
        }
    }

    /// Says what a run left, in the process that was started for it.
    pub fn say(results: &Results) -> ExitCode {
        let Some(trace) = &results.trace else {
            eprintln!("{:?}", results.why);
            return ExitCode::FAILURE;
        };
        println!("trace {trace} over {}", results.trace_items);
        let moves = results.heights.iter().map(|point| format!("{:.3} {} {}", point.at, point.node, point.height));
        println!("happened {}", moves.collect::<Vec<_>>().join(", "));
        ExitCode::SUCCESS
    }
}

/// Plays the job this process was started for, and says what it left.
pub fn in_this_process(job: &str) -> ExitCode {
    let job: Job = serde_json::from_str(job).expect("a job is handed over by this binary");
    Left::say(&job.work(&Interrupt::default(), Box::new(|_, _| {})))
}
