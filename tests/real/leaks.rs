//! Nothing is left behind: a run is ended at some stage, by a signal, a panic or a disk that is full, and five seconds later
//! nothing of it is there. So with a suite and its workers, and with a cluster that lives on by itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use schism::backend::container::reaper;
use schism::live::door::{STATE, State};
use schism::suite::Backend;
use schism::timeline::Happening;
use schism_chaos::progress::{Phase, Verb};
use schism_chaos::simulation::Stopwatch;
use schism_node::control::Event;

use super::place::{Place, SCHISM};
use super::said::{FIRST, Said};
use super::watch::{GONE_WITHIN, Watch, number};
use super::{Named, panics};

/// How long a command may take to come to where it is ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// Runs of each backend that are ended in all, at least: `SCHISM_LEAKS` says another number, as every night does.
const ENDED: usize = 60;
/// How often a run that is taken down may be faster than who wants to end it.
const TRIES: usize = 10;
/// Room in a folder of runs whose disk is filled on the way, and in one that has none from the start.
const ROOM: &str = "32m";
const NO_ROOM: &str = "64k";
/// Nodes of the experiment.
const NODES: usize = 4;
/// After how long a command was gone that was ended; nothing: it does not count.
type Gone = Option<Duration>;

/// What a trial says last: of how many runs nothing was left, of how many, and after how many milliseconds at most.
const COUNTED: &str = "nothing left: ";

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
            Self::Stopping => "the cluster is taken down",
        }
    }

    /// Whether a run is there as soon as this has happened.
    pub(super) fn is_there(self, what: &Happening) -> bool {
        let step = match what {
            Happening::Event(Event::Started { .. }) => return self == Self::Starting,
            Happening::TakenDown => return self == Self::Stopping,
            Happening::Acted(act) if act.phase == Phase::Whole && act.verb == Verb::Apply => act.fault.step,
            _ => return false,
        };
        [Self::Running, Self::Partitioned, Self::Frozen].iter().position(|stage| *stage == self) == Some(step)
    }

    /// Four nodes that are hurt in two ways, soon and for long enough; or hardly at all, where the end is waited for.
    fn experiment(self) -> String {
        let (hurt, finally) = match self {
            Self::Stopping => ("", "within: 2 blocks, fresh_blocks: 1, stable: 1 blocks"),
            _ => (HURT, "within: 60 blocks, fresh_blocks: 30, stable: 60 blocks"),
        };
        EXPERIMENT.replace("HURT\n", hurt).replace("FINALLY", finally)
    }
}

const EXPERIMENT: &str = "# Something to be interrupted.
topology:
  name: four
  groups: { miner: { count: 4 } }
  overlay: mesh
  link: { latency: 50ms }
faults:
  - { at: 2s, name: running, slow: { actor: mempool, of: one, by: 10ms }, for: 1s }
HURT
always: { supply: exact }
finally: { converged: { FINALLY } }
pace: { process: 0.1, container: 0.1 }
";
const HURT: &str = "  - { at: 5s, partition: half, for: 12s }
  - { at: 8s, freeze: one, for: 6s }
";

