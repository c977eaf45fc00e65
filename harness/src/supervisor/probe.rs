//! A probe: what a link does to traffic that is no node's, measured between two supervisors. The far end answers
//! datagrams and connections; the near end counts and keeps the time.

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use schism_chaos::simulation::Stopwatch;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::protocol::{Fruit, Word};

/// Where the far end answers: a node's port is another.
const PORT: u16 = 8_334;
/// How long after the last answer, or the last question, another is waited for: more than any delay that is probed.
const STRAGGLERS: Duration = Duration::from_secs(1);
/// How long a connection may stand still before its probe gives up.
const STANDSTILL: Duration = Duration::from_secs(15);
/// Bytes under way on a flooded connection at most. More would only stand in the queue of a narrow link, and be waited
/// for when the flood is over.
const UNDER_WAY: usize = 128 << 10;
/// Datagrams of one probe at most.
const MOST_DATAGRAMS: u32 = 1 << 16;
/// The longest probe.
const LONGEST: Duration = Duration::from_secs(60);
/// The first byte of a connection: what its far end is to do.
const COUNT: u8 = b'c';
const ECHO: u8 = b'e';

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probe {
    /// Send datagrams and have them sent back.
    Ping {
        /// How many.
        count: u32,
        /// How far apart, in microseconds.
        every_microseconds: u64,
    },
    /// Send as much as a connection takes.
    Flood {
        /// For so many milliseconds.
        milliseconds: u64,
    },
    /// Send one byte after the other, each when the last has come back.
    Talk {
        /// For so many milliseconds.
        milliseconds: u64,
        /// A pause before each, in milliseconds.
        every_milliseconds: u64,
    },
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Probed {
    /// Of a ping.
    Pinged {
        /// Datagrams sent.
        sent: u64,
        /// How long each that came back was under way, in microseconds, in no order.
        microseconds: Vec<u64>,
    },
    /// Of a flood, as the far end saw it.
    Flooded {
        /// Bytes that came after the first ones.
        bytes: u64,
        /// Microseconds from the first ones to the last.
        microseconds: u64,
    },
    /// Of a talk.
    Talked {
        /// Bytes that came back.
        back: u64,
        /// The longest time without one, in microseconds.
        longest_silence_microseconds: u64,
    },
}

/// Probes under way.
#[derive(Debug)]
pub struct Probes {
    said: PipeReader,
    lines: Lines,
    say: Arc<Mutex<PipeWriter>>,
}

impl Probes {
    /// None yet.
    ///
    /// # Errors
    /// When the system has no pipe left.
    pub fn new() -> io::Result<Self> {
        let (said, say) = io::pipe()?;
        Ok(Self { said, lines: Lines::default(), say: Arc::new(Mutex::new(say)) })
    }

    /// Begins one. What comes of it is a word about order `id`.
    ///
    /// # Errors
    /// When there is no thread left for it.
    pub fn begin(&self, id: u64, to: Ipv4Addr, probe: Probe) -> io::Result<()> {
        let say = self.say.clone();
        let work = move || {
            let word = match probe.measure(to) {
                Ok(probed) => Word::Done { id, with: Fruit::Probed(probed) },
                Err(error) => Word::Refused { id, why: format!("the probe of {to} failed: {error}") },
            };
            let mut line = serde_json::to_vec(&word).unwrap_or_default();
            line.push(b'\n');
            // When nobody listens any more, nobody wants to know.
            let _ = say.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
        };
        thread::Builder::new().name("probe".into()).spawn(work).map(drop)
    }

    /// What to wait for.
    pub fn stream(&self) -> PollFd<'_> {
        PollFd::new(self.said.as_fd(), PollFlags::POLLIN)
    }

    /// Words about probes that are over; to be called when there is something to read.
    ///
    /// # Errors
    /// When the pipe cannot be read.
    pub fn listen(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut piece = [0; 1 << 16];
        let length = self.said.read(&mut piece)?;
        Ok(self.lines.take(&piece[..length]))
    }
}

