//! The loop of a supervisor: whoever speaks next is heard, the harness or the node, until the harness is gone.

use std::io::{self, Read, Stdin, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Supervisor;
use super::lines::Lines;

/// Serves until the harness's line ends; the node has ended then, too.
///
/// # Errors
/// When the harness no longer listens, which is its end as well.
pub fn serve<W: Write>(mut supervisor: Supervisor<W>, mut harness: Stdin) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        let (harness_speaks, node_speaks, node_reads) = wait(&mut supervisor, &harness)?;
        if node_speaks {
            supervisor.hear_node()?;
        }
        if node_reads && let Some(life) = supervisor.life() {
            life.pass_on();
        }
        if harness_speaks {
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

/// Waits until somebody speaks or can be told something: the harness, the node, the node's input.
fn wait<W: Write>(supervisor: &mut Supervisor<W>, harness: &Stdin) -> io::Result<(bool, bool, bool)> {
    let mut streams = vec![PollFd::new(harness.as_fd(), PollFlags::POLLIN)];
    if let Some(life) = supervisor.life() {
        let (out, input) = life.streams();
        streams.push(out);
        streams.extend(input);
    }
    match poll(&mut streams, PollTimeout::NONE) {
        Err(Errno::EINTR) => return Ok((false, false, false)),
        ready => ready?,
    };
    let ready = |number: usize| streams.get(number).and_then(PollFd::any).unwrap_or(false);
    Ok((ready(0), ready(1), ready(2)))
}
