//! What experiments mean, and how wrong ones are refused.

use std::path::Path;

use proptest::prelude::*;
use schism_chaos::fault::{CrashKind, Fault, Partition};
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Moment, Start};

use super::*;
use crate::report::Verdict;

/// Everything that the design promises can be said.
const EXAMPLE: &str = "\
# Two halves mine apart, then meet: the heavier chain wins everywhere, payments survive.
name: partition-heals
topology: ../topologies/mesh-10.yaml
seed: 7
load: { transactions: 1/s, conflicting: 1% }
faults:
  - { at_height: 5, partition: half, for: 12 blocks, prove: { each_side_mined: 3, tips_differ: 2 } }
  - { after: heal, every: 3 blocks, times: 4, crash: { pick: one, kind: machine }, for: 1 block }
  - { at: 5m, slow: { actor: ledger, of: one, by: 500ms }, for: 1m }
always:
  supply: exact
  no_double_spend: true
  common_prefix: { k: 6, within: connected }
finally:
  converged: { within: 2 blocks, fresh_blocks: 3, from_each_side: true, stable: 3 blocks }
  payment: { from: any, to: any, confirmed_within: 3 blocks }
  limits: { reorganisation: 20, transaction_everywhere: { p99: 3s } }
control: { without: heal, expect: stalled }      # the same file must fail without the mechanism it is about
pace: { process: 0.1, container: 0.1 }
sweep: { partition: [half, minority] }           # optional: one table over all combinations
";

/// A topology for short texts.
const TWO: &str = "topology: { name: two, groups: { miner: { count: 2 }, full: { count: 2 } }, overlay: mesh }\n";

fn chaos() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../chaos"))
}

fn read(text: &str) -> Experiment {
    Experiment::parse("e.yaml", text, chaos()).unwrap_or_else(|refusal| panic!("{refusal}\n{text}"))
}

fn with(faults: &str) -> String {
    format!("{TWO}faults: {faults}\nalways: {{ supply: exact }}\n")
}

fn refused(text: &str) -> String {
    Experiment::parse("e.yaml", text, chaos()).expect_err(text).to_string()
}

#[test]
fn the_designs_example_can_be_said_whole() {
    let experiment = read(EXAMPLE);
    assert_eq!((experiment.seed, experiment.topology.name.as_str()), (7, "mesh-10"));
    assert!(experiment.about.starts_with("Two halves"));
    let [partition, crash, slow] = experiment.faults.as_slice() else { panic!() };
    assert_eq!(partition.fault, Fault::Partition(Partition::Sides(vec!["half".parse().unwrap()])));
    assert_eq!(partition.lasting, Lasting::For(Length::Blocks(12.0)));
    assert_eq!(crash.trigger.start, Start::After(Moment::Healed("partition".into())));
    assert_eq!((crash.trigger.every, crash.trigger.times), (Some(Length::Blocks(3.0)), Some(4)));
    assert!(matches!(crash.fault, Fault::Crash { kind: CrashKind::Machine, .. }));
    assert_eq!(slow.name, "slow");
    assert_eq!(experiment.controls[0].expect, Verdict::Stalled);
    assert_eq!(experiment.sweep, [("partition".to_owned(), vec!["half".to_owned(), "minority".to_owned()])]);
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let mut experiment = read(EXAMPLE);
    let printed = experiment.to_yaml();
    experiment.topology_file = None;
    assert_eq!(read(&printed), experiment, "{printed}");
}

#[test]
fn computing_has_its_price_unless_it_is_free() {
    let work = |text: &str| read(&format!("{TWO}always: {{ supply: exact }}\n{text}")).work;
    assert_eq!(work(""), Some(WorkPrices::default()));
    assert_eq!(work("work: none"), None);
    let dear = WorkPrices { signature_check_nanoseconds: 200_000, ..WorkPrices::default() };
    assert_eq!(work("work: { signature_check: 200us }"), Some(dear));
    for text in ["work: none", "work: { signature_check: 200us, byte: 0s }"] {
        let experiment = read(&format!("{TWO}always: {{ supply: exact }}\n{text}"));
        assert_eq!(read(&experiment.to_yaml()).work, experiment.work);
    }
}

