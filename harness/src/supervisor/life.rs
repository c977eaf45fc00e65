//! A life of a node: a child process from its start to its end, with what it says and what it is told.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::lines::Lines;
use super::protocol::Instructions;

/// Bytes that may wait for a node that does not read; orders beyond them are refused.
const UNREAD: usize = 64 << 20;
/// Bytes that a pipe takes at once when it is ready to take any.
const AT_ONCE: usize = 4_096;

/// A life of a node.
#[derive(Debug)]
pub struct Life {
    child: Child,
    out: ChildStdout,
    lines: Lines,
    input: ChildStdin,
    unread: Vec<u8>,
    frozen: bool,
}

impl Life {
    /// Begins one.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn begin(program: &[String], instructions: &Instructions) -> io::Result<Self> {
        let log = match &instructions.log {
            Some(path) => Stdio::from(OpenOptions::new().create(true).append(true).open(path)?),
            None => Stdio::inherit(),
        };
        let (program, arguments) = program.split_first().ok_or_else(|| io::Error::other("no program is named"))?;
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let streams = child.stdout.take().zip(child.stdin.take());
        let (out, input) = streams.ok_or_else(|| io::Error::other("a child without streams"))?;
        let mut life = Self { child, out, lines: Lines::default(), input, unread: Vec::new(), frozen: false };
        life.tell(&serde_json::to_vec(instructions)?)?;
        Ok(life)
    }

    /// Ends it, and returns when it has ended.
    ///
    /// # Errors
    /// When the kernel says something else.
    pub fn end(&mut self) -> io::Result<()> {
        kill(self.process(), Signal::SIGKILL)?;
        self.child.wait().map(drop)
    }

    /// Lets it stand still, and returns when it does.
    ///
    /// # Errors
    /// When it stands still already, or has ended.
    pub fn freeze(&mut self) -> io::Result<()> {
        // The kernel tells of a change only: to wait for another one would be to wait for ever.
        if self.frozen {
            return Err(io::Error::other("the node stands still already"));
        }
        kill(self.process(), Signal::SIGSTOP)?;
        self.wait_for(WaitPidFlag::WUNTRACED, |status| matches!(status, WaitStatus::Stopped(..)))?;
        self.frozen = true;
        Ok(())
    }

    /// Lets it go on, and returns when it does.
    ///
    /// # Errors
    /// When it does not stand still, or has ended.
    pub fn thaw(&mut self) -> io::Result<()> {
        if !self.frozen {
            return Err(io::Error::other("the node does not stand still"));
        }
        kill(self.process(), Signal::SIGCONT)?;
        self.wait_for(WaitPidFlag::WCONTINUED, |status| matches!(status, WaitStatus::Continued(_)))?;
        self.frozen = false;
        Ok(())
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// How it ended, once its output has.
    pub fn how_it_ended(&mut self) -> String {
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Puts a line where the node will read it.
    ///
    /// # Errors
    /// When too much waits there already.
    pub fn tell(&mut self, line: &[u8]) -> io::Result<()> {
        if self.unread.len() + line.len() > UNREAD {
            return Err(io::Error::other("the node has not read what it was told before"));
        }
        self.unread.extend_from_slice(line);
        self.unread.push(b'\n');
        Ok(())
    }

    /// Gives the node some of what it was told; to be called when its input can take it.
    pub fn pass_on(&mut self) {
        let piece = self.unread.len().min(AT_ONCE);
        // A node that reads no more has ended, which its output tells.
        let written = self.input.write(&self.unread[..piece]).unwrap_or(piece);
        self.unread.drain(..written);
    }

    /// Reads what it says now: whole lines, and whether it may say more. Does not wait where nothing is said.
    pub fn listen(&mut self) -> (Vec<Vec<u8>>, bool) {
        let mut lines = Vec::new();
        let mut piece = [0; 1 << 16];
        while is_ready(self.out.as_fd()) {
            match self.out.read(&mut piece) {
                Ok(0) | Err(_) => return (lines, false),
                Ok(length) => lines.extend(self.lines.take(&piece[..length])),
            }
        }
        (lines, true)
    }

    /// Reads what it said to its very end; to be called when it has ended.
    pub fn last_words(&mut self) -> Vec<Vec<u8>> {
        let mut rest = Vec::new();
        let _ = self.out.read_to_end(&mut rest);
        self.lines.take(&rest)
    }

    /// What to wait for.
    pub fn streams(&self) -> (PollFd<'_>, Option<PollFd<'_>>) {
        let out = PollFd::new(self.out.as_fd(), PollFlags::POLLIN);
        let input = (!self.unread.is_empty()).then(|| PollFd::new(self.input.as_fd(), PollFlags::POLLOUT));
        (out, input)
    }

    fn wait_for(&self, flag: WaitPidFlag, so: impl Fn(&WaitStatus) -> bool) -> io::Result<()> {
        let status = waitpid(self.process(), Some(flag))?;
        if so(&status) { Ok(()) } else { Err(io::Error::other(format!("the node has ended: {status:?}"))) }
    }

    /// Its process.
    pub fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }
}

fn is_ready(stream: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut streams = [PollFd::new(stream, PollFlags::POLLIN)];
    poll(&mut streams, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

impl Drop for Life {
    fn drop(&mut self) {
        // One that has ended already cannot be ended again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
