//! The loop of a supervisor: whoever speaks next is heard, the harness or the node, until the harness is gone.
//!
//! A supervisor is the first process of its pid namespace, so that it has that one's duties: it ends when it is told to by
//! a signal, which the kernel keeps from a first process that has no handler, and it lays to rest whoever lost its parent.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::Supervisor;
use super::lines::Lines;
use super::probe::Probes;

/// Serves until the harness's line or its lease ends; the node has ended then, too.
///
/// # Errors
/// When the harness no longer listens, which is its end as well.
pub fn serve<W: Write>(mut supervisor: Supervisor<W>, mut harness: impl Read + AsFd) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut piece = vec![0; 1 << 16];
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 0, Arc::new(AtomicBool::new(true)))?;
    }
    loop {
        let ready = wait(&supervisor, &harness)?;
        if !ready.harness_speaks && supervisor.lease().left() == Some(Duration::ZERO) {
            return Ok(());
        }
        lay_to_rest(supervisor.life().map(|life| life.process()));
        if ready.probes_speak {
            supervisor.hear_probes()?;
        }
        if ready.node_speaks {
            supervisor.hear_node()?;
        }
        if ready.node_reads {
            supervisor.pass_on_to_node();
        }
        if ready.harness_speaks {
            let length = harness.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            for line in lines.take(&piece[..length]) {
                supervisor.hear(&line)?;
            }
        }
    }
}

/// Waits for every process that has ended, but for the node, for which its life waits.
fn lay_to_rest(node: Option<Pid>) {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, look)
        && let Some(ended) = status.pid().filter(|_| status != WaitStatus::StillAlive)
        && Some(ended) != node
    {
        let _ = waitpid(ended, Some(WaitPidFlag::WNOHANG));
    }
}

/// Who has something to say, or can be told something.
#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    harness_speaks: bool,
    probes_speak: bool,
    node_speaks: bool,
    node_reads: bool,
}

/// Waits until somebody speaks or can be told something: the harness, probes, the node, the node's input. Until the
/// lease ends at most.
fn wait<W: Write>(supervisor: &Supervisor<W>, harness: &impl AsFd) -> io::Result<Ready> {
    let left = supervisor.lease().left().map(TimeSpec::from);
    let mut streams = vec![PollFd::new(harness.as_fd(), PollFlags::POLLIN)];
    streams.extend(supervisor.probes().map(Probes::stream));
    let node = streams.len();
    if let Some(life) = supervisor.life() {
        let (out, input) = life.streams();
        streams.push(out);
        streams.extend(input);
    }
    match ppoll(&mut streams, left, None) {
        Err(Errno::EINTR) => return Ok(Ready::default()),
        ready => ready?,
    };
    let ready = |number: usize| streams.get(number).and_then(PollFd::any).unwrap_or(false);
    Ok(Ready {
        harness_speaks: ready(0),
        probes_speak: node > 1 && ready(1),
        node_speaks: ready(node),
        node_reads: ready(node + 1),
    })
}