#[test]
fn a_typo_is_answered_with_what_was_meant() {
    for (wrong, told) in [
        ("- { at: 90s, partiton: half }", "e.yaml:4:16: unknown key in fault `partiton` (did you mean `partition`?)"),
        ("- { at: 90, partition: half }", "e.yaml:4:11: `90` has no unit, and a duration needs one"),
        ("- { at: 90s, crash: minor-0 }", "unknown node `minor-0` (did you mean `miner-0`?)"),
        ("- { at: 90s, crash: miner }", "unknown node `miner` (did you mean `group:miner`?)"),
        ("- { at: 90s, crash: group:ful }", "unknown group `ful` (did you mean `full`?)"),
        ("- { at: 90s, crash: { pick: one, kind: machin } }", "did you mean `machine`?"),
        ("- { at: 90s, at_height: 3, crash: one }", "`at_height` contradicts `at`"),
        ("- { at: 90s, crash: one, freeze: one }", "`freeze` contradicts `crash`"),
        ("- { at: 90s, crash: one, for: 5s, permanent: true }", "`permanent` contradicts `for`"),
        ("- { crash: one }", "a fault says when it starts"),
        ("- { at: 5s }", "a fault says what happens"),
        ("- { at: 5s, times: 3, crash: one }", "`times` needs `every`"),
        ("- { after: heal, crash: one }", "no step above this one heals"),
        ("- { after: split, crash: one }", "unknown step `split`"),
        ("- { at: 5s, name: a, destroy: one }\n  - { after: heal:a, crash: one }", "`a` is never healed"),
        ("- { at: 5s, name: a, crash: one }\n  - { at: 6s, name: a, crash: one }", "there are two steps `a`"),
        ("- { at: 5s, restart: one, for: 5s }", "this fault has no end"),
        ("- { at: 5s, loss: 100% }", "a link that loses everything is cut"),
        ("- { at: 5s, crash: one, prove: { each_side_mined: 3 } }", "a crash has no sides"),
        ("- { at: 5s, cut: { from: miner-0 } }", "`from` needs `to`"),
        ("- { at: 5s, partition: { parts: 1 } }", "one part is no partition"),
        ("- { at: 5s, slow: { actor: legder, of: one, by: 5s } }", "did you mean `ledger`?"),
        ("- { at: 5s, join: { group: full } }", "there is a group `full` already"),
        ("- { at: 5s, clock_skew: { pick: one } }", "this clock would be right"),
        ("- { at: 5s, clock_skew: { pick: one, by: 1500ms } }", "e.yaml:4:44: a clock that is off by 1.5 s or less"),
        ("- { at: 5s, clock_skew: { pick: one, by: -1s, rate: 1 } }", "a clock that is off by 1.5 s or less"),
        ("- { at: 2m, until: 1m, crash: one }", "ends before it starts"),
    ] {
        let refusal = refused(&format!("{TWO}duration: 3m\nfaults:\n  {wrong}\nalways: {{ supply: exact }}\n"));
        assert!(refusal.contains(told), "{wrong}\n{refusal}");
    }
}

