//! `schism list`: experiments and topologies of this folder, and the faults, checks and adversaries there are.

use std::path::{Path, PathBuf};

use clap::Args;
use schism_chaos::adversary::KINDS;
use schism_chaos::catalogue::CATALOGUE;

use super::Speech;
use super::test::yaml_files;
use crate::experiment::CHECKS;
use crate::yaml::Context;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folders to look into
    #[arg(value_name = "FOLDER", default_values = ["chaos", "topologies"])]
    folders: Vec<PathBuf>,
}

pub(super) fn list(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    for folder in arguments.folders.iter().filter(|folder| folder.is_dir()) {
        let mut files = yaml_files(folder)?;
        files.sort();
        let rows = files.iter().map(|file| (file.display().to_string(), about(file)));
        section(&folder.display().to_string(), rows, speech);
    }
    let faults = CATALOGUE.iter().map(|kind| (kind.name.to_owned(), kind.explain.to_owned()));
    section("faults", faults, speech);
    let checks = CHECKS.iter().map(|check| (check.name.to_owned(), check.explain.to_owned()));
    section("checks", checks, speech);
    let adversaries = KINDS.iter().map(|kind| (kind.name.to_owned(), kind.explain.to_owned()));
    section("adversaries", adversaries, speech);
    Ok(0)
}

/// What a file says it is for.
fn about(file: &Path) -> String {
    let tree = Context::default().file(file);
    let about = tree.as_ref().and_then(|tree| tree.get("about")?.as_text());
    about.unwrap_or("(it does not say what it is for)").to_owned()
}

fn section(title: &str, rows: impl Iterator<Item = (String, String)>, speech: Speech) {
    let rows: Vec<_> = rows.collect();
    if speech.json {
        for (name, about) in rows {
            println!("{}", serde_json::json!({ "in": title, "name": name, "about": about }));
        }
        return;
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    println!("{title}");
    rows.iter().for_each(|(name, about)| println!("  {name:<width$}  {about}"));
    println!();
}
