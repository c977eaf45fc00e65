//! Nothing is left behind: a run is ended at some stage, by a signal, a panic or a disk that is full, and five seconds later
//! nothing of it is there.
//!
//! Every process of the run inherits the write end of a pipe, so that its end says that all are gone, without asking
//! again and again. Namespaces and wires have no name outside: they are where their processes are. What an engine made
//! for a run has its process in its labels.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, pipe};
use schism::backend::container::engine::Engine;
use schism::backend::container::leftovers::{self, Kind, Leftover};
use schism::backend::container::owner::{Life, Owner};
use schism::suite::Backend;
use schism::timeline::Happening;
use schism_chaos::progress::{Phase, Verb};
use schism_chaos::simulation::Stopwatch;
use schism_node::control::Event;

use super::{Named, panics};

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
/// Runs of each backend that are ended in all, at least: `SCHISM_LEAKS` says another number, as every night does.
const ENDED: usize = 60;
/// Room in a folder of runs whose disk is filled on the way, and in one that has none from the start.
const ROOM: &str = "32m";
const NO_ROOM: &str = "64k";

/// Where a run is when it is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Creating,
    Starting,
    Running,
    Partitioned,
    Frozen,
    Stopping,
}

impl Stage {
    pub(super) const ALL: [Self; 6] =
        [Self::Creating, Self::Starting, Self::Running, Self::Partitioned, Self::Frozen, Self::Stopping];

    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// What a run says when it is there.
    fn words(self) -> &'static str {
        match self {
            Self::Creating => FIRST,
            Self::Starting => "the first node runs",
            Self::Running => "running begins",
            Self::Partitioned => "partition begins",
            Self::Frozen => "freeze begins",
            Self::Stopping => "the schedule is over",
        }
    }

    /// Whether a run is there as soon as this has happened.
    pub(super) fn is_there(self, what: &Happening) -> bool {
        let step = match what {
            Happening::Event(Event::Started { .. }) => return self == Self::Starting,
            Happening::Healed => return self == Self::Stopping,
            Happening::Acted(act) if act.phase == Phase::Whole && act.verb == Verb::Apply => act.fault.step,
            _ => return false,
        };
        [Self::Running, Self::Partitioned, Self::Frozen].iter().position(|stage| *stage == self) == Some(step)
    }
}

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
pub(super) enum Place {
    /// In network namespaces.
    Namespaces,
    /// On the loopback: the run may make no network namespace.
    Loopback,
    /// In containers.
    Containers,
}

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Namespaces, Self::Loopback, Self::Containers];

    pub(super) fn backend(self) -> Backend {
        match self {
            Self::Namespaces | Self::Loopback => Backend::Process,
            Self::Containers => Backend::Container,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "process",
            Self::Loopback => "loopback",
            Self::Containers => "container",
        }
    }

    /// A program there.
    fn program(self, program: &Path) -> Command {
        if self == Self::Loopback { on_the_loopback(program) } else { Command::new(program) }
    }

    /// The same where the folder for runs has so much room; in a mount namespace of its own, so that this, too, goes with it.
    fn schism_with_room(self, room: &str, runs: &Path) -> Command {
        let mount = format!("mount -t tmpfs -o size={room} schism \"$0\"");
        let mut steps = vec![mount.as_str()];
        steps.extend((self == Self::Loopback).then_some(FORBID_NETWORKS));
        let is_root = Uid::effective().is_root() && self != Self::Loopback;
        let mut command = Command::new("unshare");
        command.args(["--mount", if is_root { "--" } else { "--map-root-user" }, "sh", "-c"]);
        command.arg(format!("{} && exec \"$@\"", steps.join(" && "))).arg(runs).arg(env!("CARGO_BIN_EXE_schism"));
        command
    }
}

/// A program that may make no network namespace.
pub fn on_the_loopback(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "sh", "-c", &format!("{FORBID_NETWORKS} && exec \"$0\" \"$@\"")]).arg(program);
    command
}

