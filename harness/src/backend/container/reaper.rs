//! The reaper: this executable once more, beside a harness and apart from it, that holds one end of a pipe and removes
//! what is left of a cluster when the other end is gone, however that came.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::time::Duration;

use nix::unistd::setsid;

use super::engine::Engine;
use super::leftovers;
use crate::backend::process::namespaces::myself;

/// The hidden verb of a reaper.
pub const VERB: &str = "reap";
/// What a harness says that has removed everything by itself.
const DONE: u8 = b'.';
/// For how long nothing may be there before a reaper believes it: the engine may still be making something for a harness
/// that died while it waited for it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A harness's hold on its reaper.
#[derive(Debug)]
pub struct Reaper {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Reaper {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(session: &str) -> io::Result<Self> {
        let mut command = myself(&[VERB, session]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe })
    }

    /// Has it see that nothing is left, and waits for that.
    ///
    /// # Errors
    /// What is left all the same, and why: the next start sweeps what it could not.
    pub fn dismiss(mut self) -> Result<(), String> {
        if let Some(mut pipe) = self.pipe.take() {
            let _ = pipe.write_all(&[DONE]);
        }
        let said = self.child.wait_with_output().map_err(|error| error.to_string())?;
        if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stdout).trim_end().to_owned()) }
    }
}

/// Waits for a harness's end, and removes what is left.
///
/// # Errors
/// What is left all the same, and why.
pub fn reap(session: &str) -> Result<(), String> {
    // Its terminal's end and its keys are not for us.
    let _ = setsid();
    let mut said = Vec::new();
    let _ = io::stdin().read_to_end(&mut said);
    let engine = Engine::find()?;
    let (docker, session) = (engine.docker().clone(), session.to_owned());
    let empty_for = if said == [DONE] { Duration::ZERO } else { LAST_WORDS };
    engine.wait(async move { leftovers::remove_session(&docker, &session, empty_for).await })
}
