//! The command itself: how long `schism run` takes from its start until the last node of its cluster has a first peer. What
//! every real run does first is in it: looking what the place for nodes offers, on two machines of their own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use schism_chaos::simulation::Stopwatch;

use super::Figure;
use super::real::DEGREE;
use crate::run::CONNECTED;
use crate::scratch;
use crate::suite::Backend;

/// Runs this very command on a cluster of so many nodes, and interrupts it when they are connected.
///
/// # Errors
/// When it cannot be run, or ends before.
pub(super) fn measure(backend: Backend, nodes: u32) -> Result<Figure, String> {
    let folder = scratch::claim(scratch::BENCH);
    let measured = fs::create_dir_all(&folder).map_err(|error| error.to_string()).and_then(|()| {
        let (file, runs) = (folder.join("connected.yaml"), folder.join("runs"));
        fs::write(&file, experiment(nodes)).map_err(|error| error.to_string())?;
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command
            .args(["run", "--backend", &backend.to_string(), "--runs"])
            .args([&runs, &file])
            .env_remove("SCHISM_JSON");
        until_connected(command)
    });
    scratch::remove(&folder);
    Ok(Figure::of(nodes as usize, "run_connected_s", measured?, "s from the command"))
}

/// Seconds from the start of a run until it says that its nodes are connected.
fn until_connected(mut command: Command) -> Result<f64, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let watch = Stopwatch::start();
    let mut run = command.spawn().map_err(|error| error.to_string())?;
    let mut lines = BufReader::new(run.stderr.take().ok_or("a run without streams")?).lines().map_while(Result::ok);
    let mut said = Vec::new();
    let connected = lines.by_ref().find_map(|line| {
        let connected = line.contains(CONNECTED).then(|| watch.elapsed().as_secs_f64());
        said.push(line);
        connected
    });
    if connected.is_some() {
        let process = i32::try_from(run.id()).map_err(|error| error.to_string())?;
        kill(Pid::from_raw(process), Signal::SIGINT).map_err(|error| error.to_string())?;
    }
    // Who speaks to nobody ends, and this one has to clear up.
    lines.for_each(drop);
    run.wait().map_err(|error| error.to_string())?;
    connected.ok_or_else(|| format!("a run ended before its nodes were connected: {}", said.join("\n")))
}

/// Nodes like those of the other figures, for a minute.
fn experiment(nodes: u32) -> String {
    format!(
        "# Nodes find their peers.
topology:
  name: connected-{nodes}
  groups: {{ node: {{ count: {nodes}, role: miner }} }}
  overlay: {{ unstructured: {{ degree: {DEGREE} }} }}
  link: {{ latency: 0ms }}
duration: 1m
always: {{ supply: exact }}
"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::experiment::Experiment;

    #[test]
    fn what_is_run_is_an_experiment_of_so_many_nodes() {
        let experiment = Experiment::parse("connected", &experiment(20), Path::new(".")).unwrap();
        assert_eq!(experiment.plan(1).nodes.len(), 20);
    }

    #[test]
    fn a_run_that_ends_before_is_an_error_with_its_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no engine answers >&2; exit 3"]);
        let why = until_connected(command).unwrap_err();
        assert!(why.contains("no engine answers"), "{why}");
    }
}
