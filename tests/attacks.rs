//! Attacks: every claim in `chaos/attacks/`, on few points, with its first control; and that what is measured depends on neither
//! the number of processes nor the time of day. Told of the real command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};

/// One point with few trials, or a few nodes, and yet each control turns red on it.
pub const BRIEF: &str = "profile=control";

/// One trial an attack, and one for all about what else must hold.
pub fn trials() -> Vec<Trial> {
    let name = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
    let attacks = files().into_iter().map(|file| {
        let trial = format!("attack_{}_is_as_theory_says_and_its_control_is_not", name(&file));
        Trial::test(trial, move || holds(&file)).with_kind("command")
    });
    let told = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("command");
    attacks
        .chain([
            told("attack_by_one_process_or_three_leaves_the_same_trace", same_trace),
            told("attack_with_a_block_pre_mined_lands_on_rosenfelds_table", lands_on_rosenfeld),
        ])
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/attacks")
}

pub fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the attacks are part of the project");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

/// Runs the command on a file, where it leaves nothing behind.
fn schism(file: &Path, words: &[&str]) -> Result<Output, Failed> {
    let runs = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.arg("run").arg(file).args(words).env("SCHISM_RUNS", runs.path());
    Ok(command.output()?)
}

/// What a run that passed said.
fn passed(output: Output) -> Result<String, Failed> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!("{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

fn holds(file: &Path) -> Result<(), Failed> {
    passed(schism(file, &["--set", BRIEF])?)?;
    // The others are left to `schism test chaos/attacks`: a minute each adds up.
    passed(schism(file, &["--control", "1"])?).map(drop)
}

fn same_trace() -> Result<(), Failed> {
    let trace = |jobs: &str| -> Result<String, Failed> {
        let file = folder().join("double-spend.yaml");
        let point = ["q=0.3", "confirmations=1", "trials=60", "deficit=3"].map(|setting| ["--set", setting]);
        let words = [&["--jobs", jobs, "--set", BRIEF][..], point.as_flattened()].concat();
        // Whether it passes is not the question.
        let said = String::from_utf8_lossy(&schism(&file, &words)?.stdout).into_owned();
        let line = said.lines().find(|line| line.starts_with("trace ")).map(str::to_owned);
        line.ok_or_else(|| format!("it left no trace:\n{said}").into())
    };
    let (alone, shared) = (trace("1")?, trace("3")?);
    if alone == shared { Ok(()) } else { Err(format!("{alone}\n{shared}").into()) }
}

fn lands_on_rosenfeld() -> Result<(), Failed> {
    let file = folder().join("double-spend.yaml");
    let (pre_mined, table) = ("topology.groups.attacker.adversary.pre_mined=1", "claim.double_spend.table=rosenfeld");
    passed(schism(&file, &["--set", BRIEF, "--set", pre_mined, "--set", table])?).map(drop)
}
