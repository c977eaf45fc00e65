//! Every kind of fault: its evidence when it happened, and what is missed when it is sabotaged.

use std::time::Duration;

use super::*;
use crate::draw::tests::{nodes, some};
use crate::draw::{NodeDescription, NodeState};
use crate::fault::{Actor, CrashKind, DiskTrouble, Fault, Join, Links, Partition};
use crate::quantity::{Bandwidth, Length, Rate, Share};
use crate::schedule::Prove;
use crate::selector::{Amount, Role, Selector, Set};

/// A world of four nodes whose counters a test sets.
#[derive(Clone, Default)]
struct World {
    at: u64,
    link: LinkCounters,
    node: NodeCounters,
}

impl Counting for World {
    fn link(&self, _: usize, _: usize) -> LinkCounters {
        self.link
    }
    fn node(&self, _: usize) -> NodeCounters {
        self.node
    }
    fn nodes(&self) -> usize {
        4
    }
    fn at(&self) -> Duration {
        Duration::from_secs(self.at)
    }
}

/// How a fault goes: what moves while it is in force, and what moves after it is healed.
struct Course {
    during: fn(&mut World),
    after: fn(&mut World),
}

fn first() -> Selector {
    some(Amount::All, Set::Name("m0".into()))
}

fn four() -> Vec<NodeDescription> {
    let mut four = nodes(4);
    four[3].group = "new".into();
    four[3].state = NodeState::Absent;
    four
}

/// The first thing missed in a course of this fault.
fn missed(fault: &Fault, course: &Course) -> Option<String> {
    let resolved = fault.resolve(&four(), 1).expect("there is somebody");
    let id = FaultId { step: 0, occurrence: 0 };
    let (mut effects, mut turns) = (resolved.effects, Vec::new());
    if matches!(fault, Fault::Churn { .. }) {
        turns = std::mem::take(&mut effects);
    }
    let act = |verb, phase, effects: &[Effect]| Act {
        fault: id,
        verb,
        phase,
        effects: effects.to_vec(),
        sides: resolved.sides.clone(),
    };
    let mut world = World::default();
    let begin = act(Verb::Apply, Phase::Whole, &effects);
    let mut witness = Witness::before(&begin, &world);
    witness.done(&begin, &world);
    if !turns.is_empty() {
        witness.about_to(&act(Verb::Apply, Phase::Turn, &turns), &world);
    }
    world.at += 10;
    (course.during)(&mut world);
    if fault.heals() {
        witness.about_to(&act(Verb::Undo, Phase::Whole, &effects), &world);
    }
    world.at += 10;
    (course.after)(&mut world);
    witness.last(&world);
    witness.judge(fault, &Prove::default()).missing().map(|proof| proof.name.clone())
}

