//! Live clusters: scripts drive one on the virtual clock, and the command line holds one of real processes. Told of the
//! real command in processes of its own.

mod builds;
mod driven;
mod up;

use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use schism::backend::container::image;
use schism::suite::Backend;
use serde_json::{Value, json};

use crate::real::Stage;
use crate::rpc::Asked;
use builds::{another_build, processes_of, script};
pub(crate) use up::Up;
use up::Watched;

/// This checkout.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How often a status is looked at before what was waited for is given up: each look takes a few milliseconds at least.
const LOOKS: u32 = 3_000;

/// Every trial. Where this system has no place for real nodes theirs are ignored, and say so.
pub fn trials() -> Vec<Trial> {
    let processes = Stage::of(Backend::Process, "live clusters");
    let containers = Stage::of(Backend::Container, "live clusters");
    let mut trials = vec![
        processes.trial("a_cluster_that_is_up_does_what_it_is_told", || a_cluster_that_is_up("process")),
        containers.trial("a_cluster_in_containers_does_what_it_is_told", || a_cluster_that_is_up("container")),
        processes.trial("what_a_cluster_says_is_shown_as_it_says_it", what_is_shown),
        processes.trial("a_node_that_ends_by_itself_is_shown_dead_and_started_again", a_node_that_ends),
        processes.trial("a_run_whose_node_ends_by_itself_is_an_error", a_run_whose_node_ends),
        processes.trial("a_cluster_whose_holder_is_killed_makes_room_for_the_next", a_killed_holder),
    ];
    trials.extend(driven::trials(&processes));
    trials.extend(crate::rpc::trials(&processes));
    trials
}

fn a_cluster_that_is_up(backend: &str) -> Result<(), Failed> {
    let cluster = Up::new(backend)?;
    cluster.refuses(&["up", "topologies/pair.yaml"], "is up already")?;
    cluster.refuses(&["kill", "minor-2"], "did you mean `miner-2`?")?;
    cluster.refuses(&["fault", "add", "partition: hlf"], "did you mean `half`?")?;
    cluster.refuses(&["fault", "add", "full_disk: one"], "the machine's own")?;
    cluster.says(&["fault", "add", "partition: half", "--name", "split"])?;
    same("one fault in force", &cluster.status()?["faults"][0]["name"], &json!("split"))?;
    cluster.says(&["kill", "miner-1", "--kind", "machine"])?;
    same("a killed node", &cluster.state(1)?, &json!("dead"))?;
    cluster.says(&["freeze", "miner-2"])?;
    same("a frozen node", &cluster.state(2)?, &json!("frozen"))?;
    cluster.says(&["thaw", "miner-2"])?;
    cluster.says(&["restart", "miner-1"])?;
    cluster.says(&["fault", "heal"])?;
    same("nothing in force", &cluster.says(&["fault", "list"])?, &"nothing is in force\n".to_owned())?;
    let txid = cluster.says(&["submit", "miner-5"])?;
    let mined = cluster.says(&["mine", "miner-5", "2"])?;
    same("a transaction's id and two blocks'", &(txid.trim().len(), mined.lines().count()), &(64, 2))?;
    cluster.until("blocks", |status| status["nodes"][3]["height"].as_u64() >= Some(2))?;
    upgrades(&cluster, backend)?;
    cluster.refuses(&["add", "miner-1"], "miner-1 is no newcomer")?;
    cluster.refuses(&["add", "newcommer-1"], "did you mean `newcomer-1`?")?;
    same("who was named", &cluster.says(&["add", "newcomer-1"])?, &"newcomer-1 is started\n".to_owned())?;
    cluster.refuses(&["add", "newcomer-1"], "newcomer-1 is alive")?;
    cluster.says(&["remove", "miner-6"])?;
    same("a removed node", &cluster.state(6)?, &json!("gone"))?;
    same("a node more", &json!(cluster.status()?["nodes"].as_array().map(Vec::len)), &json!(9))?;
    let logs = cluster.says(&["logs", "--merge"])?;
    let names: std::collections::BTreeSet<_> = logs.lines().filter_map(|line| line.split_whitespace().next()).collect();
    same("nodes that logged", &names.len(), &9)?;
    cluster.says(&["down"])?;
    cluster.refuses(&["status"], "no cluster is up")?;
    let results = cluster.folder().join("ring-8/latest/results.json");
    let results: Value = serde_json::from_str(&std::fs::read_to_string(results)?)?;
    same("safety", &results["violations"], &json!([]))?;
    same("the node's own evidence", &results["evidence"][0]["step"], &json!("split"))
}

