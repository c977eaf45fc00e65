//! Interrupts: whoever presses Ctrl-C gets what was found until then, and nothing is left behind. Told of the real
//! command in a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use schism::bench::{Part, part};
use tempfile::TempDir;

/// An experiment that nobody wants to wait for: after its fault it asks for more blocks than an hour brings.
const ENDLESS: &str = "\
# Goes on for days.
topology: { name: ten, groups: { miner: { count: 10 } }, overlay: { unstructured: { degree: 4 } } }
load: { transactions: 2/s }
faults:
  - { at_height: 3, partition: half, for: LENGTH }
always: { supply: exact }
finally: { converged: { within: 100000 blocks, fresh_blocks: 100000 } }
";

/// A claim whose two parts take an hour each.
const PATIENT: &str = "\
# Takes its time.
topology:
  name: three
  chain: { interval: 1s, difficulty: fixed, halving: 10000000 }
  groups:
    attacker: { count: 1, role: adversary, hash_power: 30%, adversary: { kind: selfish } }
    miner: { count: 2 }
  overlay: mesh
claim: { selfish: {}, points: { full: [{ alpha: 0.3, blocks: 1000000, stretches: 2 }] } }
";

/// Where the experiment is.
const FILE: &str = "endless.yaml";

/// A command that runs longer heeds no interrupt.
const DEADLINE: Duration = Duration::from_secs(100);

/// One trial a stage.
pub fn trials() -> Vec<Trial> {
    let trial = |name: &'static str, told: fn() -> Result<(), Failed>| Trial::test(name, told).with_kind("command");
    vec![
        trial("interrupted_at_its_start_a_run_leaves_its_folder", || one("100000 blocks", Stream::Out, "seed 1")),
        trial("interrupted_amid_a_fault_a_run_leaves_its_folder", || {
            one("100000 blocks", Stream::Err, "partition begins")
        }),
        trial("interrupted_amid_its_end_a_run_leaves_its_folder", || {
            one("3 blocks", Stream::Err, "the schedule is over")
        }),
        trial("interrupted_a_suite_leaves_folders_and_no_workers", || several("test")),
        trial("interrupted_many_seeds_leave_folders_and_no_workers", || several("run")),
        trial("interrupted_amid_a_claim_its_workers_end", claimed),
        trial("interrupted_twice_nothing_runs_on", twice),
        trial("when_its_terminal_is_gone_a_run_leaves_its_folder", hung_up),
        trial("under_nohup_a_run_goes_on_without_its_terminal", unheard),
        trial("interrupted_a_bench_leaves_no_worker", benched),
        trial("a_bench_that_is_told_to_stop_leaves_no_folder", || worker_of_a_bench(Some("stop\n"))),
        trial("a_bench_whose_parent_is_gone_leaves_no_folder", || worker_of_a_bench(None)),
        trial("when_nobody_reads_its_errors_a_run_ends_quietly", unread),
    ]
}

enum Stream {
    Out,
    Err,
}

/// The command, started in a folder of its own.
struct Started {
    folder: TempDir,
    child: Child,
    /// Dropped with it; until then it has to end before the deadline.
    _watched: Sender<()>,
}

impl Started {
    fn new(length: &str, words: &[&str]) -> Result<Self, Failed> {
        Self::with(&ENDLESS.replace("LENGTH", length), words)
    }

