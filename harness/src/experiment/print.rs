//! Printing an experiment: what a file would have to say to mean the same, its topology included.

use std::time::Duration;

use schism_chaos::quantity::{Length, Pause};
use schism_chaos::schedule::{Lasting, Moment, Start, Step};
use schism_chaos::selector::Selector;
use schism_chaos::simulation::WorkPrices;

use super::{
    Check, Control, Expectation, Experiment, Limits, Load, Pace, Percentiles, Replay, Replayed, Scope, Split, kinds,
    prove,
};
use crate::yaml::{Node, Printed, list, map, text};

impl Experiment {
    /// A file that reads back as this very experiment, wherever it lies.
    pub fn to_yaml(&self) -> String {
        format!("# {}\n{}", self.about, self.print().to_yaml())
    }

    fn print(&self) -> Printed {
        let some = |condition: bool, print: &dyn Fn() -> Printed| condition.then(print);
        map([
            ("name", Some(text(&self.name))),
            ("topology", Some(self.topology.print(true))),
            ("seed", Some(self.seed.into())),
            ("duration", self.duration.map(text)),
            ("load", some(self.load != Load::default(), &|| print_load(&self.load))),
            ("faults", some(!self.faults.is_empty(), &|| list(&self.faults, print_step))),
            ("always", some(!self.always.is_empty(), &|| print_expectations(&self.always))),
            ("finally", some(!self.finally.is_empty(), &|| print_expectations(&self.finally))),
            ("control", some(!self.controls.is_empty(), &|| list(&self.controls, print_control))),
            ("pace", some(self.pace != Pace::default(), &|| print_pace(self.pace))),
            ("work", some(self.work != Some(WorkPrices::default()), &|| print_work(self.work))),
            ("sweep", some(!self.sweep.is_empty(), &|| print_sweep(&self.sweep))),
            ("claim", self.claim.as_ref().map(crate::claim::print)),
        ])
    }
}

fn print_load(load: &Load) -> Printed {
    map([
        ("transactions", Some(text(load.transactions))),
        ("conflicting", Some(text(load.conflicting))),
        ("from", Some(text(&load.from))),
        ("replay", load.replay.as_ref().map(print_replay)),
    ])
}

fn print_replay(replay: &Replay) -> Printed {
    let split = replay.split.map(|split| match split {
        Split::Coinbase => text("coinbase"),
        Split::Alone => text("alone"),
    });
    map([("from", Some(text(&replay.from))), ("to", Some(text(&replay.to))), ("split", split)])
}

fn print_step(step: &Step) -> Printed {
    let (start, at) = print_start(&step.trigger.start);
    let trigger = map([
        ("name", step.named.then(|| text(&step.name))),
        (start, Some(at)),
        ("delay", (step.trigger.delay != Length::ZERO).then(|| text(step.trigger.delay))),
        ("every", step.trigger.every.map(text)),
        ("times", step.trigger.times.map(Into::into)),
    ]);
    let implied = !step.fault.heals();
    let lasting = match &step.lasting {
        _ if implied => map([]),
        Lasting::For(length) => map([("for", Some(text(length)))]),
        Lasting::Until(start) => {
            let (key, value) = print_start(start);
            map([("until", Some(map([(key, Some(value))])))])
        }
        Lasting::Permanent => map([("permanent", Some(true.into()))]),
        Lasting::End | Lasting::Instant => map([]),
    };
    let fault = Printed::Map(vec![kinds::print(&step.fault)]);
    trigger.and(fault).and(lasting).and(map([("prove", prove::print(&step.prove))]))
}

fn print_start(start: &Start) -> (&'static str, Printed) {
    match start {
        Start::At(length) => ("at", text(length)),
        Start::AtHeight(height) => ("at_height", (*height).into()),
        Start::After(Moment::Started(step)) => ("after", text(step)),
        Start::After(Moment::Healed(step)) => ("after", text(format!("heal:{step}"))),
    }
}

/// Checks of everyone first, then the others by whom they are asked of.
fn print_expectations(expectations: &[Expectation]) -> Printed {
    let of = |selector: Option<&Selector>| {
        let checks = expectations.iter().filter(|expectation| expectation.of.as_ref() == selector);
        let mut printed: Vec<(String, Vec<Printed>)> = Vec::new();
        for (name, check) in checks.map(|expectation| print_check(&expectation.check)) {
            match printed.iter_mut().find(|(other, _)| *other == name) {
                Some((_, checks)) => checks.push(check),
                None => printed.push((name, vec![check])),
            }
        }
        // A check that is asked several times is a list.
        let one = |mut checks: Vec<Printed>| if checks.len() == 1 { checks.remove(0) } else { Printed::List(checks) };
        Printed::Map(printed.into_iter().map(|(name, checks)| (name, one(checks))).collect())
    };
    let mut groups: Vec<&Selector> = Vec::new();
    for selector in expectations.iter().filter_map(|expectation| expectation.of.as_ref()) {
        if !groups.contains(&selector) {
            groups.push(selector);
        }
    }
    let only = groups.iter().map(|selector| (selector.to_string(), of(Some(selector))));
    let only = Printed::Map(only.collect());
    of(None).and(map([("only", (!groups.is_empty()).then_some(only))]))
}