/// What is no build of ours, or of another protocol, becomes no node; a build of other bytes does, on the same data.
fn upgrades(cluster: &Up, backend: &str) -> Result<(), Failed> {
    let starts = || -> Result<Vec<String>, Failed> {
        Ok(cluster
            .log("miner-3")?
            .lines()
            .filter(|line| line.contains(" started height="))
            .map(str::to_owned)
            .collect())
    };
    let before = starts()?.len();
    cluster.refuses(&["upgrade", "miner-3", "--binary", "/bin/true"], "it is no build of schism")?;
    let older = script(cluster, "older", "echo schism speaks protocol 1")?;
    // In a container there is nothing that could run a script.
    let why = if backend == "container" { "it is no build of schism" } else { "it speaks version 1 of" };
    cluster.refuses(&["upgrade", "miner-3", "--binary", &older], why)?;
    same("a node whose upgrades were refused", &cluster.state(3)?, &json!("alive"))?;
    same("its starts", &starts()?.len(), &before)?;
    let build = another_build(cluster.folder())?;
    let height = cluster.status()?["nodes"][3]["height"].as_u64().ok_or("it has no height")?;
    cluster.says(&["upgrade", "miner-3", "--binary", &build])?;
    same("an upgraded node", &cluster.state(3)?, &json!("alive"))?;
    cluster.until("its start", |_| starts().is_ok_and(|starts| starts.len() > before))?;
    let started = starts()?.pop().unwrap_or_default();
    let stood = started.split("height=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    same(&format!("on its own data ({started}, {height} before)"), &(stood >= Some(height)), &true)?;
    if backend == "process" {
        return same("processes of that build", &processes_of(&build)?.len(), &1);
    }
    // An engine has its image when that build has made one.
    let looked = schism_at(&build, cluster.folder()).arg("doctor").output()?;
    same("a look at the engine", &looked.status.success(), &true)?;
    let image = format!("schism:{}", image::tag(Path::new(&build))?);
    cluster.says(&["upgrade", "miner-4", "--image", &image])?;
    same("a node upgraded by image", &cluster.state(4)?, &json!("alive"))?;
    cluster.refuses(&["upgrade", "miner-4", "--image", "schism:never-made"], "there is no image")
}

/// Tables and logs, for people: once, and while they grow.
fn what_is_shown() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let address = cluster.state_file()?["nodes"][2]["rpc"].as_str().ok_or("no address")?.to_owned();
    let table = cluster.says(&["status"])?;
    let header =
        table.lines().find(|line| line.starts_with("node ")).ok_or_else(|| format!("it has no header: {table}"))?;
    let columns = ["node", "role", "state", "height", "tip", "peers", "mempool", "mined", "rpc", "faults"];
    same("the header", &header.split_whitespace().collect::<Vec<_>>(), &columns.to_vec())?;
    let row = table.lines().find(|line| line.starts_with("miner-2 ")).ok_or("it has no row of miner-2")?;
    let row: Vec<&str> = row.split_whitespace().collect();
    same("a row", &(row[1], row[2], row[8]), &("miner", "alive", address.as_str()))?;
    let mut watched = cluster.watches(&["status", "--watch"])?;
    watched.until(&["miner-2", "alive"])?;
    cluster.says(&["freeze", "miner-2"])?;
    watched.until(&["miner-2", "frozen", "freeze-miner-2"])?;
    cluster.says(&["thaw", "miner-2"])?;
    let one = cluster.log("miner-0")?;
    same("a log of one node names none", &one.lines().any(|line| line.contains("miner-0  ")), &false)?;
    same("it has started", &one.contains(" started height="), &true)?;
    cluster.refuses(&["logs", "minor-0"], "did you mean `miner-0`?")?;
    let mut followed = cluster.watches(&["logs", "--follow", "miner-0"])?;
    followed.until(&[" started height="])?;
    let mined = cluster.says(&["mine", "miner-0"])?;
    followed.until(&["mined a block", mined.trim()])?;
    // A payment that its node has never heard of.
    cluster.says(&["fault", "add", "isolate: miner-7", "--name", "alone"])?;
    let txid = cluster.says(&["submit", "miner-0"])?.trim().to_owned();
    let (rich, alone) = (Asked::node(&cluster, 0)?, Asked::node(&cluster, 7)?);
    let pooled = |_: &Value| rich.old("getrawtransaction", json!([txid])).is_ok();
    cluster.until("the payment", pooled)?;
    let hex = rich.old("getrawtransaction", json!([txid]))?;
    let hex = hex.as_str().ok_or("no hex")?;
    same("it is not heard of elsewhere", &alone.old("getrawtransaction", json!([txid])).is_err(), &true)?;
    same("what was submitted", &cluster.says(&["submit", "miner-7", hex])?.trim().to_owned(), &txid)?;
    same("it is known there", &alone.old("getrawtransaction", json!([txid]))?, &json!(hex))?;
    cluster.refuses(&["submit", "miner-7", &hex[2..]], "this is no transaction in hex")?;
    cluster.says(&["down"])?;
    followed.ends()
}

