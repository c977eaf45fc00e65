//! What is true of the fabric: told with two or three transports and nothing above them, on a paused clock.

use std::io::ErrorKind;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, poll_fn, select};
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use libp2p::PeerId;
use libp2p::core::Transport as _;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse, TransportError, TransportEvent};
use libp2p::core::{Endpoint, transport::Boxed};
use libp2p::identity::Keypair;
use tokio::time::{Instant, sleep};

use super::{Counters, Fabric, Fidelity, NodeIndex, Patience};
use crate::link::Link;
use crate::simulation::trace::Recorder;

const A: NodeIndex = NodeIndex(1);
const B: NodeIndex = NodeIndex(2);

type Transport = Boxed<(PeerId, StreamMuxerBox)>;

/// A fabric with a running pump, and links of 10 ms.
fn fabric() -> Fabric {
    let fabric = Fabric::new(7, Patience::default(), Recorder::new());
    fabric.set_default_link(Link::with_latency(Duration::from_millis(10)));
    #[expect(clippy::disallowed_methods, reason = "the fabric belongs to no node")]
    tokio::spawn(fabric.pump());
    fabric
}

fn transport(fabric: &Fabric, node: NodeIndex) -> Transport {
    fabric.transport(node, &Keypair::generate_ed25519(), Fidelity::Memory)
}

fn listening(fabric: &Fabric, node: NodeIndex) -> Transport {
    let mut transport = transport(fabric, node);
    transport.listen_on(ListenerId::next(), node.address()).unwrap();
    transport
}

type Dialled = Result<(PeerId, StreamMuxerBox), std::io::Error>;

async fn dial(transport: &mut Transport, to: NodeIndex) -> Dialled {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    transport
        .dial(to.address(), options)
        .map_err(|error| match error {
            TransportError::Other(error) => error,
            TransportError::MultiaddrNotSupported(_) => ErrorKind::Unsupported.into(),
        })?
        .await
}

async fn accept(transport: &mut Transport) -> StreamMuxerBox {
    loop {
        let event = poll_fn(|context| std::pin::Pin::new(&mut *transport).poll(context)).await;
        if let TransportEvent::Incoming { upgrade, .. } = event {
            return upgrade.await.unwrap().1;
        }
    }
}

/// Two muxers, connected: the dialler's and the listener's.
async fn connected(fabric: &Fabric) -> (StreamMuxerBox, StreamMuxerBox, Transport) {
    let (mut from, mut to) = (transport(fabric, A), listening(fabric, B));
    let (dialled, accepted) = futures::join!(dial(&mut from, B), accept(&mut to));
    (dialled.unwrap().1, accepted, to)
}

/// A stream from A to B over a fresh connection, with the muxers that keep it alive.
async fn streaming(fabric: &Fabric) -> (SubstreamBox, SubstreamBox, (StreamMuxerBox, StreamMuxerBox, Transport)) {
    let (mut ours, mut theirs, listener) = connected(fabric).await;
    let opened = poll_fn(|context| ours.poll_outbound_unpin(context)).await.unwrap();
    let accepted = poll_fn(|context| theirs.poll_inbound_unpin(context)).await.unwrap();
    (opened, accepted, (ours, theirs, listener))
}

async fn read(stream: &mut SubstreamBox, length: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut buffer = vec![0; length];
    stream.read_exact(&mut buffer).await.map_err(|error| error.kind())?;
    Ok(buffer)
}

fn ended(muxer: &mut StreamMuxerBox) -> Option<String> {
    match muxer.poll_unpin(&mut Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(Err(error)) => Some(error.to_string()),
        _ => None,
    }
}

/// What a dial failed of: a boxed transport wraps the reason.
fn reason(dialled: Dialled) -> ErrorKind {
    let error = dialled.expect_err("the dial fails");
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    inner.unwrap_or(error.kind())
}

async fn seconds(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}

fn cut_both(fabric: &Fabric) {
    fabric.cut(A, B);
    fabric.cut(B, A);
}

fn mend_both(fabric: &Fabric) {
    fabric.mend(A, B);
    fabric.mend(B, A);
}

