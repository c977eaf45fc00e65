//! The hub as the harness holds it: dropping it ends everything that was ever started under it.

use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};

use super::namespaces::{HUB, READY, myself};

/// A running hub.
#[derive(Debug)]
pub struct Hub {
    child: Child,
    input: Option<ChildStdin>,
    first: u32,
}

impl Hub {
    /// Makes the namespaces and the bridge.
    ///
    /// # Errors
    /// Why this system does not let us.
    pub fn make() -> io::Result<Self> {
        // A group of its own: Ctrl-C is for the harness, which then ends this in order.
        let mut command = myself(&[HUB]);
        let mut child =
            command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (input, out, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut hub = Self { child, input, first: 0 };
        // The hub says who its PID 1 is, and that says when it is ready, in whatever order.
        let mut ready = false;
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok)) {
            match line.parse() {
                Ok(process) => hub.first = process,
                Err(_) => ready = line == READY,
            }
            if ready && hub.first > 0 {
                return Ok(hub);
            }
        }
        let why: Vec<String> =
            errors.into_iter().flat_map(|errors| BufReader::new(errors).lines().map_while(Result::ok)).collect();
        Err(io::Error::other(why.join("; ")))
    }

    /// The process everything hangs on, as the harness sees it.
    pub fn first(&self) -> u32 {
        self.first
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        drop(self.input.take());
        // PID 1 ends, the kernel ends everything in its pid namespace, and then the hub, which waits for PID 1, ends.
        let _ = self.child.wait();
    }
}
