//! Kept runs: what lies in a run folder is enough to repeat the run and to compare it. Told of the real command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use schism::backend::capability::Offer;
use serde_json::Value;

use crate::real;

/// A short one, with a control.
const SHORT: &str = "\
# Two nodes are parted and meet again.
topology: { name: pair, groups: { miner: { count: 2 } }, overlay: line }
load: { transactions: 1/s }
faults:
  - { at: 20s, partition: one, for: 60s }
always: { supply: exact }
finally: { converged: { within: 6 blocks } }
control: { without: heal, expect: stalled }
";

/// One trial each.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("command");
    let no_processes = Offer::of_this_kernel().is_err();
    let forbidden = |name, told| trial(name, told).with_kind("process").with_ignored_flag(no_processes);
    vec![
        trial("a_kept_run_is_repeated_by_its_folder_alone", repeated),
        trial("a_repetition_that_differs_is_told_where", differs),
        trial("a_node_logs_the_same_in_every_run_of_a_seed", logs),
        trial("nodes_log_json_where_it_is_asked_for", logs_in_json),
        trial("kept_runs_stand_side_by_side", compared),
        trial("faults_that_are_not_the_kernels_are_refused_where_those_are_required", required),
        trial("an_engine_that_is_not_there_is_named_and_nothing_runs", no_engine),
        forbidden("a_run_without_namespaces_says_that_its_faults_are_the_transports", on_the_loopback),
        forbidden("without_namespaces_no_run_has_the_kernels_faults_or_fills_a_disk", refused_on_the_loopback),
    ]
}

/// Runs of the short experiment in a folder of their own.
struct Runs(tempfile::TempDir);

impl Runs {
    fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("short.yaml"), SHORT)?;
        Ok(Self(folder))
    }

    fn schism(&self, words: &str) -> Result<Output, Failed> {
        Ok(self.command(words).output()?)
    }

    fn command(&self, words: &str) -> Command {
        self.of(Command::new(env!("CARGO_BIN_EXE_schism")), words)
    }

    /// What it says and where it says it where no network namespace can be made, and its exit code.
    fn on_the_loopback(&self, words: &str) -> Result<(String, String, Option<i32>), Failed> {
        let program = real::on_the_loopback(Path::new(env!("CARGO_BIN_EXE_schism")));
        said(self.of(program, words).output()?)
    }

    fn of(&self, mut command: Command, words: &str) -> Command {
        command.args(words.split(' ')).current_dir(self.0.path()).env_remove("SCHISM_RUNS");
        command
    }

    /// The one object that a command prints with `--json`, and whether it exited with 0.
    fn json(&self, words: &str) -> Result<(Value, bool), Failed> {
        let output = self.schism(words)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(text.lines().next().unwrap_or_default());
        Ok((value.map_err(|error| format!("{words}: {error}\n{text}"))?, output.status.success()))
    }

    /// Whether a run was over before any node of it was there: none has logged, and none has a store.
    fn nobody_ran(&self, experiment: &str) -> Result<(), Failed> {
        let results: Value = serde_json::from_str(&fs::read_to_string(self.latest(experiment).join("results.json"))?)?;
        let logs = fs::read_dir(self.latest(experiment).join("logs")).into_iter().flatten().count();
        let stores = self.latest(experiment).join("stores").exists();
        if results["verdict"] != "error" || results["nodes"] != serde_json::json!([]) || logs > 0 || stores {
            return Err(format!("{logs} nodes have logged, stores: {stores}: {results}").into());
        }
        Ok(())
    }

    fn latest(&self, experiment: &str) -> PathBuf {
        self.0.path().join("runs").join(experiment).join("latest")
    }
}

fn repeated() -> Result<(), Failed> {
    let runs = Runs::new()?;
    for (run, kept) in [
        ("--json run short.yaml --seed 4 --set load.transactions=2/s --timeout-factor 2", "runs/short"),
        ("--json run short.yaml --control 1 --fidelity wire", "runs/short-control-1/latest"),
    ] {
        let (first, _) = runs.json(run)?;
        fs::rename(runs.0.path().join("short.yaml"), runs.0.path().join("hidden"))?;
        let (again, good) = runs.json(&format!("--json repeat {kept}"))?;
        fs::rename(runs.0.path().join("hidden"), runs.0.path().join("short.yaml"))?;
        let expected = (&first["verdict"], &first["trace"], first["seed"].as_u64());
        if !good
            || (&again["verdict"][1], &again["trace"][1], again["seed"].as_u64()) != expected
            || again["same"] != true
        {
            return Err(format!("{run}: {expected:?} became {again}").into());
        }
    }
    Ok(())
}

fn differs() -> Result<(), Failed> {
    let runs = Runs::new()?;
    for (trace, told) in [("", "line "), (" --trace", "item ")] {
        runs.schism(&format!("run short.yaml{trace}"))?;
        let file = runs.latest("short").join("experiment.yaml");
        fs::write(&file, fs::read_to_string(&file)?.replace("transactions: 1/s", "transactions: 3/s"))?;
        let (again, good) = runs.json("--json repeat runs/short")?;
        let difference = again["difference"].as_str().unwrap_or_default();
        if good || again["same"] != false || !difference.starts_with(&format!("first difference at {told}")) {
            return Err(format!("{again}").into());
        }
    }
    Ok(())
}

