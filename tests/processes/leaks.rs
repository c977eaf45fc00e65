//! Nothing is left behind: a run is ended by a signal at some stage, and five seconds later nothing of it is there.
//!
//! Every process of the run inherits the write end of a pipe, so that its end says that all are gone, without asking
//! again and again. Namespaces and wires have no name outside: they are where their processes are.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};

use super::Named;

/// Milliseconds after which everything must be gone.
const GONE_WITHIN: u16 = 5_000;
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
pace: { process: 0.1 }
";

/// `kill -9` at every stage, and the other signals where most is going on. With `SCHISM_LEAKS` that often.
pub(super) fn trials() -> Vec<Named> {
    let times = std::env::var("SCHISM_LEAKS").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut trials: Vec<Named> = Vec::new();
    for (stage, words) in STAGES {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP] {
            if signal == Signal::SIGKILL || stage == "frozen" || times > 1 {
                let name =
                    format!("nothing_is_left_of_a_run_ended_by_{}_while_{stage}", signal.as_str().to_lowercase());
                trials.push((name, Box::new(move || (0..times).try_for_each(|_| end_a_run(words, signal)))));
            }
        }
    }
    trials
}

fn end_a_run(words: &str, signal: Signal) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (temporary, runs, file) = (folder.path().join("tmp"), folder.path().join("runs"), folder.path().join("x.yaml"));
    fs::create_dir(&temporary)?;
    fs::write(&file, EXPERIMENT)?;
    let interfaces = interfaces()?;
    let (everyone_gone, inherited) = pipe()?;
    let mark = format!("{}-{}", std::process::id(), runs.display());
    let mut run = Command::new(env!("CARGO_BIN_EXE_schism"))
        .args(["run", "--backend", "process", "--runs"])
        .args([&runs, &file])
        .env("TMPDIR", &temporary)
        .env(MARK, &mark)
        .stdin(Stdio::null())
        .stdout(if words == FIRST { Stdio::piped() } else { Stdio::null() })
        .stderr(if words == FIRST { Stdio::null() } else { Stdio::piped() })
        .spawn()?;
    drop(inherited);
    wait_until_it_says(&mut run, words)?;
    kill(Pid::from_raw(i32::try_from(run.id())?), signal)?;
    run.wait()?;
    let mut gone = [PollFd::new(everyone_gone.as_fd(), PollFlags::POLLIN)];
    if poll(&mut gone, PollTimeout::from(GONE_WITHIN))? == 0 {
        return Err(format!("processes are left: {:?}", marked(&mark)).into());
    }
    File::from(everyone_gone).read_to_end(&mut Vec::new())?;
    let left = marked(&mark);
    if !left.is_empty() {
        return Err(format!("processes are left: {left:?}").into());
    }
    if self::interfaces()? != interfaces {
        return Err("network interfaces came or went".into());
    }
    match fs::read_dir(&temporary)?.next() {
        Some(left) => Err(format!("a temporary file is left: {:?}", left?.path()).into()),
        None => Ok(()),
    }
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

/// Processes with this mark, with what they are.
fn marked(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let is_ours = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let ours = all.filter(|process| is_ours(process));
    ours.map(|process| String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).into_owned())
        .collect()
}

/// Network interfaces outside of any cluster.
fn interfaces() -> std::io::Result<BTreeSet<String>> {
    fs::read_dir("/sys/class/net")?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}
