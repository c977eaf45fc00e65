//! Playing: from an experiment to its results.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::draw::NodeState;
use schism_chaos::fault::{DiskTrouble, Fault};
use schism_chaos::simulation::{Fidelity, Settings, Stopwatch, simulate};

use super::{Backend, RunFolder};
use crate::backend::Backend as PlaceOfNodes;
use crate::backend::capability::{Can, Offer};
use crate::backend::container::Containers;
use crate::backend::mutation::Mutation;
use crate::backend::process::Processes;
use crate::backend::process::loopback::Loopbacks;
use crate::backend::real;
use crate::backend::simulated::Simulated;
use crate::checks::{Checks, Tempo, View};
use crate::cluster::{Blueprint, Cluster};
use crate::experiment::{Experiment, Without};
use crate::interrupt::Interrupt;
use crate::logs;
use crate::report::Results;
use crate::run::experiment::{Play, Refuses};
use crate::run::live::Live;
use crate::run::outcome::Outcome;
use crate::run::payers::Payer;
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
    played(experiment, setup, show, None)
}

/// Plays what is ordered while it goes on, besides the experiment's load and whatever its schedule says.
pub fn play_live(experiment: &Experiment, setup: &Setup<'_>, live: Live) -> Results {
    played(experiment, setup, Box::new(|_, _| {}), Some(live))
}

/// Plays an experiment on real nodes where `begin` has them: a backend that is not quite one of ours.
///
/// # Errors
/// Why it could not be played.
pub fn play_on<B: PlaceOfNodes>(
    begin: impl FnOnce(real::Settings) -> Result<B, String>,
    experiment: &Experiment,
    setup: &Setup<'_>,
) -> Result<Results, String> {
    let offer = if setup.backend == Backend::Container { Offer::of_the_engine()? } else { Offer::of_processes().0 };
    real(offer, begin, experiment, setup, Box::new(|_, _| {}), None)
}

fn played(experiment: &Experiment, setup: &Setup<'_>, show: Onlooker, live: Option<Live>) -> Results {
    let played = match setup.backend {
        Backend::Simulated => simulated(experiment, setup, show, live),
        Backend::Process => match Offer::of_processes() {
            (offer, None) => real(offer, Processes::new, experiment, setup, show, live),
            (offer, Some(_)) => real(offer, Loopbacks::new, experiment, setup, show, live),
        },
        Backend::Container => {
            Offer::of_the_engine().and_then(|offer| real(offer, Containers::new, experiment, setup, show, live))
        }
    };
    played.unwrap_or_else(|why| {
        Results::broken(&experiment.name, experiment.seed, setup.backend, setup.repeat.clone(), why)
    })
}

fn simulated(
    experiment: &Experiment,
    setup: &Setup<'_>,
    show: Onlooker,
    live: Option<Live>,
) -> Result<Results, String> {
    let out = events(setup)?;
    let settings = Settings {
        fidelity: setup.fidelity,
        trace_file: setup.folder.filter(|_| setup.trace).map(RunFolder::trace),
        work: experiment.work,
        ..Settings::seeded(experiment.seed)
    };
    let (played, unhealed) = (experiment.given_time(setup.timeout_factor), never_healed(experiment, setup.without));
    let (factor, folder) = (setup.timeout_factor, setup.folder.cloned());
    let (mutation, interrupt) = (setup.mutation.clone(), setup.interrupt.clone());
    let story = move |simulation| async move {
        let backend = Simulated::new(simulation, gated(&played) || live.is_some());
        let backend = match mutation {
            Some(mutation) => backend.mutated(mutation),
            None => backend,
        };
        if let Some(folder) = &folder {
            let seed = played.seed;
            logs::open(folder, played.plan(seed).nodes.into_iter().map(|node| node.name));
        }
        let orders = Orders {
            unhealed,
            interrupt,
            link_up: LINK_UP.mul_f64(factor),
            pace: Backend::Simulated.pace(played.pace),
            grace: Duration::ZERO,
            live,
            refuses: Box::new(|_| None),
        };
        let outcome = perform(backend, &played, orders, out, show).await;
        logs::close().map_err(Broken::Timeline).and(outcome)
    };
    let finished = simulate(settings, story).map_err(|failure| failure.to_string())?;
    let outcome = finished.value.map_err(|broken| broken.to_string())?;
    let (trace, trace_items) = (Some(finished.trace.hash), finished.trace.items);
    let results = results(experiment, setup, outcome, finished.real_time, trace.as_deref(), trace_items)?;
    Ok(Results { trace, trace_items, ..results })
}

/// Plays an experiment on real nodes. Their backends keep the story's time, so that nothing here follows a pace.
fn real<B: PlaceOfNodes>(
    offer: Offer,
    begin: impl FnOnce(real::Settings) -> Result<B, String>,
    experiment: &Experiment,
    setup: &Setup<'_>,
    show: Onlooker,
    live: Option<Live>,
) -> Result<Results, String> {
    let watch = Stopwatch::start();
    if let Some(refused) = offer.refuses(experiment) {
        return Err(format!("nothing was started: {refused}"));
    }
    let played = experiment.given_time(setup.timeout_factor);
    let pace = setup.backend.pace(played.pace);
    let settings = real::Settings {
        seed: played.seed,
        pace,
        gated: gated(&played) || live.is_some(),
        small_disks: fills_disks(&played),
        folder: setup.folder.map(|folder| std::path::absolute(folder.path())).transpose().map_err(|e| e.to_string())?,
        interrupt: setup.interrupt.clone(),
    };
    let orders = Orders {
        unhealed: never_healed(experiment, setup.without),
        interrupt: setup.interrupt.clone(),
        link_up: LINK_UP.mul_f64(setup.timeout_factor).div_f64(pace),
        pace: 1.0,
        grace: KERNELS_WAIT.div_f64(pace),
        live,
        refuses: refuses(offer, settings.small_disks),
    };
    let out = events(setup)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let outcome = runtime.block_on(async {
        let backend = begin(settings).map_err(Broken::Backend)?;
        perform(backend, &played, orders, out, show).await
    });
    results(experiment, setup, outcome.map_err(|broken| broken.to_string())?, watch.elapsed(), None, 0)
}

