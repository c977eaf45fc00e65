//! A spawner runs the futures of one node, all of them inside one task. To kill the node is to drop them, to freeze
//! it is not to poll them, and computing that a paused clock does not show is paid for by not polling them either.

mod futures;
mod mishap;
mod stage;
#[cfg(test)]
mod tests;
mod work;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schism_node::surroundings::{Cost, Spawner, VirtualWork};

use super::fabric::NodeIndex;
pub use mishap::{Mishap, NodePanicked};
pub(super) use mishap::{message, note_panics};
use stage::Stage;
pub(super) use stage::drop_everything;
pub use stage::on_stage;
pub use work::WorkPrices;

/// Runs one life of one node: from a start to a crash. The next life gets a spawner of its own. Clones are handles
/// to the same life; all of them belong to the simulation's thread.
#[derive(Clone)]
pub struct NodeSpawner(Arc<Stage>);

/// Who is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performer {
    /// Its number in the fabric.
    pub node: NodeIndex,
    /// Its name in messages for people.
    pub name: String,
}

impl NodeSpawner {
    /// Starts a life. To be called on the simulation's thread, inside its runtime.
    pub(super) fn start(performer: Performer, prices: Option<WorkPrices>, mishap: Mishap) -> Self {
        Self(Stage::open(performer, prices, mishap))
    }

    /// Drops every future of this life, in the order of their birth, and lets no other begin. A future that kills
    /// its own node is dropped when its poll returns.
    ///
    /// Black out the node in the fabric first, or its connections say goodbye.
    pub fn kill(&self) {
        self.0.close();
    }

    /// Stops polling until [`NodeSpawner::thaw`]; who is woken meanwhile is polled then.
    pub fn freeze(&self) {
        self.0.freeze(true);
    }

    /// Undoes [`NodeSpawner::freeze`].
    pub fn thaw(&self) {
        self.0.freeze(false);
    }

    /// Polls that a freeze has withheld from this life: the evidence of the fault.
    pub fn withheld(&self) -> u64 {
        self.0.withheld()
    }

    /// Whether it has been killed.
    pub fn is_dead(&self) -> bool {
        self.0.is_closed()
    }

    /// Futures alive.
    pub fn futures(&self) -> usize {
        self.0.futures()
    }

    /// Virtual time this life has spent computing.
    pub fn worked(&self) -> Duration {
        self.0.budget().worked()
    }
}

impl Spawner for NodeSpawner {
    fn spawn_local(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        self.0.add(future);
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.0.add(future);
    }
}

impl VirtualWork for NodeSpawner {
    fn charge(&self, cost: Cost) {
        self.0.budget().charge(cost);
    }
}
