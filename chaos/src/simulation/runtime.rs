//! The runtime of a simulation: a thread of its own on a paused clock, and everything that one run shares.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::future::{Either, select};
use serde::{Deserialize, Serialize};

use super::clock::{self, Stopwatch};
use super::fabric::{Fabric, Fidelity, NodeIndex, Patience};
use super::self_check::{self, Draws};
use super::spawner::{self, Mishap, NodePanicked, NodeSpawner, Performer, WorkPrices};
use super::trace::{Recorder, Summary};
use super::verifier::Memo;

/// What a simulation is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// How much of the wire is real.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// What computing costs; nothing makes it free.
    #[serde(default)]
    pub work: Option<WorkPrices>,
    /// How long connections bear silence.
    #[serde(default)]
    pub patience: Patience,
    /// Where the whole trace is written, one line an item; nothing keeps its hash alone.
    #[serde(default)]
    pub trace_file: Option<PathBuf>,
}

impl Settings {
    /// In memory, with the default prices for computing.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            fidelity: Fidelity::Memory,
            work: Some(WorkPrices::default()),
            patience: Patience::default(),
            trace_file: None,
        }
    }
}

/// A simulation that came to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finished<T> {
    /// What the story returned.
    pub value: T,
    /// Everything that happened, in one hash.
    pub trace: Summary,
    /// How long it was, in virtual time.
    pub virtual_time: Duration,
    /// How long it took.
    pub real_time: Duration,
}

/// Why a simulation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A second simulation in one process: libp2p and tokio count per process, so it would differ from a first one.
    #[error("one simulation per process: run the second one in a process of its own")]
    SecondInProcess,
    /// Time or randomness would not follow the seed.
    #[error("this build cannot simulate: {0}")]
    SelfCheck(#[from] self_check::Doubt),
    /// A node panicked.
    #[error("{panicked} (seed {seed})")]
    NodePanicked {
        /// Who, when, what.
        panicked: NodePanicked,
        /// The seed that repeats it.
        seed: u64,
    },
    /// What drives the simulation panicked.
    #[error("the story panicked: {message} (seed {seed})")]
    StoryPanicked {
        /// What it said, and where.
        message: String,
        /// The seed that repeats it.
        seed: u64,
    },
    /// The trace could not be written, or no thread be started.
    #[error("{0}")]
    Machine(#[from] io::Error),
}

/// What all of one run share. Clones are handles to the same simulation; they stay on its thread.
#[derive(Clone)]
pub struct Simulation(Rc<Shared>);

struct Shared {
    settings: Settings,
    fabric: Fabric,
    recorder: Recorder,
    verifier: Arc<Memo>,
    mishap: Mishap,
    started: Stopwatch,
}

impl Simulation {
    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The network.
    pub fn fabric(&self) -> &Fabric {
        &self.0.fabric
    }

    /// The trace.
    pub fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// The memo of signature checks.
    pub fn verifier(&self) -> Arc<Memo> {
        self.0.verifier.clone()
    }

    /// A spawner for one life of a node, from a start to a crash. It is also what the node pays for computing.
    pub fn spawner(&self, node: NodeIndex, name: &str) -> NodeSpawner {
        let performer = Performer { node, name: name.to_owned() };
        NodeSpawner::start(performer, self.0.settings.work, self.0.mishap.clone())
    }

    /// Virtual time since the start.
    pub fn elapsed(&self) -> Duration {
        clock::elapsed()
    }

    /// Real time since the start.
    pub fn real_elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }
}

/// Stack of the simulation's thread: deep enough for deeply nested futures in a build without optimisation.
const STACK_BYTES: usize = 32 << 20;

/// Runs a story from its start to its end on a virtual clock, on a thread of its own, and waits for it.
///
/// Once per process. The build is checked first: a simulation whose time or randomness is not the seed's would agree
/// with nothing, or agree by chance.
///
/// # Errors
/// See [`Failure`].
pub fn simulate<T, F, S>(settings: Settings, story: S) -> Result<Finished<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
    S: FnOnce(Simulation) -> F + Send + 'static,
{
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::SeqCst) {
        return Err(Failure::SecondInProcess);
    }
    spawner::note_panics();
    let expected = self_check::rehearse(settings.seed)?;
    let thread = thread::Builder::new().name("simulation".into()).stack_size(STACK_BYTES);
    let seed = settings.seed;
    let running = thread.spawn(move || perform(settings, &expected, story))?;
    running
        .join()
        .unwrap_or_else(|payload| Err(Failure::StoryPanicked { message: spawner::message(payload.as_ref()), seed }))
}

fn perform<T, F, S>(settings: Settings, expected: &Draws, story: S) -> Result<Finished<T>, Failure>
where
    F: Future<Output = T> + 'static,
    S: FnOnce(Simulation) -> F,
{
    let started = Stopwatch::start();
    enter(settings.seed);
    self_check::compare(&Draws::take(), expected)?;
    let recorder = match &settings.trace_file {
        Some(path) => Recorder::writing(path)?,
        None => Recorder::new(),
    };
    let seed = settings.seed;
    runtime().block_on(async move {
        clock::follow_the_runtime();
        let fabric = Fabric::new(seed, settings.patience, recorder.clone());
        #[expect(clippy::disallowed_methods, reason = "the fabric belongs to no node")]
        actix::spawn(fabric.pump());
        let mishap = Mishap::default();
        let simulation = Simulation(Rc::new(Shared {
            settings,
            fabric: fabric.clone(),
            recorder: recorder.clone(),
            verifier: Arc::default(),
            mishap: mishap.clone(),
            started,
        }));
        let told = match select(pin!(caught(story(simulation))), pin!(mishap.happens())).await {
            Either::Left((Ok(value), _)) => Ok(value),
            Either::Left((Err(message), _)) => Err(Failure::StoryPanicked { message, seed }),
            Either::Right((panicked, _)) => Err(Failure::NodePanicked { panicked, seed }),
        };
        let (virtual_time, trace) = (clock::elapsed(), recorder.summary()?);
        fabric.close();
        spawner::drop_everything();
        Ok(Finished { value: told?, trace, virtual_time, real_time: started.elapsed() })
    })
}

/// Makes this thread's time and randomness the seed's. Once per thread, before it does anything else.
pub(super) fn enter(seed: u64) {
    clock::seed_this_thread(seed);
    clock::stop_this_threads_clock();
}

/// A runtime on the paused clock. Without a driver for input and output: a socket opened by accident panics.
pub(super) fn runtime() -> actix::SystemRunner {
    actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without sockets needs nothing that could be missing")
    })
}

/// The future's value, or what it said when it panicked.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => std::task::Poll::Ready(Err(spawner::message(payload.as_ref()))),
    })
    .await
}

#[cfg(test)]
mod tests;