/// Every way to end, at every stage.
pub(super) fn trials(backend: Backend) -> Vec<Named> {
    let places: Vec<Place> = Place::ALL.into_iter().filter(|place| place.backend() == backend).collect();
    let wanted = std::env::var("SCHISM_LEAKS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(ENDED);
    let times = wanted.div_ceil(places.len() * Stage::ALL.len() * End::ALL.len());
    places.into_iter().flat_map(|place| trials_at(place, times)).collect()
}

fn trials_at(place: Place, times: usize) -> Vec<Named> {
    let mut trials: Vec<Named> = Vec::new();
    let what = place.name();
    for (stage, end) in Stage::ALL.into_iter().flat_map(|stage| End::ALL.map(|end| (stage, end))) {
        let name = format!("nothing_is_left_of_a_{what}_run_ended_by_{}_while_{}", end.name(), stage.name());
        trials.push((name, Box::new(move || (0..times).try_for_each(|_| end_a_run(place, end, stage)))));
    }
    if place == Place::Containers {
        let name = "without_its_reaper_a_cluster_of_containers_ends_by_its_lease".to_owned();
        trials.push((name, Box::new(end_a_run_without_a_reaper)));
    }
    trials
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By a signal.
    By(Signal),
    /// By a panic of the harness.
    Panic,
    /// By itself: there is no room for what it writes.
    FullDisk,
}

impl End {
    const ALL: [Self; 6] = [
        Self::By(Signal::SIGKILL),
        Self::By(Signal::SIGTERM),
        Self::By(Signal::SIGHUP),
        Self::By(Signal::SIGINT),
        Self::Panic,
        Self::FullDisk,
    ];

    fn name(self) -> String {
        match self {
            Self::By(signal) => signal.as_str().to_lowercase(),
            Self::Panic => "a_panic".to_owned(),
            Self::FullDisk => "a_full_disk".to_owned(),
        }
    }
}

fn end_a_run(place: Place, end: End, stage: Stage) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (temporary, runs, file) = (folder.path().join("tmp"), folder.path().join("runs"), folder.path().join("x.yaml"));
    fs::create_dir(&temporary)?;
    fs::create_dir(&runs)?;
    fs::write(&file, EXPERIMENT)?;
    let interfaces = interfaces()?;
    let (everyone_gone, inherited) = pipe()?;
    let mark = format!("{}-{}", std::process::id(), runs.display());
    let schism = Path::new(env!("CARGO_BIN_EXE_schism"));
    let mut run = match end {
        End::By(_) => place.program(schism),
        End::Panic => place.program(&std::env::current_exe()?),
        End::FullDisk if stage == Stage::Creating => place.schism_with_room(NO_ROOM, &runs),
        End::FullDisk => place.schism_with_room(ROOM, &runs),
    };
    if end == End::Panic {
        run.env(panics::PANICS, stage.name()).env_remove(super::TRIAL).arg(place.name()).args([&runs, &file]);
    } else {
        run.args(["run", "--backend", &place.backend().to_string(), "--runs"]).args([&runs, &file]);
    }
    run.env("TMPDIR", &temporary).env(MARK, &mark).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Who ends by itself is not listened to.
    let by_itself = end == End::Panic || (end == End::FullDisk && stage == Stage::Creating);
    match stage {
        _ if by_itself => {}
        Stage::Creating => drop(run.stdout(Stdio::piped())),
        _ => drop(run.stderr(Stdio::piped())),
    }
    let mut run = run.spawn()?;
    drop(inherited);
    let engine = (place == Place::Containers).then(Engine::find).transpose()?;
    if !by_itself {
        wait_until_it_says(&mut run, stage.words())?;
        if let (Some(engine), Stage::Creating) = (&engine, stage) {
            wait_until(engine, |left| of_run(left, &run).any(|leftover| leftover.kind == Kind::Container))?;
        }
    }
    match end {
        End::By(signal) => kill(Pid::from_raw(i32::try_from(run.id())?), signal)?,
        End::FullDisk if !by_itself => fill(&run, &runs)?,
        End::FullDisk | End::Panic => {}
    }
    let ended = run.wait()?;
    let as_it_should = match end {
        End::By(_) => !ended.success(),
        End::Panic => ended.code() == Some(101),
        End::FullDisk => ended.code() == Some(3),
    };
    if !as_it_should {
        return Err(format!("it ended otherwise than it should: {ended}").into());
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
            let mut left: Vec<_> = of_run(&left, &run).collect();
            left.retain(|leftover| !is_lost(engine, leftover));
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

/// Writes to the disk of a run's folder until nothing more fits: it is in the mount namespace of the run.
fn fill(run: &Child, runs: &Path) -> Result<(), Failed> {
    let inside = PathBuf::from(format!("/proc/{}/root{}", run.id(), runs.display()));
    let mut file = File::create(inside.join("filled"))?;
    loop {
        match file.write(&[0; 4_096]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
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

/// Whether an engine keeps something of which it has lost count itself, and says so again when the time to be gone is over.
fn is_lost(engine: &Engine, leftover: &Leftover) -> bool {
    let (docker, which) = (engine.docker().clone(), leftover.clone());
    let lost = engine.wait(async move {
        if !leftovers::is_lost(&docker, &which).await {
            return Ok(false);
        }
        // An engine gives no sign when it goes on counting: it has as long as everything has.
        tokio::time::sleep(Duration::from_millis(GONE_WITHIN.into())).await;
        Ok(leftovers::is_lost(&docker, &which).await)
    });
    let lost = lost.unwrap_or(false);
    if lost {
        eprintln!("NOT COUNTED: {} is left: the engine says that it is in use, and by nobody", leftover.said());
    }
    lost
}

/// What an engine has of a run, which may have ended.
fn of_run<'a>(left: &'a BTreeSet<Leftover>, run: &Child) -> impl Iterator<Item = &'a Leftover> {
    let process = run.id();
    let is_its_own = move |owner: Owner| owner.process() == process && owner.life() != Life::Elsewhere;
    left.iter().filter(move |leftover| Owner::read(&leftover.owner).is_some_and(is_its_own))
}

/// Reads what a run says until a line has these words in it. The rest is read, too, and by nobody: who speaks to nobody ends.
fn wait_until_it_says(run: &mut Child, words: &str) -> Result<(), Failed> {
    let out = run.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>);
    let out = out.or(run.stderr.take().map(|errors| Box::new(errors) as _)).ok_or("a run without streams")?;
    let mut lines = BufReader::new(out).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        let line = line?;
        if line.contains(words) {
            thread::spawn(move || lines.for_each(drop));
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
    with_variable(MARK, mark)
}

/// Processes that have or inherited this variable, by their folders.
pub(super) fn with_variable(name: &str, value: &str) -> impl Iterator<Item = PathBuf> {
    let wanted = format!("{name}={value}");
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
