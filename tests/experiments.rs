//! Every experiment in `chaos/` under its own seed passes, and each of its controls ends as its file says.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::Trial;
use schism::interrupt::Interrupt;
use schism::report::{Colour, text};
use schism::suite::{self, Backend, Job};
use schism_chaos::simulation::Fidelity;

use crate::tell;

/// Where a process finds the job it was started for.
pub const JOB: &str = "SCHISM_JOB";

/// What an experiment once failed with, and passes with.
const MENDED: [(&str, [&str; 2]); 1] =
    // Who pays at the end is far behind when everything is healed, and knows none of the coins there are: it pays later.
    [("late-joiner", ["faults.1.bandwidth.limit=20 kbit/s", "finally.converged.within=60 blocks"])];

/// One trial an experiment and one a control, and those that were mended.
pub fn trials() -> Vec<Trial> {
    let files = files();
    let mended = files.iter().flat_map(|file| {
        let of_it = MENDED.iter().filter(|(name, _)| file.file_stem().is_some_and(|stem| stem == *name));
        of_it.flat_map(|(_, settings)| {
            let settings = settings.map(str::to_owned).to_vec();
            of_file(file, &Job { settings, ..template(file) }, false)
        })
    });
    files.iter().flat_map(|file| of_file(file, &template(file), true)).chain(mended).collect()
}

/// Every experiment's file, by name.
pub fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the experiments are part of the project")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

/// A job of this file, in memory, that leaves no folder.
pub fn template(file: &Path) -> Job {
    Job {
        file: file.to_owned(),
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        settings: Vec::new(),
        seed: 0,
        backend: Backend::Simulated,
        fidelity: Fidelity::Memory,
        control: None,
        runs: None,
        trace: false,
        timeout_factor: 1.0,
    }
}

fn of_file(file: &Path, template: &Job, controls: bool) -> Vec<Trial> {
    match suite::plan(file, template, None, controls) {
        Ok(jobs) => jobs.into_iter().map(trial).collect(),
        Err(refusal) => {
            let told = refusal.to_string();
            vec![Trial::test(file.display().to_string(), move || Err(told.into()))]
        }
    }
}

fn trial(job: Job) -> Trial {
    let with: String = job.settings.iter().map(|setting| format!("_with_{setting}")).collect();
    Trial::test(format!("experiment_{}{with}", job.title()), move || {
        tell::in_a_process(JOB, &serde_json::to_string(&job)?)
    })
    .with_kind("simulated")
}

/// Plays the job this process was started for.
pub fn in_this_process(job: &str) -> ExitCode {
    let job: Job = serde_json::from_str(job).expect("a job is handed over by this binary");
    let results = job.work(&Interrupt::default(), Box::new(|_, _| {}));
    println!("{}", text(&results, Colour::Never));
    ExitCode::from(u8::try_from(results.verdict.exit_code()).unwrap_or(3))
}
