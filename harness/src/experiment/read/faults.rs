//! Reading the list of faults: each step's trigger, what happens, how long, and what it must prove.

use schism_chaos::catalogue::CATALOGUE;
use schism_chaos::fault::Fault;
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Moment, Prove, Start, Step, Trigger};
use schism_chaos::selector::Selector;

use super::steps::{self, Named};
use crate::experiment::{kinds, prove};
use crate::known::Known;
use crate::yaml::{Context, Entry, Fields, Node, Value};

/// What the rest of an experiment may refer to.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Nothing where the topology could not be read: then no name can be judged.
    pub(super) known: Option<Known>,
    pub(super) steps: Vec<Named>,
}

impl Scope {
    /// From a topology's names and the list of faults, newcomers included.
    pub(super) fn new(context: &Context, known: Option<Known>, faults: Option<&Node>) -> Self {
        let steps = faults.map(|faults| steps::names(context, faults)).unwrap_or_default();
        let mut known = known;
        if let (Some(known), Some(Value::List(items))) = (&mut known, faults.map(|faults| &faults.value)) {
            for join in items.iter().filter_map(|item| item.get("join")) {
                let count = join.get("count").and_then(|count| context.quietly(|| context.count(count))).unwrap_or(1);
                if let Some(group) = join.get("group").and_then(Node::as_text) {
                    known.add_group(group, count.min(kinds::MOST_NEWCOMERS));
                }
            }
        }
        Self { known, steps }
    }

    /// Reads a selector; its names are judged where the topology is known.
    pub(super) fn selector(&self, context: &Context, node: &Node) -> Option<Selector> {
        match &self.known {
            Some(known) => known.selector(context, node),
            None => context.quietly(|| Known::default().selector(context, node)),
        }
    }

    /// Whether any step heals.
    pub(super) fn heals(&self) -> bool {
        self.steps.iter().any(|step| step.heals)
    }

    /// A step by its name: above the step at `before` where that is said, and one that heals where that is asked.
    pub(super) fn step(
        &self,
        context: &Context,
        node: &Node,
        name: &str,
        before: Option<usize>,
        heals: bool,
    ) -> Option<String> {
        let above = &self.steps[..before.unwrap_or(self.steps.len())];
        let Some(step) = above.iter().rev().find(|step| step.name == name) else {
            if self.steps.iter().any(|step| step.name == name) {
                let help = "move it up: a step waits for steps above it".to_owned();
                context.wrong(node.at, format!("`{name}` does not stand above this step"), Some(help));
            } else {
                context.unknown(node.at, "step", name, above.iter().map(|step| step.name.as_str()).chain(["heal"]));
            }
            return None;
        };
        if heals && !step.heals {
            let help = "wait for its start: `after: ".to_owned() + name + "`";
            context.wrong(node.at, format!("`{name}` is never healed"), Some(help));
            return None;
        }
        Some(step.name.clone())
    }
}

/// Reads the list of faults.
pub(super) fn read(context: &Context, node: &Node, scope: &Scope) -> Option<Vec<Step>> {
    let Value::List(items) = &node.value else {
        context.wrong(
            node.at,
            format!("`faults` is a list, not {}", node.value.kind()),
            Some("begin each with `- `".into()),
        );
        return None;
    };
    let steps: Vec<_> =
        items.iter().enumerate().map(|(position, item)| read_step(context, item, scope, position)).collect();
    let steps: Option<Vec<Step>> = steps.into_iter().collect();
    let mut unique = true;
    for (position, item) in items.iter().enumerate() {
        let name = &scope.steps[position].name;
        if scope.steps[..position].iter().any(|other| &other.name == name) {
            let at = item.get("name").map_or(item.at, |name| name.at);
            context.wrong(at, format!("there are two steps `{name}`"), Some("rename one".into()));
            unique = false;
        }
    }
    steps.filter(|_| unique)
}

/// Reads one step that comes after these: what a text says alone, and what begins at once where it does not say when.
pub(super) fn read_one(context: &Context, mut node: Node, known: Known, before: &[Step]) -> Option<Step> {
    let begins = |entry: &Entry| matches!(entry.key.as_str(), "at" | "at_height" | "after" | "every");
    if let Value::Map(entries) = &mut node.value
        && !entries.iter().any(begins)
    {
        let now = Node { value: Value::Text("0s".to_owned()), at: node.at };
        entries.push(Entry { key: "at".to_owned(), at: node.at, value: now });
    }
    let scope = Scope { known: Some(known), steps: steps::and_one_more(context, before, &node) };
    let step = read_step(context, &node, &scope, before.len())?;
    if before.iter().any(|other| other.name == step.name) {
        context.wrong(node.at, format!("there is a step `{}` already", step.name), Some("name it otherwise".into()));
        return None;
    }
    Some(step)
}

