//! Real processes: stories told on them, and that nothing of them is left behind. Where this system forbids namespaces
//! they say so and are ignored; with `SCHISM_PROCESSES_REQUIRED=1` they fail.

mod leaks;
mod told;

use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use schism::backend::capability::Offer;
use schism::command;

use crate::tell;

/// Where a process finds the name of the trial it was started for.
pub const TRIAL: &str = "SCHISM_PROCESSES";

/// A trial: its name, and what is done.
type Named = (String, Box<dyn FnOnce() -> Result<(), Failed>>);

/// Every trial.
pub fn trials() -> Vec<Trial> {
    let offer = Offer::of_this_kernel();
    let required = std::env::var_os("SCHISM_PROCESSES_REQUIRED").is_some();
    if let Err(why) = &offer {
        eprintln!("stories on processes {}: {why}", if required { "fail" } else { "are ignored" });
    }
    let trial = |name: String| {
        let why = offer.clone().err();
        let run = move || match why {
            Some(why) => Err(why.into()),
            None => tell::in_a_process(TRIAL, &name),
        };
        (run, offer.is_err() && !required)
    };
    let names = all().into_iter().map(|(name, _)| name);
    names
        .map(|name| {
            let (run, ignored) = trial(name.clone());
            Trial::test(name, run).with_kind("process").with_ignored_flag(ignored)
        })
        .collect()
}

/// Does the trial this process was started for.
pub fn in_this_process(name: &str) -> ExitCode {
    let Some((_, run)) = all().into_iter().find(|(other, _)| other == name) else {
        eprintln!("no trial is called {name}");
        return ExitCode::from(3);
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("it failed"));
            ExitCode::FAILURE
        }
    }
}

/// Is a part of a cluster of processes, where this executable was started again as one.
pub fn as_part_of_a_cluster() -> Option<ExitCode> {
    let verb = std::env::args().nth(1)?;
    command::is_part_of_a_cluster(&verb).then(command::main)
}

fn all() -> Vec<Named> {
    told::trials().into_iter().chain(leaks::trials()).collect()
}
