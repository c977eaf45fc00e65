//! Dialling: who answers, who refuses, and when a dialler gives up.

use super::*;

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
async fn a_full_backlog_loses_syns() {
    let fabric = fabric();
    let _listener = listening(&fabric, B);
    let mut from = transport(&fabric, A);
    let mut dials = Vec::new();
    for _ in 0..super::super::host::BACKLOG + 10 {
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
        let mut dial = from.dial(B.address(), options).unwrap();
        // One after the other, so that each finds the backlog as the last one left it.
        let _ = futures::poll!(&mut dial);
        seconds(0.1).await;
        dials.push(dial);
    }
    let finished = dials.into_iter().map(FutureExt::now_or_never);
    let open = finished.filter(|dialled| matches!(dialled, Some(Ok(_)))).count();
    assert_eq!(open, super::super::host::BACKLOG);
}
