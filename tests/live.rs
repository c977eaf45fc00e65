//! Live clusters: scripts drive one on the virtual clock, and the command line holds one of real processes. Told of the
//! real command in processes of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};
use schism::backend::capability::Offer;
use schism::backend::container::image;
use serde_json::{Value, json};

/// This checkout.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// How often a status is looked at before what was waited for is given up: each look takes a few milliseconds at least.
const LOOKS: u32 = 3_000;

/// Every trial. Where this system forbids namespaces those of processes are ignored, and say so.
pub fn trials() -> Vec<Trial> {
    let driven = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("drive");
    let no_processes = Offer::of_this_kernel().is_err();
    let no_python = Command::new("python3").arg("--version").output().is_err();
    if no_python {
        eprintln!("the Python example is ignored: there is no python3 here");
    }
    let no_tool = !crate::rpc::has_the_tool();
    if no_tool {
        eprintln!("a node is NOT asked by litecoin-cli: it is not installed (Debian: apt-get install litecoind)");
    }
    vec![
        driven("a_driven_cluster_parts_and_meets_and_does_so_again", a_driven_cluster_parts_and_meets),
        driven("a_wrong_order_is_answered_and_changes_nothing", a_wrong_order_changes_nothing),
        driven("the_python_example_does_what_it_says", the_python_example).with_ignored_flag(no_python),
        Trial::test("a_cluster_that_is_up_does_what_it_is_told", || a_cluster_that_is_up("process"))
            .with_kind("process")
            .with_ignored_flag(no_processes),
        Trial::test("a_cluster_in_containers_does_what_it_is_told", || {
            let _alone = crate::real::alone_in_containers();
            a_cluster_that_is_up("container")
        })
        .with_kind("container")
        .with_ignored_flag(Offer::of_the_engine().is_err()),
        Trial::test("a_node_that_is_up_is_asked_as_cores_is", crate::rpc::a_node_is_asked_as_cores_is)
            .with_kind("process")
            .with_ignored_flag(no_processes),
        Trial::test("a_node_that_is_up_is_asked_by_a_tool_of_others", crate::rpc::a_tool_of_others_asks_a_node)
            .with_kind("process")
            .with_ignored_flag(no_processes || no_tool),
        Trial::test("a_cluster_whose_holder_is_killed_makes_room_for_the_next", a_killed_holder)
            .with_kind("process")
            .with_ignored_flag(no_processes),
    ]
}

/// A cluster on the virtual clock, at the other end of a line.
struct Driven {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Driven {
    fn new(topology: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let mut child = schism(folder.path())
            .args(["--quiet", "drive", topology, "--seed", "7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (orders, answers) = (orders.ok_or("no input")?, BufReader::new(answers.ok_or("no output")?));
        let mut driven = Self { child, orders, answers, _folder: folder };
        let first = driven.heard()?;
        if first["ready"]["seed"] == 7 && first["ready"]["fault_layer"] == "fabric" {
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
        if started.contains("8 nodes are up") { Ok(up) } else { Err(format!("it said {started}").into()) }
    }

    /// What a verb says; that it fails is a failure.
    pub(crate) fn says(&self, words: &[&str]) -> Result<String, Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let errors = String::from_utf8_lossy(&said.stderr);
        if said.status.success() { Ok(text) } else { Err(format!("{words:?}: {text}{errors}").into()) }
    }

    /// What is wrong with a verb.
    fn refuses(&self, words: &[&str], why: &str) -> Result<(), Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        if said.status.code() == Some(3) && text.contains(why) {
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
    cluster.refuses(&["upgrade", "miner-3", "--binary", "/bin/true"], "is no build of schism")?;
    let build = cluster.folder().join("another");
    std::fs::copy(env!("CARGO_BIN_EXE_schism"), &build)?;
    cluster.says(&["upgrade", "miner-3", "--binary", &build.display().to_string()])?;
    same("an upgraded node", &cluster.state(3)?, &json!("alive"))?;
    if backend == "container" {
        let image = format!("schism:{}", image::tag(Path::new(env!("CARGO_BIN_EXE_schism")))?);
        cluster.says(&["upgrade", "miner-4", "--image", &image])?;
        same("a node upgraded by image", &cluster.state(4)?, &json!("alive"))?;
        cluster.refuses(&["upgrade", "miner-4", "--image", "schism:never-made"], "there is no image")?;
    }
    cluster.says(&["add"])?;
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

fn a_killed_holder() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let state = cluster.state_file()?;
    let holder = state["process"].as_i64().and_then(|process| i32::try_from(process).ok()).ok_or("no process")?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(holder), nix::sys::signal::Signal::SIGKILL)?;
    cluster.refuses(&["status"], "is gone")?;
    let again = cluster.says(&["up", "topologies/pair.yaml", "--detach"])?;
    same("the next one is up", &again.contains("2 nodes are up"), &true)
}

/// The command, in this checkout, with run folders elsewhere.
fn schism(runs: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.current_dir(ROOT).env("SCHISM_RUNS", runs).env_remove("SCHISM_STATE").stdin(Stdio::null());
    command
}

pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), Failed> {
    if is == expected { Ok(()) } else { Err(format!("{what}: {is:?}, expected {expected:?}").into()) }
}
