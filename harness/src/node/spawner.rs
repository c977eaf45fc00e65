//! The spawner of a real node: the runtime of its process. To kill it is to kill the process.

use std::pin::Pin;

use schism_node::surroundings::Spawner;

/// Runs a node's futures on the runtime of the thread that calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThisRuntime;

impl Spawner for ThisRuntime {
    fn spawn_local(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        run(future);
    }

    #[expect(clippy::disallowed_methods, reason = "this is the spawner that others are to use")]
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(future);
    }
}

/// Runs something on this thread beside everything else.
#[expect(clippy::disallowed_methods, reason = "this is the spawner that others are to use")]
pub(super) fn run(future: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(future);
}