fn logs() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let read = |path: &Path| fs::read_to_string(path.join("logs/miner-1.log"));
    runs.schism("run short.yaml")?;
    let first = read(&runs.latest("short"))?;
    runs.schism("run short.yaml")?;
    let second = read(&runs.latest("short"))?;
    // What its Network says under its breath, and what it tells the harness.
    let both = first.contains("debug schism_node::network") && first.contains("\"event\":\"tip_changed\"");
    if first != second || !both {
        return Err(format!("{first}\nand\n{second}").into());
    }
    Ok(())
}

fn logs_in_json() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let asked = |format: &str, words: &str| runs.command(words).env("SCHISM_LOG_FORMAT", format).output();
    let refused = asked("yaml", "run short.yaml")?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.code() != Some(3)
        || !why.contains("SCHISM_LOG_FORMAT=yaml")
        || runs.0.path().join("runs").exists()
    {
        return Err(why.into());
    }
    for words in ["run short.yaml", "run short.yaml --backend process --set pace.process=0.05"] {
        asked("json", words)?;
        let merged = String::from_utf8(runs.schism("logs --run runs/short/latest --merge")?.stdout)?;
        let lines: Result<Vec<Value>, _> = merged.lines().map(serde_json::from_str).collect();
        let lines = lines.map_err(|error| format!("{words}: {error}: {merged}"))?;
        // Seconds of the story, or a time of day.
        let time = |line: &Value| match &line["timestamp"] {
            Value::Number(seconds) => format!("{:020.6}", seconds.as_f64().unwrap_or_default()),
            other => other.to_string(),
        };
        let says = |node| lines.iter().any(|line| line["node"] == node && line["message"].is_string());
        if !lines.iter().map(time).is_sorted() || !says("miner-0") || !says("miner-1") {
            return Err(format!("{words}: {merged}").into());
        }
    }
    Ok(())
}

fn compared() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let (first, _) = runs.json("--json run short.yaml --seed 5")?;
    runs.schism("run short.yaml --control 1")?;
    let (figures, good) = runs.json("--json compare runs/short runs/short-control-1")?;
    if !good || figures["messages"] != first["measured"]["frames"] || figures["verdict"] != "passed" {
        return Err(format!("{figures} of {first}").into());
    }
    let table = String::from_utf8(runs.schism("compare runs/short runs/short-control-1")?.stdout)?;
    if !table.lines().any(|line| line.split_whitespace().eq(["experiment", "short", "short-control-1"])) {
        return Err(table.into());
    }
    Ok(())
}

fn required() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let refused = runs.schism("run short.yaml --require kernel-faults")?;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    if refused.status.code() != Some(3) || !why.contains("--backend process") || runs.0.path().join("runs").exists() {
        return Err(why.into());
    }
    let first_line = String::from_utf8(runs.schism("run short.yaml --seed 6")?.stdout)?;
    if !first_line.starts_with("seed 6 · simulated · fabric faults · short\n") {
        return Err(first_line.into());
    }
    let suite = String::from_utf8(runs.schism("test short.yaml")?.stdout)?;
    if !suite.starts_with("simulated · fabric faults · 2 runs\n") {
        return Err(suite.into());
    }
    Ok(())
}

fn no_engine() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let socket = format!("unix://{}", runs.0.path().join("none.sock").display());
    let mut run = runs.command("run short.yaml --backend container");
    let (page, _, code) = said(run.env("DOCKER_HOST", &socket).output()?)?;
    let told = page.contains(&format!("no container engine answers at DOCKER_HOST={socket}"));
    if code != Some(3) || !told || !page.contains("or say where it is with DOCKER_HOST") {
        return Err(format!("it ended with {code:?} and said {page}").into());
    }
    runs.nobody_ran("short")
}

fn on_the_loopback() -> Result<(), Failed> {
    let runs = Runs::new()?;
    let run = "run short.yaml --seed 6 --backend process --set pace.process=0.05 --timeout-factor 3";
    let (page, errors, code) = runs.on_the_loopback(run)?;
    let first = "seed 6 · process · transport faults · short · pace.process=0.05\n";
    if code != Some(0) || !page.starts_with(first) || !page.contains("frames held in each direction") {
        return Err(format!("it ended with {code:?} and said {page}{errors}").into());
    }
    Ok(())
}

fn refused_on_the_loopback() -> Result<(), Failed> {
    let runs = Runs::new()?;
    for verb in ["run", "test", "up", "drive"] {
        let (_, why, code) =
            runs.on_the_loopback(&format!("{verb} short.yaml --backend process --require kernel-faults"))?;
        let told = why.contains("the process backend's faults are those of its transport, not the kernel's");
        // The reason, which miette breaks into lines, and what would help.
        let told = told && why.contains("max_net_namespaces");
        if code != Some(3) || !told || runs.0.path().join("runs").exists() {
            return Err(format!("{verb} ended with {code:?} and said {why}").into());
        }
    }
    fs::write(runs.0.path().join("short.yaml"), SHORT.replace("partition: one", "full_disk: one"))?;
    let (page, errors, code) = runs.on_the_loopback("run short.yaml --backend process")?;
    let refused = "nothing was started: full_disk: without a mount namespace no node has a disk of its own that could be \
                   filled; allow namespaces, or leave `--backend` out";
    if code != Some(3) || !page.contains(refused) {
        return Err(format!("it ended with {code:?} and said {page}{errors}").into());
    }
    runs.nobody_ran("short")
}

/// What a command said, what it complained of, and its exit code.
fn said(output: Output) -> Result<(String, String, Option<i32>), Failed> {
    Ok((String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?, output.status.code()))
}
