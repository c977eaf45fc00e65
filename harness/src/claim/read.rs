//! Reading a claim from a tree, and printing it.

use std::collections::BTreeSet;

use super::parameters::Parameter;
use super::{Claim, Point, What};
use crate::known::Known;
use crate::theory::double_spend::Table;
use crate::topology::{print_difficulty, read_difficulty};
use crate::yaml::{Context, Node, Printed, Value, list, map, text};

/// What `--set` may say of a claim without a path: parameters of its points, and which list is measured.
pub(crate) const SHORT: [&str; 24] = [
    "profile",
    "q",
    "confirmations",
    "honest",
    "sybils",
    "honest_rate",
    "trials",
    "deficit",
    "alpha",
    "blocks",
    "stretches",
    "c",
    "k",
    "rounds",
    "delay",
    "power",
    "liars",
    "slots",
    "addresses",
    "defences",
    "calm",
    "minutes",
    "crashes",
    "down",
];

/// Reads a claim; names of nodes are checked where the topology is known.
pub(crate) fn read(context: &Context, node: &Node, known: Option<&Known>) -> Option<Claim> {
    let fields = context.map(node, "a claim")?;
    let said = fields.present(&["double_spend", "selfish", "censorship", "stale_blocks", "difficulty", "eclipse"]);
    let single = fields.at_most_one(&said);
    let what = said.first().map(|entry| match entry.key.as_str() {
        "selfish" => context.map(&entry.value, "a claim about selfish mining").map(|fields| {
            fields.finish();
            What::Selfish
        }),
        "stale_blocks" => context.map(&entry.value, "a claim about stale blocks").map(|fields| {
            fields.finish();
            What::StaleBlocks
        }),
        "difficulty" => context.map(&entry.value, "a claim about difficulty").and_then(|fields| {
            let law = fields.required("law", read_difficulty);
            fields.finish();
            Some(What::Difficulty { law: law? })
        }),
        "censorship" => read_censorship(context, &entry.value, known),
        "eclipse" => read_eclipse(context, &entry.value, known),
        _ => read_double_spend(context, &entry.value, known),
    });
    let profile = fields.or("profile", "full".to_owned(), Context::name);
    // Parameters can only be told from typing errors once it is known whose they are.
    let points = fields.entry("points").map(|entry| &entry.value);
    let at = fields.entry("at").map(|entry| &entry.value);
    let place = fields.at();
    fields.finish();
    single?;
    let Some(what) = what else {
        let help = "such as `double_spend: { merchant: … }` or `selfish: {}`".to_owned();
        context.wrong(place, "this claim says nothing known", Some(help));
        return None;
    };
    let what = what?;
    let at = match at {
        Some(node) => read_point(context, node, &what, &[])?,
        None => Point::default(),
    };
    let Some(points) = points else {
        context.wrong(place, "a claim says no `points`", Some("add `points: { full: [ … ] }`".into()));
        return None;
    };
    let Value::Map(entries) = &points.value else {
        let help = "such as `{ full: [ { q: 0.3, … } ], quick: [ … ] }`".to_owned();
        context.wrong(points.at, format!("points are lists by name, not {}", points.value.kind()), Some(help));
        return None;
    };
    let lists = entries.iter().map(|entry| {
        let missing: Vec<&str> = what.required().iter().copied().filter(|name| at.get(name).is_none()).collect();
        let points = context
            .list(&entry.value, "a list of points", |context, node| read_point(context, node, &what, &missing))?;
        if points.is_empty() {
            context.wrong(entry.value.at, "there is nothing to measure here", Some("add a point".into()));
            return None;
        }
        Some((entry.key.clone(), points))
    });
    let points: Vec<(String, Vec<Point>)> = lists.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    let profile = profile?;
    if !points.iter().any(|(name, _)| *name == profile) {
        let at = node.get("profile").map_or(place, |node| node.at);
        context.unknown(at, "profile", &profile, points.iter().map(|(name, _)| name.as_str()));
        return None;
    }
    Some(Claim { what, profile, at, points })
}

fn read_double_spend(context: &Context, node: &Node, known: Option<&Known>) -> Option<What> {
    let fields = context.map(node, "a claim about double spends")?;
    let table = fields.or("table", Table::Strict, |context, node| context.word(node, "table", &Table::WORDS));
    let merchant = fields.required("merchant", |context, node| read_node(context, node, known));
    fields.finish();
    Some(What::DoubleSpend { table: table?, merchant: merchant? })
}

