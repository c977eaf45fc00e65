//! Cuts: what is held, what stalls, and what comes of it when they are mended.

use super::*;

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
