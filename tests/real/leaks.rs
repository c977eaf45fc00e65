//! Nothing is left behind: a run is ended by a signal at some stage, and five seconds later nothing of it is there.
//!
//! Every process of the run inherits the write end of a pipe, so that its end says that all are gone, without asking
//! again and again. Namespaces and wires have no name outside: they are where their processes are. What an engine made
//! for a run has its process in its labels.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, pipe};
use schism::backend::container::engine::Engine;
use schism::backend::container::leftovers::{self, Kind, Leftover};
use schism::backend::container::owner::{Life, Owner};
use schism::suite::Backend;
use schism_chaos::simulation::Stopwatch;

use super::Named;

/// Milliseconds after which everything must be gone.
const GONE_WITHIN: u16 = 5_000;
/// How often an engine is asked what it has.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// In a user namespace: nobody in it may make a network namespace.
const FORBID_NETWORKS: &str = "echo 0 > /proc/sys/user/max_net_namespaces";
/// Says whose a process is: it is inherited.
const MARK: &str = "SCHISM_LEAK_MARK";
/// In the first line, which comes on standard output; what happens is told on standard error.
const FIRST: &str = "seed";
/// Where a run is when it is ended, and the words after which it is there.
const STAGES: [(&str, &str); 5] = [
    ("creating", FIRST),
    ("running", "running begins"),
    ("partitioned", "partition begins"),
    ("frozen", "freeze begins"),
    ("stopping", "the schedule is over"),
];
/// Four nodes that are hurt in two ways, soon and for long enough.
const EXPERIMENT: &str = "# Something to be interrupted.
topology:
  name: four
  groups: { miner: { count: 4 } }
  overlay: mesh
  link: { latency: 50ms }
faults:
  - { at: 2s, name: running, slow: { actor: mempool, of: one, by: 10ms }, for: 1s }
  - { at: 5s, partition: half, for: 12s }
  - { at: 8s, freeze: one, for: 6s }
always: { supply: exact }
finally: { converged: { within: 60 blocks, fresh_blocks: 30, stable: 60 blocks } }
pace: { process: 0.1, container: 0.1 }
";

/// Where a run has its nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In network namespaces.
    Namespaces,
    /// On the loopback: the run may make no network namespace.
    Loopback,
    /// In containers.
    Containers,
}

impl Place {
    fn backend(self) -> Backend {
        match self {
            Self::Namespaces | Self::Loopback => Backend::Process,
            Self::Containers => Backend::Container,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "process",
            Self::Loopback => "loopback",
            Self::Containers => "container",
        }
    }

    /// The command there.
    fn schism(self) -> Command {
        let schism = env!("CARGO_BIN_EXE_schism");
        if self != Self::Loopback {
            return Command::new(schism);
        }
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "sh", "-c", &format!("{FORBID_NETWORKS} && exec \"$0\" \"$@\""), schism]);
        command
    }

    /// The same where the folder for runs holds next to nothing; in a mount namespace of its own, so that this, too, goes
    /// with it.
    fn schism_with_a_full_disk(self, runs: &Path) -> Command {
        let mut steps = vec!["mount -t tmpfs -o size=64k schism \"$0\""];
        steps.extend((self == Self::Loopback).then_some(FORBID_NETWORKS));
        let is_root = Uid::effective().is_root() && self != Self::Loopback;
        let mut command = Command::new("unshare");
        command.args(["--mount", if is_root { "--" } else { "--map-root-user" }, "sh", "-c"]);
        command.arg(format!("{} && exec \"$@\"", steps.join(" && "))).arg(runs).arg(env!("CARGO_BIN_EXE_schism"));
        command
    }
}

/// `kill -9` at every stage, and the other signals where most is going on. With `SCHISM_LEAKS` that often.
pub(super) fn trials(backend: Backend) -> Vec<Named> {
    let places = [Place::Namespaces, Place::Loopback, Place::Containers];
    places.into_iter().filter(|place| place.backend() == backend).flat_map(trials_at).collect()
}

