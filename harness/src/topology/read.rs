//! Reading a topology: from a tree to checked values.

use std::path::Path;

use schism_chaos::quantity::{Bandwidth, HashRate, Length, Share};
use schism_chaos::selector::Role;
use schism_node::config::Defences;

use super::{Group, HashPower, LinkClass, Overlay, Region, Topology, adversary, chain};
use crate::known::Known;
use crate::yaml::{Context, Entry, Fields, Node, Refusal, Setting, Value};

impl Topology {
    /// Reads a file, with settings (`path=value`) laid over it.
    pub fn load(path: &Path, settings: &[String]) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.file(path);
        let topology = tree.and_then(|tree| Self::from_tree(&context, tree, settings));
        context.finish(topology)
    }

    /// Reads a text, known as `name` in messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, Refusal> {
        let context = Context::default();
        let tree = context.document(name, text);
        let topology = tree.and_then(|tree| Self::from_tree(&context, tree, &[]));
        context.finish(topology)
    }

    fn from_tree(context: &Context, mut tree: Node, settings: &[String]) -> Option<Self> {
        for setting in settings {
            Setting::parse(context, "--set", setting)?.apply(context, &mut tree)?;
        }
        read(context, &tree)
    }

    /// The names a file about this topology may refer to.
    pub fn known(&self) -> Known {
        let mut known = Known::default();
        self.groups.iter().for_each(|group| known.add_group(&group.name, group.count));
        known.regions.extend(self.regions.iter().map(|region| region.name.clone()));
        known.upgrades.extend(self.chain.upgrades.iter().map(|upgrade| upgrade.name.clone()));
        known
    }
}

/// Reads a topology's map.
pub(crate) fn read(context: &Context, node: &Node) -> Option<Topology> {
    let fields = context.map(node, "a topology")?;
    let name = fields.required("name", Context::name);
    let about = fields.or("about", String::new(), Context::text);
    let chain = fields.or("chain", Default::default(), chain::read);
    let hash_rate = fields.optional("hash_rate", Context::quantity::<HashRate>);
    let regions = fields.or("regions", Vec::new(), read_regions);
    let known = look_ahead(context, &fields);
    let groups = fields.required("groups", |context, node| read_groups(context, node, &known));
    let link = fields.or("link", LinkClass::default(), read_link);
    let overlay = fields.required("overlay", |context, node| read_overlay(context, node, &known));
    let places = (fields.entry("groups"), fields.entry("overlay"));
    fields.finish();
    let topology = Topology {
        name: name?,
        about: about?,
        chain: chain?,
        hash_rate: hash_rate?,
        groups: groups?,
        overlay: overlay?,
        link: link?,
        regions: regions?,
    };
    if let (Some(groups), Some(overlay)) = places {
        super::sane::check(context, &topology, groups, overlay)?;
    }
    Some(topology)
}

