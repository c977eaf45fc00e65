//! What a claim's file may say, what is then measured, and what the gate makes of it.

use std::path::Path;

use super::judge::judge;
use super::part::{Drawn, Eclipsed, Stretch, Tally, parts};
use super::{Claim, What};
use crate::experiment::Experiment;
use crate::report::Verdict;
use crate::theory::double_spend::Table;
use crate::theory::selfish::{optimum, revenue, stale_share};

const TOPOLOGY: &str = "{ name: five, groups: { attacker: { count: 1, role: adversary, hash_power: 30%, adversary: { kind: private_branch } }, miner: { count: 2 }, full: { count: 1 } }, overlay: mesh }";

fn file(claim: &str) -> String {
    format!("topology: {TOPOLOGY}\nclaim: {claim}\n")
}

fn refused(text: &str) -> String {
    Experiment::parse("e.yaml", text, Path::new(".")).expect_err(text).to_string()
}

fn shipped(settings: &[&str]) -> Claim {
    of("double-spend.yaml", settings)
}

fn of(file: &str, settings: &[&str]) -> Claim {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/attacks").join(file);
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    Experiment::load(&path, &settings).expect("a shipped file is valid").claim.expect("it makes a claim")
}

#[test]
fn a_claim_reads_back_from_its_own_print() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chaos/attacks/double-spend.yaml");
    let mut experiment = Experiment::load(&path, &["profile=quick".into(), "q=0.25".into()]).unwrap();
    let printed = experiment.to_yaml();
    experiment.topology_file = None;
    assert_eq!(Experiment::parse("again", &printed, Path::new(".")).unwrap().claim, experiment.claim, "{printed}");
}

#[test]
fn any_point_off_the_grid_can_be_asked_for() {
    let chosen = shipped(&["q=0.27", "confirmations=5", "trials=800"]).chosen();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0].to_string(), "q 0.27, confirmations 5, trials 800");
    assert!(shipped(&[]).chosen().len() >= 20);
    assert!(shipped(&["profile=quick"]).chosen().len() >= 20);
    // One share leaves a point for each number of confirmations.
    let share = shipped(&["q=0.27"]).chosen();
    assert_eq!(share.iter().map(|point| point.whole("confirmations")).collect::<Vec<_>>(), [1, 2, 3, 4, 6]);
}

#[test]
fn what_is_wrong_with_a_claim_is_told_with_its_place() {
    let double_spend = "double_spend: { merchant: full-0 }";
    let told = refused(&file(&format!(
        "{{ {double_spend}, points: {{ full: [{{ q: 30, confirmations: 1.5, trails: 3 }}] }} }}"
    )));
    for part in [
        "`q` cannot be 30",
        "`confirmations` is a whole number, not 1.5",
        "unknown key in point `trails` (did you mean `trials`?)",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let point = "points: { full: [{ q: 0.3, confirmations: 1, trials: 5 }] }";
    assert!(refused(&file(&format!("{{ {double_spend}, profile: fulll, {point} }}"))).contains("did you mean `full`?"));
    assert!(
        refused(&file(&format!("{{ double_spend: {{ merchant: full-1 }}, {point} }}")))
            .contains("unknown node `full-1`")
    );
    assert!(
        refused(&format!("{}load: {{ transactions: 1/s }}\n", file(&format!("{{ {double_spend}, {point} }}"))))
            .contains("means nothing beside a claim")
    );
    let honest = file(&format!("{{ {double_spend}, {point} }}")).replace("private_branch", "selfish");
    assert!(refused(&honest).contains("of kind `private_branch`"));
}

#[test]
fn adversaries_are_told_from_honest_nodes_and_their_parameters_checked() {
    let told = refused(&file("{}").replace("role: adversary", "role: miner"));
    assert!(told.contains("nodes of role `miner` are honest"), "{told}");
    let told = refused(&file("{}").replace("private_branch", "private_brunch"));
    assert!(told.contains("did you mean `private_branch`?"), "{told}");
    let told = refused(&file("{}").replace("kind: private_branch", "kind: private_branch, deficit: 0, led: 2"));
    assert!(told.contains("unknown key in adversary `led` (did you mean `lead`?)"), "{told}");
}

#[test]
fn parts_add_up_to_the_trials_and_each_has_a_seed_of_its_own() {
    let points = shipped(&[]).chosen();
    let parts = parts(&what(), &points, 7);
    for (number, point) in points.iter().enumerate() {
        let of_point = parts.iter().filter(|part| part.point == number);
        assert_eq!(of_point.map(|part| part.trials).sum::<u32>(), point.whole("trials"));
    }
    let mut seeds: Vec<u64> = parts.iter().map(|part| part.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), parts.len());
}