/// A fault, what happens when it is applied and when it is healed, and the proof that is then missing.
type Sabotage = (Fault, [fn(&mut World); 2], Option<&'static str>);

#[test]
fn every_fault_is_proven_when_it_happens_and_missed_when_it_is_sabotaged() {
    let nothing: fn(&mut World) = |_| {};
    let hold: fn(&mut World) = |world| world.link.held += 5;
    let carry: fn(&mut World) = |world| world.link.carried += 5;
    let late: fn(&mut World) = |world| {
        world.link.sent += 10;
        world.link.bytes += 1_000;
        world.link.lost += 3;
        world.link.travel += Duration::from_secs(20);
        world.link.queued += Duration::from_secs(20);
        world.link.unhurt += Duration::from_secs(5);
    };
    let quick: fn(&mut World) = |world| {
        world.link.sent += 10;
        world.link.bytes += 1_000;
        // As long as the link takes by itself, and as its own bandwidth lets it: that is no fault.
        world.link.travel += Duration::from_secs(15);
        world.link.unhurt += Duration::from_secs(15);
        world.link.queued += Duration::from_secs(5);
    };
    let stop: fn(&mut World) = |world| world.node.stops += 1;
    let start: fn(&mut World) = |world| {
        world.node.starts += 1;
        world.node.words += 1;
    };
    let rebuild: fn(&mut World) = |world| {
        world.node.starts += 1;
        world.node.words += 2;
        world.node.rebuilt += 1;
    };
    let speak: fn(&mut World) = |world| world.node.words += 1;
    let withhold: fn(&mut World) = |world| world.node.withheld += 1;
    let touch: fn(&mut World) = |world| world.node.touched += 1;
    let pass: fn(&mut World) = |world| world.node.passed += 1;
    let skew: fn(&mut World) = |world| world.node.clock_offset = 60.0;
    let unskew: fn(&mut World) = |world| world.node.clock_offset = 0.0;
    let leak: fn(&mut World) = |world| {
        world.link.held += 5;
        world.link.carried += 1;
    };
    let (by, second) = (Duration::from_secs(1), Length::Time(Duration::from_secs(1)));
    let (links, kind, actor) = (Links::Of(first()), CrashKind::Process, Actor::Ledger);
    let join = Join { group: "new".into(), count: 1, role: Role::Full, region: None, peers: None, only: None };
    let cuts = [
        Fault::Partition(Partition::Sides(vec![first()])),
        Fault::Cut { links: links.clone() },
        Fault::Isolate { pick: first() },
    ];
    let slow = [
        Fault::Latency { links: links.clone(), by, jitter: by },
        Fault::Bandwidth { links: links.clone(), limit: Bandwidth(1_000) },
        Fault::Loss { links: links.clone(), share: Share(0.5) },
    ];
    let gates = [
        Fault::Slow { actor, of: first(), by },
        Fault::Drop { actor, of: first(), share: Share(0.5) },
        Fault::Hold { actor, of: first() },
    ];
    let crash = Fault::Crash { pick: first(), kind };
    let machine = Fault::Crash { pick: first(), kind: CrashKind::Machine };
    let loss = Fault::Loss { links: links.clone(), share: Share(0.5) };
    let torn = Fault::Crash { pick: first(), kind: CrashKind::Torn };
    let flap = Fault::Flap { links, down: second, up: second };
    let freeze = Fault::Freeze { pick: first() };
    let churn = Fault::Churn { pick: first(), rate: Rate(1.0), away: second, kind };
    let disk = Fault::Disk { pick: first(), trouble: DiskTrouble::Full };
    let fail: fn(&mut World) = |world| world.node.failed += 1;
    let clock = Fault::ClockSkew { pick: first(), by_seconds: 60.0, rate: 1.0 };
    let mut courses: Vec<Sabotage> = vec![
        (crash.clone(), [stop, start], None),
        (crash.clone(), [nothing, start], Some("applied")),
        (crash.clone(), [|world| (world.node.stops, world.node.words) = (1, 1), start], Some("tight")),
        (crash, [stop, nothing], Some("healed")),
        (torn.clone(), [stop, rebuild], None),
        (torn, [stop, start], Some("noticed")),
        (machine.clone(), [stop, start], None),
        (machine, [|world| (world.node.stops, world.link.sent, world.link.carried) = (1, 1, 1), start], Some("tight")),
        (flap.clone(), [hold, carry], None),
        (flap.clone(), [leak, carry], Some("tight")),
        (loss, [|world| (world.link.sent, world.link.lost) = (1_000, 300), quick], Some("applied")),
        (flap.clone(), [nothing, carry], Some("applied")),
        (flap, [hold, nothing], Some("healed")),
        (freeze.clone(), [withhold, speak], None),
        (freeze.clone(), [nothing, speak], Some("applied")),
        (freeze, [withhold, nothing], Some("healed")),
        (churn.clone(), [stop, start], None),
        (churn.clone(), [nothing, start], Some("applied")),
        (churn, [stop, nothing], Some("healed")),
        (disk.clone(), [fail, start], None),
        (disk.clone(), [nothing, start], Some("applied")),
        (disk, [fail, nothing], Some("healed")),
        (clock.clone(), [skew, unskew], None),
        (clock.clone(), [nothing, nothing], Some("applied")),
        (clock, [skew, nothing], Some("healed")),
        (Fault::Destroy { pick: first() }, [stop, nothing], None),
        (Fault::Destroy { pick: first() }, [nothing, nothing], Some("applied")),
        (Fault::Destroy { pick: first() }, [stop, speak], Some("tight")),
        (Fault::Restart { pick: first(), kind }, [stop, start], None),
        (Fault::Restart { pick: first(), kind }, [nothing, start], Some("applied")),
        (Fault::Restart { pick: first(), kind }, [stop, nothing], Some("healed")),
        (Fault::Join(join.clone()), [start, nothing], None),
        (Fault::Join(join), [nothing, nothing], Some("applied")),
    ];
    for fault in cuts {
        courses.push((fault.clone(), [hold, carry], None));
        courses.push((fault.clone(), [nothing, carry], Some("applied")));
        courses.push((fault.clone(), [leak, carry], Some("tight")));
        courses.push((fault, [hold, nothing], Some("healed")));
    }
    for fault in slow {
        courses.push((fault.clone(), [late, quick], None));
        courses.push((fault.clone(), [quick, quick], Some("applied")));
        courses.push((fault, [late, late], Some("healed")));
    }
    for fault in gates {
        courses.push((fault.clone(), [touch, pass], None));
        courses.push((fault.clone(), [nothing, pass], Some("applied")));
        courses.push((fault, [touch, nothing], Some("healed")));
    }
    for (fault, [during, after], expected) in courses {
        let seen = missed(&fault, &Course { during, after });
        assert_eq!(seen.as_deref(), expected, "{}", fault.name());
    }
}

#[test]
fn what_crosses_a_flapping_link_while_it_is_up_is_no_leak() {
    let second = Length::Time(Duration::from_secs(1));
    let fault = Fault::Flap { links: Links::Of(first()), down: second, up: second };
    let effects = fault.resolve(&four(), 1).expect("there is somebody").effects;
    let id = FaultId { step: 0, occurrence: 0 };
    let act = |verb, phase| Act { fault: id, verb, phase, effects: effects.clone(), sides: Vec::new() };
    for (leaks, missing) in [(0, None), (1, Some("tight".to_owned()))] {
        let mut world = World::default();
        let mut witness = Witness::before(&act(Verb::Apply, Phase::Whole), &world);
        let mut turn = |verb, phase, held, carried| {
            let act = act(verb, phase);
            witness.about_to(&act, &world);
            witness.done(&act, &world);
            world.link.held += held;
            world.link.carried += carried;
        };
        turn(Verb::Apply, Phase::Whole, 5, 0);
        turn(Verb::Undo, Phase::Turn, 0, 5);
        turn(Verb::Apply, Phase::Turn, 5, leaks);
        turn(Verb::Undo, Phase::Whole, 0, 5);
        witness.last(&world);
        assert_eq!(witness.judge(&fault, &Prove::default()).missing().map(|proof| proof.name.clone()), missing);
    }
}

#[test]
fn a_link_that_was_not_seen_to_obey_is_missed() {
    let fault = Fault::Isolate { pick: first() };
    let effects = fault.resolve(&four(), 1).expect("there is somebody").effects;
    let id = FaultId { step: 0, occurrence: 0 };
    let act = Act { fault: id, verb: Verb::Apply, phase: Phase::Whole, effects, sides: Vec::new() };
    for (obey, shown) in [(3, true), (2, false)] {
        let mut witness = Witness::before(&act, &World::default());
        witness.confirm(Confirmed { links: 3, obey, took: Duration::from_millis(4) });
        witness.last(&World::default());
        let evidence = witness.judge(&fault, &Prove::default());
        let proof = evidence.proofs.iter().find(|proof| proof.name == "in force").expect("it is owed");
        assert_eq!((proof.shown, proof.seen.clone()), (shown, format!("{obey} of 3 links, within 4 ms")));
    }
}

#[test]
fn who_does_not_say_that_it_obeys_proves_nothing() {
    let mut four = four();
    four.iter_mut().for_each(|node| node.rejects = vec!["larger".into()]);
    let upgrade = Fault::Upgrade { pick: first(), to: Vec::new(), kind: CrashKind::Process };
    let everyone = Selector { amount: Amount::All, among: vec![Set::Rest] };
    let power = Fault::HashPower { from: first(), to: everyone, share: Share(0.5) };
    for (fault, unsaid) in [(upgrade, "tight"), (power, "applied")] {
        let effects = fault.resolve(&four, 1).expect("there is somebody").effects;
        let touched: Vec<usize> = effects.iter().filter_map(Effect::node).collect();
        let id = FaultId { step: 0, occurrence: 0 };
        let act = Act { fault: id, verb: Verb::Apply, phase: Phase::Whole, effects, sides: Vec::new() };
        for (obeyed, shown) in [(touched.len(), true), (touched.len() - 1, false)] {
            let mut witness = Witness::before(&act, &World::default());
            witness.sighting.obeyed.extend(touched.iter().take(obeyed));
            witness.last(&World::default());
            let evidence = witness.judge(&fault, &Prove::default());
            let proof = evidence.proofs.iter().find(|proof| proof.name == unsaid);
            assert_eq!(proof.map(|proof| proof.shown), Some(shown), "{}", fault.name());
        }
    }
}

#[test]
fn what_a_file_asks_to_be_proven_is_missed_when_it_was_not_seen() {
    let fault = Fault::Isolate { pick: first() };
    let resolved = fault.resolve(&four(), 1).expect("there is somebody");
    let id = FaultId { step: 0, occurrence: 0 };
    let act =
        Act { fault: id, verb: Verb::Apply, phase: Phase::Whole, effects: resolved.effects, sides: resolved.sides };
    let prove = Prove { each_side_mined: Some(3), ..Prove::default() };
    for (mined, shown) in [(3, true), (2, false)] {
        let mut witness = Witness::before(&act, &World::default());
        witness.sighting.mined_by_side = vec![5, mined];
        witness.last(&World::default());
        let evidence = witness.judge(&fault, &prove);
        let proof = evidence.proofs.iter().find(|proof| proof.name == "effective: each_side_mined");
        assert_eq!(proof.map(|proof| proof.shown), Some(shown));
    }
}