impl Probe {
    fn measure(self, to: Ipv4Addr) -> io::Result<Probed> {
        let length = |milliseconds| Duration::from_millis(milliseconds).min(LONGEST);
        match self {
            Self::Ping { count, every_microseconds } => {
                ping(to, count.min(MOST_DATAGRAMS), Duration::from_micros(every_microseconds))
            }
            Self::Flood { milliseconds } => flood(to, length(milliseconds)),
            Self::Talk { milliseconds, every_milliseconds } => {
                talk(to, length(milliseconds), length(every_milliseconds))
            }
        }
    }
}

fn ping(to: Ipv4Addr, count: u32, every: Duration) -> io::Result<Probed> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((to, PORT))?;
    socket.set_nonblocking(true)?;
    let clock = Stopwatch::start();
    let mut sent: Vec<Duration> = Vec::new();
    let mut back: Vec<Option<Duration>> = vec![None; count as usize];
    let mut missing = back.len();
    let mut last = Duration::ZERO;
    while missing > 0 {
        let now = clock.elapsed();
        let next = if sent.len() < back.len() { every * sent.len() as u32 } else { last + STRAGGLERS };
        if now < next {
            wait(&socket, Some(next - now))?;
        } else if sent.len() < back.len() {
            let number = sent.len() as u32;
            last = clock.elapsed();
            sent.push(last);
            match socket.send(&number.to_be_bytes()) {
                // What cannot leave is as lost as what does not arrive.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused) => {}
                Err(error) => return Err(error),
            }
        } else {
            break;
        }
        let mut number = [0; 4];
        while let Ok(4) = socket.recv(&mut number) {
            let number = u32::from_be_bytes(number) as usize;
            if let (Some(place @ None), Some(since)) = (back.get_mut(number), sent.get(number)) {
                last = clock.elapsed();
                *place = Some(last.saturating_sub(*since));
                missing -= 1;
            }
        }
    }
    let microseconds = back.into_iter().flatten().map(microseconds).collect();
    Ok(Probed::Pinged { sent: sent.len() as u64, microseconds })
}

/// Sends each of these so many datagrams of so many bytes that nobody answers. One that cannot leave is as lost as one that
/// is dropped.
///
/// # Errors
/// When the system has no socket left.
pub fn call(to: &[Ipv4Addr], times: u32, bytes: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    let datagram = vec![0; usize::from(bytes).min(1_000)];
    for _ in 0..times.min(MOST_DATAGRAMS / to.len().max(1) as u32) {
        for address in to {
            let _ = socket.send_to(&datagram, (*address, PORT));
        }
    }
    Ok(())
}