fn what() -> What {
    What::DoubleSpend { table: Table::Strict, merchant: "merchant-0".into() }
}

/// What each point of a profile comes to where success has the probability that `truth` says of it.
fn tallies(claim: &Claim, truth: impl Fn(f64, u32) -> f64) -> Vec<Tally> {
    let tally = |trials: u32, success: f64| Tally {
        trials: trials.into(),
        successes: (f64::from(trials) * success).round() as u64,
        ..Tally::default()
    };
    let points = claim.chosen();
    points.iter().map(|p| tally(p.whole("trials"), truth(p.get("q").unwrap(), p.whole("confirmations")))).collect()
}

#[test]
fn the_gate_holds_for_the_truth_and_fails_for_each_of_the_wrong_tables() {
    for profile in ["profile=full", "profile=quick", "profile=control"] {
        let claim = shipped(&[profile]);
        let verdict = |truth: &dyn Fn(f64, u32) -> f64| judge(&claim, &tallies(&claim, truth));
        let (passed, _, measurement) = verdict(&|q, n| Table::Strict.success(q, n));
        assert_eq!(passed, Verdict::Passed, "{profile}");
        assert!(measurement.rows.iter().all(|row| row.left_out.is_none()), "{profile}: a point without power");
        for wrong in [Table::Rosenfeld, Table::Nakamoto] {
            let (refuted, why, _) = verdict(&|q, n| wrong.success(q, n));
            assert_eq!(refuted, Verdict::Refuted, "{profile} {wrong:?}");
            assert!(why.is_some_and(|why| why.contains("theory says")));
        }
        assert_eq!(verdict(&|_, _| 0.0).0, Verdict::Refuted, "{profile}: the attack is off");
    }
}

#[test]
fn the_gate_sees_the_error_that_it_says_it_sees() {
    let claim = shipped(&[]);
    let shift = judge(&claim, &tallies(&claim, |q, n| Table::Strict.success(q, n)))
        .2
        .gate
        .smallest_error
        .expect("there are rows");
    assert!(shift > 0.005 && shift < 0.02, "{shift}");
    let shifted = tallies(&claim, |q, n| Table::Strict.success(q, n) + shift);
    assert_eq!(judge(&claim, &shifted).0, Verdict::Refuted);
}

#[test]
fn too_few_trials_prove_nothing() {
    let claim = shipped(&["trials=5"]);
    let (verdict, why, _) = judge(&claim, &tallies(&claim, |q, n| Table::Strict.success(q, n)));
    assert_eq!(verdict, Verdict::Inconclusive, "{why:?}");
}

#[test]
fn what_is_certain_may_not_fail_once() {
    let claim = shipped(&["q=0.6", "confirmations=6", "trials=150"]);
    let won = |successes| vec![Tally { trials: 150, successes, ..Tally::default() }];
    assert_eq!(judge(&claim, &won(150)).0, Verdict::Passed);
    assert_eq!(judge(&claim, &won(149)).0, Verdict::Refuted);
}