fn trials_at(place: Place) -> Vec<Named> {
    let times = std::env::var("SCHISM_LEAKS").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut trials: Vec<Named> = Vec::new();
    let what = place.name();
    for (stage, words) in STAGES {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGABRT] {
            if signal == Signal::SIGKILL || stage == "frozen" || times > 1 {
                let ended = format!("ended_by_{}_while_{stage}", signal.as_str().to_lowercase());
                let name = format!("nothing_is_left_of_a_{what}_run_{ended}");
                let run = move || (0..times).try_for_each(|_| end_a_run(place, End::By(words, signal)));
                trials.push((name, Box::new(run)));
            }
        }
    }
    let name = format!("nothing_is_left_of_a_{what}_run_whose_disk_is_full");
    trials.push((name, Box::new(move || (0..times).try_for_each(|_| end_a_run(place, End::FullDisk)))));
    if place == Place::Containers {
        let name = "without_its_reaper_a_cluster_of_containers_ends_by_its_lease".to_owned();
        trials.push((name, Box::new(move || (0..times).try_for_each(|_| end_a_run_without_a_reaper()))));
    }
    trials
}

/// How a run ends.
#[derive(Clone, Copy)]
enum End {
    /// By a signal, once it has said these words.
    By(&'static str, Signal),
    /// By itself: there is no room for its run folder.
    FullDisk,
}

fn end_a_run(place: Place, end: End) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (temporary, runs, file) = (folder.path().join("tmp"), folder.path().join("runs"), folder.path().join("x.yaml"));
    fs::create_dir(&temporary)?;
    fs::write(&file, EXPERIMENT)?;
    let interfaces = interfaces()?;
    let (everyone_gone, inherited) = pipe()?;
    let mark = format!("{}-{}", std::process::id(), runs.display());
    let mut run = match end {
        End::By(..) => place.schism(),
        End::FullDisk => {
            fs::create_dir(&runs)?;
            place.schism_with_a_full_disk(&runs)
        }
    };
    run.args(["run", "--backend", &place.backend().to_string(), "--runs"]).args([&runs, &file]);
    run.env("TMPDIR", &temporary).env(MARK, &mark).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match end {
        End::By(FIRST, _) => run.stdout(Stdio::piped()),
        End::By(..) => run.stderr(Stdio::piped()),
        End::FullDisk => &mut run,
    };
    let mut run = run.spawn()?;
    drop(inherited);
    let engine = (place == Place::Containers).then(Engine::find).transpose()?;
    if let End::By(words, signal) = end {
        wait_until_it_says(&mut run, words)?;
        if let (Some(engine), FIRST) = (&engine, words) {
            wait_until(engine, |left| of_run(left, &run).any(|leftover| leftover.kind == Kind::Container))?;
        }
        kill(Pid::from_raw(i32::try_from(run.id())?), signal)?;
    }
    let ended = run.wait()?;
    if ended.success() {
        return Err("it ended as if nothing had happened".into());
    }
    let mut gone = [PollFd::new(everyone_gone.as_fd(), PollFlags::POLLIN)];
    if poll(&mut gone, PollTimeout::from(GONE_WITHIN))? == 0 {
        return Err(format!("processes are left: {:?}", marked(&mark)).into());
    }
    File::from(everyone_gone).read_to_end(&mut Vec::new())?;
    let left = marked(&mark);
    if !left.is_empty() {
        return Err(format!("processes are left: {left:?}").into());
    }
    match &engine {
        // Others may be running beside this one, with bridges of their own.
        Some(engine) => {
            let left = find(engine)?;
            let left: Vec<_> = of_run(&left, &run).collect();
            if !left.is_empty() {
                return Err(format!("the engine still has {left:?}").into());
            }
        }
        None if self::interfaces()? != interfaces => return Err("network interfaces came or went".into()),
        None => {}
    }
    match fs::read_dir(&temporary)?.next() {
        Some(left) => Err(format!("a temporary file is left: {:?}", left?.path()).into()),
        None => Ok(()),
    }
}