fn read_step(context: &Context, node: &Node, scope: &Scope, position: usize) -> Option<Step> {
    let fields = context.map(node, "a fault")?;
    let own_name = fields.optional("name", Context::name);
    let trigger = read_trigger(context, &fields, scope, position);
    let fault = read_fault(context, &fields, scope);
    let instant = fault.as_ref().is_some_and(|fault| !fault.heals());
    let lasting = read_lasting(context, &fields, scope, position, instant);
    let prove = fields.or("prove", Prove::default(), |context, node| prove::read(context, node, fault.as_ref()));
    let every = fields.entry("every");
    fields.finish();
    let (trigger, fault) = (trigger?, fault?);
    if let (Fault::Join(_), Some(every)) = (&fault, every) {
        context.wrong(every.at, "newcomers join once", Some("say how many with `count`".into()));
        return None;
    }
    let lasting = match (&fault, lasting?) {
        (Fault::Destroy { .. }, _) => Lasting::Permanent,
        (Fault::Restart { .. } | Fault::Upgrade { .. } | Fault::Join(_), _) => Lasting::Instant,
        (_, lasting) => lasting,
    };
    own_name?;
    let Named { name, named, .. } = scope.steps[position].clone();
    Some(Step { name, named, trigger, fault, lasting, prove: prove? })
}

fn read_trigger(context: &Context, fields: &Fields<'_>, scope: &Scope, position: usize) -> Option<Trigger> {
    let starts = fields.present(&["at", "at_height", "after"]);
    let single = fields.at_most_one(&starts);
    let start = match starts.first() {
        Some(entry) => read_start(context, entry, scope, position),
        None => Some(Start::At(Length::ZERO)),
    };
    let delay = fields.or("delay", Length::ZERO, Context::quantity::<Length>);
    let every = fields.optional("every", nonzero);
    let times = fields.optional("times", Context::count);
    let said = fields.present(&["every", "times"]);
    if starts.is_empty() && fields.entry("every").is_none() {
        let help = "add `at: 90s`, `at_height: 20`, `after: heal` or `every: 3 blocks`".to_owned();
        context.wrong(fields.at(), "a fault says when it starts", Some(help));
        return None;
    }
    if let [times] = said.as_slice()
        && times.key == "times"
    {
        context.wrong(times.at, "`times` needs `every`", Some("add `every: 3 blocks`".into()));
        return None;
    }
    single?;
    Some(Trigger { start: start?, delay: delay?, every: every?, times: times? })
}

fn read_start(context: &Context, entry: &Entry, scope: &Scope, position: usize) -> Option<Start> {
    let node = &entry.value;
    match entry.key.as_str() {
        "at" => context.quantity(node).map(Start::At),
        "at_height" => context.count(node).map(Start::AtHeight),
        _ => read_moment(context, node, scope, position).map(Start::After),
    }
}

fn read_moment(context: &Context, node: &Node, scope: &Scope, position: usize) -> Option<Moment> {
    let text = context.text(node)?;
    if text == "heal" {
        let above = scope.steps[..position].iter().rev().find(|step| step.heals);
        if above.is_none() {
            context.wrong(node.at, "no step above this one heals", Some("move it below the step it waits for".into()));
        }
        return above.map(|step| Moment::Healed(step.name.clone()));
    }
    match text.strip_prefix("heal:") {
        Some(name) => scope.step(context, node, name, Some(position), true).map(Moment::Healed),
        None => scope.step(context, node, &text, Some(position), false).map(Moment::Started),
    }
}

fn read_lasting(
    context: &Context,
    fields: &Fields<'_>,
    scope: &Scope,
    position: usize,
    instant: bool,
) -> Option<Lasting> {
    let said = fields.present(&["for", "until", "permanent"]);
    fields.at_most_one(&said)?;
    let Some(entry) = said.first() else { return Some(Lasting::End) };
    if instant {
        let help = format!("leave `{}` out", entry.key);
        context.wrong(entry.at, "this fault has no end to be told", Some(help));
        return None;
    }
    let node = &entry.value;
    match entry.key.as_str() {
        "for" => nonzero(context, node).map(Lasting::For),
        "permanent" => context.flag(node).map(|permanent| if permanent { Lasting::Permanent } else { Lasting::End }),
        _ => match &node.value {
            Value::Map(_) => {
                let fields = context.map(node, "an `until`")?;
                let said = fields.present(&["at", "at_height", "after"]);
                let single = fields.at_most_one(&said);
                fields.finish();
                single?;
                match said.first() {
                    Some(entry) => read_start(context, entry, scope, position).map(Lasting::Until),
                    None => {
                        context.wrong(
                            node.at,
                            "this says no moment",
                            Some("such as `until: { at_height: 20 }`".into()),
                        );
                        None
                    }
                }
            }
            _ => context.quantity(node).map(|at| Lasting::Until(Start::At(at))),
        },
    }
}

fn read_fault(context: &Context, fields: &Fields<'_>, scope: &Scope) -> Option<Fault> {
    let kinds: Vec<&'static str> = CATALOGUE.iter().map(|kind| kind.name).collect();
    let said = fields.present(&kinds);
    if said.is_empty() {
        let help = "such as `partition: half`, `crash: one`; `schism explain` lists them".to_owned();
        context.wrong(fields.at(), "a fault says what happens", Some(help));
        return None;
    }
    let single = fields.at_most_one(&said);
    let fault = kinds::read(context, said[0], scope.known.as_ref());
    single?;
    fault
}

fn nonzero(context: &Context, node: &Node) -> Option<Length> {
    let length: Length = context.quantity(node)?;
    if length.is_zero() {
        context.wrong(node.at, "this cannot be nothing", Some("say `30s` or `3 blocks`".into()));
    }
    (!length.is_zero()).then_some(length)
}
