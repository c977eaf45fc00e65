//! Live clusters: scripts drive one on the virtual clock, and the command line holds one of real processes. Told of the
//! real command in processes of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use schism::backend::container::image;
use schism::suite::Backend;
use serde_json::{Value, json};

use crate::real::Stage;
use crate::rpc::Asked;

/// This checkout.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How often a status is looked at before what was waited for is given up: each look takes a few milliseconds at least.
const LOOKS: u32 = 3_000;

/// Every trial. Where this system has no place for real nodes theirs are ignored, and say so.
pub fn trials() -> Vec<Trial> {
    let driven = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("drive");
    let processes = Stage::of(Backend::Process, "live clusters");
    let containers = Stage::of(Backend::Container, "live clusters");
    let no_python = Command::new("python3").arg("--version").output().is_err();
    if no_python {
        eprintln!("the Python example is ignored: there is no python3 here");
    }
    let mut trials = vec![
        driven("a_driven_cluster_parts_and_meets_and_does_so_again", a_driven_cluster_parts_and_meets),
        driven("a_wrong_order_is_answered_and_changes_nothing", a_wrong_order_changes_nothing),
        driven("a_newcomer_mines_at_its_rate_after_a_restart_too", a_newcomer_mines),
        driven("the_python_example_does_what_it_says", the_python_example).with_ignored_flag(no_python),
        processes.trial("a_cluster_that_is_up_does_what_it_is_told", || a_cluster_that_is_up("process")),
        containers.trial("a_cluster_in_containers_does_what_it_is_told", || a_cluster_that_is_up("container")),
        processes.trial("what_a_cluster_says_is_shown_as_it_says_it", what_is_shown),
        processes.trial("a_driven_cluster_of_processes_does_what_it_is_told", a_driven_cluster_of_processes),
        processes.trial("a_node_that_ends_by_itself_is_shown_dead_and_started_again", a_node_that_ends),
        processes.trial("a_run_whose_node_ends_by_itself_is_an_error", a_run_whose_node_ends),
        processes.trial("a_cluster_whose_holder_is_killed_makes_room_for_the_next", a_killed_holder),
    ];
    trials.extend(crate::rpc::trials(&processes));
    trials
}

/// A cluster at the other end of a line.
struct Driven {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Driven {
    fn new(topology: &str) -> Result<Self, Failed> {
        Self::with(&[topology])
    }

    fn with(words: &[&str]) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let mut child = schism(folder.path())
            .args(["--quiet", "drive", "--seed", "7"])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (orders, answers) = (orders.ok_or("no input")?, BufReader::new(answers.ok_or("no output")?));
        let mut driven = Self { child, orders, answers, _folder: folder };
        let first = driven.heard()?;
        let layer = if words.contains(&"process") { "kernel" } else { "fabric" };
        if first["ready"]["seed"] == 7 && first["ready"]["fault_layer"] == layer {
            Ok(driven)
        } else {
            Err(format!("it began with {first}").into())
        }
    }

    fn heard(&mut self) -> Result<Value, Failed> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn tell(&mut self, order: &Value) -> Result<Value, Failed> {
        writeln!(self.orders, "{order}")?;
        self.heard()
    }

    /// The same, where nothing may be wrong.
    fn done(&mut self, order: &Value) -> Result<Value, Failed> {
        let mut answer = self.tell(order)?;
        match answer.get_mut("ok") {
            Some(value) => Ok(value.take()),
            None => Err(format!("{order}: {answer}").into()),
        }
    }

    /// What it all came to.
    fn result(mut self) -> Result<Value, Failed> {
        self.done(&json!({ "do": "down" }))?;
        let result = self.heard()?["result"].take();
        self.child.wait()?;
        Ok(result)
    }
}

