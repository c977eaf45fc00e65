//! What is true of a simulation as a whole. Each in a process of its own, since a process can hold one.

use std::time::{Duration, Instant, SystemTime};

use schism_node::surroundings::Spawner;
use tokio::time::sleep;

use super::{Failure, Settings, simulate};
use crate::simulation::NodeIndex;
use crate::simulation::worker::in_test_workers;

const HERE: &str = "simulation::runtime::tests";

/// Runs something in a process of its own.
fn alone(test: &str, work: fn() -> String) -> String {
    in_test_workers(&format!("{HERE}::{test}"), &[()], |()| work()).remove(0)
}

#[test]
fn an_hour_passes_in_a_moment_for_everyone_but_the_stopwatch() {
    let said = alone("an_hour_passes_in_a_moment_for_everyone_but_the_stopwatch", || {
        let finished = simulate(Settings::seeded(1), |simulation| async move {
            #[expect(clippy::disallowed_methods, reason = "this is what is checked")]
            let (instant, wall) = (Instant::now(), SystemTime::now());
            sleep(Duration::from_secs(3_600)).await;
            let real = simulation.real_elapsed();
            (instant.elapsed().as_secs(), wall.elapsed().unwrap().as_secs(), real < Duration::from_secs(60))
        })
        .unwrap();
        assert!(finished.real_time < Duration::from_secs(60) && !finished.real_time.is_zero());
        format!("{:?} {:?}", finished.value, finished.virtual_time)
    });
    assert_eq!(said, "(3600, 3600, true) 3600s");
}

#[test]
fn a_process_holds_one_simulation() {
    let said = alone("a_process_holds_one_simulation", || {
        simulate(Settings::seeded(1), |_| async {}).unwrap();
        simulate(Settings::seeded(1), |_| async {}).unwrap_err().to_string()
    });
    assert!(said.starts_with("one simulation per process"), "{said}");
}

#[test]
fn a_panic_in_a_node_ends_the_run_with_node_seed_and_time() {
    let said = alone("a_panic_in_a_node_ends_the_run_with_node_seed_and_time", || {
        let failed = simulate(Settings::seeded(11), |simulation| async move {
            let life = simulation.spawner(NodeIndex(3), "miner-3");
            life.spawn_local(Box::pin(async {
                sleep(Duration::from_secs(5)).await;
                panic!("no such block");
            }));
            sleep(Duration::from_secs(3_600)).await;
        });
        assert!(matches!(failed, Err(Failure::NodePanicked { .. })));
        failed.unwrap_err().to_string()
    });
    assert!(said.starts_with("node miner-3 panicked at 5.000 s: no such block (chaos/src"), "{said}");
    assert!(said.ends_with("(seed 11)"), "{said}");
}

#[test]
fn a_panic_in_the_story_is_told_too() {
    let said = alone("a_panic_in_the_story_is_told_too", || {
        simulate(Settings::seeded(11), |_| async { panic!("what now") })
            .map(|_: super::Finished<()>| ())
            .unwrap_err()
            .to_string()
    });
    assert!(said.starts_with("the story panicked: what now ("), "{said}");
}

#[test]
fn a_socket_opened_by_accident_is_noticed() {
    let said = alone("a_socket_opened_by_accident_is_noticed", || {
        let finished = simulate(Settings::seeded(1), |_| async {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            std::panic::catch_unwind(|| tokio::net::UdpSocket::from_std(socket)).is_err()
        });
        finished.unwrap().value.to_string()
    });
    assert_eq!(said, "true");
}

#[test]
fn the_whole_trace_can_be_written_and_agrees_with_itself() {
    let said = alone("the_whole_trace_can_be_written_and_agrees_with_itself", || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        let settings = Settings { trace_file: Some(path.clone()), ..Settings::seeded(1) };
        let finished = simulate(settings, |simulation| async move {
            sleep(Duration::from_secs(2)).await;
            simulation.recorder().note(NodeIndex(4), "event", b"happened");
        })
        .unwrap();
        assert_eq!(finished.trace.items, 1);
        assert_eq!(crate::simulation::compare(&path, &path).unwrap(), None);
        std::fs::read_to_string(path).unwrap()
    });
    assert!(said.starts_with("1 2.000000000 4 event 8 "), "{said}");
}
