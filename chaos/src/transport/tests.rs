//! Two ends on the loopback: what one writes, the other reads when the link lets it.

use futures::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::*;
use crate::link::Link;

const PEER: Ipv4Addr = Ipv4Addr::LOCALHOST;
const LATENCY: Duration = Duration::from_millis(60);

fn free() -> Link {
    Link { latency: Duration::ZERO, ..Link::default() }
}

/// The end that obeys, and one that does not.
async fn ends(ways: &Ways) -> (Stream, TcpStream) {
    let listener = TcpListener::bind((PEER, 0)).await.expect("a port");
    let far = TcpStream::connect(listener.local_addr().expect("it listens")).await.expect("it listens");
    let (near, _) = listener.accept().await.expect("it was dialled");
    (Stream::new(near, PEER, ways.clone()), far)
}

fn count(ways: &Ways) -> Counted {
    ways.counted().into_iter().find(|(peer, _)| *peer == PEER).expect("it was heard").1
}

async fn write(far: &mut TcpStream, bytes: &[u8]) {
    tokio::io::AsyncWriteExt::write_all(far, bytes).await.expect("it is open");
}

#[tokio::test]
async fn a_slow_link_keeps_bytes_and_their_end_for_its_latency() {
    let ways = Ways::new(Duration::from_secs(30));
    ways.set(PEER, Link::with_latency(LATENCY), free());
    let (mut near, mut far) = ends(&ways).await;
    let before = Instant::now();
    write(&mut far, b"schism").await;
    drop(far);
    let mut read = Vec::new();
    near.read_to_end(&mut read).await.expect("it ends well");
    assert_eq!(read, b"schism");
    assert!(before.elapsed() >= LATENCY);
    let counted = count(&ways);
    assert_eq!((counted.carried, counted.bytes, counted.held, counted.lost), (1, 6, 0, 0));
    assert!(counted.delayed >= LATENCY);
}

#[tokio::test]
async fn nothing_passes_a_cut_until_it_is_mended_and_then_everything_does() {
    let ways = Ways::new(Duration::from_secs(30));
    let (mut near, mut far) = ends(&ways).await;
    let cut = Link { cut: true, ..free() };
    ways.set(PEER, cut, free());
    write(&mut far, b"held").await;
    let mut read = [0; 4];
    let mut reading = near.read_exact(&mut read);
    // It is asked until it has taken in what was written, which a cut counts and does not pass on.
    while count(&ways).held == 0 {
        assert!(futures::poll!(&mut reading).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(futures::poll!(&mut reading).is_pending());
    assert_eq!(count(&ways).carried, 0);
    ways.set(PEER, free(), free());
    reading.await.expect("it is mended");
    assert_eq!((&read, count(&ways).carried), (b"held", 1));
    // The other direction was never cut.
    near.write_all(b"back").await.expect("it is open");
    tokio::io::AsyncReadExt::read_exact(&mut far, &mut read).await.expect("it is open");
    assert_eq!(&read, b"back");
}

#[tokio::test]
async fn a_connection_that_a_cut_stalls_for_too_long_is_given_up() {
    let ways = Ways::new(Duration::from_millis(20));
    let (mut near, mut far) = ends(&ways).await;
    ways.set(PEER, Link { cut: true, ..free() }, free());
    write(&mut far, b"never").await;
    let error = near.read(&mut [0; 5]).await.expect_err("nothing passes");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_narrow_link_takes_the_time_its_bytes_need() {
    let ways = Ways::new(Duration::from_secs(30));
    ways.set(PEER, Link { bandwidth: Some(1_000_000), ..free() }, free());
    let (mut near, mut far) = ends(&ways).await;
    let before = Instant::now();
    let bytes = vec![7; 12_500];
    write(&mut far, &bytes).await;
    let mut read = vec![0; bytes.len()];
    near.read_exact(&mut read).await.expect("it is open");
    assert_eq!(read, bytes);
    // A tenth of a megabit at a megabit a second.
    assert!(before.elapsed() >= Duration::from_millis(100));
    assert!(count(&ways).queued >= Duration::from_millis(100));
}