fn a_driven_cluster_parts_and_meets() -> Result<(), Failed> {
    let once = || -> Result<(Value, Value), Failed> {
        let mut cluster = Driven::new("topologies/mesh-10.yaml")?;
        cluster.done(&json!({ "do": "run_until", "height": 4, "within": 600 }))?;
        cluster.done(&json!({ "do": "fault", "fault": "partition: half", "name": "split" }))?;
        let apart = cluster.done(&json!({ "do": "run_for", "seconds": 200 }))?;
        same("tips of two sides", &apart["tips"], &json!(2))?;
        cluster.done(&json!({ "do": "kill", "node": "miner-3" }))?;
        cluster.done(&json!({ "do": "heal", "name": "split" }))?;
        let txid = cluster.done(&json!({ "do": "pay", "node": "miner-0" }))?["txid"].take();
        let newcomer = cluster.done(&json!({ "do": "add" }))?["node"].take();
        cluster.done(&json!({ "do": "restart", "node": "miner-3" }))?;
        cluster.done(&json!({ "do": "run_until", "agreed": true, "confirmed": txid, "within": 300 }))?;
        let status = cluster.done(&json!({ "do": "status" }))?;
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        same("nodes with the newcomer", &json!(nodes.len()), &json!(11))?;
        same("the newcomer's tip", &nodes[10]["tip"], &nodes[0]["tip"])?;
        same("the newcomer's name", &nodes[10]["node"], &newcomer)?;
        same("faults in force", &status["faults"], &json!([]))?;
        Ok((status, cluster.result()?))
    };
    let ((_, first), (_, second)) = (once()?, once()?);
    same("the verdict", &first["verdict"], &json!("passed"))?;
    same("evidence of each fault", &json!(first["evidence"].as_array().map(Vec::len)), &json!(3))?;
    same("the trace of the same orders", &first["trace"], &second["trace"])
}

fn a_wrong_order_changes_nothing() -> Result<(), Failed> {
    let mut cluster = Driven::new("topologies/pair.yaml")?;
    let before = cluster.done(&json!({ "do": "status" }))?;
    for (wrong, why) in [
        (json!({ "do": "fly" }), "unknown variant `fly`"),
        (json!({ "do": "kill", "node": "minor-0" }), "did you mean `miner-0`?"),
        (json!({ "do": "kill", "node": "miner-0", "kind": "gently" }), "gently"),
        (json!({ "do": "heal", "name": "split" }), "there is no fault `split`"),
        (json!({ "do": "fault", "fault": "partition: halves" }), "unknown node `halves`"),
        (json!({ "do": "fault", "fault": "{ crash: one, for: 30 }" }), "fault:1:20: `30` has no unit"),
        (json!({ "do": "fault", "fault": "{ cutt: one }" }), "cutt"),
        (json!({ "do": "thaw", "node": "miner-0" }), "miner-0 is alive"),
        (json!({ "do": "run_for", "seconds": -1 }), "-1 is no number of seconds"),
        (json!({ "do": "run_until", "height": 1_000_000, "within": 0 }), "it is not so after 0 s"),
        (json!({ "do": "submit", "node": "miner-0", "transaction": "00" }), ""),
        (json!({ "do": "add", "node": "miner-0" }), "miner-0 is no newcomer"),
        (json!({ "do": "add", "node": "newcommer-0" }), "did you mean `newcomer-0`?"),
        (json!({ "do": "upgrade", "node": "miner-0", "binary": "/bin/true" }), "a simulation is one process"),
        (json!([1, 2]), "this is no order"),
    ] {
        let answer = cluster.tell(&wrong)?;
        match answer["error"].as_str() {
            Some(error) if error.contains(why) => {}
            _ => return Err(format!("{wrong} was answered with {answer}").into()),
        }
    }
    same("where it stands", &cluster.done(&json!({ "do": "status" }))?, &before)?;
    same("the verdict", &cluster.result()?["verdict"], &json!("passed"))
}

