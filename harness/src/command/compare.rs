//! `schism compare RUN RUN…`: puts kept runs side by side.

use std::path::PathBuf;

use clap::Args;

use super::Speech;
use crate::report::{self, Results};
use crate::suite::Kept;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run folders, or those of experiments, which mean their latest runs
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
}

pub(super) fn compare(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let read = |path: &PathBuf| -> miette::Result<Results> {
        let kept = Kept::read(path)?;
        Ok(Results { folder: Some(kept.path()), ..kept.results })
    };
    let all: Vec<Results> = arguments.runs.iter().map(read).collect::<miette::Result<_>>()?;
    if speech.json {
        report::figures(&all).iter().for_each(|figures| println!("{figures}"));
    } else {
        print!("{}", report::side_by_side(&all));
    }
    Ok(0)
}
