//! Steps: their names, before anything else is known of them, so that they can refer to each other.

use std::collections::BTreeMap;

use schism_chaos::catalogue::CATALOGUE;

use schism_chaos::schedule::Step;

use crate::yaml::{Context, Node, Value};

/// A step's name and what others may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// As the file says, or made of its kind.
    pub(super) name: String,
    /// Whether the file says it.
    pub(super) named: bool,
    /// Whether it ever heals.
    pub(super) heals: bool,
}

/// The kind of a step: the first of its keys that is one.
pub(super) fn kind(node: &Node) -> Option<&'static str> {
    let Value::Map(entries) = &node.value else { return None };
    let kind = |key: &str| CATALOGUE.iter().find(|kind| kind.name == key).map(|kind| kind.name);
    entries.iter().find_map(|entry| kind(&entry.key))
}

/// Names for all steps of a list, unique where the file's own are.
pub(super) fn names(context: &Context, list: &Node) -> Vec<Named> {
    let Value::List(items) = &list.value else { return Vec::new() };
    name_all(context, items, Vec::new())
}

/// Steps that have their names, and one more.
pub(super) fn and_one_more(context: &Context, before: &[Step], item: &Node) -> Vec<Named> {
    let named = |step: &Step| Named { name: step.name.clone(), named: step.named, heals: step.fault.heals() };
    name_all(context, std::slice::from_ref(item), before.iter().map(named).collect())
}

/// Names for these steps, which come after those that have theirs.
fn name_all(context: &Context, items: &[Node], mut before: Vec<Named>) -> Vec<Named> {
    let own = |item: &Node| item.get("name").and_then(|name| context.quietly(|| context.name(name)));
    let taken = before.iter().map(|step| step.name.clone()).chain(items.iter().filter_map(own));
    let taken: Vec<String> = taken.collect();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut name = |item: &Node| {
        let permanent = item.get("permanent").is_some_and(|node| node.value == Value::Bool(true));
        let kind = kind(item).unwrap_or("step");
        let heals = !permanent && !matches!(kind, "restart" | "destroy" | "join" | "step");
        if let Some(name) = own(item) {
            return Named { name, named: true, heals };
        }
        loop {
            let count = counts.entry(kind).or_default();
            *count += 1;
            let name = if *count == 1 { kind.to_owned() } else { format!("{kind}-{count}") };
            if !taken.contains(&name) {
                return Named { name, named: false, heals };
            }
        }
    };
    before.extend(items.iter().map(&mut name));
    before
}
