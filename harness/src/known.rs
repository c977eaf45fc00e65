//! What is known: the nodes, groups, regions and steps that a file may refer to, so that a wrong name is noticed
//! where it stands.

use std::collections::BTreeSet;

use schism_chaos::selector::{Selector, Set};

use crate::yaml::{Context, Node, Value};

/// Names that can be referred to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Nodes.
    pub nodes: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<String>,
    /// Regions.
    pub regions: BTreeSet<String>,
    /// Upgrades of the chain's rules.
    pub upgrades: BTreeSet<String>,
}

impl Known {
    /// Adds a group with its nodes.
    pub fn add_group(&mut self, group: &str, count: u32) {
        self.groups.insert(group.to_owned());
        self.nodes.extend((0..count).map(|number| format!("{group}-{number}")));
    }

    /// Reads a selector: a text, or a list of sets. All it names must be known.
    pub fn selector(&self, context: &Context, node: &Node) -> Option<Selector> {
        let Value::List(items) = &node.value else {
            let selector: Selector = context.quantity(node)?;
            return self.check(context, node, &selector).then_some(selector);
        };
        let sets: Vec<Option<Selector>> = items.iter().map(|item| self.selector(context, item)).collect();
        let mut among = Vec::new();
        for (selector, item) in sets.into_iter().zip(items) {
            let selector = selector?;
            if selector.amount != schism_chaos::selector::Amount::All {
                context.wrong(
                    item.at,
                    format!("{} stands in a list of sets", context.said(item)),
                    Some("say it alone".into()),
                );
                return None;
            }
            among.extend(selector.among);
        }
        if among.is_empty() {
            context.wrong(node.at, "an empty list selects nothing", Some("name a node, or say `one`".into()));
            return None;
        }
        Some(Selector { amount: schism_chaos::selector::Amount::All, among })
    }

    fn check(&self, context: &Context, node: &Node, selector: &Selector) -> bool {
        let mut right = true;
        for set in &selector.among {
            let (kind, name, names) = match set {
                Set::Name(name) => ("node", name, &self.nodes),
                Set::Group(name) => ("group", name, &self.groups),
                Set::Region(name) => ("region", name, &self.regions),
                _ => continue,
            };
            if names.contains(name) {
                continue;
            }
            right = false;
            // A group or a word of ours without its prefix is the likeliest slip.
            if self.groups.contains(name) {
                context.wrong(
                    node.at,
                    format!("unknown {kind} `{name}`"),
                    Some(format!("did you mean `group:{name}`?")),
                );
            } else if schism_chaos::selector::Role::WORDS.iter().any(|(word, _)| word == name) {
                context.wrong(
                    node.at,
                    format!("unknown {kind} `{name}`"),
                    Some(format!("did you mean `role:{name}`?")),
                );
            } else {
                const WORDS: [&str; 7] = ["one", "half", "minority", "majority", "busiest", "rest", "all"];
                let words = if kind == "node" { &WORDS[..] } else { &[] };
                context.unknown(node.at, kind, name, names.iter().map(String::as_str).chain(words.iter().copied()));
            }
        }
        right
    }
}
