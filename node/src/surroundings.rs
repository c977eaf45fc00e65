//! Surroundings: everything a node stands in and does not choose. A real node gets sockets, a disk and threads; a
//! simulated one gets the fabric, memory and one thread. The node's code is the same.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schism_wire::Transport;

use crate::chain::SignatureCheck;
use crate::clock::Clock;
use crate::control::Event;
use crate::ledger::store::Store;
use crate::network::book::notes::Notes;

/// What a node is given at its start.
pub struct Surroundings {
    /// How bytes reach peers.
    pub transport: Transport,
    /// Where the ledger is kept.
    pub store: Box<dyn Store>,
    /// What time the node thinks it is.
    pub clock: Clock,
    /// Seed of every random choice this node makes.
    pub chance: u64,
    /// Runs the node's futures; whoever holds it can kill or freeze the node.
    pub spawner: Arc<dyn Spawner>,
    /// Checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
    /// Hears every message between actors and every store operation; for the trace.
    pub trace: Trace,
    /// What computing costs, where it would otherwise be free.
    pub work: Arc<dyn VirtualWork>,
    /// Where what it knows of others is kept.
    pub notes: Box<dyn Notes>,
}

/// Runs futures of one node. To kill is to drop them, to freeze is not to poll them.
pub trait Spawner: Send + Sync {
    /// Runs a future of the thread that calls (actors).
    fn spawn_local(&self, future: Pin<Box<dyn Future<Output = ()>>>);
    /// Runs a future that may live on any thread (libp2p's connections).
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>);
}

/// Checks signatures: a pool of threads in real runs, a memo shared by the nodes of one simulation.
pub trait Verifier: Send + Sync {
    /// `Err(index)` of the first check in `checks` that does not hold.
    fn verify(&self, checks: &[SignatureCheck]) -> Result<(), usize>;
}

/// Charges a node for computing on a clock that computing does not move.
pub trait VirtualWork: Send + Sync {
    /// The node has computed this; what it does next waits for it.
    fn charge(&self, cost: Cost);
}

/// Something that takes a processor's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Signature checks, executed or remembered: a real node would execute them.
    SignatureChecks(u32),
    /// Bytes parsed, hashed and copied.
    Bytes(usize),
}

/// In real runs computing takes its own time: nothing to charge.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealWork;

impl VirtualWork for RealWork {
    fn charge(&self, _: Cost) {}
}

/// Where the trace of a run is fed: `kind` names what it is, `bytes` stand for its content.
#[derive(Clone, Default)]
pub struct Trace(Option<Sink>);

/// Who hears a trace.
pub type Sink = Arc<dyn Fn(&'static str, &[u8]) + Send + Sync>;

impl Trace {
    /// A trace that feeds `sink`.
    pub fn to(sink: Sink) -> Self {
        Self(Some(sink))
    }

    /// Notes one item; `bytes` is only called when somebody listens.
    pub fn note<B: AsRef<[u8]>>(&self, kind: &'static str, bytes: impl FnOnce() -> B) {
        if let Some(sink) = &self.0 {
            sink(kind, bytes().as_ref());
        }
    }
}