#[test]
fn checks_stand_where_they_can_be_asked() {
    for (wrong, told) in [
        ("always: { converged: { within: 5s } }", "asked at the end, not always"),
        ("finally: { common_prefix: { k: 6 } }", "asked all the time"),
        ("always: { suply: exact }", "did you mean `supply`?"),
        ("always: { no_double_spend: false }", "leave it out"),
        ("finally: { converged: { within: 5s, fresh_blocks: 3, from_each_side: true } }", "no sides to mine from"),
        ("finally: { limits: { transaction_everywhere: { p50: 5s, p99: 3s } } }", "larger part of the values"),
        ("finally: { limits: {} }", "limit nothing"),
        ("finally: { only: { group:est: { supply: exact } } }", "unknown group `est`"),
        ("finally: { only: { group:miner: { served: { to: one } } } }", "`served` says itself to whom"),
        ("seed: 3", "asks for nothing"),
        ("always: { supply: exact }\ncontrol: { without: heal, expect: stalled }", "nothing that heals"),
        ("always: { supply: exact }\npace: { process: 0 }", "not above 0"),
        ("always: { supply: exact }\nseed: -1", "-1 is negative"),
        ("always: { supply: exact }\nwork: non", "what work costs, or `none`"),
        ("always: { supply: exact }\nwork: { signature_chek: 1us }", "did you mean `signature_check`?"),
        ("always: { supply: exact }\nwork: { byte: 10 }", "`10` has no unit"),
    ] {
        let refusal = refused(&format!("{TWO}{wrong}\n"));
        assert!(refusal.contains(told), "{wrong}\n{refusal}");
    }
}

#[test]
fn some_nodes_are_asked_for_no_figure_that_only_a_whole_run_has() {
    let only = |limits: &str| format!("{TWO}finally: {{ only: {{ group:full: {{ limits: {limits} }} }} }}\n");
    for figure in ["blocks_lost: 5", "time_to_converge: 5s", "gini_bytes_served: 0.5", "block_everywhere: { p99: 5s }"]
    {
        let refusal = refused(&only(&format!("{{ reorganisation: 5, {figure} }}")));
        let name = figure.split(':').next().unwrap();
        let told = format!("e.yaml:2:63: `{name}` is a figure of the whole run, not of some of its nodes (move it to");
        assert!(refusal.starts_with(&told), "{refusal}");
        assert!(refused(&only(&format!("[ {{ {figure} }} ]"))).contains("move it to the `limits` outside `only`"));
    }
    assert_eq!(read(&only("{ reorganisation: 5 }")).finally.len(), 1);
}

#[test]
fn all_problems_of_a_file_are_told_at_once() {
    let refusal = refused(
        "topology: ../topologies/mesh-11.yaml\nsed: 7\nload: { transactions: 1 }\nfaults:\n  - { at: 5, crash: { pcik: one } }\nalways: { suply: exact }\n",
    );
    for told in [
        "did you mean `mesh-10.yaml`?",
        "did you mean `seed`?",
        "per what",
        "`5` has no unit",
        "did you mean `pick`?",
        "did you mean `supply`?",
    ] {
        assert!(refusal.contains(told), "{told} is missing in\n{refusal}");
    }
}

#[test]
fn a_setting_reaches_everything_and_is_as_strict_as_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e.yaml");
    let topology = chaos().join("../topologies/mesh-10.yaml");
    std::fs::write(&path, EXAMPLE.replace("../topologies/mesh-10.yaml", topology.to_str().unwrap())).unwrap();
    let load = |settings: &[&str]| {
        Experiment::load(&path, &settings.iter().map(|setting| (*setting).to_owned()).collect::<Vec<_>>())
    };
    let set = load(&[
        "seed=9",
        "load.transactions=5/s",
        "partition=minority",
        "topology.overlay.unstructured.degree=3",
        "faults.2.for=2m",
    ])
    .unwrap();
    assert_eq!((set.seed, set.load.transactions.0), (9, 5.0));
    assert_eq!(set.faults[0].fault, Fault::Partition(Partition::Sides(vec!["minority".parse().unwrap()])));
    assert_eq!(set.topology.overlay, crate::topology::Overlay::unstructured(3));
    assert_eq!(set.faults[2].lasting, Lasting::For("2m".parse().unwrap()));
    for (setting, told) in [
        ("sed=9", "--set:1:1: unknown key in experiment `sed` (did you mean `seed`?)"),
        ("load.transactions=5", "--set:1:19: `5` does not say per what"),
        ("faults.7.for=2m", "the list has 3 items"),
        ("seed", "a setting is `path=value`"),
    ] {
        let refusal = load(&[setting]).unwrap_err().to_string();
        assert!(refusal.contains(told), "{setting}\n{refusal}");
    }
    let combinations = Experiment::load_combinations(&path, &[]).unwrap();
    assert_eq!(
        combinations.iter().map(|one| one.settings.join(" ")).collect::<Vec<_>>(),
        ["partition=half", "partition=minority"]
    );
    assert!(combinations.iter().all(|one| one.experiment.sweep.is_empty()));
}

