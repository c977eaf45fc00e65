//! A candidate: a program that a node may be from its next start on. It is asked for the protocol that it speaks while the
//! node still runs: what is no build of this program, or of another version, must not cost anybody a node.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::protocol::VERSION;

/// What a node's command is asked with, as its last word.
pub const QUESTION: &str = "--protocol";
/// How long its answer is waited for: a build answers at once, on a busy machine within a second.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// What the answer begins with; the version follows.
const SPEAKS: &str = "schism speaks protocol ";
/// Bytes of an answer at most.
const LONGEST: usize = 256;

/// What this build answers.
pub fn answer() -> String {
    format!("{SPEAKS}{VERSION}")
}

/// Asks the command of a node for the protocol that it speaks.
///
/// # Errors
/// Why it must not be a node here.
pub fn examine(node: &[String], patience: Duration) -> io::Result<()> {
    let stranger = |why: String| io::Error::other(format!("it is no build of schism: {why}"));
    let (program, words) = node.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
    let mut command = Command::new(program);
    command.args(words).arg(QUESTION).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| stranger(error.to_string()))?;
    let said = child.stdout.take().map_or_else(|| Ok(String::new()), |out| first_words(out, patience));
    // One that has ended already cannot be ended again.
    let _ = child.kill();
    child.wait()?;
    let said = said?;
    match said.strip_prefix(SPEAKS).and_then(|version| version.trim_end().parse::<u32>().ok()) {
        Some(VERSION) => Ok(()),
        Some(other) => {
            Err(io::Error::other(format!("it speaks version {other} of the supervisors' protocol, this one {VERSION}")))
        }
        None => Err(stranger(format!("asked for its protocol it said {:?}", said.trim_end()))),
    }
}

/// What is said first, or within this time.
fn first_words(mut out: impl Read + AsFd, patience: Duration) -> io::Result<String> {
    let mut streams = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
    if poll(&mut streams, PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX))? == 0 {
        return Ok(String::new());
    }
    let mut said = [0; LONGEST];
    let length = out.read(&mut said)?;
    Ok(String::from_utf8_lossy(&said[..length]).into_owned())
}