fn print_check(check: &Check) -> (String, Printed) {
    let printed = match check {
        Check::Agreement | Check::NoDoubleSpend | Check::Unaltered => true.into(),
        Check::Supply => text("exact"),
        Check::CommonPrefix { k, within } => {
            let within = match within {
                Scope::Connected { since } => map([("connected", Some(text(since)))]),
                Scope::Everyone => text("everyone"),
            };
            map([("k", Some((*k).into())), ("within", Some(within))])
        }
        Check::ChainGrowth { at_least, over } => map([("at_least", Some(text(at_least))), ("over", Some(text(over)))]),
        Check::ChainQuality { at_least, over } => {
            let over = text(Length::Blocks((*over).into()));
            map([("at_least", Some(text(at_least))), ("over", Some(over))])
        }
        Check::NoLostConfirmed { depth } => map([("depth", Some((*depth).into()))]),
        Check::PoolAgreement { within } => map([("within", Some(text(within)))]),
        Check::BoundedPeersData { pool: None } => true.into(),
        Check::BoundedPeersData { pool: Some(pool) } => map([("pool", Some(text(pool)))]),
        Check::Converged { within, fresh_blocks, from_each_side, stable } => map([
            ("within", Some(text(within))),
            ("fresh_blocks", Some((*fresh_blocks).into())),
            ("from_each_side", Some((*from_each_side).into())),
            ("stable", Some(text(stable))),
        ]),
        Check::Payment { from, to, confirmed_within } => map([
            ("from", Some(text(from))),
            ("to", Some(text(to))),
            ("confirmed_within", Some(text(confirmed_within))),
        ]),
        Check::Served { to, by_at_least, by, while_syncing } => map([
            ("to", Some(text(to))),
            ("by_at_least", Some((*by_at_least).into())),
            ("by", by.as_ref().map(text)),
            ("while_syncing", Some((*while_syncing).into())),
        ]),
        Check::Replay(Replayed::Refused) => text("refused"),
        Check::Replay(Replayed::Confirmed(least)) => map([("confirmed", Some((*least).into()))]),
        Check::Replay(Replayed::Kept(least)) => map([("kept", Some((*least).into()))]),
        Check::Limits(limits) => print_limits(limits),
        Check::OnlyLiarsBanned { at_least, charges } => {
            map([("at_least", Some((*at_least).into())), ("charges", Some((*charges).into()))])
        }
        Check::KeepsHonestPeers { strangers } => map([("strangers", Some((*strangers).into()))]),
        Check::Equivocated { heights } => map([("heights", Some((*heights).into()))]),
        Check::Rewritten { deep } => map([("deep", Some((*deep).into()))]),
        Check::RefusedReasons(names) => map([("these", Some(list(names, text)))]),
    };
    (check.name().to_owned(), printed)
}

fn print_limits(limits: &Limits) -> Printed {
    let times = |percentiles: Percentiles| {
        let time = |time: Option<std::time::Duration>| time.map(Pause).map(text);
        let Percentiles { p50, p90, p99, max } = percentiles;
        map([("p50", time(p50)), ("p90", time(p90)), ("p99", time(p99)), ("max", time(max))])
    };
    map([
        ("reorganisation", limits.reorganisation.map(Into::into)),
        ("blocks_lost", limits.blocks_lost.map(Into::into)),
        ("time_to_converge", limits.time_to_converge.map(text)),
        ("transaction_everywhere", limits.transaction_everywhere.map(times)),
        ("block_everywhere", limits.block_everywhere.map(times)),
        ("gini_bytes_served", limits.gini_bytes_served.map(Into::into)),
        ("gini_verifications", limits.gini_verifications.map(Into::into)),
    ])
}

fn print_control(control: &Control) -> Printed {
    let without = control.without.as_ref();
    let with = control.with.iter().map(|(path, value)| (path.clone(), print_value(value)));
    let with = Printed::Map(with.collect());
    map([
        ("without", without.map(text)),
        ("with", (!control.with.is_empty()).then_some(with)),
        ("expect", Some(text(control.expect.word()))),
    ])
}

/// A value that is YAML already, so it is read to be printed.
fn print_value(value: &String) -> Printed {
    Node::parse(value, 0).map_or_else(|_| text(value), |node| node.print())
}

fn print_pace(pace: Pace) -> Printed {
    map([
        ("simulated", Some(pace.simulated.into())),
        ("process", Some(pace.process.into())),
        ("container", Some(pace.container.into())),
    ])
}

fn print_work(prices: Option<WorkPrices>) -> Printed {
    let Some(WorkPrices { signature_check_nanoseconds, byte_nanoseconds }) = prices else { return text("none") };
    let price = |nanoseconds| Some(text(Pause(Duration::from_nanos(nanoseconds))));
    map([("signature_check", price(signature_check_nanoseconds)), ("byte", price(byte_nanoseconds))])
}

fn print_sweep(sweep: &[(String, Vec<String>)]) -> Printed {
    Printed::Map(sweep.iter().map(|(path, values)| (path.clone(), list(values, print_value))).collect())
}