/// Who is meant to see to it is killed first: the supervisors end all the same, and the next cluster sweeps up the rest.
fn end_a_run_without_a_reaper() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("x.yaml");
    fs::write(&file, EXPERIMENT)?;
    let mark = folder.path().display().to_string();
    let start = || {
        let mut run = Command::new(env!("CARGO_BIN_EXE_schism"));
        run.args(["run", "--backend", "container", "--runs"]).args([folder.path(), &file]).env(MARK, &mark);
        run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    };
    let mut run = start()?;
    wait_until_it_says(&mut run, "partition begins")?;
    let engine = Engine::find()?;
    let reapers =
        |process: &Path| fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.contains("\0reap\0"));
    let reapers: Vec<PathBuf> = with_mark(&mark).filter(|process| reapers(process)).collect();
    for process in &reapers {
        let number =
            process.file_name().and_then(|name| name.to_str()?.parse().ok()).ok_or("a process has a number")?;
        kill(Pid::from_raw(number), Signal::SIGKILL)?;
    }
    if reapers.is_empty() {
        return Err("a cluster has no reaper".into());
    }
    run.kill()?;
    run.wait()?;
    // Of the others something is left now, unless another trial has begun since and has swept.
    wait_until(&engine, |left| of_run(left, &run).all(|leftover| leftover.kind != Kind::Container))?;
    let mut next = start()?;
    wait_until_it_says(&mut next, "running begins")?;
    let left = find(&engine)?;
    let swept = of_run(&left, &run).next().is_none();
    next.kill()?;
    next.wait()?;
    wait_until(&engine, |left| of_run(left, &next).next().is_none())?;
    if swept { Ok(()) } else { Err(format!("the next cluster left {left:?}").into()) }
}

/// Waits until an engine's holdings are so; as long as everything may take to be gone.
fn wait_until(engine: &Engine, so: impl Fn(&BTreeSet<Leftover>) -> bool) -> Result<(), Failed> {
    let watch = Stopwatch::start();
    loop {
        let left = find(engine)?;
        if so(&left) {
            return Ok(());
        }
        if watch.elapsed() > Duration::from_millis(GONE_WITHIN.into()) {
            return Err(format!("the engine still has {left:?}").into());
        }
        engine.wait(async {
            tokio::time::sleep(LOOK_AGAIN).await;
            Ok(())
        })?;
    }
}

fn find(engine: &Engine) -> Result<BTreeSet<Leftover>, String> {
    let docker = engine.docker().clone();
    engine.wait(async move { leftovers::find(&docker, None).await })
}

/// What an engine has of a run, which may have ended.
fn of_run<'a>(left: &'a BTreeSet<Leftover>, run: &Child) -> impl Iterator<Item = &'a Leftover> {
    let process = run.id();
    let is_its_own = move |owner: Owner| owner.process() == process && owner.life() != Life::Elsewhere;
    left.iter().filter(move |leftover| Owner::read(&leftover.owner).is_some_and(is_its_own))
}

/// Reads what a run says until a line has these words in it.
fn wait_until_it_says(run: &mut Child, words: &str) -> Result<(), Failed> {
    let out = run.stdout.take().map(|out| Box::new(out) as Box<dyn Read>);
    let out = out.or(run.stderr.take().map(|errors| Box::new(errors) as _)).ok_or("a run without streams")?;
    let mut said = String::new();
    for line in BufReader::new(out).lines() {
        let line = line?;
        if line.contains(words) {
            return Ok(());
        }
        said.push_str(&line);
    }
    Err(format!("it ended before it said {words:?}: {said}").into())
}

/// What processes with this mark are.
fn marked(mark: &str) -> Vec<String> {
    let line = |process: PathBuf| fs::read(process.join("cmdline")).unwrap_or_default();
    with_mark(mark).map(|process| String::from_utf8_lossy(&line(process)).into_owned()).collect()
}

/// Processes with this mark, by their folders.
fn with_mark(mark: &str) -> impl Iterator<Item = PathBuf> {
    let wanted = format!("{MARK}={mark}");
    let is_ours = move |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(is_ours)
}

/// Network interfaces outside of any cluster, but for those that an engine makes for the trials beside this one.
fn interfaces() -> std::io::Result<BTreeSet<String>> {
    let all = fs::read_dir("/sys/class/net")?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let of_an_engine = |name: &String| ["br-", "veth"].iter().any(|start| name.starts_with(start));
    all.filter(|name| !name.as_ref().is_ok_and(of_an_engine)).collect()
}