/// What a cluster of real nodes cannot do that was made with small disks, or without.
fn refuses(offer: Offer, small_disks: bool) -> Refuses {
    Box::new(move |fault| match (fault, offer.can(fault.name())) {
        (_, Can::Not { why, instead }) => Some(format!("{why}; {instead}")),
        (Fault::Disk { trouble: DiskTrouble::Full, .. }, _) if !small_disks => {
            let help = "make the cluster of a file with a `full_disk` in it";
            Some(format!("these nodes' disks are the machine's own and must not be filled; {help}"))
        }
        _ => None,
    })
}

/// Where what happens is written while it happens.
fn events(setup: &Setup<'_>) -> Result<Box<dyn Write + Send>, String> {
    match setup.folder.map(RunFolder::events).transpose() {
        Ok(Some(file)) => Ok(Box::new(BufWriter::new(file))),
        Ok(None) => Ok(Box::new(io::sink())),
        Err(error) => Err(format!("events.jsonl cannot be written: {error}")),
    }
}

/// What a run comes to; its timeline ends with the trace, where there is one.
fn results(
    experiment: &Experiment,
    setup: &Setup<'_>,
    outcome: Outcome,
    took: Duration,
    trace: Option<&str>,
    trace_items: u64,
) -> Result<Results, String> {
    let Outcome { verdict, why, measured, evidence, violations, checks, nodes, heights, fault_bars, .. } = outcome;
    let (virtual_seconds, timeline) = (outcome.virtual_seconds, outcome.timeline);
    let finished = timeline.finish(trace, trace_items);
    finished.map_err(|error| format!("events.jsonl cannot be written: {error}"))?;
    Ok(Results {
        about: experiment.about.clone(),
        fidelity: setup.fidelity,
        timeout_factor: setup.timeout_factor,
        without: setup.without.map(ToString::to_string),
        verdict,
        why,
        virtual_seconds,
        real_seconds: took.as_secs_f64(),
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

/// How long nodes may take to find their first peers. Real ones take real time: the kernel and the machine know no pace.
const LINK_UP: Duration = Duration::from_secs(60);

/// Real time after a heal until what was held has crossed everywhere: the kernel waits up to a second between late
/// retransmissions, and what is lost then comes with the next.
const KERNELS_WAIT: Duration = Duration::from_secs(2);

/// What a run is told besides its experiment.
struct Orders {
    /// Steps whose undoing does nothing.
    unhealed: Vec<usize>,
    interrupt: Interrupt,
    /// How long nodes may take to find their first peers.
    link_up: Duration,
    /// What a second of the file takes on the backend's clock.
    pace: f64,
    /// See [`Means::grace`].
    grace: Duration,
    /// Orders to be obeyed instead of a schedule.
    live: Option<Live>,
    /// Faults that orders may ask for in vain.
    refuses: Refuses,
}

/// Plays an experiment on a backend.
async fn perform<B: PlaceOfNodes>(
    backend: B,
    experiment: &Experiment,
    orders: Orders,
    out: Box<dyn Write + Send>,
    show: Onlooker,
) -> Result<Outcome, Broken> {
    let (seed, pace) = (experiment.seed, orders.pace);
    let blueprint = Blueprint::of(&experiment.topology, experiment.plan(seed), seed, pace);
    let rules = blueprint.whole.clone();
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
    let means = Means { rules, tempo, nodes, seed, grace: orders.grace };
    let mut checks = Checks::new(view);
    pose::from_the_start(&mut checks, experiment, &means);
    let mut run = Run::new(cluster, checks, out, show);
    run.never_heal(orders.unhealed);
    run.heed(orders.interrupt);
    let payments = |checks: &mut Checks, payers: &[Payer]| pose::payments(checks, experiment, &means, payers);
    let play = Play::new(&mut run, experiment, tempo, seed);
    let progress = match orders.live {
        Some(live) => play.live(orders.link_up, live, orders.refuses).await?,
        None => play.play(orders.link_up, payments).await?,
    };
    run.cluster().count().await;
    let evidence = run.evidence(&progress);
    run.outcome(evidence)
}

/// Whether a fault stands between the actors of a node.
fn gated(experiment: &Experiment) -> bool {
    let between = |fault: &Fault| matches!(fault, Fault::Slow { .. } | Fault::Drop { .. } | Fault::Hold { .. });
    experiment.faults.iter().any(|step| between(&step.fault))
}

/// Whether a disk is to be filled, which must be a small one then.
fn fills_disks(experiment: &Experiment) -> bool {
    let fills = |fault: &Fault| matches!(fault, Fault::Disk { trouble: DiskTrouble::Full, .. });
    experiment.faults.iter().any(|step| fills(&step.fault))
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
