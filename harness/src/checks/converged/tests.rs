//! Halves that meet, and each way in which they do not.

use super::*;
use crate::checks::story::Story;
use schism_chaos::effect::Effect;
use schism_chaos::fault::CrashKind;

fn asked(from_each_side: bool) -> Converged {
    let tempo = Tempo { interval: Duration::from_secs(10), pace: 1.0 };
    let asked = Asked { within: Length::Blocks(2.0), fresh_blocks: 1, from_each_side, stable: Length::Blocks(2.0) };
    Converged::new(Of::Everyone, asked, tempo)
}

/// Two halves that mined apart and are healed; the first half has the heavier chain.
fn halves(from_each_side: bool) -> (Story, bitcoin::BlockHash) {
    let mut story = Story::of(4).asking(asked(from_each_side));
    let split = story.split(&[vec![0, 1], vec![2, 3]]);
    story.mine(2);
    story.mine(0);
    let best = story.mine(0);
    story.hear(1, best);
    story.heal(split);
    story.all_healed();
    (story, best)
}

fn mine_on(story: &mut Story, miner: usize) {
    story.wait(10);
    let block = story.mine(miner);
    story.everyone_hears(block);
}

#[test]
fn halves_that_meet_and_go_on_together_converge() {
    let (mut story, best) = halves(true);
    story.everyone_hears(best);
    for miner in [0, 3, 1, 2] {
        assert!(!story.satisfied());
        mine_on(&mut story, miner);
    }
    assert!(story.satisfied());
    assert_eq!(story.end(), []);
    assert!(story.seen().starts_with("agreed 0.0 s"), "{}", story.seen());
}

#[test]
fn halves_that_never_meet_are_caught_after_the_deadline() {
    let (mut story, _) = halves(true);
    for miner in [0, 2, 0, 2, 0] {
        story.wait(10);
        story.mine(miner);
    }
    assert_eq!(story.only_finding().verdict, crate::report::Verdict::Stalled);
}

#[test]
fn agreement_on_old_state_is_not_enough() {
    let (mut story, best) = halves(true);
    story.everyone_hears(best);
    story.wait(100);
    assert!(story.end()[0].what.contains("0 of 1 fresh blocks"));
}

#[test]
fn a_side_that_mines_nothing_after_the_heal_is_caught() {
    let (mut story, best) = halves(true);
    story.everyone_hears(best);
    (0..6).for_each(|_| mine_on(&mut story, 0));
    assert!(story.end()[0].what.contains("by side 2"));
    let (mut story, best) = halves(false);
    story.everyone_hears(best);
    (0..6).for_each(|_| mine_on(&mut story, 0));
    assert_eq!(story.end(), []);
}

#[test]
fn agreement_on_a_lighter_chain_is_caught() {
    let (mut story, _) = halves(false);
    let lighter = story.mine(2);
    let heaviest = story.mine(0);
    // One node has it, and nobody moves to it.
    story.store(3, heaviest);
    (0..4).for_each(|node| story.hear(node, lighter));
    story.wait(100);
    assert!(story.end()[0].what.contains("has more work"));
}

#[test]
fn who_stays_down_for_ever_is_not_waited_for_and_who_came_back_is() {
    let mut story = Story::of(3).asking(asked(false));
    let stop = |node| Effect::Stop { node, kind: CrashKind::Process };
    let crash = story.apply(vec![stop(1)], Vec::new());
    story.apply(vec![Effect::Destroy { node: 2 }], Vec::new());
    story.heal(crash);
    story.all_healed();
    (0..4).for_each(|_| {
        story.wait(10);
        story.mine(0);
    });
    assert_eq!(story.end().len(), 1, "the one that came back does not follow");

    let mut story = Story::of(3).asking(asked(false));
    story.apply(vec![Effect::Destroy { node: 2 }], Vec::new());
    story.all_healed();
    (0..4).for_each(|_| {
        story.wait(10);
        let block = story.mine(0);
        story.hear(1, block);
    });
    assert!(story.satisfied());
}

#[test]
fn a_tie_is_waited_out() {
    let mut story = Story::of(2).asking(asked(false));
    story.all_healed();
    for _ in 0..3 {
        story.wait(10);
        story.mine(0);
        story.mine(1);
    }
    assert!(story.findings().is_empty());
    (0..4).for_each(|_| mine_on(&mut story, 1));
    assert!(story.satisfied());
}
