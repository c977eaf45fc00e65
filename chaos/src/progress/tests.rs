//! Schedules from their first step to their end.

use super::*;
use crate::draw::tests::{nodes, some};
use crate::fault::{CrashKind, Fault, Partition};
use crate::quantity::{Length, Rate};
use crate::schedule::{Prove, Trigger};
use crate::selector::{Amount, Set};

const INTERVAL: Duration = Duration::from_secs(10);

fn seconds(count: u64) -> Length {
    Length::Time(Duration::from_secs(count))
}

fn step(name: &str, start: Start, fault: Fault, lasting: Lasting) -> Step {
    let trigger = Trigger { start, delay: seconds(0), every: None, times: None };
    Step { name: name.into(), named: true, trigger, fault, lasting, prove: Prove::default() }
}

fn split() -> Fault {
    Fault::Partition(Partition::Parts(2))
}

fn crash() -> Fault {
    Fault::Crash { pick: some(Amount::Count(1), Set::Everyone), kind: CrashKind::Process }
}

/// Acts due at this time, height and count of blocks: what they do, and to which step.
fn due(progress: &mut Progress, at: u64, height: u32, mined: u64) -> Vec<(Verb, usize)> {
    let nodes = nodes(10);
    let due = progress.poll(Now { at: Duration::from_secs(at), height, mined, nodes: &nodes });
    assert_eq!(due.skipped, []);
    due.acts.iter().map(|act| (act.verb, act.fault.step)).collect()
}

#[test]
fn a_partition_lasts_as_many_blocks_as_it_says_and_what_waits_for_its_heal_follows() {
    let steps = vec![
        step("split", Start::AtHeight(5), split(), Lasting::For(Length::Blocks(12.0))),
        step("crash", Start::After(Moment::Healed("split".into())), crash(), Lasting::For(seconds(30))),
    ];
    let mut progress = Progress::new(steps, INTERVAL, 1.0, 7);
    assert_eq!(due(&mut progress, 40, 4, 4), []);
    assert_eq!(due(&mut progress, 50, 5, 5), [(Verb::Apply, 0)]);
    assert_eq!(due(&mut progress, 150, 10, 16), []);
    assert!(!progress.over());
    assert_eq!(due(&mut progress, 160, 11, 17), [(Verb::Undo, 0), (Verb::Apply, 1)]);
    assert_eq!(progress.next_wake(), Some(Duration::from_secs(190)));
    assert_eq!(due(&mut progress, 190, 11, 17), [(Verb::Undo, 1)]);
    assert!(progress.over());
    assert_eq!(progress.finish(), Due::default());
}

#[test]
fn what_took_time_to_be_seen_in_force_lasts_from_then() {
    let steps = vec![
        step("split", Start::At(seconds(10)), split(), Lasting::For(seconds(30))),
        step("until", Start::At(seconds(10)), split(), Lasting::Until(Start::At(seconds(35)))),
    ];
    let mut progress = Progress::new(steps, INTERVAL, 1.0, 7);
    assert_eq!(due(&mut progress, 10, 0, 0), [(Verb::Apply, 0), (Verb::Apply, 1)]);
    for step in 0..2 {
        progress.in_force_since(FaultId { step, occurrence: 0 }, Duration::from_secs(12), 0);
    }
    assert_eq!(due(&mut progress, 41, 0, 0), [(Verb::Undo, 1)]);
    assert_eq!(due(&mut progress, 42, 0, 0), [(Verb::Undo, 0)]);
}

#[test]
fn blocks_that_never_come_do_not_keep_a_fault_in_force_for_ever() {
    let steps = vec![step("split", Start::At(seconds(0)), split(), Lasting::For(Length::Blocks(2.0)))];
    let mut progress = Progress::new(steps, INTERVAL, 1.0, 7);
    assert_eq!(due(&mut progress, 0, 0, 0), [(Verb::Apply, 0)]);
    assert_eq!(progress.next_wake(), Some(Duration::from_secs(100)));
    assert_eq!(due(&mut progress, 100, 0, 0), [(Verb::Undo, 0)]);
}

