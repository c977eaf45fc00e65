//! The top of an experiment's file.

use std::time::Duration;

use schism_chaos::quantity::{Length, Pause, Rate, Share};
use schism_chaos::selector::{Amount, Selector, Set};
use schism_chaos::simulation::WorkPrices;

use super::{checks, faults, sane};
use crate::claim;
use crate::experiment::{Control, Experiment, Load, Pace, Replay, Split, Without};
use crate::report::Verdict;
use crate::topology;
use crate::yaml::{Context, Node, Value};

/// Every key an experiment may have.
pub(super) const KEYS: [&str; 14] = [
    "name", "about", "topology", "seed", "duration", "load", "faults", "always", "finally", "control", "pace", "work",
    "sweep", "claim",
];

/// Reads an experiment's map, its topology already in place.
pub(super) fn read(context: &Context, node: &Node) -> Option<Experiment> {
    let fields = context.map(node, "an experiment")?;
    let name = fields.required("name", Context::name);
    let about = fields.or("about", String::new(), Context::text);
    let topology = match fields.entry("topology") {
        // Its absence was noted where its file was looked for.
        Some(entry) if entry.value.value == Value::Nothing => None,
        _ => fields.required("topology", topology::read),
    };
    let seed = fields.or("seed", 1, Context::whole::<u64>);
    let duration = fields.optional("duration", Context::quantity::<Length>);
    let known = topology.as_ref().map(topology::Topology::known);
    let claim = fields.optional("claim", |context, node| claim::read(context, node, known.as_ref()));
    let scope = faults::Scope::new(context, known, fields.entry("faults").map(|entry| &entry.value));
    let load = fields.or("load", Load::default(), |context, node| read_load(context, node, &scope));
    let faults = fields.or("faults", Vec::new(), |context, node| faults::read(context, node, &scope));
    let always =
        fields.or("always", Vec::new(), |context, node| checks::read(context, node, &scope, checks::When::Always));
    let finally =
        fields.or("finally", Vec::new(), |context, node| checks::read(context, node, &scope, checks::When::Finally));
    let controls = fields.or("control", Vec::new(), |context, node| read_controls(context, node, &scope));
    let pace = fields.or("pace", Pace::default(), read_pace);
    let work = fields.or("work", Some(WorkPrices::default()), read_work);
    let sweep = fields.or("sweep", Vec::new(), read_sweep);
    let entries =
        fields.present(&["finally", "control", "duration", "faults", "always", "load", "sweep", "topology", "claim"]);
    fields.finish();
    let experiment = Experiment {
        name: name?,
        about: about?,
        topology: topology?,
        topology_file: None,
        seed: seed?,
        duration: duration?,
        load: load?,
        faults: faults?,
        always: always?,
        finally: finally?,
        controls: controls?,
        pace: pace?,
        work: work?,
        sweep: sweep?,
        room: 0,
        claim: claim?,
    };
    sane::check(context, &experiment, node.at, &entries)?;
    Some(experiment)
}

impl Default for Load {
    fn default() -> Self {
        let from = Selector { amount: Amount::All, among: vec![Set::Everyone] };
        Self { transactions: Rate(0.0), conflicting: Share(0.0), from, replay: None }
    }
}

fn read_load(context: &Context, node: &Node, scope: &faults::Scope) -> Option<Load> {
    let fields = context.map(node, "a load")?;
    let absent = Load::default();
    let transactions = fields.required("transactions", Context::quantity::<Rate>);
    let conflicting = fields.or("conflicting", absent.conflicting, Context::quantity::<Share>);
    let from = fields.or("from", absent.from, |context, node| scope.selector(context, node));
    let replay = fields.optional("replay", |context, node| read_replay(context, node, scope));
    fields.finish();
    Some(Load { transactions: transactions?, conflicting: conflicting?, from: from?, replay: replay? })
}

fn read_replay(context: &Context, node: &Node, scope: &faults::Scope) -> Option<Replay> {
    let fields = context.map(node, "a replay")?;
    let from = fields.required("from", |context, node| scope.selector(context, node));
    let to = fields.required("to", |context, node| scope.selector(context, node));
    let words = [("coinbase", Split::Coinbase), ("alone", Split::Alone)];
    let split = fields.optional("split", |context, node| context.word(node, "way to split coins", &words));
    fields.finish();
    Some(Replay { from: from?, to: to?, split: split? })
}

