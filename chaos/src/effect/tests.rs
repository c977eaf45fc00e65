use super::*;
use crate::draw::tests::{nodes, some};
use crate::selector::{Amount, Set};

fn crossing(effects: &[Effect], a: usize, b: usize) -> bool {
    !effects.iter().any(|effect| {
        matches!(effect, Effect::Links { from, to, change: LinkChange::Cut } if from.contains(&a) && to.contains(&b))
    })
}

#[test]
fn a_partition_cuts_both_ways_between_sides_and_nothing_within() {
    let half = some(Amount::Half, Set::Everyone);
    for partition in
        [Partition::Parts(3), Partition::Sides(vec![half.clone()]), Partition::Sides(vec![half.clone(), half])]
    {
        let resolved = Fault::Partition(partition).resolve(&nodes(10), 4).expect("ten nodes");
        let side = |node| resolved.sides.iter().position(|side| side.contains(&node)).expect("everyone has a side");
        for a in 0..10 {
            for b in 0..10 {
                assert_eq!(crossing(&resolved.effects, a, b), side(a) == side(b), "{a} {b}");
            }
        }
    }
}

#[test]
fn a_one_way_cut_leaves_the_way_back() {
    let links = Links::OneWay { from: some(Amount::All, Set::Name("m1".into())), to: some(Amount::All, Set::Rest) };
    let resolved = Fault::Cut { links }.resolve(&nodes(4), 4).expect("four nodes");
    assert!(!crossing(&resolved.effects, 1, 0));
    assert!(crossing(&resolved.effects, 0, 1));
    assert_eq!(resolved.sides, [vec![1], vec![0, 2, 3]]);
}

#[test]
fn no_link_is_slowed_twice_by_one_fault() {
    let by = Duration::from_secs(1);
    let half = some(Amount::Half, Set::Everyone);
    for links in [Links::Every, Links::Of(half.clone()), Links::Between(half.clone(), half)] {
        let fault = Fault::Latency { links, by, jitter: by };
        let effects = fault.resolve(&nodes(6), 4).expect("six nodes").effects;
        for (a, b) in (0..36).map(|pair| (pair / 6, pair % 6)).filter(|(a, b)| a != b) {
            let count = effects.iter().filter(
                |effect| matches!(effect, Effect::Links { from, to, .. } if from.contains(&a) && to.contains(&b)),
            );
            assert!(count.count() <= 1, "{a} {b}");
        }
    }
}

#[test]
fn only_who_still_rejects_an_upgrade_takes_it_and_takes_only_that() {
    let mut three = nodes(3);
    three[1].rejects = vec!["larger".into(), "other".into()];
    three[2].rejects = vec!["other".into()];
    let upgrade = |pick: Amount, to: &[&str]| Fault::Upgrade {
        pick: some(pick, Set::Everyone),
        to: to.iter().map(|name| (*name).to_owned()).collect(),
        kind: CrashKind::Process,
    };
    let taken = |node, to: &[&str]| Effect::Upgrade {
        node,
        to: to.iter().map(|name| (*name).to_owned()).collect(),
        kind: CrashKind::Process,
    };
    let one = upgrade(Amount::Count(1), &["larger"]).resolve(&three, 5).expect("one rejects it");
    assert_eq!(one.effects, [taken(1, &["larger"])]);
    let all = upgrade(Amount::All, &[]).resolve(&three, 5).expect("two reject something");
    assert_eq!(all.effects, [taken(1, &["larger", "other"]), taken(2, &["other"])]);
    three[1].rejects.clear();
    assert_eq!(upgrade(Amount::All, &["larger"]).resolve(&three, 5), Err(Nobody::LeftToPick));
}

#[test]
fn hash_power_that_moves_stays_the_same_in_all() {
    let eight = nodes(8);
    let fault = Fault::HashPower {
        from: some(Amount::All, Set::Group("east".into())),
        to: some(Amount::All, Set::Group("west".into())),
        share: crate::quantity::Share(0.25),
    };
    let effects = fault.resolve(&eight, 1).expect("both mine").effects;
    let times = |node: usize| {
        effects.iter().find_map(|effect| match effect {
            Effect::HashPower { node: whose, times } if *whose == node => Some(*times),
            _ => None,
        })
    };
    assert_eq!((times(0), times(1), times(6)), (Some(0.75), Some(1.25), None), "m6 does not mine");
    let total: f64 = (0..6).map(|node| eight[node].hash_share * times(node).unwrap_or(1.0)).sum();
    assert!((total - 1.0).abs() < 1e-12);
}

#[test]
fn only_who_lives_crashes_and_only_who_is_absent_joins() {
    let mut three = nodes(3);
    three[0].state = NodeState::Dead;
    three[2].state = NodeState::Absent;
    let all = some(Amount::All, Set::Everyone);
    let kind = CrashKind::Machine;
    let crash = Fault::Crash { pick: all, kind }.resolve(&three, 1).expect("one lives");
    assert_eq!(crash.effects, [Effect::Stop { node: 1, kind }]);
    let join = crate::fault::Join {
        group: "east".into(),
        count: 4,
        role: crate::selector::Role::Full,
        region: None,
        peers: Some(some(Amount::All, Set::Rest)),
        only: None,
    };
    let join = Fault::Join(join).resolve(&three, 1).expect("one is absent");
    assert_eq!(join.effects, [Effect::Join { node: 2, peers: Some(vec![0, 1]) }]);
    let nobody = Fault::Crash { pick: some(Amount::All, Set::Name("m0".into())), kind }.resolve(&three, 1);
    assert_eq!(nobody, Err(Nobody::LeftToPick));
}