/// At a pace of a tenth all others hash ten times as fast, and so must who comes later. Of 40 blocks it mines half or so; it
/// would be four, were its rate not paced, and none after the restart, were it not remembered.
fn a_newcomer_mines() -> Result<(), Failed> {
    let mut cluster = Driven::with(&["topologies/pair.yaml", "--set", "pace.simulated=0.1", "--room", "3"])?;
    let all = schism::topology::Topology::load(&Path::new(ROOT).join("topologies/pair.yaml"), &[])?.plan(7);
    let rate: f64 = all.nodes.iter().map(|node| node.hashes_per_second).sum();
    let added = cluster.done(&json!({ "do": "add", "node": "newcomer-1", "hashes_per_second": rate }))?;
    same("who was named", &added["node"], &json!("newcomer-1"))?;
    let again = cluster.tell(&json!({ "do": "add", "node": "newcomer-1" }))?;
    same("who is there already", &again["error"], &json!("newcomer-1 is alive"))?;
    same("the next one", &cluster.done(&json!({ "do": "add" }))?["node"], &json!("newcomer-0"))?;
    let mut mined = |blocks: u64| -> Result<u64, Failed> {
        cluster.done(&json!({ "do": "run_until", "mined": blocks, "within": 600 }))?;
        let status = cluster.done(&json!({ "do": "status" }))?;
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        let newcomer = nodes.iter().find(|node| node["node"] == "newcomer-1").ok_or("it is not there")?;
        cluster.done(&json!({ "do": "restart", "node": "newcomer-1" }))?;
        newcomer["mined"].as_u64().ok_or_else(|| "it has no number".into())
    };
    let (first, both) = (mined(40)?, mined(80)?);
    same(&format!("{first} and {both} mined of 40 and of 80"), &(first >= 10 && both >= first + 10), &true)
}

/// The same words on real nodes: they are killed and started, and a program that is no build of ours becomes no node.
fn a_driven_cluster_of_processes() -> Result<(), Failed> {
    let mut cluster = Driven::with(&["topologies/pair.yaml", "--backend", "process"])?;
    let mined = cluster.done(&json!({ "do": "mine", "node": "miner-0", "blocks": 3 }))?;
    same("blocks", &mined["blocks"].as_array().map(Vec::len), &Some(3))?;
    cluster.done(&json!({ "do": "run_until", "height": 3, "agreed": true, "within": 60 }))?;
    let refused = cluster.tell(&json!({ "do": "upgrade", "node": "miner-0", "binary": "/bin/true" }))?;
    let why = refused["error"].as_str().unwrap_or_default();
    same(why, &why.contains("it is no build of schism"), &true)?;
    cluster.done(&json!({ "do": "kill", "node": "miner-1" }))?;
    cluster.done(&json!({ "do": "restart", "node": "miner-1" }))?;
    cluster.done(&json!({ "do": "run_until", "agreed": true, "within": 60 }))?;
    let status = cluster.done(&json!({ "do": "status" }))?;
    let states: Vec<&Value> = status["nodes"].as_array().into_iter().flatten().map(|node| &node["state"]).collect();
    same("their states", &states, &vec![&json!("alive"); 2])?;
    let result = cluster.result()?;
    same("the verdict", &result["verdict"], &json!("passed"))?;
    same("the backend", &result["backend"], &json!("process"))
}

fn the_python_example() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let mut python = Command::new("python3");
    python.arg("docs/drive.py").arg(env!("CARGO_BIN_EXE_schism")).current_dir(ROOT).env("SCHISM_RUNS", folder.path());
    let said = python.output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    if said.status.success() && text.contains("apart: 2 tips") && text.trim_end().ends_with("passed") {
        return Ok(());
    }
    Err(format!("it said {text}{}", String::from_utf8_lossy(&said.stderr)).into())
}

/// A cluster that is up, in run folders of its own; taken down at the end, whatever happened.
pub(crate) struct Up {
    folder: tempfile::TempDir,
}

impl Up {
    pub(crate) fn new(backend: &str) -> Result<Self, Failed> {
        let up = Self { folder: tempfile::tempdir()? };
        let load = ["--set", "load.transactions=2/s"];
        let started =
            up.says(&[&["up", "topologies/ring-8.yaml", "--backend", backend, "--detach"][..], &load].concat())?;
        let address = up.state_file()?["nodes"][0]["rpc"].as_str().unwrap_or("nowhere").to_owned();
        let told = ["8 nodes are up", &format!("http://{address} of miner-0"), ".cookie"];
        let all = told.iter().all(|words| started.contains(words));
        if all { Ok(up) } else { Err(format!("it said {started}").into()) }
    }

