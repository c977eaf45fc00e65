//! A way to the kernel. It belongs to the network namespace that it was opened in, whatever its process joins later.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::message::{HEADER, Message};

/// A message that ends a list.
const DONE: u16 = 3;
/// A message that says how it went.
const OUTCOME: u16 = 2;
/// Bytes of one read: more than the kernel ever puts into one.
const READ: usize = 1 << 18;
/// Seconds the kernel may take for an answer: it gives it at once, unless it never does.
const PATIENCE: i64 = 5;

/// A way to the kernel.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    /// Where reads go.
    buffer: Vec<u8>,
}

/// A message from the kernel.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its kind.
    pub kind: u16,
    /// What stands behind the header.
    pub content: Vec<u8>,
}

impl Netlink {
    /// Opens one to this part of the kernel.
    ///
    /// # Errors
    /// When the kernel has no such part.
    pub fn open(part: SockProtocol) -> io::Result<Self> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, part)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; READ] })
    }

    /// Lets so many bytes wait to be read.
    pub fn hold(&self, bytes: usize) {
        // Without the right to more than the system's limit, the limit it is.
        if setsockopt(&self.socket, sockopt::RcvBufForce, &bytes).is_err() {
            let _ = setsockopt(&self.socket, sockopt::RcvBuf, &bytes);
        }
    }

    /// Sends messages as one, and waits until each that wants to hear how it went has heard that it went well.
    ///
    /// # Errors
    /// What the kernel said to the first that did not go well.
    pub fn ask(&mut self, messages: Vec<Message>) -> io::Result<()> {
        let mut waiting = messages.iter().filter(|message| message.wants_answer()).count();
        self.send(messages)?;
        let mut failure = None;
        while waiting > 0 {
            let flags = if failure.is_some() { MsgFlags::MSG_DONTWAIT } else { MsgFlags::empty() };
            let heard = match self.receive(flags) {
                Err(Errno::EAGAIN) if failure.is_some() => break,
                heard => heard?,
            };
            for said in heard.iter().filter(|said| said.kind == OUTCOME) {
                waiting = waiting.saturating_sub(1);
                failure = failure.or(said.failure());
            }
        }
        failure.map_or(Ok(()), |errno| Err(errno.into()))
    }

    /// Everything there is of something.
    ///
    /// # Errors
    /// What the kernel said instead.
    pub fn list(&mut self, message: Message) -> io::Result<Vec<Said>> {
        self.send(vec![message])?;
        let mut all = Vec::new();
        loop {
            for said in self.receive(MsgFlags::empty())? {
                match said.kind {
                    DONE => return Ok(all),
                    OUTCOME => match said.failure() {
                        Some(errno) => return Err(errno.into()),
                        None => return Ok(all),
                    },
                    _ => all.push(said),
                }
            }
        }
    }

    /// Sends messages as one, without waiting.
    ///
    /// # Errors
    /// When they could not be sent.
    pub fn send(&mut self, messages: Vec<Message>) -> Result<(), Errno> {
        let mut bytes = Vec::new();
        for message in messages {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(message.numbered(self.sequence));
        }
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).map(drop)
    }

    /// What the kernel says next.
    ///
    /// # Errors
    /// `EAGAIN` when it says nothing.
    pub fn receive(&mut self, flags: MsgFlags) -> Result<Vec<Said>, Errno> {
        let length = loop {
            match recv(self.socket.as_raw_fd(), &mut self.buffer, flags) {
                Err(Errno::EINTR) => {}
                length => break length?,
            }
        };
        Ok(split(&self.buffer[..length]))
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Said {
    /// What went wrong, where it says how something went.
    fn failure(&self) -> Option<Errno> {
        let code = i32::from_ne_bytes(self.content.get(..4)?.try_into().ok()?);
        (code != 0).then(|| Errno::from_raw(-code))
    }
}

/// The messages of one read; what is not whole ends them.
fn split(mut bytes: &[u8]) -> Vec<Said> {
    let mut all = Vec::new();
    while let Some(header) = bytes.get(..HEADER) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(content) = bytes.get(HEADER..length) else { break };
        all.push(Said { kind, content: content.to_vec() });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all
}