#[tokio::test(start_paused = true)]
async fn a_dial_takes_a_round_trip_and_bytes_take_the_latency() {
    let fabric = fabric();
    let start = Instant::now();
    let (mut from, mut to) = (transport(&fabric, A), listening(&fabric, B));
    let dialled = async {
        let dialled = dial(&mut from, B).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(20));
        dialled.1
    };
    let (mut ours, mut theirs) = futures::join!(dialled, accept(&mut to));
    assert_eq!(start.elapsed(), Duration::from_millis(30));
    let mut stream = poll_fn(|context| ours.poll_outbound_unpin(context)).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut other = poll_fn(|context| theirs.poll_inbound_unpin(context)).await.unwrap();
    assert_eq!(read(&mut other, 5).await.unwrap(), b"hello");
    assert_eq!(start.elapsed(), Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_refuses() {
    let fabric = fabric();
    let _silent = transport(&fabric, B);
    let start = Instant::now();
    let refused = reason(dial(&mut transport(&fabric, A), B).await);
    assert_eq!((refused, start.elapsed()), (ErrorKind::ConnectionRefused, Duration::from_millis(20)));
}

#[tokio::test(start_paused = true)]
async fn a_dial_across_a_cut_times_out_after_fifteen_seconds() {
    let fabric = fabric();
    let _listener = listening(&fabric, B);
    fabric.cut(A, B);
    let start = Instant::now();
    let timed_out = reason(dial(&mut transport(&fabric, A), B).await);
    assert_eq!((timed_out, start.elapsed()), (ErrorKind::TimedOut, Duration::from_secs(15)));
    // SYNs at 0, 1, 3 and 7 s.
    assert_eq!(fabric.counters(A, B).held, 4);
    assert_eq!(fabric.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dial_succeeds_with_the_first_syn_after_the_mend() {
    let fabric = fabric();
    let (mut from, mut to) = (transport(&fabric, A), listening(&fabric, B));
    // The answers are lost, not the SYNs.
    fabric.cut(B, A);
    let start = Instant::now();
    let mending = async {
        seconds(2.0).await;
        fabric.mend(B, A);
    };
    let (dialled, _accepted, ()) = futures::join!(dial(&mut from, B), accept(&mut to), mending);
    dialled.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(3_030));
}

#[tokio::test(start_paused = true)]
async fn a_cut_holds_and_a_mend_lets_go_in_order() {
    let fabric = fabric();
    let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
    cut_both(&fabric);
    for word in [b"one", b"two", b"six"] {
        ours.write_all(word).await.unwrap();
        seconds(1.0).await;
    }
    assert!(read(&mut theirs, 1).now_or_never().is_none());
    mend_both(&fabric);
    // Written behind what is held, before the next retransmission: it must not overtake.
    ours.write_all(b"end").await.unwrap();
    let start = Instant::now();
    assert_eq!(read(&mut theirs, 12).await.unwrap(), b"onetwosixend");
    // Stalled at 0.01 s; tries at 0.2, 0.6, 1.4, 3.0 and 6.2 s after that; healed at 3.0 s.
    assert_eq!(start.elapsed(), Duration::from_millis(20));
    let counters = fabric.counters(A, B);
    assert!(counters.held >= 3 && counters.bytes_after_mend >= 12, "{counters:?}");
    assert_eq!(counters.delivered_while_cut, 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_stalls_and_then_resets() {
    let fabric = fabric();
    let (mut ours, mut theirs, (mut our_end, mut their_end, _listener)) = streaming(&fabric).await;
    cut_both(&fabric);
    ours.write_all(b"lost").await.unwrap();
    seconds(29.9).await;
    assert_eq!(ended(&mut our_end), None);
    seconds(0.2).await;
    assert!(ended(&mut our_end).is_some());
    assert_eq!(ours.write_all(b"more").await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(fabric.counters(A, B).given_up, 1);
    // The other side has sent nothing, so it knows nothing; when it does send, it is told.
    assert_eq!(ended(&mut their_end), None);
    mend_both(&fabric);
    theirs.write_all(b"are you there?").await.unwrap();
    seconds(0.1).await;
    assert!(ended(&mut their_end).is_some());
    assert_eq!(read(&mut theirs, 1).await.unwrap_err(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn cut_one_way_the_other_way_carries_one_flight_and_stalls_too() {
    let fabric = fabric();
    let (mut ours, mut theirs, (_our_end, mut their_end, _listener)) = streaming(&fabric).await;
    fabric.cut(A, B);
    // B still reaches A, but A's acknowledgements do not reach B.
    theirs.write_all(&vec![1; 200_000]).await.unwrap();
    seconds(1.0).await;
    let mut buffer = vec![0; 200_000];
    let mut arrived = 0;
    while let Some(Ok(length)) = ours.read(&mut buffer).now_or_never() {
        arrived += length;
    }
    assert!(arrived < 70_000, "{arrived}");
    seconds(30.0).await;
    assert!(ended(&mut their_end).is_some());
    assert_eq!(fabric.counters(B, A).given_up, 1);
}

#[tokio::test(start_paused = true)]
async fn cuts_nest() {
    let fabric = fabric();
    let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
    fabric.cut(A, B);
    fabric.cut(A, B);
    fabric.mend(A, B);
    assert!(fabric.is_cut(A, B) && !fabric.is_cut(B, A));
    ours.write_all(b"x").await.unwrap();
    seconds(5.0).await;
    assert!(read(&mut theirs, 1).now_or_never().is_none());
    fabric.mend(A, B);
    assert_eq!(read(&mut theirs, 1).await.unwrap(), b"x");
}

#[tokio::test(start_paused = true)]
async fn bandwidth_is_shared_by_all_connections_of_a_way() {
    let fabric = fabric();
    let (mut one, mut other, _alive) = streaming(&fabric).await;
    let (mut from, mut to) = (transport(&fabric, A), listening(&fabric, NodeIndex(3)));
    let (dialled, _accepted) = futures::join!(dial(&mut from, NodeIndex(3)), accept(&mut to));
    let mut bystander = dialled.unwrap().1;
    fabric.set_link(A, B, Link { bandwidth: Some(1_000_000), ..Link::with_latency(Duration::from_millis(10)) });
    // 100,000 bytes and 69 segments' headers at a megabit: 822 ms, and 10 ms of latency.
    let start = Instant::now();
    one.write_all(&vec![7; 100_000]).await.unwrap();
    let mut second = poll_fn(|context| bystander.poll_outbound_unpin(context)).await.unwrap();
    second.write_all(b"another way is free").await.unwrap();
    assert_eq!(read(&mut other, 100_000).await.unwrap(), vec![7; 100_000]);
    let taken = start.elapsed();
    assert!((Duration::from_millis(830)..Duration::from_millis(840)).contains(&taken), "{taken:?}");
    assert!(fabric.counters(A, NodeIndex(3)).delivered > 0);
}

#[tokio::test(start_paused = true)]
async fn loss_delays_and_corrupts_nothing() {
    let mut times = Vec::new();
    for loss in [0.0, 0.2] {
        let fabric = fabric();
        let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
        fabric.set_link(A, B, Link { loss, ..Link::with_latency(Duration::from_millis(10)) });
        let start = Instant::now();
        let bytes: Vec<u8> = (0..50_000u32).map(|index| index as u8).collect();
        for piece in bytes.chunks(1_000) {
            ours.write_all(piece).await.unwrap();
        }
        assert_eq!(read(&mut theirs, bytes.len()).await.unwrap(), bytes);
        times.push(start.elapsed());
        assert_eq!(fabric.counters(A, B).retransmitted > 0, loss > 0.0);
    }
    // One lost segment waits 200 ms at least.
    assert!(times[0] == Duration::from_millis(10) && times[1] >= Duration::from_millis(230), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_the_window() {
    let fabric = fabric();
    let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
    let whole = vec![1; super::pipe::WINDOW + 1];
    let mut writing = Box::pin(ours.write_all(&whole));
    assert!(futures::poll!(&mut writing).is_pending());
    seconds(10.0).await;
    assert!(futures::poll!(&mut writing).is_pending());
    read(&mut theirs, 1).await.unwrap();
    writing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_dies_says_nothing_and_its_second_life_refuses_the_first_ones_connections() {
    let fabric = fabric();
    let (mut ours, theirs, (mut our_end, their_end, listener)) = streaming(&fabric).await;
    fabric.blackhole(B);
    drop((theirs, their_end, listener));
    seconds(5.0).await;
    assert_eq!(ended(&mut our_end), None);
    assert_eq!(fabric.counters(B, A).sent, 0);
    ours.write_all(b"anyone?").await.unwrap();
    seconds(5.0).await;
    assert_eq!(ended(&mut our_end), None);
    fabric.restore(B);
    seconds(5.0).await;
    assert!(ended(&mut our_end).is_some());
    assert_eq!(read(&mut ours, 1).await.unwrap_err(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn what_left_a_machine_before_it_died_still_arrives() {
    let fabric = fabric();
    let (mut ours, mut theirs, (our_end, mut their_end, _listener)) = streaming(&fabric).await;
    ours.write_all(b"last words").await.unwrap();
    fabric.blackhole(A);
    drop((ours, our_end));
    assert_eq!(read(&mut theirs, 10).await.unwrap(), b"last words");
    seconds(60.0).await;
    assert_eq!(ended(&mut their_end), None);
    assert_eq!(fabric.counters(A, B).delivered_while_cut, 0);
}

#[tokio::test(start_paused = true)]
async fn a_dark_node_that_lives_goes_on_where_it_was() {
    let fabric = fabric();
    let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
    fabric.blackhole(A);
    ours.write_all(b"out").await.unwrap();
    theirs.write_all(b"in").await.unwrap();
    seconds(5.0).await;
    assert!(read(&mut theirs, 1).now_or_never().is_none());
    assert!(read(&mut ours, 1).now_or_never().is_none());
    fabric.restore(A);
    assert_eq!(read(&mut theirs, 3).await.unwrap(), b"out");
    assert_eq!(read(&mut ours, 2).await.unwrap(), b"in");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_resets_its_connections_and_refuses_dials() {
    let fabric = fabric();
    let (ours, theirs, (mut our_end, their_end, listener)) = streaming(&fabric).await;
    fabric.blackhole(B);
    drop((theirs, their_end, listener));
    fabric.hang_up(B);
    seconds(0.1).await;
    assert!(ended(&mut our_end).is_some());
    let refused = reason(dial(&mut transport(&fabric, A), B).await);
    assert_eq!(refused, ErrorKind::ConnectionRefused);
    drop((ours, our_end));
    assert_eq!(fabric.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_comes_after_what_was_said_before() {
    let fabric = fabric();
    let (mut ours, mut theirs, (our_end, mut their_end, _listener)) = streaming(&fabric).await;
    ours.write_all(b"so long").await.unwrap();
    ours.close().await.unwrap();
    drop((ours, our_end));
    seconds(0.1).await;
    assert!(ended(&mut their_end).is_some());
    let mut said = Vec::new();
    theirs.read_to_end(&mut said).await.unwrap();
    assert_eq!(said, b"so long");
    drop((theirs, their_end));
    assert_eq!(fabric.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn streams_are_bounded_and_their_numbers_return() {
    let fabric = fabric();
    let (mut ours, mut theirs, _listener) = connected(&fabric).await;
    for _ in 0..3 {
        let mut open = Vec::new();
        while let Poll::Ready(Ok(stream)) = futures::poll!(poll_fn(|context| ours.poll_outbound_unpin(context))) {
            open.push(stream);
        }
        assert_eq!(open.len(), super::connection::STREAMS);
        seconds(0.1).await;
        for _ in 0..open.len() {
            poll_fn(|context| theirs.poll_inbound_unpin(context)).await.unwrap();
        }
        drop(open);
        seconds(0.1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_backlog_loses_syns() {
    let fabric = fabric();
    let _listener = listening(&fabric, B);
    let mut from = transport(&fabric, A);
    let mut dials = Vec::new();
    for _ in 0..super::host::BACKLOG + 10 {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        let mut dial = from.dial(B.address(), options).unwrap();
        // One after the other, so that each finds the backlog as the last one left it.
        let _ = futures::poll!(&mut dial);
        seconds(0.1).await;
        dials.push(dial);
    }
    let finished = dials.into_iter().map(FutureExt::now_or_never);
    let open = finished.filter(|dialled| matches!(dialled, Some(Ok(_)))).count();
    assert_eq!(open, super::host::BACKLOG);
}

#[tokio::test(start_paused = true)]
async fn both_fidelities_carry_the_same_bytes() {
    for fidelity in [Fidelity::Memory, Fidelity::Wire] {
        let fabric = fabric();
        let keys = [Keypair::generate_ed25519(), Keypair::generate_ed25519()];
        let mut from = fabric.transport(A, &keys[0], fidelity);
        let mut to = fabric.transport(B, &keys[1], fidelity);
        to.listen_on(ListenerId::next(), B.address()).unwrap();
        let saying = async {
            let (peer, mut ours) = dial(&mut from, B).await.unwrap();
            assert_eq!(peer, keys[1].public().to_peer_id());
            let mut stream = poll_fn(|context| ours.poll_outbound_unpin(context)).await.unwrap();
            stream.write_all(b"the same").await.unwrap();
            stream.flush().await.unwrap();
            // yamux moves only while its muxer is polled.
            let _ = poll_fn(|context| ours.poll_unpin(context)).await;
        };
        let hearing = async {
            let mut theirs = accept(&mut to).await;
            let mut stream = poll_fn(|context| {
                let _ = theirs.poll_unpin(context);
                theirs.poll_inbound_unpin(context)
            });
            let mut stream = (&mut stream).await.unwrap();
            let more = poll_fn(|context| theirs.poll_inbound_unpin(context));
            match select(pin!(read(&mut stream, 8)), more).await {
                Either::Left((bytes, _)) => assert_eq!(bytes.unwrap(), b"the same"),
                Either::Right(_) => panic!("a second stream"),
            }
        };
        assert!(matches!(select(pin!(hearing), pin!(saying)).await, Either::Left(_)));
        assert!(fabric.totals().sent > if fidelity == Fidelity::Wire { 10 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn totals_are_the_sum_of_the_ways() {
    let fabric = fabric();
    let (mut ours, mut theirs, _alive) = streaming(&fabric).await;
    ours.write_all(b"x").await.unwrap();
    read(&mut theirs, 1).await.unwrap();
    let mut sum = Counters::default();
    sum += fabric.counters(A, B);
    sum += fabric.counters(B, A);
    assert_eq!(fabric.totals(), sum);
    // Accept, the stream's opening, and one byte.
    assert_eq!((sum.sent, sum.delivered), (3, 3));
}
