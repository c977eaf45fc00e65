//! How fast this machine is, in the one thing that real nodes do most: hand frames to the kernel and take them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use schism_chaos::simulation::clock::Stopwatch;

/// What a frame takes where a node's share of a processor was measured: 1 KiB, written to loopback and read, in the best
/// of [`TRIES`].
const FRAME: Duration = Duration::from_micros(8);
/// Bytes of a frame.
const BYTES: usize = 1024;
/// Frames of one try: 2 ms of them.
const FRAMES: u32 = 250;
/// Others have their part of a processor, too: the best of so many is what it can do.
const TRIES: usize = 20;

/// How many times as long as there a frame takes here; where none can be sent, as long.
pub(super) fn slowness() -> f64 {
    frame().map_or(1.0, |frame| frame.div_duration_f64(FRAME))
}

fn frame() -> io::Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut out = TcpStream::connect(listener.local_addr()?)?;
    let (mut back, _) = listener.accept()?;
    out.set_nodelay(true)?;
    let mut bytes = [0; BYTES];
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let watch = Stopwatch::start();
        for _ in 0..FRAMES {
            out.write_all(&bytes)?;
            back.read_exact(&mut bytes)?;
        }
        best = best.min(watch.elapsed() / FRAMES);
    }
    Ok(best)
}