    fn with(experiment: &str, words: &[&str]) -> Result<Self, Failed> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
        command.arg(words[0]).arg(FILE).args(&words[1..]);
        Self::as_said(command, experiment)
    }

    /// In a folder with this experiment in [`FILE`].
    fn as_said(mut command: Command, experiment: &str) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join(FILE), experiment)?;
        command.current_dir(&folder).env("SCHISM_RUNS", folder.path().join("runs"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (watched, watch) = mpsc::channel();
        let number = child.id();
        std::thread::spawn(move || {
            if watch.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
                let _ = signal("KILL", &[number]);
            }
        });
        Ok(Self { folder, child, _watched: watched })
    }

    /// Reads a stream up to a line with these words; the rest is read, too, so that the command is never blocked.
    fn until(&mut self, stream: &Stream, words: &str) -> Result<(), Failed> {
        let stream: Option<Box<dyn Read + Send>> = match stream {
            Stream::Out => self.child.stdout.take().map(|stream| Box::new(stream) as _),
            Stream::Err => self.child.stderr.take().map(|stream| Box::new(stream) as _),
        };
        let mut lines = BufReader::new(stream.ok_or("the stream is read already")?).lines();
        let seen = lines.by_ref().map_while(Result::ok).any(|line| line.contains(words));
        std::thread::spawn(move || lines.for_each(drop));
        if seen { Ok(()) } else { Err(format!("the command never said `{words}`").into()) }
    }

    /// Waits until so many run folders of workers are there.
    fn until_folders(&mut self, count: usize) -> Result<(), Failed> {
        while self.run_folders().len() < count {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the command ended by itself: {status}").into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn press_ctrl_c(&self) -> Result<(), Failed> {
        signal("INT", &[self.child.id()])
    }

    fn code(&mut self) -> Result<Option<i32>, Failed> {
        // What it says is read, or it could not end.
        for stream in [Stream::Out, Stream::Err] {
            let _ = self.until(&stream, "\0");
        }
        Ok(self.child.wait()?.code())
    }

    fn run_folders(&self) -> Vec<PathBuf> {
        let inside = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        inside(&self.folder.path().join("runs")).iter().flat_map(|beside| inside(beside)).collect()
    }

    /// Processes of this command: it and its workers have its folder in their environment.
    fn processes(&self) -> Vec<u32> {
        let folder = self.folder.path().to_string_lossy().into_owned();
        let its_own = |process: fs::DirEntry| {
            // A process may be gone by the time it is looked at.
            let environment = fs::read(process.path().join("environ")).ok()?;
            let number = process.file_name().to_str()?.parse().ok()?;
            String::from_utf8_lossy(&environment).contains(&folder).then_some(number)
        };
        fs::read_dir("/proc").into_iter().flatten().filter_map(|process| its_own(process.ok()?)).collect()
    }

    /// Every run folder is whole, and says that its run was interrupted.
    fn folders_are_whole(&self, count: usize) -> Result<(), Failed> {
        let folders = self.run_folders();
        if folders.len() != count {
            return Err(format!("{} run folders instead of {count}", folders.len()).into());
        }
        for folder in folders {
            let read = |name: &str| {
                fs::read_to_string(folder.join(name)).map_err(|error| format!("{name} is missing: {error}"))
            };
            let results: serde_json::Value = serde_json::from_str(&read("results.json")?)?;
            if results["verdict"] != "interrupted" || results["nodes"].as_array().is_none_or(|nodes| nodes.len() != 10)
            {
                return Err(format!("the results say {} of {}", results["verdict"], results["nodes"]).into());
            }
            let events = read("events.jsonl")?;
            let last = events.lines().last().unwrap_or_default();
            if !last.contains(results["trace"].as_str().unwrap_or("no trace")) {
                return Err(format!("the last event is no trace: {last}").into());
            }
            for name in ["experiment.yaml", "report.html", "report.txt", "junit.xml", "repeat"] {
                read(name)?;
            }
        }
        Ok(())
    }

    fn ended_well(&mut self, folders: usize) -> Result<(), Failed> {
        let code = self.code()?;
        let left = self.processes();
        if code != Some(130) || !left.is_empty() {
            return Err(format!("it exited with {code:?}, these processes are left: {left:?}").into());
        }
        self.folders_are_whole(folders)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // Of a trial that failed; harmless otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A single run, interrupted when it has said something.
fn one(length: &str, stream: Stream, words: &str) -> Result<(), Failed> {
    let mut started = Started::new(length, &["run"])?;
    started.until(&stream, words)?;
    started.press_ctrl_c()?;
    started.ended_well(1)
}

/// Two workers at once, of six runs.
fn several(verb: &str) -> Result<(), Failed> {
    let mut started = Started::new("100000 blocks", &[verb, "--seeds", "6", "--jobs", "2"])?;
    started.until_folders(2)?;
    started.press_ctrl_c()?;
    started.ended_well(2)
}

/// Two workers that measure parts of a claim, of which half is worth nothing.
fn claimed() -> Result<(), Failed> {
    let mut started = Started::with(PATIENT, &["run", "--jobs", "2"])?;
    while started.processes().len() < 3 {
        if let Some(status) = started.child.try_wait()? {
            return Err(format!("the command ended by itself: {status}").into());
        }
        std::thread::yield_now();
    }
    started.press_ctrl_c()?;
    started.ended_well(0)
}

/// A command whose workers stand still waits for them, until the second signal.
fn twice() -> Result<(), Failed> {
    let mut started = Started::new("100000 blocks", &["run", "--seeds", "4", "--jobs", "2"])?;
    started.until_folders(2)?;
    let workers: Vec<u32> = started.processes().into_iter().filter(|&process| process != started.child.id()).collect();
    signal("STOP", &workers)?;
    started.press_ctrl_c()?;
    if started.child.try_wait()?.is_some() {
        return Err("it did not wait for its workers".into());
    }
    started.press_ctrl_c()?;
    let code = started.code()?;
    signal("CONT", &workers)?;
    if workers.len() != 2 || code != Some(130) {
        return Err(format!("it had the workers {workers:?} and exited with {code:?}").into());
    }
    // They end because their input does; their parent is gone.
    while !started.processes().is_empty() {
        std::thread::yield_now();
    }
    Ok(())
}

/// The end of a terminal is told twice, and is one wish.
fn hung_up() -> Result<(), Failed> {
    let mut started = Started::new("100000 blocks", &["run"])?;
    started.until(&Stream::Err, "partition begins")?;
    signal("HUP", &[started.child.id()])?;
    signal("HUP", &[started.child.id()])?;
    started.ended_well(1)
}

/// What is ignored is no wish: were it one, the run would not come to the end of its schedule.
fn unheard() -> Result<(), Failed> {
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_schism")).args(["run", FILE]);
    let mut started = Started::as_said(command, &ENDLESS.replace("LENGTH", "30 blocks"))?;
    started.until(&Stream::Out, "seed 1")?;
    signal("HUP", &[started.child.id()])?;
    started.until(&Stream::Err, "the schedule is over")?;
    started.press_ctrl_c()?;
    started.ended_well(1)
}

/// A bench of more than anybody would wait for.
fn benched() -> Result<(), Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.args(["bench", "--nodes", "1000"]);
    let mut started = Started::as_said(command, "")?;
    let measures = |process: &u32| {
        let line = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.contains(part::WORKER)
    };
    while !started.processes().iter().any(measures) {
        if let Some(status) = started.child.try_wait()? {
            return Err(format!("the command ended by itself: {status}").into());
        }
        std::thread::yield_now();
    }
    started.press_ctrl_c()?;
    started.ended_well(0)
}

/// The worker that measures ledgers has made its folder, and is told this, or that its parent is gone.
fn worker_of_a_bench(told: Option<&str>) -> Result<(), Failed> {
    let temporary = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_schism"));
    command.arg(part::WORKER).env("TMPDIR", temporary.path()).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut worker = command.spawn()?;
    let mut input = worker.stdin.take().ok_or("it has no input")?;
    writeln!(input, "{}", serde_json::to_string(&Part::Ledger)?)?;
    let left = || Ok::<_, Failed>(fs::read_dir(&temporary)?.count());
    while left()? == 0 {
        if let Some(status) = worker.try_wait()? {
            return Err(format!("the worker ended by itself: {status}").into());
        }
        std::thread::yield_now();
    }
    match told {
        Some(told) => input.write_all(told.as_bytes())?,
        None => drop(input),
    }
    let ended = worker.wait()?;
    if ended.code() == Some(130) && left()? == 0 { Ok(()) } else { Err(format!("{ended}, {} left", left()?).into()) }
}

/// As in `schism run … 2>&1 | head`: 128 and the number of SIGPIPE, and no panic.
fn unread() -> Result<(), Failed> {
    let mut run = Started::new("3 blocks", &["run"])?;
    let errors = run.child.stderr.take().ok_or("it has no errors")?;
    let begins = BufReader::new(errors).lines().map_while(Result::ok).any(|line| line.contains("partition begins"));
    let ended = run.child.wait()?;
    if begins && ended.code() == Some(141) { Ok(()) } else { Err(format!("it ended so: {ended}").into()) }
}

fn signal(name: &str, processes: &[u32]) -> Result<(), Failed> {
    let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", processes.join(" "))]).status()?;
    if sent.success() { Ok(()) } else { Err(format!("SIG{name} was not sent to {processes:?}").into()) }
}