fn read_pace(context: &Context, node: &Node) -> Option<Pace> {
    let fields = context.map(node, "a pace")?;
    let simulated = fields.or("simulated", 1.0, Context::factor);
    let process = fields.or("process", 1.0, Context::factor);
    let container = fields.or("container", 1.0, Context::factor);
    fields.finish();
    Some(Pace { simulated: simulated?, process: process?, container: container? })
}

/// Prices, or `none`.
fn read_work(context: &Context, node: &Node) -> Option<Option<WorkPrices>> {
    if node.as_text() == Some("none") {
        return Some(None);
    }
    let fields = context.map(node, "what work costs, or `none`")?;
    let usual = WorkPrices::default();
    let price = |key: &'static str, nanoseconds: u64| {
        let price = fields.or(key, Pause(Duration::from_nanos(nanoseconds)), Context::quantity::<Pause>)?;
        u64::try_from(price.0.as_nanos()).ok()
    };
    let signature_check = price("signature_check", usual.signature_check_nanoseconds);
    let byte = price("byte", usual.byte_nanoseconds);
    fields.finish();
    Some(Some(WorkPrices { signature_check_nanoseconds: signature_check?, byte_nanoseconds: byte? }))
}

/// One control, or several.
fn read_controls(context: &Context, node: &Node, scope: &faults::Scope) -> Option<Vec<Control>> {
    match node.value {
        Value::List(_) => context.list(node, "`control`", |context, node| read_control(context, node, scope)),
        _ => read_control(context, node, scope).map(|control| vec![control]),
    }
}

fn read_control(context: &Context, node: &Node, scope: &faults::Scope) -> Option<Control> {
    const VERDICTS: [(&str, Verdict); 4] = [
        ("stalled", Verdict::Stalled),
        ("violated", Verdict::Violated),
        ("refuted", Verdict::Refuted),
        ("inconclusive", Verdict::Inconclusive),
    ];
    let fields = context.map(node, "a control")?;
    let without = fields.optional("without", |context, node| {
        let text = context.text(node)?;
        match text.split_once(':') {
            None if text == "heal" => {
                if !scope.heals() {
                    let help = "add a step that is not permanent, or take a step away instead".to_owned();
                    context.wrong(node.at, "there is nothing that heals here", Some(help));
                    return None;
                }
                Some(Without::Heal)
            }
            Some(("heal", step)) => scope.step(context, node, step, None, true).map(Without::HealOf),
            _ => scope.step(context, node, &text, None, false).map(Without::Step),
        }
    });
    let expect = fields.required("expect", |context, node| context.word(node, "verdict of a control", &VERDICTS));
    let with = fields.or("with", Vec::new(), read_settings);
    let said = fields.present(&["without", "with"]);
    fields.finish();
    let control = Control { without: without?, with: with?, expect: expect? };
    if said.is_empty() {
        let help = "add `without: heal`, `without: <step>` or `with: { path: value }`".to_owned();
        context.wrong(node.at, "this control changes nothing", Some(help));
        return None;
    }
    Some(control)
}

/// Paths and their values.
fn read_settings(context: &Context, node: &Node) -> Option<Vec<(String, String)>> {
    let Value::Map(entries) = &node.value else {
        let help = "such as `{ topology: ../topologies/star-9.yaml }`".to_owned();
        context.wrong(node.at, format!("settings are a map, not {}", node.value.kind()), Some(help));
        return None;
    };
    Some(entries.iter().map(|entry| (entry.key.clone(), entry.value.to_flow())).collect())
}

/// Paths and the values each of them takes, as the text they stand in the file with.
fn read_sweep(context: &Context, node: &Node) -> Option<Vec<(String, Vec<String>)>> {
    let Value::Map(entries) = &node.value else {
        let help = "such as `partition: [half, minority]`".to_owned();
        context.wrong(node.at, format!("a sweep is a map of lists, not {}", node.value.kind()), Some(help));
        return None;
    };
    let axes = entries.iter().map(|entry| {
        let values = context.list(&entry.value, "what a sweep tries", |_, node| Some(node.to_flow()));
        if values.as_ref().is_some_and(Vec::is_empty) {
            context.wrong(entry.value.at, "an empty list tries nothing", Some("give it values, or take it out".into()));
            return None;
        }
        Some((entry.key.clone(), values?))
    });
    axes.collect::<Vec<_>>().into_iter().collect()
}
