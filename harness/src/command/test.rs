//! `schism test PATH…`: runs a suite. Every experiment of the folders and files, with its controls, in parallel.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};

use super::Speech;
use super::flags::Flags;
use crate::interrupt::Interrupt;
use crate::suite;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folders of experiments, or experiments
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only runs in whose name this occurs
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Say what would be run, and run nothing
    #[arg(long)]
    list: bool,
    /// Leave the controls out, which must fail
    #[arg(long)]
    no_controls: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn test(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let template = arguments.flags.template()?;
    let mut jobs = Vec::new();
    for file in files(&arguments.paths)? {
        jobs.extend(suite::plan(&file, &template, arguments.flags.seeds(), !arguments.no_controls)?);
    }
    let named = |name: String| arguments.filter.as_ref().is_none_or(|filter| name.contains(filter));
    jobs.retain(|job| named(job.title()));
    let jobs = arguments.flags.part(jobs);
    if jobs.is_empty() {
        return Err(miette!("no run is left: a suite that asks for nothing shows nothing"));
    }
    if arguments.list {
        jobs.iter().for_each(|job| println!("{} · {}", job.title(), job.repeat()));
        return Ok(0);
    }
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let all = arguments.flags.work_all(&jobs, &interrupt, speech);
    arguments.flags.finish(&all, &interrupt)
}

/// The experiments among files and in folders, each folder's in order.
pub(super) fn files(paths: &[PathBuf]) -> miette::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut within = yaml_files(path)?;
            within.sort();
            if within.is_empty() {
                return Err(miette!("there is no experiment in {}", path.display()));
            }
            files.extend(within);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Files of a folder that end in `.yaml`.
pub(super) fn yaml_files(folder: &Path) -> miette::Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).into_diagnostic();
    let entries = read.wrap_err_with(|| format!("{} cannot be read", folder.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")).collect())
}