/// As a panic would, or a kernel that is out of memory.
fn a_node_that_ends() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let build = another_build(cluster.folder())?;
    cluster.says(&["upgrade", "miner-3", "--binary", &build])?;
    let [process] = processes_of(&build)?[..] else { return Err("there is no node of that build alone".into()) };
    kill(process)?;
    cluster.until("its end", |status| status["nodes"][3]["state"] == "dead")?;
    let status = cluster.status()?;
    let found = status["found"][0].as_str().unwrap_or_default();
    same(found, &found.starts_with("miner-3: the node ended by itself (signal: 9"), &true)?;
    same("what it stands for", &status["faults"][0]["name"], &json!("ended-miner-3"))?;
    cluster.says(&["restart", "miner-3"])?;
    same("a restarted node", &cluster.state(3)?, &json!("alive"))?;
    cluster.until("its peers", |status| status["nodes"][3]["peers"].as_u64() > Some(0))?;
    std::fs::remove_file(&build)?;
    cluster.says(&["restart", "miner-3"])?;
    cluster.until("its other end", |status| status["nodes"][3]["state"] == "dead")?;
    let found = cluster.status()?["found"][1].as_str().unwrap_or_default().to_owned();
    same(&found, &found.contains("No such file"), &true)?;
    cluster.says(&["down"])?;
    let results = cluster.folder().join("ring-8/latest/results.json");
    let results: Value = serde_json::from_str(&std::fs::read_to_string(results)?)?;
    same("safety", &results["violations"], &json!([]))?;
    let of_its_end = |evidence: &&Value| evidence["step"] == "ended-miner-3";
    let evidence =
        results["evidence"].as_array().into_iter().flatten().find(of_its_end).ok_or("no evidence of its end")?;
    let all_met = |requirements: &Vec<Value>| requirements.iter().all(|requirement| requirement["state"] == "met");
    same(&evidence.to_string(), &evidence["requirements"].as_array().is_some_and(all_met), &true)
}

/// Nobody could say what its checks would have found.
fn a_run_whose_node_ends() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let build = another_build(folder.path())?;
    let mut command = schism_at(&build, folder.path());
    command.args(["run", "chaos/partition-heals.yaml", "--backend", "process"]).stderr(Stdio::null());
    let mut run = Watched::begin(&mut command)?;
    let looked = std::iter::repeat_with(|| processes_of(&build)).take(LOOKS as usize);
    let process = looked.flatten().find_map(|processes| processes.first().copied()).ok_or("no node began")?;
    kill(process)?;
    run.until(&["the node ended by itself (signal: 9"])?;
    same("how it exits", &run.child.wait()?.code(), &Some(3))
}

/// Ends a process as the kernel would that has no more memory.
fn kill(process: i32) -> Result<(), Failed> {
    Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL)?)
}

fn a_killed_holder() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let state = cluster.state_file()?;
    let holder = state["process"].as_i64().and_then(|process| i32::try_from(process).ok()).ok_or("no process")?;
    kill(holder)?;
    cluster.refuses(&["status"], "is gone")?;
    let again = cluster.says(&["up", "topologies/pair.yaml", "--detach"])?;
    same("the next one is up", &again.contains("2 nodes are up"), &true)
}

/// The command, in this checkout, with run folders elsewhere.
fn schism(runs: &Path) -> Command {
    schism_at(env!("CARGO_BIN_EXE_schism"), runs)
}

/// The same of another build.
fn schism_at(build: &str, runs: &Path) -> Command {
    let mut command = Command::new(build);
    command.current_dir(ROOT).env("SCHISM_RUNS", runs).env_remove("SCHISM_STATE").stdin(Stdio::null());
    command
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), Failed> {
    if is == expected { Ok(()) } else { Err(format!("{what}: {is:?}, expected {expected:?}").into()) }
}
