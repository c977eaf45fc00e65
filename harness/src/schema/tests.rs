//! The schema holds what the parser holds: every file that one refuses for its shape the other refuses, too.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::experiment::Experiment;
use crate::topology::Topology;
use crate::yaml::Node;

use super::validator::Validator;

/// Folders of experiments.
const EXPERIMENTS: [&str; 2] = ["chaos", "chaos/attacks"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All experiments, as JSON.
fn experiments() -> Vec<(PathBuf, Value)> {
    EXPERIMENTS.iter().flat_map(|folder| shipped(folder)).collect()
}

/// All files of a folder, as JSON.
fn shipped(folder: &str) -> Vec<(PathBuf, Value)> {
    let files = std::fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    files.sort();
    let read = |path: PathBuf| {
        let tree = Node::parse(&std::fs::read_to_string(&path).unwrap(), 0).unwrap();
        let value = serde_json::to_value(tree.print()).unwrap();
        (path, value)
    };
    files.into_iter().map(read).collect()
}

fn schemas() -> (Validator, Validator) {
    (Validator::new(super::topology()), Validator::new(super::experiment()))
}

fn parses_as_topology(file: &Value) -> bool {
    // JSON is YAML.
    Topology::parse("t", &file.to_string()).is_ok()
}

fn parses_as_experiment(file: &Value) -> bool {
    // A topology's file is said from the experiment's folder.
    EXPERIMENTS.iter().any(|folder| Experiment::parse("e", &file.to_string(), &root().join(folder)).is_ok())
}

#[test]
fn every_shipped_file_is_valid_for_both() {
    let (topology, experiment) = schemas();
    for (path, file) in shipped("topologies") {
        assert_eq!(topology.error(&file), None, "{}", path.display());
        assert!(parses_as_topology(&file), "{}", path.display());
    }
    for (path, file) in experiments() {
        assert_eq!(experiment.error(&file), None, "{}", path.display());
        assert!(parses_as_experiment(&file), "{}", path.display());
    }
}

#[test]
fn what_is_printed_is_valid_too() {
    let (_, schema) = schemas();
    for (path, _) in experiments() {
        let printed = Experiment::load(&path, &[]).unwrap().to_yaml();
        let value = serde_json::to_value(Node::parse(&printed, 0).unwrap().print()).unwrap();
        assert_eq!(schema.error(&value), None, "{}\n{printed}", path.display());
    }
}

/// Every place of a file, as keys and positions from the top.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| places(value, &format!("{here}/{key}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| places(value, &format!("{here}/{at}"), found))
        }
        _ => {}
    }
}

/// Whether keys are the user's own here, so that one more is not unknown.
fn free(place: &str) -> bool {
    place.contains("/with") || place.contains("/sweep") || place.contains("/profiles")
}

#[test]
fn an_unknown_key_is_refused_everywhere_by_both() {
    let (topology, experiment) = schemas();
    let mut tried = 0;
    for (files, schema, parses) in [
        (shipped("topologies"), &topology, parses_as_topology as fn(&Value) -> bool),
        (experiments(), &experiment, parses_as_experiment as fn(&Value) -> bool),
    ] {
        for (path, file) in files {
            let mut found = Vec::new();
            places(&file, "", &mut found);
            for place in found.into_iter().filter(|place| !free(place)) {
                let mut wrong = file.clone();
                let Some(Value::Object(map)) = wrong.pointer_mut(&place) else { continue };
                map.insert("surprise".to_owned(), json!(true));
                tried += 1;
                assert!(!schema.is_valid(&wrong), "the schema takes a surprise in {}{place}", path.display());
                assert!(!parses(&wrong), "the parser takes a surprise in {}{place}", path.display());
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

/// Values that are wrong in most places, and right in some.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        Just(json!(0)),
        Just(json!(-1)),
        Just(json!(0.5)),
        Just(json!("5")),
        Just(json!("5s")),
        Just(json!("3 blocks")),
        Just(json!("30%")),
        Just(json!("1/s")),
        Just(json!("one")),
        Just(json!("")),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["one", "rest"])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The schema is never stricter than the parser: an editor must not mark what runs.
    #[test]
    fn what_the_schema_refuses_the_parser_refuses(file in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), value in any_value()) {
        let (topology, experiment) = schemas();
        let topologies = shipped("topologies").len();
        let all: Vec<_> = shipped("topologies").into_iter().chain(experiments()).collect();
        let file = file.index(all.len());
        let (schema, parses) = if file < topologies {
            (&topology, parses_as_topology as fn(&Value) -> bool)
        } else {
            (&experiment, parses_as_experiment as fn(&Value) -> bool)
        };
        let mut changed = all[file].1.clone();
        let mut found = Vec::new();
        places(&changed, "", &mut found);
        let place = &found[place.index(found.len())];
        *changed.pointer_mut(place).unwrap() = value;
        if !schema.is_valid(&changed) {
            prop_assert!(!parses(&changed), "{}", changed);
        }
    }
}
