//! Playing: from an experiment to its results.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::draw::NodeState;
use schism_chaos::fault::Fault;
use schism_chaos::simulation::{Fidelity, Settings, simulate};

use super::{Backend, RunFolder};
use crate::backend::Backend as _;
use crate::backend::mutation::Mutation;
use crate::backend::simulated::Simulated;
use crate::checks::{Checks, Tempo, View};
use crate::cluster::{Blueprint, Cluster};
use crate::experiment::{Experiment, Without};
use crate::interrupt::Interrupt;
use crate::logs;
use crate::report::Results;
use crate::run::experiment::Play;
use crate::run::outcome::Outcome;
use crate::run::pose::{self, Means};
use crate::run::{Broken, Onlooker, Run};

/// How an experiment is to be played.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where.
    pub backend: Backend,
    /// How much of the wire is real, where the backend simulates it.
    pub fidelity: Fidelity,
    /// What must not heal, though everyone believes it does; a step that is taken away is gone already.
    pub without: Option<&'a Without>,
    /// What is wrong with every node; nothing but where a check is to be seen catching it.
    pub mutation: Option<Arc<dyn Mutation>>,
    /// Where to write what happens while it happens.
    pub folder: Option<&'a RunFolder>,
    /// Whether to write the whole trace there.
    pub trace: bool,
    /// The command that repeats it.
    pub repeat: String,
    /// Ends it early.
    pub interrupt: Interrupt,
    /// By how much longer than the file says is waited.
    pub timeout_factor: f64,
}

/// Plays an experiment under its own seed. Once per process, as there is one simulation per process.
pub fn play(experiment: &Experiment, setup: &Setup<'_>, show: Onlooker) -> Results {
    simulated(experiment, setup, show).unwrap_or_else(|why| {
        Results::broken(&experiment.name, experiment.seed, setup.backend, setup.repeat.clone(), why)
    })
}

fn simulated(experiment: &Experiment, setup: &Setup<'_>, show: Onlooker) -> Result<Results, String> {
    if setup.backend != Backend::Simulated {
        return Err(format!("the {} backend is not built yet: use simulated", setup.backend));
    }
    let out: Box<dyn Write + Send> = match setup.folder.map(RunFolder::events).transpose() {
        Ok(Some(file)) => Box::new(BufWriter::new(file)),
        Ok(None) => Box::new(io::sink()),
        Err(error) => return Err(format!("events.jsonl cannot be written: {error}")),
    };
    let settings = Settings {
        fidelity: setup.fidelity,
        trace_file: setup.folder.filter(|_| setup.trace).map(RunFolder::trace),
        ..Settings::seeded(experiment.seed)
    };
    let (played, unhealed) = (experiment.given_time(setup.timeout_factor), never_healed(experiment, setup.without));
    let (factor, folder) = (setup.timeout_factor, setup.folder.cloned());
    let (mutation, interrupt) = (setup.mutation.clone(), setup.interrupt.clone());
    let story = move |simulation| async move {
        let backend = Simulated::new(simulation, gated(&played));
        let backend = match mutation {
            Some(mutation) => backend.mutated(mutation),
            None => backend,
        };
        if let Some(folder) = &folder {
            let seed = played.seed;
            logs::open(folder, played.plan(seed).nodes.into_iter().map(|node| node.name));
        }
        let orders = Orders { unhealed, interrupt, link_up: LINK_UP.mul_f64(factor) };
        let outcome = perform(backend, &played, orders, out, show).await;
        logs::close().map_err(Broken::Timeline).and(outcome)
    };
    let finished = simulate(settings, story).map_err(|failure| failure.to_string())?;
    let outcome = finished.value.map_err(|broken| broken.to_string())?;
    let Outcome { verdict, why, measured, evidence, violations, checks, nodes, heights, fault_bars, .. } = outcome;
    let (virtual_seconds, timeline) = (outcome.virtual_seconds, outcome.timeline);
    let finished_timeline = timeline.finish(Some(&finished.trace.hash), finished.trace.items);
    finished_timeline.map_err(|error| format!("events.jsonl cannot be written: {error}"))?;
    Ok(Results {
        about: experiment.about.clone(),
        fidelity: setup.fidelity,
        timeout_factor: setup.timeout_factor,
        without: setup.without.map(ToString::to_string),
        verdict,
        why,
        trace: Some(finished.trace.hash),
        trace_items: finished.trace.items,
        virtual_seconds,
        real_seconds: finished.real_time.as_secs_f64(),
        measured,
        evidence,
        violations,
        checks,
        nodes,
        heights,
        fault_bars,
        ..Results::broken(&experiment.name, experiment.seed, setup.backend, setup.repeat.clone(), String::new())
    })
}

/// How long nodes may take to find their first peers.
const LINK_UP: Duration = Duration::from_secs(60);

/// What a run is told besides its experiment.
struct Orders {
    /// Steps whose undoing does nothing.
    unhealed: Vec<usize>,
    interrupt: Interrupt,
    /// How long nodes may take to find their first peers.
    link_up: Duration,
}

/// Plays an experiment in a simulation.
async fn perform(
    backend: Simulated,
    experiment: &Experiment,
    orders: Orders,
    out: Box<dyn Write + Send>,
    show: Onlooker,
) -> Result<Outcome, Broken> {
    let (seed, pace) = (experiment.seed, experiment.pace.simulated);
    let blueprint = Blueprint::of(&experiment.topology, experiment.plan(seed), seed, pace);
    let rules = blueprint.places[0].rules.clone();
    let mut cluster = Cluster::new(backend, blueprint);
    let nodes = cluster.described(|_| 0);
    let mut present = nodes.clone();
    for (position, node) in present.iter_mut().enumerate() {
        if cluster.starts_with_cluster(position) {
            node.state = NodeState::Alive;
        }
    }
    let mut view = View::new(&present, cluster.wiring(), &rules.genesis);
    for node in 0..nodes.len() {
        view.introduce(node, cluster.backend().peer(node));
    }
    let tempo = Tempo { interval: rules.interval.div_f64(pace), pace };
    let means = Means { rules, tempo, nodes, seed };
    let mut checks = Checks::new(view);
    pose::from_the_start(&mut checks, experiment, &means);
    let mut run = Run::new(cluster, checks, out, show);
    run.never_heal(orders.unhealed);
    run.heed(orders.interrupt);
    let payments = |checks: &mut Checks, count| pose::payments(checks, experiment, &means, count);
    let progress = Play::new(&mut run, experiment, tempo, seed).play(orders.link_up, payments).await?;
    let evidence = run.evidence(&progress);
    run.outcome(evidence)
}

/// Whether a fault stands between the actors of a node.
fn gated(experiment: &Experiment) -> bool {
    let between = |fault: &Fault| matches!(fault, Fault::Slow { .. } | Fault::Drop { .. } | Fault::Hold { .. });
    experiment.faults.iter().any(|step| between(&step.fault))
}

/// Steps whose undoing a control turns into nothing.
fn never_healed(experiment: &Experiment, without: Option<&Without>) -> Vec<usize> {
    let steps = experiment.faults.iter().enumerate();
    match without {
        Some(Without::Heal) => steps.map(|(number, _)| number).collect(),
        Some(Without::HealOf(name)) => steps.filter(|(_, step)| step.name == *name).map(|(number, _)| number).collect(),
        _ => Vec::new(),
    }
}
