//! Sabotage: every kind of fault is believed to happen on real nodes, and none does. Each must be missed: a run whose
//! faults were not there shows nothing, whatever its checks say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Failed;
use schism::backend::container::Containers;
use schism::backend::process::Processes;
use schism::backend::process::loopback::Loopbacks;
use schism::backend::{self, Backend as Nodes, Heard, Lost};
use schism::experiment::Experiment;
use schism::report::{Colour, RequirementState, Results, Verdict, text};
use schism::suite::{Backend, play_on};
use schism_chaos::catalogue::CATALOGUE;
use schism_chaos::effect::Effect;
use schism_chaos::evidence::{Confirmed, LinkCounters, NodeCounters};
use schism_chaos::fault::{Actor, CrashKind, DiskTrouble};
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Start, Step};
use schism_node::chain::Rules;
use schism_node::control::{Answer, Question};
use schism_node::wire::{Multiaddr, PeerId};

use super::Named;
use super::place::Place;

/// The same file passes where nobody sabotages it.
const FILE: &str = "../chaos/every-fault.yaml";
/// What needs a mount namespace, or a container.
const FULL_DISK: &str = "full_disk";

/// The trials of a backend, one for each kind of it.
pub(super) fn trials(backend: Backend) -> Vec<Named> {
    let places = Place::ALL.into_iter().filter(|place| place.backend() == backend);
    places.map(trial).collect()
}

fn trial(place: Place) -> Named {
    let run = move || -> Result<(), Failed> {
        let mut experiment = match place {
            Place::Loopback => every_fault_but_a_full_disk()?,
            _ => every_fault(&format!("pace.{}=0.05", place.backend()))?,
        };
        // Who was never started agrees with nobody. That a check found something is another verdict.
        experiment.finally.clear();
        let setup = super::setup(place.backend());
        let results = match place {
            Place::Namespaces => play_on(|settings| Processes::new(settings).map(Sabotaged::new), &experiment, &setup),
            Place::Loopback => play_on(|settings| Loopbacks::new(settings).map(Sabotaged::new), &experiment, &setup),
            Place::Containers => play_on(|settings| Containers::new(settings).map(Sabotaged::new), &experiment, &setup),
        };
        all_missed(&results?, place)
    };
    (format!("every_fault_that_never_happens_is_missed_on_a_{}_run", place.name()), Box::new(run))
}

fn every_fault(setting: &str) -> Result<Experiment, Failed> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    Ok(Experiment::load(&file, &[setting.to_owned()]).map_err(|refusal| refusal.to_string())?)
}

/// The file without what the loopback cannot do; what comes after it does not wait for it.
pub(super) fn every_fault_but_a_full_disk() -> Result<Experiment, Failed> {
    let mut experiment = every_fault("pace.process=0.05")?;
    let interval = experiment.topology.chain.interval();
    let starts = |step: &Step| match step.trigger.start {
        Start::At(at) => at.duration(interval, 1.0),
        _ => Duration::ZERO,
    };
    let full = experiment.faults.iter().position(|step| step.fault.name() == FULL_DISK).ok_or("no disk is filled")?;
    let gone = experiment.faults.remove(full);
    let saved = starts(&experiment.faults[full]) - starts(&gone);
    for step in &mut experiment.faults[full..] {
        step.trigger.start = Start::At(Length::Time(starts(step) - saved));
    }
    experiment.duration = experiment.duration.map(|end| Length::Time(end.duration(interval, 1.0) - saved));
    Ok(experiment)
}

fn all_missed(results: &Results, place: Place) -> Result<(), Failed> {
    let page = text(results, Colour::Never);
    if results.verdict != Verdict::Inconclusive {
        return Err(format!("a run of nothing is not inconclusive\n{page}").into());
    }
    for kind in CATALOGUE.iter().filter(|kind| place != Place::Loopback || kind.name != FULL_DISK) {
        let mut steps = results.evidence.iter().filter(|evidence| evidence.fault == kind.name).peekable();
        if steps.peek().is_none() {
            return Err(format!("{FILE} has no {}", kind.name).into());
        }
        for step in steps {
            let applied = step.requirements.iter().find(|requirement| requirement.name == "applied");
            if applied.is_none_or(|applied| applied.state != RequirementState::Missing) {
                return Err(format!("{} was not missed\n{page}", step.step).into());
            }
            let in_force = step.requirements.iter().find(|requirement| requirement.name == "in force");
            if in_force.is_some_and(|in_force| in_force.state != RequirementState::Missing) {
                return Err(format!("{} was taken for a fault in force\n{page}", step.step).into());
            }
        }
    }
    Ok(())
}

