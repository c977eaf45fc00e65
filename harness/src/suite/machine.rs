//! How fast this machine is, in what real nodes do most: hand frames to the kernel and take them, and wake each other.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use schism_chaos::simulation::clock::Stopwatch;

/// What a frame takes where a node's share of a processor was measured: 1 KiB, written to loopback and read by the same
/// thread. This and [`WAKE`] are of a quiet moment: a machine like that one counts as a little slower, which is the safe side.
const FRAME: Duration = Duration::from_micros(8);
/// What it takes there until another thread that waits for it has it. A virtual machine whose idle processors are asleep
/// needs longer, however fast it is when awake.
const WAKE: Duration = Duration::from_micros(42);
/// Bytes of a frame.
const BYTES: usize = 1024;
/// Frames of one try: a few milliseconds of them.
const FRAMES: u32 = 100;
/// How long is tried. A machine that others use as well is quick now and slow then, for tenths of a second at a time.
const TRIED_FOR: Duration = Duration::from_secs(1);

/// How many times as long as there it takes here, in the one that is worse here; where nothing can be measured, as long.
pub(super) fn slowness() -> f64 {
    let frame = frame().map_or(1.0, |frame| frame.div_duration_f64(FRAME));
    let wake = wake().map_or(1.0, |wake| wake.div_duration_f64(WAKE));
    frame.max(wake)
}

fn frame() -> io::Result<Duration> {
    let (mut out, mut back) = pair()?;
    usually(|bytes| out.write_all(bytes).and_then(|()| back.read_exact(bytes)))
}

fn wake() -> io::Result<Duration> {
    let (mut out, mut back) = pair()?;
    let other = thread::Builder::new().name("echo".into()).spawn(move || {
        let mut bytes = [0; BYTES];
        while back.read_exact(&mut bytes).and_then(|()| back.write_all(&bytes)).is_ok() {}
    })?;
    let there_and_back = usually(|bytes| out.write_all(bytes).and_then(|()| out.read_exact(bytes)));
    // The other hears that nothing more comes, and ends.
    drop(out);
    let _ = other.join();
    Ok(there_and_back? / 2)
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let out = TcpStream::connect(listener.local_addr()?)?;
    let (back, _) = listener.accept()?;
    out.set_nodelay(true)?;
    back.set_nodelay(true)?;
    Ok((out, back))
}

/// What one turn takes at most in three tries of four: a suite is long, and meets a machine as it mostly is.
fn usually(mut turn: impl FnMut(&mut [u8; BYTES]) -> io::Result<()>) -> io::Result<Duration> {
    let mut bytes = [0; BYTES];
    let mut tries = Vec::new();
    let all = Stopwatch::start();
    while tries.is_empty() || all.elapsed() < TRIED_FOR {
        let watch = Stopwatch::start();
        for _ in 0..FRAMES {
            turn(&mut bytes)?;
        }
        tries.push(watch.elapsed() / FRAMES);
    }
    let three_quarters = tries.len() * 3 / 4;
    Ok(*tries.select_nth_unstable(three_quarters).1)
}
