//! What reports say.

use super::*;
use crate::suite::Backend;

fn partition(verdict: Verdict) -> Results {
    let met = |name: &str, seen: &str| Requirement {
        name: name.into(),
        asked: String::new(),
        seen: seen.into(),
        state: RequirementState::Met,
    };
    let missing =
        Requirement { state: RequirementState::Missing, ..met("tight", "3 frames crossed <between> the sides") };
    let node = |name: &str, height| NodeRow {
        name: name.into(),
        role: "miner".into(),
        state: "alive".into(),
        height,
        tip: format!("{:064x}", 0xabcd_0000_u64 + u64::from(height)),
        digest: "d1".into(),
        peers: 4,
        pool: 2,
        mined: 7,
        bytes_served: 1_234_567,
        verifications: 99,
        processor_seconds: Some(0.5),
    };
    let point = |at, node: &str, height| TimelinePoint { at, node: node.into(), height, tip: "ab".into() };
    let why = "miner-1 and miner-0 had different tips until the end".to_owned();
    Results {
        verdict,
        about: "Two halves & a heal.".into(),
        why: (verdict != Verdict::Passed).then_some(why),
        fault_layer: "fabric".into(),
        trace: Some("77aa".into()),
        virtual_seconds: 400.0,
        real_seconds: 0.5,
        measured: Measured { seconds_to_converge: Some(6.25), blocks_mined: 40, ..Measured::default() },
        evidence: vec![Evidence {
            step: "partition".into(),
            fault: "partition half for 24 blocks".into(),
            acted: vec![(50.0, Some(290.0))],
            nodes: vec!["miner-1".into()],
            requirements: vec![met("applied", "812 frames held"), missing],
        }],
        violations: vec![Violation {
            at: 300.0,
            check: "converged".into(),
            node: Some("miner-1".into()),
            block: None,
            what: "still on its own tip".into(),
        }],
        checks: vec![met("supply", "exact on 10 nodes")],
        nodes: vec![node("miner-0", 40), node("miner-1", 39)],
        heights: vec![point(0.0, "miner-0", 0), point(10.0, "miner-0", 1), point(12.0, "miner-1", 1)],
        fault_bars: vec![TimelineFault { step: "partition".into(), from: 50.0, to: Some(290.0) }],
        ..Results::broken(
            "partition-heals",
            7,
            Backend::Simulated,
            "schism run chaos/partition-heals.yaml --seed 7".into(),
            String::new(),
        )
    }
}

#[test]
fn a_failure_tells_each_nodes_tip_and_how_to_repeat_it() {
    let told = text(&partition(Verdict::Stalled), Colour::Never);
    for part in [
        "stalled: miner-1 and miner-0 had",
        "812 frames held",
        "✗ tight",
        "miner-0",
        "abcd0028",
        "repeat with: schism run chaos/partition-heals.yaml --seed 7",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains('\x1b'));
    assert!(text(&partition(Verdict::Stalled), Colour::Always).contains("\x1b[1;31mstalled\x1b[0m"));
}

#[test]
fn a_pass_is_short_about_nodes_and_long_about_evidence() {
    let told = text(&partition(Verdict::Passed), Colour::Never);
    assert!(told.starts_with("passed\n"));
    assert!(told.contains("converged after the heal 6.2 s") && told.contains("800 times real time"));
    assert!(told.contains("50.0 s to 4 min 50 s") && !told.contains("abcd0028"));
}

#[test]
fn in_junit_what_is_inconclusive_is_an_error_unless_it_may_pass() {
    let all = [Verdict::Passed, Verdict::Violated, Verdict::Inconclusive].map(partition);
    let all: Vec<&Results> = all.iter().collect();
    let strict = junit(&all, Inconclusive::Fails);
    assert!(
        strict.contains("tests=\"3\"") && strict.contains("errors=\"1\"") && strict.contains("failures=\"1\""),
        "{strict}"
    );
    assert!(strict.contains("repeat with: schism run"));
    let lenient = junit(&all, Inconclusive::Warns);
    assert!(lenient.contains("errors=\"0\"") && lenient.contains("failures=\"1\""), "{lenient}");
}

#[test]
fn the_page_draws_heights_and_faults_and_needs_nothing_else() {
    let page = html(&partition(Verdict::Stalled));
    assert!(page.contains("<svg") && page.contains("<title>miner-1</title>"));
    assert!(page.contains("Two halves &amp; a heal.") && page.contains("&lt;between&gt;"));
    assert_eq!((page.matches("<rect").count(), page.matches("<path").count()), (2, 2));
    assert!(!page.contains("http") && !page.contains("<script"));
}

#[test]
fn results_survive_being_written_down() {
    let results = partition(Verdict::Stalled);
    assert_eq!(serde_json::from_str::<Results>(&json(&results)).unwrap(), results);
    assert!(!json_line(&results).contains('\n'));
}

#[test]
fn exit_codes_are_the_designs_and_the_worst_run_decides() {
    use Verdict::*;
    let codes = [Passed, Violated, Stalled, Refuted, Inconclusive, Error, Interrupted].map(Verdict::exit_code);
    assert_eq!(codes, [0, 1, 1, 1, 2, 3, 130]);
    assert_eq!(crate::suite::worst([Passed, Inconclusive, Stalled]), Stalled);
    assert_eq!(crate::suite::worst([]), Passed);
}

#[test]
fn a_table_says_how_the_figures_are_spread() {
    let all: Vec<Results> = (1..=3).map(|seed| Results { seed, ..partition(Verdict::Passed) }).collect();
    let told = table(&all, Colour::Never);
    assert!(told.contains("3 of 3 passed") && told.contains("median 6.2 s"), "{told}");
}

#[test]
fn a_sweep_is_a_row_a_setting_with_an_interval_over_its_seeds() {
    let run = |(count, seconds): (u32, f64)| {
        let mut results = partition(Verdict::Passed);
        let adversary = r#"topology.groups.miner.adversary={"kind":"echo","a_second":5}"#;
        results.settings = vec![format!("topology.groups.miner.count={count}"), adversary.to_owned()];
        results.measured.seconds_to_converge = (seconds > 0.0).then_some(seconds);
        results
    };
    let all: Vec<Results> = [(2, 1.0), (2, 3.0), (2, 0.0), (5, 4.0)].into_iter().map(run).collect();
    let page = markdown_of_sweep(&all);
    assert!(page.contains("| count 2, adversary {kind: echo, a_second: 5} | 2.0 s (0 s … "), "{page}");
    assert!(page.contains(", 1 never | 3 of 3 |") && page.contains("a_second: 5} | 4.0 s | 1 of 1 |"), "{page}");
    assert!(table(&all, Colour::Never).contains("a_second: 5}: 4.0 s"));
}
