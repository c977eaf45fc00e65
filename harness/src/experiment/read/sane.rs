//! Sanity of a whole experiment: what no single value of it can say.

use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Start};

use crate::experiment::{Check, Experiment, Without, prove};
use crate::yaml::{Context, Entry, Place, Value};

/// Notes contradictions between the parts; nothing then.
pub(super) fn check(context: &Context, experiment: &Experiment, at: Place, entries: &[&Entry]) -> Option<()> {
    let place = |key: &str| entries.iter().find(|entry| entry.key == key).map_or(at, |entry| entry.at);
    let mut right = true;
    let mut wrong = |at: Place, what: String, help: &str| {
        context.wrong(at, what, Some(help.to_owned()));
        right = false;
    };
    if let Some(claim) = &experiment.claim {
        for key in ["load", "faults", "duration", "always", "finally", "sweep"] {
            if let Some(entry) = entries.iter().find(|entry| entry.key == key) {
                let help = "trials make their own payments, in a calm network; leave it out";
                wrong(entry.at, format!("`{key}` means nothing beside a claim"), help);
            }
        }
        let adversaries = || experiment.topology.groups.iter().filter(|group| group.adversary.is_some());
        let of_kind =
            adversaries().filter(|group| group.adversary.is_some_and(|one| one.name() == claim.what.adversary()));
        if of_kind.map(|group| group.count).sum::<u32>() != 1 {
            let what = format!("this claim needs one node with an adversary, of kind `{}`", claim.what.adversary());
            wrong(place("claim"), what, "give it to a group of one node in the topology");
        }
    } else if experiment.always.is_empty() && experiment.finally.is_empty() {
        wrong(at, "this experiment asks for nothing".into(), "add `always`, `finally` or a `claim`");
    }
    let sides = experiment.faults.iter().any(|step| prove::makes_sides(&step.fault));
    for expectation in &experiment.finally {
        if matches!(expectation.check, Check::Converged { from_each_side: true, .. }) && !sides {
            wrong(
                place("finally"),
                "there are no sides to mine from".into(),
                "leave `from_each_side` out, or add a partition",
            );
        }
    }
    for control in &experiment.controls {
        if matches!(control.without, Some(Without::Heal | Without::HealOf(_))) && experiment.finally.is_empty() {
            wrong(place("control"), "nothing is asked after the heal that is taken away".into(), "add `finally`");
        }
    }
    let in_time = in_time(context, experiment, entries);
    let groups = groups(context, experiment, entries);
    (right && in_time && groups).then_some(())
}

/// Steps that the duration leaves no time for.
fn in_time(context: &Context, experiment: &Experiment, entries: &[&Entry]) -> bool {
    let Some(duration) = experiment.duration else { return true };
    let interval = experiment.topology.chain.interval();
    let end = duration.duration(interval, 1.0);
    let time = |length: Length| length.duration(interval, 1.0);
    let items = items(entries);
    let mut right = true;
    for (step, item) in experiment.faults.iter().zip(items) {
        let Start::At(at) = step.trigger.start else { continue };
        let start = time(at) + time(step.trigger.delay);
        if start >= end {
            let at = item.get("at").map_or(item.at, |node| node.at);
            context.wrong(
                at,
                format!("this is not before the end, which is at {duration}"),
                Some("make `duration` longer".into()),
            );
            right = false;
        }
        if let Lasting::Until(Start::At(until)) = step.lasting
            && time(until) <= start
        {
            let at = item.get("until").map_or(item.at, |node| node.at);
            context.wrong(
                at,
                "this ends before it starts",
                Some("`until` counts from the start of the load; or say `for`".into()),
            );
            right = false;
        }
    }
    right
}

/// Newcomers' groups that are there already.
fn groups(context: &Context, experiment: &Experiment, entries: &[&Entry]) -> bool {
    let mut names: Vec<&str> = experiment.topology.groups.iter().map(|group| group.name.as_str()).collect();
    let mut right = true;
    for (step, item) in experiment.faults.iter().zip(items(entries)) {
        let schism_chaos::fault::Fault::Join(join) = &step.fault else { continue };
        if names.contains(&join.group.as_str()) {
            context.wrong(item.at, format!("there is a group `{}` already", join.group), Some("name another".into()));
            right = false;
        }
        names.push(&join.group);
    }
    right
}

fn items<'n>(entries: &[&'n Entry]) -> &'n [crate::yaml::Node] {
    match entries.iter().find(|entry| entry.key == "faults").map(|entry| &entry.value.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}
