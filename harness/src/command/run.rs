//! `schism run FILE…`: runs experiments and says what became of them.

use std::path::PathBuf;

use clap::Args;

use super::flags::Flags;
use super::{Speech, progress};
use crate::experiment::Experiment;
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
    let mut all: Vec<Results> = Vec::new();
    if let [job] = jobs.as_slice() {
        // A single run needs no process of its own, and can show what happens while it happens.
        let experiment = Experiment::load(&job.file, &job.settings)?;
        if !speech.json && !speech.quiet {
            println!("seed {} · {} · {}", job.seed, job.backend, job.title());
        }
        all.push(job.work(progress::show(&experiment, speech.quiet || speech.json)));
        tell(&all[0], speech);
    } else {
        let mut ended: Vec<(usize, Results)> = Vec::new();
        suite::work_all(&jobs, arguments.flags.parallel(), |number, results| {
            one_of_many(&results, speech);
            arguments.flags.tidy(&results, true);
            ended.push((number, results));
        });
        ended.sort_by_key(|(number, _)| *number);
        all.extend(ended.into_iter().map(|(_, results)| results));
        if !speech.json && !speech.quiet {
            println!("\n{}", report::table(&all, speech.colour()));
        }
    }
    arguments.flags.finish(&all)
}

/// The whole result of the only run.
fn tell(results: &Results, speech: Speech) {
    if speech.json {
        println!("{}", report::json_line(results));
    } else if !speech.quiet || results.verdict != Verdict::Passed {
        println!("{}", report::text(results, speech.colour()).trim_end());
    }
}

/// A line for a run of many; all of it where it did not pass.
pub(super) fn one_of_many(results: &Results, speech: Speech) {
    if speech.json {
        println!("{}", report::json_line(results));
    } else if results.verdict != Verdict::Passed || speech.verbose > 0 {
        println!("{}\n{}", report::first_line(results), report::text(results, speech.colour()));
    } else if !speech.quiet {
        println!("{} · {}", report::first_line(results), speech.colour().verdict(results.verdict));
    }
}