    /// What a verb says; that it fails is a failure.
    pub(crate) fn says(&self, words: &[&str]) -> Result<String, Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let errors = String::from_utf8_lossy(&said.stderr);
        if said.status.success() { Ok(text) } else { Err(format!("{words:?}: {text}{errors}").into()) }
    }

    /// A verb that goes on, and what it says.
    fn watches(&self, words: &[&str]) -> Result<Watched, Failed> {
        Watched::begin(schism(self.folder.path()).args(words))
    }

    /// The text of a node's log.
    fn log(&self, node: &str) -> Result<String, Failed> {
        self.says(&["logs", node])
    }

    /// What is wrong with a verb.
    fn refuses(&self, words: &[&str], why: &str) -> Result<(), Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        // In lines of a terminal's width, which break between any words.
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "│").collect();
        if said.status.code() == Some(3) && words.join(" ").contains(why) {
            return Ok(());
        }
        Err(format!("{words:?} ended with {} and said {text}", said.status).into())
    }

    /// Its run folders.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it is.
    pub(crate) fn state_file(&self) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&std::fs::read_to_string(self.folder.path().join("live.json"))?)?)
    }

    /// Asks again and again until its status is as it should be; what never comes ends with the test's deadline.
    pub(crate) fn until(&self, what: &str, so: impl Fn(&Value) -> bool) -> Result<(), Failed> {
        for _ in 0..LOOKS {
            if so(&self.status()?) {
                return Ok(());
            }
        }
        Err(format!("{what} did not come").into())
    }

    fn status(&self) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.says(&["--json", "status"])?)?)
    }

    fn state(&self, node: usize) -> Result<Value, Failed> {
        Ok(self.status()?["nodes"][node]["state"].clone())
    }
}

/// A verb that goes on; it is ended with this.
struct Watched {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watched {
    fn begin(command: &mut Command) -> Result<Self, Failed> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, lines })
    }

    /// Reads until a line has all of these words.
    fn until(&mut self, words: &[&str]) -> Result<(), Failed> {
        let mut line = String::new();
        while self.lines.read_line(&mut line)? > 0 {
            if words.iter().all(|word| line.contains(word)) {
                return Ok(());
            }
            line.clear();
        }
        Err(format!("it ended before it said {words:?}").into())
    }

    /// Reads to its end, which has to be a good one.
    fn ends(mut self) -> Result<(), Failed> {
        self.lines.read_to_string(&mut String::new())?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = schism(self.folder.path()).arg("down").output();
    }
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
    let results = cluster.folder.path().join("ring-8/latest/results.json");
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

/// This program with other bytes behind it: where it is.
fn another_build(folder: &Path) -> Result<String, Failed> {
    executable(&folder.join("another"), r#"cp "$1" "$0" && printf another >> "$0""#, env!("CARGO_BIN_EXE_schism"))
}

/// A script that does this: where it is.
fn script(cluster: &Up, name: &str, does: &str) -> Result<String, Failed> {
    executable(&cluster.folder().join(name), r##"printf '#!/bin/sh\n%s\n' "$1" > "$0""##, does)
}

/// Has a shell write an executable file, and not this process: whatever another of its threads starts meanwhile has the file open
/// for writing, too, until it is a program of its own, and what is open for writing cannot be executed.
fn executable(path: &Path, written: &str, word: &str) -> Result<String, Failed> {
    let command = format!(r#"{written} && chmod +x "$0""#);
    let ended = Command::new("sh").args(["-c", &command]).arg(path).arg(word).status()?;
    same("whether it could be written", &ended.success(), &true)?;
    Ok(path.canonicalize()?.display().to_string())
}

/// Node processes of this build.
fn processes_of(build: &str) -> Result<Vec<i32>, Failed> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile has neither.
        let is = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == Path::new(build));
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is && words.split(|byte| *byte == 0).nth(1) == Some(b"node") {
            found.push(process);
        }
    }
    Ok(found)
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
    let results = cluster.folder.path().join("ring-8/latest/results.json");
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
