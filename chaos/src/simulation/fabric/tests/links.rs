//! Links: bandwidth, loss, windows and bounds, at both fidelities.

use super::*;

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
    let whole = vec![1; super::super::pipe::WINDOW + 1];
    let mut writing = Box::pin(ours.write_all(&whole));
    assert!(futures::poll!(&mut writing).is_pending());
    seconds(10.0).await;
    assert!(futures::poll!(&mut writing).is_pending());
    read(&mut theirs, 1).await.unwrap();
    writing.await.unwrap();
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
        assert_eq!(open.len(), super::super::connection::STREAMS);
        seconds(0.1).await;
        for _ in 0..open.len() {
            poll_fn(|context| theirs.poll_inbound_unpin(context)).await.unwrap();
        }
        drop(open);
        seconds(0.1).await;
    }
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
