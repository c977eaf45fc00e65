//! `schism run FILE…`: runs experiments and says what became of them.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;

use super::flags::Flags;
use super::{Speech, progress};
use crate::experiment::Experiment;
use crate::interrupt::Interrupt;
use crate::report::{self, Results, Verdict};
use crate::suite::{self, Job};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Experiments
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run the file's controls, too
    #[arg(long, conflicts_with = "control")]
    controls: bool,
    /// Run only this control of the file, counted from 1
    #[arg(long, value_name = "NUMBER")]
    control: Option<usize>,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let template = Job { control: arguments.control, ..arguments.flags.template()? };
    let mut jobs = Vec::new();
    for file in &arguments.files {
        jobs.extend(suite::plan(file, &template, arguments.flags.seeds(), arguments.controls)?);
    }
    let jobs = arguments.flags.part(jobs);
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let still = speech.quiet || speech.json;
    let [job] = jobs.as_slice() else {
        let all = arguments.flags.work_all(&jobs, &interrupt, speech);
        return arguments.flags.finish(&all, &interrupt);
    };
    let experiment = Experiment::load(&job.file, &job.settings)?;
    if !still {
        println!("{}", report::first_line(&job.broken(String::new())));
    }
    let mut all = Vec::new();
    if experiment.claim.is_some() {
        let (at_once, measuring) = (arguments.flags.at_once(), progress::show_measuring(still));
        suite::work_all(&jobs, at_once, &interrupt, measuring, |_, results| all.push(results));
    } else {
        // A single run needs no process of its own, and can show what happens while it happens.
        all.push(job.work(&interrupt, progress::show(&experiment, still)));
    }
    all.iter().for_each(|results| tell(results, speech));
    arguments.flags.finish(&all, &interrupt)
}

/// The whole result of the only run.
fn tell(results: &Results, speech: Speech) {
    if speech.json {
        println!("{}", report::json_line(results));
    } else if !speech.quiet || results.verdict != Verdict::Passed {
        println!("{}", report::text(results, speech.colour()).trim_end());
    }
}
