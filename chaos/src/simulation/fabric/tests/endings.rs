//! Endings: machines and processes that die, and goodbyes.

use super::*;

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