fn flood(to: Ipv4Addr, lasting: Duration) -> io::Result<Probed> {
    let mut stream = connect(to)?;
    // The kernel doubles it, for what it keeps besides.
    setsockopt(&stream, sockopt::SndBuf, &(UNDER_WAY / 2))?;
    let clock = Stopwatch::start();
    let piece = [COUNT; 1 << 14];
    while clock.elapsed() < lasting {
        stream.write_all(&piece)?;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut counted = [0; 16];
    stream.read_exact(&mut counted)?;
    let number = |at: usize| counted[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(Probed::Flooded { bytes: number(0), microseconds: number(8) })
}

fn talk(to: Ipv4Addr, lasting: Duration, every: Duration) -> io::Result<Probed> {
    let mut stream = connect(to)?;
    stream.set_nodelay(true)?;
    stream.write_all(&[ECHO])?;
    let clock = Stopwatch::start();
    let (mut back, mut last, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    while clock.elapsed() < lasting {
        stream.write_all(&[ECHO])?;
        stream.read_exact(&mut [0])?;
        let now = clock.elapsed();
        (back, longest, last) = (back + 1, longest.max(now - last), now);
        wait_for_nothing(every)?;
    }
    Ok(Probed::Talked { back, longest_silence_microseconds: microseconds(longest) })
}

fn connect(to: Ipv4Addr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((to, PORT))?;
    stream.set_read_timeout(Some(STANDSTILL))?;
    stream.set_write_timeout(Some(STANDSTILL))?;
    Ok(stream)
}

/// Answers probes from now on, as long as this process lives: datagrams, and connections one after the other.
///
/// # Errors
/// When it cannot listen.
pub fn answer() -> io::Result<()> {
    let datagrams = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    let connections = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))?;
    thread::Builder::new().name("echo".into()).spawn(move || {
        let mut datagram = [0; 64];
        loop {
            if let Ok((length, from)) = datagrams.recv_from(&mut datagram) {
                let _ = datagrams.send_to(&datagram[..length], from);
            }
        }
    })?;
    thread::Builder::new().name("far end".into()).spawn(move || {
        for stream in connections.incoming().flatten() {
            // Its near end says what went wrong.
            let _ = be_far_end(stream);
        }
    })?;
    Ok(())
}

fn be_far_end(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(STANDSTILL))?;
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let mut piece = vec![0; 1 << 18];
    if first == [ECHO] {
        loop {
            match stream.read(&mut piece)? {
                0 => return Ok(()),
                length => stream.write_all(&piece[..length])?,
            }
        }
    }
    // What comes at once is there already: time is kept from then on.
    stream.read_exact(&mut first)?;
    let _ = stream.read(&mut piece)?;
    let clock = Stopwatch::start();
    let (mut bytes, mut last) = (0_u64, Duration::ZERO);
    loop {
        match stream.read(&mut piece)? {
            0 => break,
            length => (bytes, last) = (bytes + length as u64, clock.elapsed()),
        }
    }
    stream.write_all(&[bytes.to_be_bytes(), microseconds(last).to_be_bytes()].concat())
}

/// Waits until a socket has something to read, or for so long.
fn wait(socket: &impl AsFd, at_most: Option<Duration>) -> io::Result<()> {
    let mut streams = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match ppoll(&mut streams, at_most.map(TimeSpec::from), None) {
        Err(Errno::EINTR) | Ok(_) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets time pass, on a thread that has nothing else to do.
fn wait_for_nothing(time: Duration) -> io::Result<()> {
    match ppoll(&mut [], Some(TimeSpec::from(time)), None) {
        Err(Errno::EINTR) | Ok(_) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All three, on loopback, where nothing is hurt; one test, as there is one port.
    #[test]
    fn on_a_link_that_nobody_hurts_everything_comes_back_at_once() {
        answer().expect("the port is free");
        let here = Ipv4Addr::LOCALHOST;
        let pinged = Probe::Ping { count: 20, every_microseconds: 100 }.measure(here).expect("it answers");
        assert!(matches!(pinged, Probed::Pinged { sent: 20, microseconds } if microseconds.len() == 20));
        let flooded = Probe::Flood { milliseconds: 50 }.measure(here).expect("it answers");
        assert!(matches!(flooded, Probed::Flooded { bytes, .. } if bytes > 1_000), "{flooded:?}");
        let talked = Probe::Talk { milliseconds: 50, every_milliseconds: 1 }.measure(here).expect("it answers");
        assert!(matches!(talked, Probed::Talked { back, .. } if back > 2), "{talked:?}");
    }

    #[test]
    fn what_comes_of_a_probe_is_a_word_about_its_order() {
        let mut probes = Probes::new().expect("a pipe");
        // Nobody answers there, whatever this machine has: the address says so itself.
        probes.begin(7, Ipv4Addr::BROADCAST, Probe::Flood { milliseconds: 1 }).expect("a thread");
        nix::poll::poll(&mut [probes.stream()], nix::poll::PollTimeout::NONE).expect("it can be waited for");
        let words = probes.listen().expect("it can be read");
        let word: Word = serde_json::from_slice(&words[0]).expect("it is a word");
        assert!(matches!(word, Word::Refused { id: 7, .. }), "{word:?}");
    }
}
