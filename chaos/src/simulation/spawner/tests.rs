//! What is true of a node's life under its spawner.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use schism_node::surroundings::{Cost, Spawner, VirtualWork};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::{Mishap, NodeSpawner, Performer, WorkPrices};
use crate::simulation::fabric::NodeIndex;
use crate::simulation::{clock, runtime};

/// Tells a story on a thread set up as a simulation's.
fn on_virtual_time<F: Future<Output = ()>>(story: impl FnOnce() -> F + Send + 'static) {
    let told = thread::spawn(|| {
        runtime::enter(7);
        runtime::runtime().block_on(async {
            clock::follow_the_runtime();
            story().await;
            super::drop_everything();
        });
    });
    told.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
}

fn alice() -> Performer {
    Performer { node: NodeIndex(0), name: "alice".into() }
}

fn life() -> NodeSpawner {
    NodeSpawner::start(alice(), None, Mishap::default())
}

/// Counts up when it is dropped.
struct Dropped(Rc<Cell<u32>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Counts up every second.
async fn ticking(ticks: Rc<Cell<u32>>) {
    loop {
        sleep(Duration::from_secs(1)).await;
        ticks.set(ticks.get() + 1);
    }
}

#[test]
fn killing_drops_every_future_at_once_and_lets_none_begin() {
    on_virtual_time(|| async {
        let (life, drops) = (life(), Rc::new(Cell::new(0)));
        for _ in 0..3 {
            let dropped = Dropped(drops.clone());
            life.spawn_local(Box::pin(async move {
                let _dropped = dropped;
                pending::<()>().await;
            }));
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!((life.futures(), drops.get()), (3, 0));
        life.kill();
        assert_eq!((life.futures(), drops.get()), (0, 3));
        let dropped = Dropped(drops.clone());
        life.spawn_local(Box::pin(async move { drop(dropped) }));
        assert_eq!((life.futures(), drops.get()), (0, 4));
        assert!(life.is_dead());
    });
}

#[test]
fn a_future_that_kills_its_own_node_is_dropped_when_its_poll_returns() {
    on_virtual_time(|| async {
        let (life, drops) = (life(), Rc::new(Cell::new(0)));
        let (own, dropped, seen) = (life.clone(), Dropped(drops.clone()), drops.clone());
        life.spawn_local(Box::pin(async move {
            let _dropped = dropped;
            own.kill();
            assert_eq!(seen.get(), 0);
            pending::<()>().await;
        }));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn one_life_ends_and_the_others_go_on() {
    on_virtual_time(|| async {
        let (one, other, ticks) = (life(), life(), Rc::new(Cell::new(0)));
        one.spawn_local(Box::pin(pending()));
        other.spawn_local(Box::pin(ticking(ticks.clone())));
        sleep(Duration::from_millis(2_500)).await;
        one.kill();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(ticks.get(), 4);
    });
}

#[test]
fn a_frozen_node_does_nothing_and_remembers_who_woke_it() {
    on_virtual_time(|| async {
        let (life, bell, heard) = (life(), Rc::new(Notify::new()), Rc::new(RefCell::new(Vec::new())));
        for name in ["first", "second"] {
            let (bell, heard) = (bell.clone(), heard.clone());
            life.spawn_local(Box::pin(async move {
                bell.notified().await;
                heard.borrow_mut().push((name, clock::elapsed().as_secs()));
            }));
        }
        sleep(Duration::from_secs(1)).await;
        life.freeze();
        bell.notify_waiters();
        sleep(Duration::from_secs(10)).await;
        assert!(heard.borrow().is_empty());
        assert_eq!(life.withheld(), 2);
        life.thaw();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*heard.borrow(), [("first", 11), ("second", 11)]);
    });
}

#[test]
fn a_node_pays_for_computing_to_the_nanosecond_and_the_others_do_not() {
    on_virtual_time(|| async {
        let prices = WorkPrices { signature_check_nanoseconds: 300_000, byte_nanoseconds: 1 };
        let busy = NodeSpawner::start(alice(), Some(prices), Mishap::default());
        let (life, ticks) = (life(), Rc::new(Cell::new(0)));
        life.spawn_local(Box::pin(ticking(ticks.clone())));
        let (work, done) = (busy.clone(), Rc::new(Cell::new(Duration::ZERO)));
        let finished = done.clone();
        busy.spawn_local(Box::pin(async move {
            let start = Instant::now();
            // Ten times a thousand checks of 0.3 ms in small portions, each below the clock's grain: three seconds.
            for _ in 0..10_000 {
                work.charge(Cost::SignatureChecks(1));
                tokio::task::yield_now().await;
            }
            work.charge(Cost::Bytes(5_000_000));
            tokio::task::yield_now().await;
            finished.set(start.elapsed());
        }));
        sleep(Duration::from_millis(2_900)).await;
        assert_eq!((done.get(), ticks.get()), (Duration::ZERO, 2));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(busy.worked(), Duration::from_millis(3_005));
        assert!(done.get() >= Duration::from_millis(3_004) && done.get() <= Duration::from_millis(3_006), "{done:?}");
    });
}

#[test]
fn a_node_without_prices_computes_for_nothing() {
    on_virtual_time(|| async {
        let life = life();
        life.charge(Cost::SignatureChecks(1_000_000));
        let ran = Rc::new(Cell::new(false));
        let seen = ran.clone();
        life.spawn_local(Box::pin(async move { seen.set(true) }));
        sleep(Duration::from_millis(1)).await;
        assert!(ran.get() && life.worked().is_zero());
    });
}

#[test]
fn a_panic_ends_the_node_and_reaches_the_driver_with_its_name_and_time() {
    super::note_panics();
    on_virtual_time(|| async {
        let mishap = Mishap::default();
        let life = NodeSpawner::start(alice(), None, mishap.clone());
        life.spawn_local(Box::pin(pending()));
        life.spawn_local(Box::pin(async {
            sleep(Duration::from_secs(3)).await;
            panic!("the ledger is {}", "torn");
        }));
        let panicked = mishap.happens().await;
        assert_eq!((panicked.node.as_str(), panicked.at), ("alice", Duration::from_secs(3)));
        assert!(panicked.message.starts_with("the ledger is torn ("), "{panicked}");
        assert!(panicked.message.contains("tests.rs:"), "{panicked}");
        assert!(life.is_dead() && life.futures() == 0);
    });
}

#[test]
fn futures_of_a_node_take_turns_in_the_order_in_which_they_were_woken() {
    on_virtual_time(|| async {
        let (life, order) = (life(), Rc::new(RefCell::new(Vec::new())));
        for (name, milliseconds) in [("late", 30), ("early", 10), ("middle", 20)] {
            let order = order.clone();
            life.spawn_local(Box::pin(async move {
                sleep(Duration::from_millis(milliseconds)).await;
                order.borrow_mut().push(name);
            }));
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(*order.borrow(), ["early", "middle", "late"]);
        assert_eq!(life.futures(), 0);
    });
}