/// Real nodes whose faults do not happen, though everybody is told that they do.
struct Sabotaged<B> {
    nodes: B,
    /// Whether the cluster has begun: whom a fault starts comes later.
    begun: bool,
}

impl<B> Sabotaged<B> {
    fn new(nodes: B) -> Self {
        Self { nodes, begun: false }
    }
}

impl<B: Nodes> Nodes for Sabotaged<B> {
    // What a fault asks for does not happen.

    async fn start(&mut self, node: usize) -> Result<(), String> {
        if self.begun { Ok(()) } else { self.nodes.start(node).await }
    }

    async fn crash(&mut self, _: usize, _: CrashKind) -> Lost {
        Lost::default()
    }

    fn freeze(&mut self, _: usize) {}

    fn thaw(&mut self, _: usize) {}

    fn erase(&mut self, _: usize) {}

    fn set_link(&mut self, _: usize, _: usize, _: Link) {}

    fn set_gate(&mut self, _: usize, _: Actor, _: Passage) {}

    fn set_clock(&mut self, _: usize, _: f64, _: f64) {}

    fn follow(&mut self, _: usize, _: Arc<Rules>) {}

    fn set_hash_rate(&mut self, _: usize, _: f64) {}

    fn set_disk(&mut self, _: usize, _: Option<DiskTrouble>) {}

    // Everything else does.

    async fn settle(&mut self) -> Result<(), String> {
        self.begun = true;
        self.nodes.settle().await
    }

    fn now(&self) -> Duration {
        self.nodes.now()
    }

    fn peer(&self, node: usize) -> PeerId {
        self.nodes.peer(node)
    }

    fn whereabouts(&self, node: usize) -> (PeerId, Multiaddr) {
        self.nodes.whereabouts(node)
    }

    async fn upgrade(&mut self, node: usize, binary: &Path) -> Result<(), String> {
        self.nodes.upgrade(node, binary).await
    }

    async fn ask(&mut self, node: usize, question: Question) -> Option<Answer> {
        self.nodes.ask(node, question).await
    }

    fn tell(&mut self, node: usize, question: Question) -> bool {
        self.nodes.tell(node, question)
    }

    fn set_usual_link(&mut self, link: Link) {
        self.nodes.set_usual_link(link);
    }

    async fn confirm(&mut self, effects: &[Effect], unhurt: &dyn Fn(usize, usize) -> Duration) -> Option<Confirmed> {
        self.nodes.confirm(effects, unhurt).await
    }

    async fn count(&mut self) {
        self.nodes.count().await;
    }

    fn broken(&self) -> Option<String> {
        self.nodes.broken()
    }

    fn ended(&self) -> Vec<(usize, String)> {
        self.nodes.ended()
    }

    fn link_counters(&self, from: usize, to: usize) -> LinkCounters {
        self.nodes.link_counters(from, to)
    }

    fn node_counters(&self, node: usize) -> NodeCounters {
        self.nodes.node_counters(node)
    }

    fn know(&mut self, node: usize, peers: Vec<usize>) {
        self.nodes.know(node, peers);
    }

    fn frames(&self) -> u64 {
        self.nodes.frames()
    }

    fn lateness(&self) -> Option<Duration> {
        self.nodes.lateness()
    }

    fn memo_hits(&self) -> u64 {
        self.nodes.memo_hits()
    }

    fn add(&mut self, node: backend::Place) {
        self.nodes.add(node);
    }

    async fn next(&mut self, deadline: Duration) -> Option<Heard> {
        self.nodes.next(deadline).await
    }
}
