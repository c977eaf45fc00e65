//! Kinds of faults: how each is read from a file, and printed again.

use std::time::Duration;

use schism_chaos::evidence::CLOCK_GRAIN;
use schism_chaos::fault::{Actor, CrashKind, DiskTrouble, Fault, Join, Links, Partition};
use schism_chaos::quantity::{Bandwidth, Length, Pause, Rate, Share};
use schism_chaos::selector::{Amount, Role, Selector, Set};

use crate::known::Known;
use crate::topology::read_loss;
use crate::yaml::{Context, Entry, Fields, Node, Printed, Value, list, map, text};

/// Newcomers of one step at most.
pub(super) const MOST_NEWCOMERS: u32 = 10_000;

const CRASHES: &[(&str, CrashKind)] =
    &[("process", CrashKind::Process), ("machine", CrashKind::Machine), ("torn", CrashKind::Torn)];
const ACTORS: &[(&str, Actor)] =
    &[("network", Actor::Network), ("ledger", Actor::Ledger), ("mempool", Actor::Mempool), ("miner", Actor::Miner)];

/// Reads the fault that a step's entry says. Without `known` no name is judged.
pub(super) fn read(context: &Context, entry: &Entry, known: Option<&Known>) -> Option<Fault> {
    let reader = Reader { known };
    let node = &entry.value;
    match entry.key.as_str() {
        "partition" => reader.partition(context, node).map(Fault::Partition),
        "cut" => reader.cut(context, node),
        "isolate" => reader.picked(context, node).map(|pick| Fault::Isolate { pick }),
        "latency" => reader.latency(context, node),
        "bandwidth" => reader.bandwidth(context, node),
        "loss" => reader.loss(context, node),
        "crash" => reader.crash(context, node).map(|(pick, kind)| Fault::Crash { pick, kind }),
        "restart" => reader.crash(context, node).map(|(pick, kind)| Fault::Restart { pick, kind }),
        "upgrade" => reader.upgrade(context, node),
        "hash_power" => reader.hash_power(context, node),
        "freeze" => reader.picked(context, node).map(|pick| Fault::Freeze { pick }),
        "churn" => reader.churn(context, node),
        "clock_skew" => reader.clock_skew(context, node),
        "flap" => reader.flap(context, node),
        "destroy" => reader.picked(context, node).map(|pick| Fault::Destroy { pick }),
        "full_disk" => reader.disk(context, node, DiskTrouble::Full),
        "failing_sync" => reader.disk(context, node, DiskTrouble::NoSync),
        "slow" => reader.inside(context, node, "slow"),
        "drop" => reader.inside(context, node, "drop"),
        "hold" => reader.inside(context, node, "hold"),
        _ => reader.join(context, node).map(Fault::Join),
    }
}

struct Reader<'k> {
    known: Option<&'k Known>,
}