#[test]
fn a_repetition_waits_for_the_end_of_the_one_before_and_comes_as_often_as_it_says() {
    let mut again = step("crash", Start::At(seconds(10)), crash(), Lasting::For(seconds(25)));
    again.trigger.every = Some(seconds(20));
    again.trigger.times = Some(2);
    let mut progress = Progress::new(vec![again], INTERVAL, 1.0, 7);
    assert_eq!(due(&mut progress, 10, 0, 0), [(Verb::Apply, 0)]);
    assert_eq!(due(&mut progress, 30, 0, 0), []);
    assert_eq!(due(&mut progress, 35, 0, 0), [(Verb::Undo, 0), (Verb::Apply, 0)]);
    assert_eq!(due(&mut progress, 60, 0, 0), [(Verb::Undo, 0)]);
    assert!(progress.over());
}

#[test]
fn the_end_heals_all_but_what_is_permanent() {
    let steps = vec![
        step("kept", Start::At(seconds(0)), split(), Lasting::Permanent),
        step("ended", Start::At(seconds(0)), crash(), Lasting::End),
        step("late", Start::AtHeight(9), crash(), Lasting::End),
    ];
    let mut progress = Progress::new(steps, INTERVAL, 1.0, 7);
    assert_eq!(due(&mut progress, 0, 0, 0), [(Verb::Apply, 0), (Verb::Apply, 1)]);
    assert!(!progress.over());
    let ended: Vec<usize> = progress.finish().acts.iter().map(|act| act.fault.step).collect();
    assert_eq!(ended, [1]);
    assert_eq!(due(&mut progress, 99, 9, 9), []);
    assert_eq!(progress.never_begun().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["late"]);
}

#[test]
fn two_crashes_at_once_never_take_the_same_node() {
    let steps = (0..10).map(|n| step(&n.to_string(), Start::At(seconds(0)), crash(), Lasting::Permanent));
    let mut progress = Progress::new(steps.collect(), INTERVAL, 1.0, 7);
    let nodes = nodes(10);
    let due = progress.poll(Now { at: Duration::ZERO, height: 0, mined: 0, nodes: &nodes });
    let mut stopped: Vec<usize> = due.acts.iter().flat_map(|act| &act.effects).filter_map(Effect::node).collect();
    stopped.sort_unstable();
    assert_eq!(stopped, (0..10).collect::<Vec<_>>());
}

#[test]
fn all_who_left_in_a_churn_have_returned_when_it_is_over_and_a_seed_repeats_it() {
    let pick = some(Amount::All, Set::Everyone);
    let (rate, kind) = (Rate(0.5), CrashKind::Process);
    let churn = Fault::Churn { pick, rate, away: seconds(10), kind };
    let play = |seed| {
        let steps = vec![step("churn", Start::At(seconds(0)), churn.clone(), Lasting::For(seconds(120)))];
        let mut progress = Progress::new(steps, INTERVAL, 1.0, seed);
        let nodes = nodes(10);
        let (mut at, mut acts) = (Duration::ZERO, Vec::new());
        loop {
            acts.extend(progress.poll(Now { at, height: 0, mined: 0, nodes: &nodes }).acts);
            match progress.next_wake() {
                Some(wake) => at = wake,
                None => return (progress, acts),
            }
        }
    };
    let (progress, acts) = play(7);
    let count = |verb| acts.iter().filter(|act| act.verb == verb).map(|act| act.effects.len()).sum::<usize>();
    assert!(count(Verb::Apply) > 20, "{}", count(Verb::Apply));
    assert_eq!(count(Verb::Apply), count(Verb::Undo));
    assert!((0..10).all(|node| !progress.active().stopped(node)));
    assert_eq!(play(7).1, acts);
    assert_ne!(play(8).1, acts);
}

#[test]
fn a_flapping_link_goes_down_and_up_in_turns_and_stays_up() {
    let links = crate::fault::Links::Every;
    let flap = Fault::Flap { links, down: seconds(5), up: seconds(10) };
    let steps = vec![step("flap", Start::At(seconds(0)), flap, Lasting::For(seconds(32)))];
    let mut progress = Progress::new(steps, INTERVAL, 1.0, 7);
    let mut cuts = Vec::new();
    for at in 0..40 {
        due(&mut progress, at, 0, 0);
        cuts.push(progress.active().apart(0, 1));
    }
    let down = |at: usize| (at % 15) < 5 && at < 32;
    assert_eq!(cuts, (0..40).map(down).collect::<Vec<_>>());
}