/// Every way to end, at every stage, and what else has clusters.
pub(super) fn trials(backend: Backend) -> Vec<Named> {
    let runs = std::env::var("SCHISM_LEAKS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(ENDED);
    let places = Place::ALL.into_iter().filter(|place| place.backend() == backend);
    places.flat_map(|place| trials_at(place, place.share(runs))).collect()
}

fn trials_at(place: Place, runs: usize) -> Vec<Named> {
    let mut trials: Vec<Named> = Vec::new();
    let what = place.name();
    let ways: Vec<(Stage, End)> = Stage::ALL.into_iter().flat_map(|stage| End::ALL.map(|end| (stage, end))).collect();
    for (number, &(stage, end)) in ways.iter().enumerate() {
        let name = format!("nothing_is_left_of_a_{what}_run_ended_by_{}_while_{}", end.name(), stage.name());
        // Each once at least, and the first ones once more, so that all together are as many as were asked for.
        let times = (runs / ways.len() + usize::from(number < runs % ways.len())).max(1);
        trials.push((name, Box::new(move || count(place, times, || end_a_run(place, end, stage)))));
    }
    for signal in [Signal::SIGKILL, Signal::SIGINT] {
        let name = |of: &str| format!("nothing_is_left_of_a_{what}_{of}_ended_by_{}", End::By(signal).name());
        trials.push((name("suite"), Box::new(move || count(place, 1, || end_a_suite(place, signal)))));
        trials.push((name("cluster_that_is_up"), Box::new(move || count(place, 1, || end_a_holder(place, signal)))));
    }
    if place == Place::Containers {
        let name = "without_its_reaper_a_cluster_of_containers_ends_by_its_lease".to_owned();
        trials.push((name, Box::new(end_a_run_without_a_reaper)));
    }
    trials
}

/// Ends so many, and says of how many nothing was left.
fn count(place: Place, times: usize, end: impl Fn() -> Result<Gone, Failed>) -> Result<(), Failed> {
    let ended = (0..times).map(|_| end()).collect::<Result<Vec<Gone>, Failed>>()?;
    let counted = ended.iter().flatten().count();
    let slowest = ended.into_iter().flatten().max().unwrap_or_default().as_millis();
    println!("{COUNTED}{} {counted} {times} {slowest}", place.name());
    Ok(())
}

/// Adds up, in the process of all trials, what each says of its runs; the last sum is that of all.
pub(super) fn add_up(said: &str) {
    static SUMS: Mutex<BTreeMap<String, [u64; 3]>> = Mutex::new(BTreeMap::new());
    for line in said.lines() {
        if line.starts_with("NOT COUNTED") {
            println!("{line}");
        }
        let words: Vec<&str> = line.strip_prefix(COUNTED).into_iter().flat_map(|rest| rest.split(' ')).collect();
        let Some((place, figures)) = words.split_first() else { continue };
        let mut figures = figures.iter().map(|figure| figure.parse().unwrap_or(0));
        let mut sums = SUMS.lock().unwrap_or_else(PoisonError::into_inner);
        let [counted, times, slowest] = sums.entry((*place).to_owned()).or_default();
        *counted += figures.next().unwrap_or(0);
        *times += figures.next().unwrap_or(0);
        *slowest = figures.next().unwrap_or(0).max(*slowest);
        println!("{COUNTED}{place}, {counted} of {times} until now, after {slowest} ms at most");
    }
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

    /// That a harness that is ended so ended as it should.
    fn is(self, ended: ExitStatus) -> Result<(), Failed> {
        let as_it_should = match self {
            Self::By(Signal::SIGKILL) => ended.signal() == Some(Signal::SIGKILL as i32),
            Self::By(_) => ended.code() == Some(130),
            Self::Panic => ended.code() == Some(101),
            Self::FullDisk => ended.code() == Some(3),
        };
        if as_it_should { Ok(()) } else { Err(format!("it ended otherwise than it should: {ended}").into()) }
    }
}

/// Ends a run.
fn end_a_run(place: Place, end: End, stage: Stage) -> Result<Gone, Failed> {
    for _ in 0..TRIES {
        if let Some(gone) = try_to_end_a_run(place, end, stage)? {
            return Ok(gone);
        }
    }
    Err(format!("{TRIES} runs were over before they could be ended").into())
}

/// The same; nothing: it was over before.
fn try_to_end_a_run(place: Place, end: End, stage: Stage) -> Result<Option<Gone>, Failed> {
    let mut watch = Watch::new(place)?;
    let (runs, file) = (watch.runs(), watch.write(&stage.experiment())?);
    let mut run = match end {
        End::By(_) => place.program(SCHISM.as_ref()),
        End::Panic => place.program(&std::env::current_exe()?),
        End::FullDisk if stage == Stage::Creating => place.schism_with_room(NO_ROOM, &runs),
        End::FullDisk => place.schism_with_room(ROOM, &runs),
    };
    if end == End::Panic {
        run.env(panics::PANICS, stage.name()).env_remove(super::TRIAL).arg(place.name()).args([&runs, &file]);
    } else {
        run.args(["run", "--backend", &place.backend().to_string(), "--runs"]).args([&runs, &file]);
    }
    run.stdout(Stdio::null()).stderr(Stdio::null());
    match (end, stage) {
        (End::By(_), Stage::Creating) => drop(run.stdout(Stdio::piped())),
        (End::FullDisk, Stage::Creating) => {}
        _ => drop(run.stderr(Stdio::piped())),
    }
    let mut run = watch.spawn(&mut run)?;
    let process = Pid::from_raw(i32::try_from(run.id())?);
    match (end, stage) {
        (End::FullDisk, Stage::Creating) => {}
        (End::Panic, _) => Said::of(&mut run)?.until(panics::WORDS)?.drain(),
        (_, Stage::Creating) => {
            Said::of(&mut run)?.until(stage.words())?.drain();
            watch.until(PATIENCE, "a machine is made", |watch| Ok(watch.machines()? > 0))?;
            watch.look()?;
        }
        (_, Stage::Stopping) => {
            let said = Said::of(&mut run)?.until("the schedule is over")?;
            watch.look()?;
            said.until(stage.words())?.drain();
            if place == Place::Containers {
                watch.until(PATIENCE, "a container is gone", |watch| Ok(watch.machines()? < NODES))?;
            }
        }
        _ => {
            Said::of(&mut run)?.until(stage.words())?.drain();
            watch.look()?;
        }
    }
    let since = Stopwatch::start();
    match end {
        End::By(signal) => kill(process, signal)?,
        End::FullDisk if stage == Stage::Stopping => {
            // It stands still until nothing fits any more of what it has yet to write.
            kill(process, Signal::SIGSTOP)?;
            let WaitStatus::Stopped(..) = waitpid(process, Some(WaitPidFlag::WUNTRACED))? else { return Ok(None) };
            fill(&run, &runs)?;
            kill(process, Signal::SIGCONT)?;
        }
        End::FullDisk if stage != Stage::Creating => fill(&run, &runs)?,
        End::FullDisk | End::Panic => {}
    }
    let since = match end {
        // It has to write something first, and notice: it is seen to have when it has ended.
        End::FullDisk => {
            run.wait()?;
            Stopwatch::start()
        }
        _ => since,
    };
    let (gone, ended) = see_the_end(&watch, run, &since)?;
    if stage == Stage::Stopping && matches!(ended.code(), Some(0..=2)) {
        return Ok(None);
    }
    end.is(ended)?;
    Ok(Some(gone))
}

/// Sees that nothing is left of a command whose end was wanted then, itself included; and how it ended.
fn see_the_end(watch: &Watch, mut command: Child, since: &Stopwatch) -> Result<(Gone, ExitStatus), Failed> {
    let gone = watch.nothing_is_left(since)?;
    Ok((gone, command.wait()?))
}

/// Two workers of a suite have a cluster each.
fn end_a_suite(place: Place, signal: Signal) -> Result<Gone, Failed> {
    let mut watch = Watch::new(place)?;
    let (runs, file) = (watch.runs(), watch.write(&Stage::Running.experiment())?);
    let mut suite = place.program(SCHISM.as_ref());
    suite.args(["test", "--seeds", "2", "--jobs", "2", "--backend", &place.backend().to_string(), "--runs"]);
    let suite = watch.spawn(suite.args([&runs, &file]).stdout(Stdio::null()).stderr(Stdio::null()))?;
    // Running ones: an engine that is about to start eight at once cannot be kept from it, and what it takes for that on a busy
    // machine is no matter of suites.
    watch.until(PATIENCE, "both clusters have their machines", |watch| {
        watch.look_who_is_there();
        Ok(watch.machines()? == 2 * NODES && watch.supervisors() == 2 * NODES)
    })?;
    watch.look()?;
    let since = Stopwatch::start();
    kill(Pid::from_raw(i32::try_from(suite.id())?), signal)?;
    let (gone, ended) = see_the_end(&watch, suite, &since)?;
    End::By(signal).is(ended)?;
    Ok(gone)
}

/// A cluster is up, held by a process that nobody waits for.
fn end_a_holder(place: Place, signal: Signal) -> Result<Gone, Failed> {
    let mut watch = Watch::new(place)?;
    let (runs, file) = (watch.runs(), watch.write(&Stage::Running.experiment())?);
    let mut up = place.program(SCHISM.as_ref());
    up.args(["up", "--detach", "--backend", &place.backend().to_string(), "--runs"]).args([&runs, &file]);
    let ended = watch.spawn(up.stdout(Stdio::null()).stderr(Stdio::null()))?.wait()?;
    if !ended.success() {
        return Err(format!("it was not up: {ended}").into());
    }
    let state = runs.join(STATE);
    let holder = State::read(&state).map_err(|closed| closed.to_string())?.process;
    watch.look()?;
    let since = Stopwatch::start();
    kill(Pid::from_raw(i32::try_from(holder)?), signal)?;
    let gone = watch.nothing_is_left(&since)?;
    // Who was killed could not take back what it says of itself; the next one does.
    if signal != Signal::SIGKILL && state.exists() {
        return Err("it still says that it is up".into());
    }
    Ok(gone)
}

/// Who is meant to see to it is killed first: the supervisors end all the same, and the next cluster sweeps up the rest.
fn end_a_run_without_a_reaper() -> Result<(), Failed> {
    let start = |watch: &mut Watch, words: &str| -> Result<Child, Failed> {
        let (runs, file) = (watch.runs(), watch.write(&Stage::Running.experiment())?);
        let mut run = Command::new(SCHISM);
        run.args(["run", "--backend", "container", "--runs"]).args([&runs, &file]).stdout(Stdio::null());
        let mut run = watch.spawn(run.stderr(Stdio::piped()))?;
        Said::of(&mut run)?.until(words)?.drain();
        Ok(run)
    };
    let mut watch = Watch::new(Place::Containers)?;
    let mut run = start(&mut watch, "partition begins")?;
    let reapers: Vec<u32> = watch.of_verb(reaper::VERB).filter_map(|process| number(&process)).collect();
    for process in &reapers {
        kill(Pid::from_raw(i32::try_from(*process)?), Signal::SIGKILL)?;
    }
    if reapers.is_empty() {
        return Err("a cluster has no reaper".into());
    }
    run.kill()?;
    run.wait()?;
    // Of the others something is left now, unless another trial has begun since and has swept.
    watch.until(GONE_WITHIN, "its containers are gone", |watch| Ok(watch.machines()? == 0))?;
    let mut next_watch = Watch::new(Place::Containers)?;
    let mut next = start(&mut next_watch, "running begins")?;
    let left = watch.held()?;
    let since = Stopwatch::start();
    next.kill()?;
    see_the_end(&next_watch, next, &since)?;
    if left.is_empty() { Ok(()) } else { Err(format!("the next cluster left {left:?}").into()) }
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