/// Stretches in which the attacker earned a share of the blocks that lasted, a hundredth more or less each time.
fn stretches(claim: &Claim, earned: impl Fn(f64) -> f64, stale: impl Fn(f64) -> f64) -> Vec<Tally> {
    let points = claim.chosen();
    let stretch = |alpha: f64, number: u32| {
        let (found, scatter) = (4_000.0, if number.is_multiple_of(2) { 0.01 } else { -0.01 });
        let lasting = found * (1.0 - stale(alpha) + scatter / 2.0);
        let ours = lasting * (earned(alpha) + scatter);
        Stretch {
            found: 4_000,
            lasting: lasting as u64,
            ours: ours as u64,
            ties: 500,
            honest: 3_000,
            ..Stretch::default()
        }
    };
    let tally = |alpha: f64| Tally { stretches: (0..8).map(|n| stretch(alpha, n)).collect(), ..Tally::default() };
    points.iter().map(|point| tally(point.get("alpha").unwrap())).collect()
}

#[test]
fn the_gate_tells_selfish_mining_from_honest_mining_and_from_more_than_anyone_can_earn() {
    let claim = of("selfish.yaml", &[]);
    let verdict = |earned: fn(f64) -> f64, stale: fn(f64) -> f64| judge(&claim, &stretches(&claim, earned, stale));
    let selfish = |alpha| revenue(alpha, 0.0);
    assert_eq!(verdict(selfish, stale_share).0, Verdict::Passed);
    assert_eq!(verdict(|alpha| alpha, |_| 0.0).0, Verdict::Refuted);
    let (refuted, why, _) = verdict(|alpha| optimum(alpha, 0.0) + 0.05, stale_share);
    assert_eq!(refuted, Verdict::Refuted);
    assert!(why.is_some_and(|why| why.contains("beyond what the best strategy earns")));
}

/// Two points of twelve books each: one that is eclipsed in `before` of ten restarts, and one with a defence.
fn books(before: [u64; 12], after: [u64; 12]) -> Vec<Tally> {
    let drawn = |outbound| Drawn { restarts: 10, outbound, inbound: outbound, whole: outbound };
    let tally = |hits: [u64; 12]| Tally {
        eclipsed: Eclipsed { books: hits.map(drawn).to_vec(), foretold: 60.0, ..Eclipsed::default() },
        ..Tally::default()
    };
    vec![tally(before), tally(after)]
}

#[test]
fn a_defence_must_help_over_books_and_not_over_restarts() {
    let mut claim = of("eclipse.yaml", &["profile=control"]);
    claim.points.iter_mut().for_each(|(_, points)| points.truncate(2));
    let usual = [5; 12];
    let verdict = |before, after| judge(&claim, &books(before, after));
    let (passed, _, measurement) = verdict(usual, [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    assert_eq!((passed, measurement.gate.pairs, measurement.gate.less), (Verdict::Passed, 1, 1));
    // Of 120 restarts 20 fewer, all of them with two books: that is two books, and chance.
    let (refuted, why, _) = verdict(usual, [0, 0, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0]);
    assert_eq!(refuted, Verdict::Refuted);
    assert!(why.is_some_and(|why| why.contains("not less than without it")));
    assert_eq!(verdict(usual, usual).0, Verdict::Refuted);
    assert_eq!(verdict(usual, [6; 12]).0, Verdict::Refuted);
}

#[test]
fn a_handful_of_books_says_nothing_of_a_defence() {
    let mut claim = of("eclipse.yaml", &["profile=control"]);
    claim.points.iter_mut().for_each(|(_, points)| points.truncate(2));
    let few = |mut tallies: Vec<Tally>| {
        tallies.iter_mut().for_each(|tally| tally.eclipsed.books.truncate(5));
        tallies
    };
    let (_, _, measurement) = judge(&claim, &few(books([5; 12], [0; 12])));
    assert_eq!(measurement.gate.pairs, 0);
    assert!(measurement.rows.iter().any(|row| row.paired && row.left_out.is_some()));
}
