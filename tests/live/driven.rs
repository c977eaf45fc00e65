//! A cluster that a script drives: orders go in as lines of JSON, and what became of each comes out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::{ROOT, same, schism};
use crate::real::Stage;

/// Every trial.
pub(super) fn trials(processes: &Stage) -> Vec<Trial> {
    let driven = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("drive");
    let no_python = Command::new("python3").arg("--version").output().is_err();
    if no_python {
        eprintln!("the Python example is ignored: there is no python3 here");
    }
    vec![
        driven("a_driven_cluster_parts_and_meets_and_does_so_again", a_driven_cluster_parts_and_meets),
        driven("a_wrong_order_is_answered_and_changes_nothing", a_wrong_order_changes_nothing),
        driven("a_newcomer_mines_at_its_rate_after_a_restart_too", a_newcomer_mines),
        driven("the_python_example_does_what_it_says", the_python_example).with_ignored_flag(no_python),
        processes.trial("a_driven_cluster_of_processes_does_what_it_is_told", a_driven_cluster_of_processes),
    ]
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