impl Reader<'_> {
    fn selector(&self, context: &Context, node: &Node) -> Option<Selector> {
        match self.known {
            Some(known) => known.selector(context, node),
            None => context.quietly(|| Known::default().selector(context, node)),
        }
    }

    /// `one`, or `{ pick: one }`.
    fn picked(&self, context: &Context, node: &Node) -> Option<Selector> {
        if !matches!(node.value, Value::Map(_)) {
            return self.selector(context, node);
        }
        let fields = context.map(node, "this fault")?;
        let pick = fields.required("pick", |context, node| self.selector(context, node));
        fields.finish();
        pick
    }

    fn partition(&self, context: &Context, node: &Node) -> Option<Partition> {
        match &node.value {
            Value::Map(_) => {
                let fields = context.map(node, "a partition")?;
                let parts = fields.required("parts", Context::count);
                fields.finish();
                let parts = parts?;
                if parts < 2 {
                    context.wrong(node.at, "one part is no partition", Some("say `parts: 2` or more".into()));
                    return None;
                }
                Some(Partition::Parts(parts))
            }
            Value::List(items) if items.is_empty() => {
                context.wrong(node.at, "a partition has sides", Some("such as `[group:east, group:west]`".into()));
                None
            }
            Value::List(_) => {
                let sides = context.list(node, "a partition", |context, node| self.selector(context, node));
                sides.map(Partition::Sides)
            }
            _ => self.selector(context, node).map(|side| Partition::Sides(vec![side])),
        }
    }

    /// `from` with `to`, `between`, or `of`; all links where none of them is said.
    fn links(&self, context: &Context, fields: &Fields<'_>) -> Option<Links> {
        let said = fields.present(&["from", "between", "of"]);
        let single = fields.at_most_one(&said);
        let to = fields.optional("to", |context, node| self.selector(context, node));
        let Some(entry) = said.first() else {
            if let Some(to) = fields.entry("to") {
                context.wrong(to.at, "`to` needs `from`", Some("add `from: rest`".into()));
                return None;
            }
            return Some(Links::Every);
        };
        single?;
        let node = &entry.value;
        match entry.key.as_str() {
            "of" => self.selector(context, node).map(Links::Of),
            "between" => {
                let ends = context.list(node, "`between`", |context, node| self.selector(context, node))?;
                match <[Selector; 2]>::try_from(ends) {
                    Ok([one, other]) => Some(Links::Between(one, other)),
                    Err(_) => {
                        context.wrong(node.at, "there are two ends", Some("such as `[group:east, group:west]`".into()));
                        None
                    }
                }
            }
            _ => {
                let from = self.selector(context, node);
                match to? {
                    Some(to) => Some(Links::OneWay { from: from?, to }),
                    None => {
                        context.wrong(entry.at, "`from` needs `to`", Some("add `to: rest`".into()));
                        None
                    }
                }
            }
        }
    }

    fn cut(&self, context: &Context, node: &Node) -> Option<Fault> {
        let fields = context.map(node, "a cut")?;
        let links = self.links(context, &fields);
        fields.finish();
        links.map(|links| Fault::Cut { links })
    }

    fn latency(&self, context: &Context, node: &Node) -> Option<Fault> {
        if !matches!(node.value, Value::Map(_)) {
            return context.pause(node).map(|by| Fault::Latency { links: Links::Every, by, jitter: Duration::ZERO });
        }
        let fields = context.map(node, "a latency")?;
        let by = fields.required("by", Context::pause);
        let jitter = fields.or("jitter", Duration::ZERO, Context::pause);
        let links = self.links(context, &fields);
        fields.finish();
        Some(Fault::Latency { links: links?, by: by?, jitter: jitter? })
    }

    fn bandwidth(&self, context: &Context, node: &Node) -> Option<Fault> {
        if !matches!(node.value, Value::Map(_)) {
            return context.quantity(node).map(|limit| Fault::Bandwidth { links: Links::Every, limit });
        }
        let fields = context.map(node, "a bandwidth")?;
        let limit = fields.required("limit", Context::quantity::<Bandwidth>);
        let links = self.links(context, &fields);
        fields.finish();
        Some(Fault::Bandwidth { links: links?, limit: limit? })
    }

    fn loss(&self, context: &Context, node: &Node) -> Option<Fault> {
        if !matches!(node.value, Value::Map(_)) {
            return read_loss(context, node).map(|share| Fault::Loss { links: Links::Every, share });
        }
        let fields = context.map(node, "a loss")?;
        let share = fields.required("share", read_loss);
        let links = self.links(context, &fields);
        fields.finish();
        Some(Fault::Loss { links: links?, share: share? })
    }

    fn crash(&self, context: &Context, node: &Node) -> Option<(Selector, CrashKind)> {
        if !matches!(node.value, Value::Map(_)) {
            return self.selector(context, node).map(|pick| (pick, CrashKind::Process));
        }
        let fields = context.map(node, "a crash")?;
        let pick = fields.required("pick", |context, node| self.selector(context, node));
        let kind = fields.or("kind", CrashKind::Process, |context, node| context.word(node, "kind of crash", CRASHES));
        fields.finish();
        Some((pick?, kind?))
    }

    fn upgrade(&self, context: &Context, node: &Node) -> Option<Fault> {
        if !matches!(node.value, Value::Map(_)) {
            let (to, kind) = (Vec::new(), CrashKind::Process);
            return self.selector(context, node).map(|pick| Fault::Upgrade { pick, to, kind });
        }
        let fields = context.map(node, "an upgrade of nodes")?;
        let pick = fields.required("pick", |context, node| self.selector(context, node));
        let name = |context: &Context, node: &Node| {
            let name = context.name(node)?;
            match self.known {
                Some(known) if !known.upgrades.contains(&name) => {
                    context.unknown(node.at, "upgrade", &name, known.upgrades.iter().map(String::as_str));
                    None
                }
                _ => Some(name),
            }
        };
        let to = fields.or("to", Vec::new(), |context, node| context.list(node, "`to`", name));
        let kind = fields.or("kind", CrashKind::Process, |context, node| context.word(node, "kind of crash", CRASHES));
        fields.finish();
        Some(Fault::Upgrade { pick: pick?, to: to?, kind: kind? })
    }

    fn hash_power(&self, context: &Context, node: &Node) -> Option<Fault> {
        let fields = context.map(node, "a move of hash power")?;
        let from = fields.required("from", |context, node| self.selector(context, node));
        let to = fields.required("to", |context, node| self.selector(context, node));
        let share = fields.required("share", Context::quantity::<Share>);
        if let (Some(share), Some(entry)) = (share, fields.entry("share"))
            && !(share.0 > 0.0 && share.0 <= 1.0)
        {
            context.wrong(entry.value.at, "some of it moves, or all", Some("say `50%`".into()));
        }
        fields.finish();
        Some(Fault::HashPower { from: from?, to: to?, share: share? })
    }

    fn disk(&self, context: &Context, node: &Node, trouble: DiskTrouble) -> Option<Fault> {
        self.picked(context, node).map(|pick| Fault::Disk { pick, trouble })
    }

    fn churn(&self, context: &Context, node: &Node) -> Option<Fault> {
        let fields = context.map(node, "a churn")?;
        let everyone = Selector { amount: Amount::All, among: vec![Set::Everyone] };
        let pick = fields.or("pick", everyone, |context, node| self.selector(context, node));
        let rate = fields.required("rate", Context::quantity::<Rate>);
        let away = fields.required("away", Context::quantity::<Length>);
        let kind = fields.or("kind", CrashKind::Process, |context, node| context.word(node, "kind of crash", CRASHES));
        if let (Some(rate), Some(entry)) = (rate, fields.entry("rate"))
            && rate.0 <= 0.0
        {
            context.wrong(entry.value.at, "nobody ever leaves at this rate", Some("say `2/m`".into()));
        }
        fields.finish();
        Some(Fault::Churn { pick: pick?, rate: rate?, away: away?, kind: kind? })
    }

    fn clock_skew(&self, context: &Context, node: &Node) -> Option<Fault> {
        let fields = context.map(node, "a clock skew")?;
        let pick = fields.required("pick", |context, node| self.selector(context, node));
        let by_seconds = fields.optional("by", signed);
        let rate = fields.optional("rate", Context::factor);
        let said = fields.entry("by");
        fields.finish();
        let (by_seconds, rate) = (by_seconds?, rate?);
        if let (Some(by), Some(said)) = (by_seconds, said)
            && by.abs() <= CLOCK_GRAIN
            && rate.unwrap_or(1.0) == 1.0
        {
            let what = format!("a clock that is off by {CLOCK_GRAIN} s or less cannot be told from a true one");
            context.wrong(said.value.at, what, Some("say more, such as `by: 5s`".into()));
            return None;
        }
        if by_seconds.is_none() && rate.is_none() {
            let help = "add `by: 70m`, `by: -70m` or `rate: 1.01`".to_owned();
            context.wrong(fields_place(node), "this clock would be right", Some(help));
            return None;
        }
        Some(Fault::ClockSkew { pick: pick?, by_seconds: by_seconds.unwrap_or(0.0), rate: rate.unwrap_or(1.0) })
    }

    fn flap(&self, context: &Context, node: &Node) -> Option<Fault> {
        let fields = context.map(node, "a flap")?;
        let down = fields.required("down", Context::quantity::<Length>);
        let up = fields.required("up", Context::quantity::<Length>);
        let links = self.links(context, &fields);
        fields.finish();
        let (down, up) = (down?, up?);
        if down.is_zero() || up.is_zero() {
            context.wrong(node.at, "a flapping link is down for a while and up for a while", Some("say `5s`".into()));
            return None;
        }
        Some(Fault::Flap { links: links?, down, up })
    }

    fn inside(&self, context: &Context, node: &Node, kind: &'static str) -> Option<Fault> {
        let fields = context.map(node, "a fault inside a node")?;
        let actor = fields.required("actor", |context, node| context.word(node, "actor", ACTORS));
        let of = fields.required("of", |context, node| self.selector(context, node));
        let by = if kind == "slow" { fields.required("by", Context::pause) } else { Some(Duration::ZERO) };
        let all = Share(1.0);
        let share = if kind == "drop" { fields.or("share", all, Context::quantity::<Share>) } else { Some(all) };
        fields.finish();
        let (actor, of, by, share) = (actor?, of?, by?, share?);
        Some(match kind {
            "slow" => Fault::Slow { actor, of, by },
            "drop" => Fault::Drop { actor, of, share },
            _ => Fault::Hold { actor, of },
        })
    }

    fn join(&self, context: &Context, node: &Node) -> Option<Join> {
        let fields = context.map(node, "a join")?;
        let group = fields.required("group", Context::name);
        let count = fields.or("count", 1, |context, node| {
            let count = context.count(node)?;
            if count > MOST_NEWCOMERS {
                context.wrong(
                    node.at,
                    format!("{count} newcomers are too many"),
                    Some(format!("at most {MOST_NEWCOMERS}")),
                );
            }
            (count <= MOST_NEWCOMERS).then_some(count)
        });
        let role = fields.or("role", Role::Full, |context, node| context.word(node, "role", Role::WORDS));
        let region = fields.optional("region", |context, node| {
            let name = context.name(node)?;
            match self.known {
                Some(known) if !known.regions.contains(&name) => {
                    context.unknown(node.at, "region", &name, known.regions.iter().map(String::as_str));
                    None
                }
                _ => Some(name),
            }
        });
        let peers = fields.optional("peers", |context, node| self.selector(context, node));
        fields.finish();
        Some(Join { group: group?, count: count?, role: role?, region: region?, peers: peers?, only: None })
    }
}

