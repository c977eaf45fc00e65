//! Who is interrupted while machines are made makes no more of them, and says so as anywhere else.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use schism::suite::Backend;

use super::Named;
use super::place::{Place, SCHISM};
use super::said::{FIRST, Said};
use super::watch::Watch;

/// More machines than are made before anybody can say stop.
const NODES: usize = 300;

const EXPERIMENT: &str = "# Takes long to be made.
topology:
  name: many
  groups: { miner: { count: COUNT } }
  overlay: { unstructured: { degree: 4 } }
always: { supply: exact }
finally: { converged: { within: 5 blocks } }
";

/// How long it may take until a machine is made, and until a command that stops has ended.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn trials(backend: Backend) -> Vec<Named> {
    let places = Place::ALL.into_iter().filter(|place| place.backend() == backend);
    let trial = |place: Place| -> Named {
        let name = format!("interrupted_while_machines_are_made_a_{}_run_makes_no_more", place.name());
        (name, Box::new(move || interrupt(place)))
    };
    places.map(trial).collect()
}

fn interrupt(place: Place) -> Result<(), Failed> {
    let mut watch = Watch::new(place)?;
    let (runs, file) = (watch.runs(), watch.write(&EXPERIMENT.replace("COUNT", &NODES.to_string()))?);
    let mut run = place.program(SCHISM.as_ref());
    run.args(["run", "--backend", &place.backend().to_string(), "--runs"]).args([&runs, &file]);
    let mut run = watch.spawn(run.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    Said::of(&mut run)?.until(FIRST)?.drain();
    watch.until(PATIENCE, "a machine is made", |watch| {
        watch.look_who_is_there();
        Ok(watch.machines()? > 0)
    })?;
    kill(Pid::from_raw(i32::try_from(run.id())?), Signal::SIGINT)?;
    let (mut most, mut ended) = (0, None);
    watch.until(PATIENCE, "it ends", |watch| {
        most = most.max(watch.machines()?);
        ended = run.try_wait()?;
        Ok(ended.is_some())
    })?;
    if most >= NODES {
        return Err(format!("all {most} machines were made").into());
    }
    let code = ended.and_then(|ended| ended.code());
    if code != Some(130) {
        return Err(format!("it ended with {code:?}").into());
    }
    let kept = fs::read_to_string(runs.join("x/latest/results.json"))?;
    let results: serde_json::Value = serde_json::from_str(&kept)?;
    if results["verdict"] == "interrupted" { Ok(()) } else { Err(format!("it came to {}", results["verdict"]).into()) }
}
