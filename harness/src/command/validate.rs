//! `schism validate FILE…`: checks files without running them.

use std::path::PathBuf;

use clap::Args;

use super::Speech;
use super::test::files;
use crate::experiment::Experiment;
use crate::report::Verdict;
use crate::topology::Topology;
use crate::yaml::{Context, Refusal};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Topologies, experiments, or folders of them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set something before it is checked: load.transactions=2/s
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
}

pub(super) fn validate(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let mut exit = 0;
    for file in files(&arguments.files)? {
        let checked = if is_topology(&file) {
            Topology::load(&file, &arguments.settings).map(|topology| format!("topology {}", topology.name))
        } else {
            // Every combination: a sweep may try what cannot be.
            let read = Experiment::load_combinations(&file, &arguments.settings);
            let read =
                read.and_then(|all| check_controls(&file, &arguments.settings, &all[0].experiment).map(|()| all));
            read.map(|all| format!("experiment {}", all[0].experiment.name))
        };
        match checked {
            Ok(what) if speech.json => println!("{}", serde_json::json!({ "file": file, "valid": true, "what": what })),
            Ok(_) if speech.quiet => {}
            Ok(what) => println!("{}: {what} is valid", file.display()),
            Err(refusal) => {
                exit = Verdict::Error.exit_code();
                if speech.json {
                    println!("{}", serde_json::json!({ "file": file, "valid": false, "problems": refusal.told() }));
                } else {
                    eprintln!("{:?}", miette::Report::new(refusal));
                }
            }
        }
    }
    Ok(exit)
}

/// Controls change the file, and what they make of it must be valid, too.
fn check_controls(file: &std::path::Path, settings: &[String], experiment: &Experiment) -> Result<(), Refusal> {
    experiment.controls.iter().try_for_each(|control| Experiment::controlled(file, settings, control).map(drop))
}

/// What has nodes of its own and nothing that is asked of them.
fn is_topology(file: &std::path::Path) -> bool {
    let context = Context::default();
    let tree = context.file(file);
    tree.is_some_and(|tree| {
        tree.get("topology").is_none() && (tree.get("groups").is_some() || tree.get("overlay").is_some())
    })
}