/// Names of groups, nodes and regions, before anything else is read: groups may refer to each other.
fn look_ahead(context: &Context, fields: &Fields<'_>) -> Known {
    let mut known = Known::default();
    let entries = |key| match fields.entry(key).map(|entry| &entry.value.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    for group in entries("groups") {
        let count = group.value.get("count").and_then(|count| context.quietly(|| context.count(count)));
        known.add_group(&group.key, count.unwrap_or(1).min(MOST_NODES));
    }
    known.regions.extend(entries("regions").iter().map(|region| region.key.clone()));
    known
}

/// Nodes in a cluster at most: a typo shall not cost all memory.
const MOST_NODES: u32 = 100_000;

fn read_groups(context: &Context, node: &Node, known: &Known) -> Option<Vec<Group>> {
    let entries = entries(context, node, "`groups`")?;
    if entries.is_empty() {
        context.wrong(node.at, "a topology without groups has no nodes", Some("add `miner: { count: 3 }`".into()));
    }
    let groups: Vec<_> = entries.iter().map(|entry| read_group(context, entry, known)).collect();
    groups.into_iter().collect()
}

fn read_group(context: &Context, entry: &Entry, known: &Known) -> Option<Group> {
    let name = context.name(&key(entry));
    let role_by_name = Role::WORDS.iter().find(|(word, _)| *word == entry.key).map(|(_, role)| *role);
    let fields = context.map(&entry.value, "a group")?;
    let count = fields.required("count", |context, node| {
        let count = context.count(node)?;
        if count > MOST_NODES {
            context.wrong(node.at, format!("{count} nodes are too many"), Some(format!("at most {MOST_NODES}")));
        }
        (count <= MOST_NODES).then_some(count)
    });
    let role = |context: &Context, node: &Node| context.word(node, "role", Role::WORDS);
    let role = match role_by_name {
        Some(by_name) => fields.or("role", by_name, role),
        None => fields.required("role", role),
    };
    let hash_power = fields.optional("hash_power", read_hash_power);
    let regions = fields.or("region", Vec::new(), |context, node| read_places(context, node, known));
    let starts = fields.optional("starts", Context::quantity::<Length>);
    let peers = fields.optional("peers", |context, node| known.selector(context, node));
    let rejects = fields.or("rejects", Vec::new(), |context, node| context.list(node, "`rejects`", Context::name));
    let adversary = fields.optional("adversary", adversary::read);
    if let (Some(role), Some(entry)) = (role, fields.entry("adversary"))
        && role != Role::Adversary
    {
        let help = "give the group `role: adversary`: nobody asks of it what is asked of honest nodes".to_owned();
        context.wrong(entry.at, format!("nodes of role `{role}` are honest"), Some(help));
    }
    if let (Some(role), Some(entry)) = (role, fields.entry("hash_power"))
        && !matches!(role, Role::Miner | Role::Adversary)
    {
        let help = format!("give the group `role: miner`, or leave `{}` out", entry.key);
        context.wrong(entry.at, format!("nodes of role `{role}` do not mine"), Some(help));
    }
    fields.finish();
    Some(Group {
        name: name?,
        count: count?,
        role: role?,
        hash_power: hash_power?,
        regions: regions?,
        starts: starts?,
        peers: peers?,
        rejects: rejects?,
        adversary: adversary?,
    })
}

fn read_hash_power(context: &Context, node: &Node) -> Option<HashPower> {
    match node.as_text() {
        Some(text) if text.ends_with("/s") => context.quantity(node).map(HashPower::Rate),
        _ => context.quantity(node).map(HashPower::Share),
    }
}

/// Where a group is: one region, or several with shares.
fn read_places(context: &Context, node: &Node, known: &Known) -> Option<Vec<(String, Share)>> {
    let region = |node: &Node| {
        let name = context.name(node)?;
        if !known.regions.contains(&name) {
            context.unknown(node.at, "region", &name, known.regions.iter().map(String::as_str));
            return None;
        }
        Some(name)
    };
    let Value::Map(entries) = &node.value else { return Some(vec![(region(node)?, Share(1.0))]) };
    let read = |entry: &Entry| Some((region(&key(entry))?, context.quantity::<Share>(&entry.value)?));
    let places: Vec<_> = entries.iter().map(read).collect();
    let places: Vec<(String, Share)> = places.into_iter().collect::<Option<_>>()?;
    let sum: f64 = places.iter().map(|(_, share)| share.0).sum();
    // Published shares are rounded; a hundredth is not a contradiction.
    if (sum - 1.0).abs() > 0.01 {
        context.wrong(
            node.at,
            format!("the shares of the regions sum to {:.1}%", sum * 100.0),
            Some("make it 100%".into()),
        );
        return None;
    }
    Some(places)
}

fn read_link(context: &Context, node: &Node) -> Option<LinkClass> {
    let fields = context.map(node, "a link")?;
    let absent = LinkClass::default();
    let latency = fields.required("latency", Context::pause);
    let jitter = fields.or("jitter", absent.jitter, Context::pause);
    let bandwidth = fields.optional("bandwidth", Context::quantity::<Bandwidth>);
    let loss = fields.or("loss", absent.loss, read_loss);
    fields.finish();
    Some(LinkClass { latency: latency?, jitter: jitter?, bandwidth: bandwidth?, loss: loss? })
}

/// Loss short of the whole: nothing passes a link that loses everything, and that is a cut.
pub(crate) fn read_loss(context: &Context, node: &Node) -> Option<Share> {
    let share: Share = context.quantity(node)?;
    if share.0 >= 1.0 {
        context.wrong(node.at, "a link that loses everything is cut", Some("use the fault `cut`".into()));
        return None;
    }
    Some(share)
}

fn read_regions(context: &Context, node: &Node) -> Option<Vec<Region>> {
    let entries = entries(context, node, "`regions`")?;
    let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let rows: Vec<_> = entries.iter().map(|entry| read_region(context, entry, &names)).collect();
    let rows: Vec<Region> = rows.into_iter().collect::<Option<_>>()?;
    let said = |from: &str, to: &str| {
        let row = rows.iter().find(|row| row.name == from);
        row.and_then(|row| row.latency.iter().find(|(name, _)| name == to)).map(|(_, latency)| *latency)
    };
    let mut complete = true;
    let mut filled = rows.clone();
    for (row, entry) in filled.iter_mut().zip(entries) {
        let mut latency = Vec::new();
        for to in &names {
            match said(&row.name, to).or_else(|| said(to, &row.name)) {
                Some(known) => latency.push(((*to).to_owned(), known)),
                None => {
                    complete = false;
                    let what = format!("nobody says the latency between `{}` and `{to}`", row.name);
                    context.wrong(entry.at, what, Some(format!("add `{to}: …` under its `latency`")));
                }
            }
        }
        row.latency = latency;
    }
    complete.then_some(filled)
}

fn read_region(context: &Context, entry: &Entry, names: &[&str]) -> Option<Region> {
    let name = context.name(&key(entry));
    let fields = context.map(&entry.value, "a region")?;
    let latency = fields.required("latency", |context, node| {
        let read = |entry: &Entry| {
            let known = names.contains(&entry.key.as_str());
            if !known {
                context.unknown(entry.at, "region", &entry.key, names.iter().copied());
            }
            let latency = context.pause(&entry.value)?;
            known.then(|| (entry.key.clone(), latency))
        };
        let latencies: Vec<_> = self::entries(context, node, "`latency`")?.iter().map(read).collect();
        latencies.into_iter().collect::<Option<Vec<_>>>()
    });
    let jitter = fields.or("jitter", std::time::Duration::ZERO, Context::pause);
    let upload = fields.optional("upload", Context::quantity::<Bandwidth>);
    let download = fields.optional("download", Context::quantity::<Bandwidth>);
    let loss = fields.or("loss", Share(0.0), read_loss);
    fields.finish();
    Some(Region { name: name?, latency: latency?, jitter: jitter?, upload: upload?, download: download?, loss: loss? })
}

fn read_overlay(context: &Context, node: &Node, known: &Known) -> Option<Overlay> {
    const SHAPES: &[(&str, Overlay)] =
        &[("line", Overlay::Line), ("ring", Overlay::Ring), ("star", Overlay::Star), ("mesh", Overlay::Mesh)];
    if !matches!(node.value, Value::Map(_)) {
        if node.as_text() == Some("unstructured") || node.as_text() == Some("islands") {
            let help = format!("say `{{ {}: {{ degree: 6 }} }}`", context.said(node).trim_matches('`'));
            context.wrong(node.at, "this overlay needs a degree", Some(help));
            return None;
        }
        return context.word(node, "overlay", SHAPES);
    }
    let fields = context.map(node, "an overlay")?;
    let said = fields.present(&["unstructured", "islands", "links"]);
    let single = fields.at_most_one(&said);
    fields.finish();
    single?;
    let Some(said) = said.first() else {
        context.wrong(node.at, "this overlay says nothing known", Some("such as `unstructured: { degree: 6 }`".into()));
        return None;
    };
    match said.key.as_str() {
        "unstructured" => {
            let fields = context.map(&said.value, "an unstructured overlay")?;
            let degree = fields.required("degree", Context::count);
            let inbound = fields.optional("inbound", Context::whole::<u32>);
            let defences = fields.or("defences", Defences::default(), read_defences);
            fields.finish();
            Some(Overlay::Unstructured { degree: degree?, inbound: inbound?, defences: defences? })
        }
        "islands" => {
            let fields = context.map(&said.value, "an overlay of islands")?;
            let degree = fields.required("degree", Context::count);
            let bridges = fields.or("bridges", 1, Context::count);
            fields.finish();
            Some(Overlay::Islands { degree: degree?, bridges: bridges? })
        }
        _ => read_links(context, &said.value, known),
    }
}

fn read_defences(context: &Context, node: &Node) -> Option<Defences> {
    let words = Defences::WORDS.map(|word| (word, word));
    let said = context.list(node, "`defences`", |context, node| context.word(node, "defence", &words))?;
    let mut defences = Defences::NONE;
    defences.each().into_iter().for_each(|(word, on)| *on = said.contains(&word));
    Some(defences)
}

fn read_links(context: &Context, node: &Node, known: &Known) -> Option<Overlay> {
    let mut seen: Vec<(String, String)> = Vec::new();
    let links = context.list(node, "`links`", |context, node| {
        let ends = context.list(node, "a link", |context, node| {
            let name = context.text(node)?;
            if !known.nodes.contains(&name) {
                context.unknown(node.at, "node", &name, known.nodes.iter().map(String::as_str));
                return None;
            }
            Some(name)
        })?;
        match <[String; 2]>::try_from(ends) {
            Ok([from, to]) if from != to => Some((node.at, from, to)),
            _ => {
                context.wrong(node.at, "a link has two different ends", Some("such as `[miner-0, full-1]`".into()));
                None
            }
        }
    })?;
    for (at, from, to) in links {
        if seen.iter().any(|(a, b)| (a, b) == (&from, &to) || (a, b) == (&to, &from)) {
            context.wrong(at, format!("`{from}` and `{to}` are linked already"), Some("leave one of them out".into()));
            return None;
        }
        seen.push((from, to));
    }
    Some(Overlay::Links(seen))
}

fn entries<'n>(context: &Context, node: &'n Node, what: &str) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        other => {
            context.wrong(node.at, format!("{what} is a map of names, not {}", other.kind()), None);
            None
        }
    }
}

/// A key, to be read like a value.
fn key(entry: &Entry) -> Node {
    Node { value: Value::Text(entry.key.clone()), at: entry.at }
}
