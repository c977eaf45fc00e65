//! `schism repeat RUN`: plays a kept run again and says whether its trace is the same.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;
use serde_json::json;

use super::{Speech, progress};
use crate::interrupt::Interrupt;
use crate::report::{self, Verdict};
use crate::suite::{Difference, Kept};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run folder, or an experiment's, which means its latest run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Where the repetition's run folder is made
    #[arg(long, value_name = "FOLDER", default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
}

/// Exits with 0 where the trace is the same, whatever the verdict.
pub(super) fn repeat(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let kept = Kept::read(&arguments.run)?;
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let plain = !speech.json && !speech.quiet;
    if plain {
        println!("{}", report::first_line(&kept.results));
    }
    let show = progress::show(&kept.experiment()?, !plain);
    let repeated = kept.repeat(&arguments.runs, &interrupt, show)?;
    let (before, now) = (&kept.results, &repeated.results);
    let same = repeated.difference.is_none() && now.trace.is_some() && now.verdict == before.verdict;
    if speech.json {
        let difference = repeated.difference.as_ref().map(ToString::to_string);
        let line = json!({
            "experiment": now.experiment, "seed": now.seed, "same": same, "trace": [&before.trace, &now.trace],
            "verdict": [before.verdict, now.verdict], "difference": difference, "folder": now.folder,
        });
        println!("{line}");
    } else if plain || !same {
        println!("{}", again(before.verdict, now.verdict));
        println!("{}", said(same, &repeated.difference, now.trace.as_deref(), now.trace_items));
        if let Some(folder) = &now.folder {
            println!("all of it in {}", folder.display());
        }
    }
    Ok(match now.verdict {
        Verdict::Interrupted | Verdict::Error => now.verdict.exit_code(),
        _ if same => 0,
        _ => Verdict::Refuted.exit_code(),
    })
}

fn again(before: Verdict, now: Verdict) -> String {
    if before == now { format!("{} again", now.word()) } else { format!("{}, and was {}", now.word(), before.word()) }
}

fn said(same: bool, difference: &Option<Difference>, trace: Option<&str>, items: u64) -> String {
    match (same, difference, trace) {
        (true, _, Some(trace)) => format!("the same trace {trace} over {items} items"),
        (_, Some(difference), _) => format!("another trace: this build or its surroundings differ\n{difference}"),
        _ => "no trace to compare: this backend does not repeat itself".to_owned(),
    }
}