#[test]
fn newcomers_are_planned_last_and_can_be_named() {
    let text = with(
        "[{ at: 5s, join: { group: late, count: 2 } }, { at: 6s, join: { group: second, peers: late-0 } }, { at: 9s, crash: late-1 }]",
    );
    let plan = read(&text).plan(1);
    let names: Vec<_> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["miner-0", "miner-1", "full-0", "full-1", "late-0", "late-1", "second-0"]);
    assert!(plan.links.iter().any(|link| (link.from, link.to) == (6, 4)));
    assert_eq!(plan.nodes[6].starts, crate::topology::Starts::With("join-2".into()));
}

/// One line of a fault for every kind and shape, with something drawn in it.
fn any_fault() -> impl Strategy<Value = String> {
    let selector = prop_oneof![
        Just("one".to_owned()),
        Just("half of role:miner".to_owned()),
        Just("hashpower:>50%".to_owned()),
        Just("miner-0, group:full".to_owned()),
        (1_u32..100).prop_map(|percent| format!("{percent}%")),
        Just("busiest".to_owned()),
    ];
    let length = prop_oneof![
        (1_u64..10_000_000).prop_map(|ms| format!("{ms}ms")),
        (1_u32..50).prop_map(|blocks| format!("{blocks} blocks")),
        Just("1.5h".to_owned()),
    ];
    let kind = (selector, length.clone(), 0_usize..21, 1_u32..1_000).prop_map(|(s, l, kind, n)| match kind {
        0 => format!("partition: '{s}'"),
        1 => format!("partition: {{ parts: {} }}", n + 1),
        2 => format!("partition: ['{s}', rest]"),
        3 => format!("cut: {{ from: '{s}', to: rest }}"),
        4 => format!("isolate: '{s}'"),
        5 => format!("latency: {{ by: {n}ms, jitter: 5ms, of: '{s}' }}"),
        6 => format!("bandwidth: {n} kbit/s"),
        7 => format!("loss: {{ share: {}.{}%, between: ['{s}', rest] }}", n % 99, n % 7),
        8 => format!("crash: {{ pick: '{s}', kind: machine }}"),
        9 => format!("freeze: '{s}'"),
        10 => format!("churn: {{ pick: '{s}', rate: {n}/h, away: {l} }}"),
        11 => format!("clock_skew: {{ pick: '{s}', by: -{n}ms, rate: 1.{n} }}"),
        12 => format!("flap: {{ of: '{s}', up: {l}, down: {n}ms }}"),
        13 => format!("slow: {{ actor: ledger, of: '{s}', by: {n}ms }}"),
        14 => format!("drop: {{ actor: network, of: '{s}', share: {}% }}", n % 101),
        15 => format!("hold: {{ actor: miner, of: '{s}' }}"),
        16 => format!("destroy: '{s}'"),
        17 => format!("restart: {{ pick: '{s}', kind: torn }}"),
        18 => format!("full_disk: '{s}'"),
        19 => format!("failing_sync: '{s}'"),
        _ => format!("join: {{ group: n{n}, count: {}, peers: '{s}' }}", n % 5 + 1),
    });
    let trigger = prop_oneof![
        length.clone().prop_map(|length| format!("at: {length}")),
        (1_u32..99).prop_map(|height| format!("at_height: {height}, delay: 5s")),
        Just("after: first".to_owned()),
        Just("after: heal:first".to_owned()),
    ];
    let lasting = prop_oneof![
        length.prop_map(|length| format!(", for: {length}")),
        Just(", permanent: true".to_owned()),
        Just(", until: { at_height: 99 }".to_owned()),
        Just(String::new()),
    ];
    (trigger, kind, lasting).prop_map(|(trigger, kind, lasting)| {
        let instant = ["destroy", "restart", "join"].iter().any(|word| kind.starts_with(word));
        format!("{{ {trigger}, {kind}{} }}", if instant { "" } else { &lasting })
    })
}

