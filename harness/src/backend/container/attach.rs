//! The line to a container: its standard streams, attached. Orders and heartbeats go in, words come out, and what nodes
//! log comes out beside them.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::container::{AttachContainerResults, LogOutput};
use testcontainers::bollard::query_parameters::AttachContainerOptionsBuilder;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::engine::told;
use crate::backend::real::attached::{Attached, Ears, Line};
use crate::supervisor::lines::Lines;
use crate::supervisor::protocol::{Order, What};

/// How often a supervisor is told that its harness lives.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long it stays without being told: a harness that is this late is stopped or gone. Short enough for everything
/// to be gone five seconds after it.
pub const LEASE: Duration = Duration::from_secs(3);
/// How long it waits for the first word: an engine with much to start may take its time.
pub const GRACE: Duration = Duration::from_secs(60);
/// Orders that may wait for a container that reads none.
const UNREAD: usize = 1 << 16;

/// Attaches to a running container. What it logs is added to `log`.
pub(super) async fn attach(docker: &Docker, id: &str, ears: Ears, log: Option<File>) -> Result<Attached, String> {
    let streams = AttachContainerOptionsBuilder::new().stdin(true).stdout(true).stderr(true).stream(true).build();
    let AttachContainerResults { output, input } = docker.attach_container(id, Some(streams)).await.map_err(told)?;
    let (orders, given) = mpsc::channel(UNREAD);
    let (attached, line) = Attached::to(Box::new(Input(orders)), ears);
    let here = Handle::current();
    here.spawn(pass_on(given, input));
    here.spawn(listen(output, line, log));
    Ok(attached)
}

/// Where orders go in. Nobody waits there.
struct Input(mpsc::Sender<Vec<u8>>);

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_send(bytes.to_vec()).map_err(|_| io::Error::other("its supervisor reads no orders"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes orders on as they come, with a heartbeat now and then, until nobody takes them. Who gives none any more is about to
/// remove the container, and it stays until then.
async fn pass_on(mut given: mpsc::Receiver<Vec<u8>>, mut input: impl AsyncWrite + Unpin) {
    let milliseconds = u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX);
    let mut heartbeat = serde_json::to_vec(&Order { id: 0, what: What::Stay { milliseconds } }).unwrap_or_default();
    heartbeat.push(b'\n');
    let mut beats = interval(HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let bytes = tokio::select! {
            Some(order) = given.recv() => order,
            _ = beats.tick() => heartbeat.clone(),
        };
        if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

/// Hears what is said, until nothing is.
async fn listen(
    mut output: impl futures::Stream<Item = Result<LogOutput, testcontainers::bollard::errors::Error>> + Unpin,
    line: Arc<Line>,
    mut log: Option<File>,
) {
    let mut lines = Lines::default();
    while let Some(Ok(piece)) = output.next().await {
        match piece {
            LogOutput::StdErr { message } => {
                // A log that cannot be written is no reason to be deaf.
                let _ = log.as_mut().map(|log| log.write_all(&message));
            }
            other => lines.take(&other.into_bytes()).iter().for_each(|said| line.hear(said)),
        }
    }
    line.end("its container is gone".to_owned());
}
