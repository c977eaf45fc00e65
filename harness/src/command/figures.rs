//! `schism figures FILE`: writes what the latest runs came to into a page, between the marks that name their experiments.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use miette::{Context, IntoDiagnostic, miette};

use crate::report::{self, Results};
use crate::suite::Kept;

/// Before the name of an experiment and after it, and where its figures end.
const BEGIN: &str = "<!-- figures: ";
const CLOSE: &str = " -->";
const END: &str = "<!-- end of figures -->";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A page in Markdown with `<!-- figures: NAME -->` and `<!-- end of figures -->` around what is to be written
    #[arg(value_name = "FILE")]
    page: PathBuf,
    /// Where run folders are
    #[arg(long, env = "SCHISM_RUNS", default_value = "runs", value_name = "FOLDER")]
    runs: PathBuf,
}

pub(super) fn figures(arguments: &Arguments) -> miette::Result<i32> {
    let path = &arguments.page;
    let page =
        fs::read_to_string(path).into_diagnostic().wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    let written = rewrite(&page, |name| {
        let folder = arguments.runs.join(name);
        // What was not run, or not kept, has the figures it had.
        folder.join("latest/results.json").is_file().then(|| of_latest(&folder)).transpose()
    })?;
    fs::write(path, &written.page)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
    for (name, fresh) in &written.marks {
        println!("{name}: {}", if *fresh { "written from its latest run" } else { "not run, left as it was" });
    }
    Ok(0)
}

/// What the latest run came to; where it is one of a sweep, what all of that came to that are kept.
fn of_latest(folder: &Path) -> miette::Result<String> {
    let latest = Kept::read(folder)?.results;
    if latest.claim.is_some() {
        // It has all its points in one run.
        return Ok(report::markdown(&latest));
    }
    let mut names: Vec<PathBuf> = fs::read_dir(folder).into_diagnostic()?.flatten().map(|entry| entry.path()).collect();
    names.retain(|path| !path.ends_with("latest") && path.join("results.json").is_file());
    // Names begin with the time: what was run again counts as it was then.
    names.sort();
    let mut sweep: Vec<Results> = Vec::new();
    for path in names {
        let run = Kept::read(&path)?.results;
        if run.controls.is_empty() && paths(&run) == paths(&latest) {
            sweep.retain(|other| (&other.settings, other.seed) != (&run.settings, run.seed));
            sweep.push(run);
        }
    }
    let swept = sweep.iter().any(|run| run.settings != sweep[0].settings);
    Ok(if swept { report::markdown_of_sweep(&sweep) } else { report::markdown(&latest) })
}

/// What was set, whatever it was set to.
fn paths(results: &Results) -> Vec<&str> {
    results.settings.iter().filter_map(|setting| setting.split('=').next()).collect()
}

/// A page with its figures, and which of them are fresh.
struct Written {
    page: String,
    marks: Vec<(String, bool)>,
}

fn rewrite(page: &str, figures: impl Fn(&str) -> miette::Result<Option<String>>) -> miette::Result<Written> {
    let mut written = Written { page: String::new(), marks: Vec::new() };
    let mut rest = page;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(CLOSE).ok_or_else(|| miette!("a mark does not end with `{CLOSE}`"))?;
        let (old, after) = after
            .split_once(END)
            .ok_or_else(|| miette!(help = format!("add `{END}`"), "the figures of {name} do not end"))?;
        let fresh = figures(name)?;
        written.marks.push((name.to_owned(), fresh.is_some()));
        let content = fresh.map_or_else(|| old.to_owned(), |fresh| format!("\n{fresh}"));
        written.page += &format!("{before}{BEGIN}{name}{CLOSE}{content}{END}");
        rest = after;
    }
    written.page += rest;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_run_is_written_and_the_rest_stays_as_it_was() {
        let page = "a\n<!-- figures: one -->\nold\n<!-- end of figures -->\nb\n<!-- figures: two -->\nold\n<!-- end of figures -->\n";
        let written =
            rewrite(page, |name| Ok((name == "one").then(|| "new\n".to_owned()))).expect("its marks are in order");
        assert_eq!(written.page, page.replacen("old", "new", 1));
        assert_eq!(written.marks, [("one".to_owned(), true), ("two".to_owned(), false)]);
    }

    #[test]
    fn figures_that_do_not_end_are_told() {
        assert!(rewrite("<!-- figures: one -->\nold\n", |_| Ok(None)).is_err());
    }
}