proptest! {
    #[test]
    fn any_experiment_reads_back_from_its_own_print(faults in proptest::collection::vec(any_fault(), 0..5), seed: u64) {
        let faults = faults.iter().map(|fault| format!(", {fault}")).collect::<String>();
        let text = format!("seed: {seed}\n{}", with(&format!("[{{ at: 1s, name: first, freeze: one }}{faults}]")));
        // Two newcomers' groups of one name are refused, and rightly.
        if let Ok(experiment) = Experiment::parse("e.yaml", &text, chaos()) {
            let printed = experiment.to_yaml();
            prop_assert_eq!(read(&printed), experiment, "{}", printed);
        } else {
            prop_assert!(text.matches("join").count() > 1, "{}", refused(&text));
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "[a-z0-9:{}\\[\\], \n%-]{0,80}") {
        let _ = Experiment::parse("e.yaml", &text, chaos());
        let _ = Experiment::parse("e.yaml", &format!("{TWO}faults: {text}"), chaos());
    }
}

/// Every file of a folder that ends in `.yaml`, in order.
fn shipped(folder: &str) -> Vec<std::path::PathBuf> {
    let folder = chaos().join("..").join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    files
}

#[test]
fn every_shipped_experiment_says_what_it_shows_and_has_a_control() {
    let files = shipped("chaos");
    assert!(files.len() >= 10);
    for path in files {
        let experiment = Experiment::load(&path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(experiment.about.len() > 20, "{}", path.display());
        assert!(!experiment.controls.is_empty(), "{}", path.display());
        for control in &experiment.controls {
            let controlled = Experiment::controlled(&path, &[], control).unwrap_or_else(|refusal| panic!("{refusal}"));
            assert!(controlled.controls.is_empty());
        }
        let printed = experiment.to_yaml();
        assert_eq!(read(&printed), Experiment { topology_file: None, ..experiment }, "{printed}");
    }
}

#[test]
fn every_shipped_topology_says_what_it_is_for_and_expands() {
    let files = shipped("topologies");
    let names = ["line-4", "mesh-10", "mesh-100", "mesh-30", "pair", "ring-8", "star-9", "two-islands-10", "world-30"];
    let stems: Vec<_> = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert!(names.iter().all(|name| stems.contains(name)), "{stems:?}");
    for path in files {
        let topology = Topology::load(&path, &[]).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(topology.about.len() > 20, "{}", path.display());
        let plan = topology.plan(1);
        let said: String = topology.name.chars().rev().take_while(char::is_ascii_digit).collect();
        if let Ok(count) = said.chars().rev().collect::<String>().parse::<usize>() {
            assert_eq!(plan.nodes.len(), count, "{}", topology.name);
        }
        let power: f64 = plan.nodes.iter().map(|node| node.hash_share).sum();
        assert!((power - 1.0).abs() < 1e-9, "{}: {power}", topology.name);
        assert_eq!(Topology::parse("again", &topology.to_yaml()).unwrap(), topology);
    }
}

#[test]
fn a_control_without_a_step_is_without_those_that_wait_for_it() {
    let path = chaos().join("late-joiner.yaml");
    let experiment = Experiment::load(&path, &[]).unwrap();
    let controlled = Experiment::controlled(&path, &[], &experiment.controls[0]).unwrap();
    assert_eq!((experiment.faults.len(), controlled.faults.len()), (3, 0));
}