fn fields_place(node: &Node) -> crate::yaml::Place {
    node.at
}

/// A duration that may be negative, in seconds.
fn signed(context: &Context, node: &Node) -> Option<f64> {
    let Some(back) = node.as_text().and_then(|text| text.strip_prefix('-')) else {
        return context.pause(node).map(|time| time.as_secs_f64());
    };
    let back = Node { value: Value::Text(back.to_owned()), at: node.at };
    context.pause(&back).map(|time| -time.as_secs_f64())
}

/// What [`read`] reads: the kind's key and its value.
pub(super) fn print(fault: &Fault) -> (String, Printed) {
    let with_links = |links: &Links, rest: Printed| rest.and(print_links(links));
    let printed = match fault {
        Fault::Partition(Partition::Parts(parts)) => map([("parts", Some((*parts).into()))]),
        Fault::Partition(Partition::Sides(sides)) => match sides.as_slice() {
            [side] => text(side),
            sides => list(sides, text),
        },
        Fault::Cut { links } => print_links(links),
        Fault::Isolate { pick } | Fault::Freeze { pick } | Fault::Destroy { pick } | Fault::Disk { pick, .. } => {
            text(pick)
        }
        Fault::Latency { links, by, jitter } => {
            with_links(links, map([("by", Some(text(Pause(*by)))), ("jitter", Some(text(Pause(*jitter))))]))
        }
        Fault::Bandwidth { links, limit } => with_links(links, map([("limit", Some(text(limit)))])),
        Fault::Loss { links, share } => with_links(links, map([("share", Some(text(share)))])),
        Fault::Crash { pick, kind } | Fault::Restart { pick, kind } => {
            map([("pick", Some(text(pick))), ("kind", Some(text(word(*kind, CRASHES))))])
        }
        Fault::Upgrade { pick, to, kind } => map([
            ("pick", Some(text(pick))),
            ("to", (!to.is_empty()).then(|| list(to, text))),
            ("kind", Some(text(word(*kind, CRASHES)))),
        ]),
        Fault::HashPower { from, to, share } => {
            map([("from", Some(text(from))), ("to", Some(text(to))), ("share", Some(text(share)))])
        }
        Fault::Churn { pick, rate, away, kind } => map([
            ("pick", Some(text(pick))),
            ("rate", Some(text(rate))),
            ("away", Some(text(away))),
            ("kind", Some(text(word(*kind, CRASHES)))),
        ]),
        Fault::ClockSkew { pick, by_seconds, rate } => {
            let sign = if *by_seconds < 0.0 { "-" } else { "" };
            let by = text(format!("{sign}{}", Pause(Duration::from_secs_f64(by_seconds.abs()))));
            map([("pick", Some(text(pick))), ("by", Some(by)), ("rate", Some((*rate).into()))])
        }
        Fault::Flap { links, down, up } => with_links(links, map([("down", Some(text(down))), ("up", Some(text(up)))])),
        Fault::Slow { actor, of, by } => print_inside(*actor, of, ("by", Some(text(Pause(*by))))),
        Fault::Drop { actor, of, share } => print_inside(*actor, of, ("share", Some(text(share)))),
        Fault::Hold { actor, of } => print_inside(*actor, of, ("", None)),
        Fault::Join(join) => map([
            ("group", Some(text(&join.group))),
            ("count", Some(join.count.into())),
            ("role", Some(text(join.role))),
            ("region", join.region.as_ref().map(text)),
            ("peers", join.peers.as_ref().map(text)),
        ]),
    };
    (fault.name().to_owned(), printed)
}

fn print_inside(actor: Actor, of: &Selector, more: (&str, Option<Printed>)) -> Printed {
    map([("actor", Some(text(word(actor, ACTORS)))), ("of", Some(text(of))), more])
}

fn print_links(links: &Links) -> Printed {
    match links {
        Links::Every => map([]),
        Links::Of(nodes) => map([("of", Some(text(nodes)))]),
        Links::Between(one, other) => map([("between", Some(list([one, other], text)))]),
        Links::OneWay { from, to } => map([("from", Some(text(from))), ("to", Some(text(to)))]),
    }
}

fn word<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    words.iter().find(|(_, meaning)| *meaning == value).map_or("", |(word, _)| word)
}