fn read_censorship(context: &Context, node: &Node, known: Option<&Known>) -> Option<What> {
    let fields = context.map(node, "a claim about censorship")?;
    let orphaning = fields.or("orphaning", false, Context::flag);
    let witness = fields.required("witness", |context, node| read_node(context, node, known));
    fields.finish();
    Some(What::Censorship { orphaning: orphaning?, witness: witness? })
}

fn read_eclipse(context: &Context, node: &Node, known: Option<&Known>) -> Option<What> {
    let fields = context.map(node, "a claim about eclipses")?;
    let victims =
        fields.required("victims", |context, node| read_name(context, node, "group", known.map(|known| &known.groups)));
    fields.finish();
    Some(What::Eclipse { victims: victims? })
}

fn read_node(context: &Context, node: &Node, known: Option<&Known>) -> Option<String> {
    read_name(context, node, "node", known.map(|known| &known.nodes))
}

/// A name of this kind, which must be one where it is known which there are.
fn read_name(context: &Context, node: &Node, kind: &str, known: Option<&BTreeSet<String>>) -> Option<String> {
    let name = context.text(node)?;
    match known {
        Some(known) if !known.contains(&name) => {
            context.unknown(node.at, kind, &name, known.iter().map(String::as_str));
            None
        }
        _ => Some(name),
    }
}

fn read_point(context: &Context, node: &Node, what: &What, required: &[&str]) -> Option<Point> {
    let fields = context.map(node, "a point")?;
    let mut values = Vec::new();
    let mut right = true;
    for parameter in what.parameters() {
        let read = |context: &Context, node: &Node| read_value(context, node, parameter);
        let value = match required.contains(&parameter.name) {
            true => fields.required(parameter.name, read).map(Some),
            false => fields.optional(parameter.name, read),
        };
        match value {
            Some(value) => values.extend(value.map(|value| (parameter.name, value))),
            None => right = false,
        }
    }
    fields.finish();
    right.then_some(Point(values))
}

fn read_value(context: &Context, node: &Node, parameter: &Parameter) -> Option<f64> {
    let value = context.number(node)?;
    let (least, most) = parameter.range;
    let name = parameter.name;
    if parameter.whole && value.fract() != 0.0 {
        context.wrong(node.at, format!("`{name}` is a whole number, not {value}"), None);
        return None;
    }
    if !(least..=most).contains(&value) {
        let help = format!("it is from {least} to {most}");
        context.wrong(node.at, format!("`{name}` cannot be {value}"), Some(help));
        return None;
    }
    Some(value)
}

/// Prints what [`read`] reads.
pub(crate) fn print(claim: &Claim) -> Printed {
    let what = match &claim.what {
        What::DoubleSpend { table, merchant } => {
            map([("table", Some(text(table.word()))), ("merchant", Some(text(merchant)))])
        }
        What::Difficulty { law } => map([("law", Some(print_difficulty(*law)))]),
        What::Selfish | What::StaleBlocks => map([]),
        What::Eclipse { victims } => map([("victims", Some(text(victims)))]),
        What::Censorship { orphaning, witness } => {
            map([("orphaning", Some((*orphaning).into())), ("witness", Some(text(witness)))])
        }
    };
    let points = claim.points.iter().map(|(name, points)| {
        let parameters = claim.what.parameters();
        (name.clone(), list(points, |point| print_point(point, parameters)))
    });
    let at = (!claim.at.0.is_empty()).then(|| print_point(&claim.at, claim.what.parameters()));
    map([
        (claim.what.name(), Some(what)),
        ("profile", Some(text(&claim.profile))),
        ("at", at),
        ("points", Some(Printed::Map(points.collect()))),
    ])
}

fn print_point(point: &Point, parameters: &[Parameter]) -> Printed {
    let said = parameters.iter().filter_map(|parameter| {
        let value = point.get(parameter.name)?;
        let printed = if parameter.whole { Printed::Whole(value as i128) } else { value.into() };
        Some((parameter.name.to_owned(), printed))
    });
    Printed::Map(said.collect())
}
