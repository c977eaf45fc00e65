//! Reading what must hold, always or finally.

use std::time::Duration;

use schism_chaos::quantity::{Length, Share, Size};
use schism_chaos::selector::Selector;
use schism_node::chain::Refused;

use super::faults::Scope;
use crate::experiment::{CHECKS, Check, CheckWord, Expectation, Limits, Percentiles, Replayed, Scope as Within};
use crate::yaml::{Context, Entry, Node, Value};

/// Under which key a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Always,
    Finally,
}

/// Reads `always` or `finally`: checks, and under `only` checks that are asked of some nodes only.
pub(super) fn read(context: &Context, node: &Node, scope: &Scope, when: When) -> Option<Vec<Expectation>> {
    let Value::Map(entries) = &node.value else {
        let help = "such as `supply: exact`".to_owned();
        context.wrong(node.at, format!("checks are a map, not {}", node.value.kind()), Some(help));
        return None;
    };
    let mut read = Vec::new();
    for entry in entries {
        if entry.key == "only" {
            read.extend(read_only(context, &entry.value, scope, when));
        } else {
            let checks = read_checks(context, entry, scope, when);
            read.extend(checks.into_iter().map(|check| Some(Expectation { of: None, check: check? })));
        }
    }
    read.into_iter().collect()
}

fn read_only(context: &Context, node: &Node, scope: &Scope, when: When) -> Vec<Option<Expectation>> {
    let Value::Map(groups) = &node.value else {
        let help = "such as `only: { group:east: { converged: … } }`".to_owned();
        context.wrong(node.at, format!("`only` is a map of selectors, not {}", node.value.kind()), Some(help));
        return vec![None];
    };
    let mut read = Vec::new();
    for group in groups {
        let of = scope.selector(context, &Node { value: Value::Text(group.key.clone()), at: group.at });
        let Value::Map(entries) = &group.value.value else {
            context.wrong(group.value.at, "checks are a map here, too", Some("such as `{ supply: exact }`".into()));
            read.push(None);
            continue;
        };
        entries.iter().for_each(|entry| refuse_what_a_run_has(context, entry));
        let checks: Vec<_> = entries.iter().flat_map(|entry| read_checks(context, entry, scope, when)).collect();
        read.extend(checks.into_iter().map(|check| Some(Expectation { of: Some(of.clone()?), check: check? })));
    }
    read
}

/// Notes what cannot be asked of some nodes only: figures that a whole run has, and what says itself of whom it is asked.
fn refuse_what_a_run_has(context: &Context, entry: &Entry) {
    const OF_A_RUN: [&str; 6] = [
        "blocks_lost",
        "time_to_converge",
        "transaction_everywhere",
        "block_everywhere",
        "gini_bytes_served",
        "gini_verifications",
    ];
    if entry.key == "served" {
        let help = "move it out of `only`, and say whom it is about with `to`".to_owned();
        context.wrong(entry.at, "`served` says itself to whom", Some(help));
    }
    if entry.key == "replay" {
        let help = "move it out of `only`, and say whom it is about with `load: { replay: … }`".to_owned();
        context.wrong(entry.at, "the load says who replays", Some(help));
    }
    if entry.key != "limits" {
        return;
    }
    let limits = match &entry.value.value {
        Value::Map(limits) => vec![limits],
        Value::List(several) => several.iter().filter_map(map_of).collect(),
        _ => Vec::new(),
    };
    for limit in limits.into_iter().flatten().filter(|limit| OF_A_RUN.contains(&limit.key.as_str())) {
        let what = format!("`{}` is a figure of the whole run, not of some of its nodes", limit.key);
        let help = "move it to the `limits` outside `only`; of some nodes only `reorganisation` can be limited";
        context.wrong(limit.at, what, Some(help.to_owned()));
    }
}

fn map_of(node: &Node) -> Option<&Vec<Entry>> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}

/// One check, or a list of the same one asked several times.
fn read_checks(context: &Context, entry: &Entry, scope: &Scope, when: When) -> Vec<Option<Check>> {
    let Value::List(items) = &entry.value.value else { return vec![read_check(context, entry, scope, when)] };
    if items.is_empty() {
        context.wrong(entry.value.at, "an empty list asks for nothing", Some("leave it out".into()));
        return vec![None];
    }
    let one = |item: &Node| Entry { key: entry.key.clone(), at: entry.at, value: item.clone() };
    items.iter().map(|item| read_check(context, &one(item), scope, when)).collect()
}

fn read_check(context: &Context, entry: &Entry, scope: &Scope, when: When) -> Option<Check> {
    let node = &entry.value;
    let fits = |check: &&CheckWord| if when == When::Always { check.always } else { check.finally };
    match CHECKS.iter().find(|check| check.name == entry.key) {
        None => {
            let words = CHECKS.iter().filter(fits).map(|check| check.name);
            context.unknown(entry.at, "check", &entry.key, words.chain(["only"]));
            return None;
        }
        Some(check) if !fits(&check) => {
            let (what, help) = match when {
                When::Always => ("is asked at the end, not always", "move it to `finally`"),
                When::Finally => ("is asked all the time, not at the end", "move it to `always`"),
            };
            context.wrong(entry.at, format!("`{}` {what}", check.name), Some(help.into()));
            return None;
        }
        Some(_) => {}
    }
    match entry.key.as_str() {
        "agreement" => yes(context, node).map(|()| Check::Agreement),
        "supply" => context.word(node, "supply", &[("exact", Check::Supply)]),
        "no_double_spend" => yes(context, node).map(|()| Check::NoDoubleSpend),
        "bounded_peers_data" => read_bounded(context, node),
        "limits" => read_limits(context, node).map(Check::Limits),
        "common_prefix" => read_common_prefix(context, node),
        "chain_growth" | "chain_quality" => read_chain(context, entry),
        "no_lost_confirmed" => {
            let fields = context.map(node, "a `no_lost_confirmed`")?;
            let depth = fields.required("depth", Context::count);
            fields.finish();
            Some(Check::NoLostConfirmed { depth: depth? })
        }
        "pool_agreement" => {
            let fields = context.map(node, "a `pool_agreement`")?;
            let within = fields.required("within", Context::quantity::<Length>);
            fields.finish();
            Some(Check::PoolAgreement { within: within? })
        }
        "converged" => read_converged(context, node),
        "payment" => read_payment(context, node, scope),
        "unaltered" => yes(context, node).map(|()| Check::Unaltered),
        "only_liars_banned" => {
            let fields = context.map(node, "an `only_liars_banned`")?;
            let at_least = fields.or("at_least", 1, Context::whole::<u32>);
            let charges = fields.or("charges", 0, Context::whole::<u32>);
            fields.finish();
            Some(Check::OnlyLiarsBanned { at_least: at_least?, charges: charges? })
        }
        "keeps_honest_peers" => {
            let fields = context.map(node, "a `keeps_honest_peers`")?;
            let strangers = fields.or("strangers", 0, Context::whole::<u32>);
            fields.finish();
            Some(Check::KeepsHonestPeers { strangers: strangers? })
        }
        "equivocated" => {
            let fields = context.map(node, "an `equivocated`")?;
            let heights = fields.or("heights", 1, Context::count);
            fields.finish();
            Some(Check::Equivocated { heights: heights? })
        }
        "rewritten" => {
            let fields = context.map(node, "a `rewritten`")?;
            let deep = fields.or("deep", 6, Context::count);
            fields.finish();
            Some(Check::Rewritten { deep: deep? })
        }
        "refused_reasons" => read_reasons(context, node).map(Check::RefusedReasons),
        "replay" => read_replay(context, node).map(Check::Replay),
        _ => read_served(context, node, scope),
    }
}

/// Reasons by name: these, or all but these, in the order of their declaration.
fn read_reasons(context: &Context, node: &Node) -> Option<Vec<&'static str>> {
    let words: Vec<(&str, &'static str)> = Refused::NAMES.iter().map(|name| (*name, *name)).collect();
    let names = |context: &Context, node: &Node| {
        context.list(node, "reasons", |context, node| context.word(node, "reason", &words))
    };
    let fields = context.map(node, "a `refused_reasons`")?;
    let single = fields.at_most_one(&fields.present(&["these", "all_but"]));
    let (these, but) = (fields.optional("these", names), fields.optional("all_but", names));
    fields.finish();
    single?;
    let (these, but) = (these?, but?);
    let asked = |name: &&'static str| match (&these, &but) {
        (Some(these), _) => these.contains(name),
        (None, Some(but)) => !but.contains(name),
        (None, None) => true,
    };
    Some(Refused::NAMES.iter().copied().filter(asked).collect())
}

fn read_replay(context: &Context, node: &Node) -> Option<Replayed> {
    if node.as_text().is_some() {
        return context.word(node, "end of a replay", &[("refused", Replayed::Refused)]);
    }
    let fields = context.map(node, "a `replay`")?;
    let single = fields.at_most_one(&fields.present(&["confirmed", "kept"]));
    let asked = match fields.entry("kept") {
        Some(_) => fields.required("kept", Context::count).map(Replayed::Kept),
        None => fields.required("confirmed", Context::count).map(Replayed::Confirmed),
    };
    fields.finish();
    single.and(asked)
}

/// `true`, and nothing else: a check that is not wanted is left out.
fn yes(context: &Context, node: &Node) -> Option<()> {
    match context.flag(node)? {
        true => Some(()),
        false => {
            context.wrong(node.at, "a check is asked or not there", Some("leave it out".into()));
            None
        }
    }
}

fn read_bounded(context: &Context, node: &Node) -> Option<Check> {
    if !matches!(node.value, Value::Map(_)) {
        return yes(context, node).map(|()| Check::BoundedPeersData { pool: None });
    }
    let fields = context.map(node, "a `bounded_peers_data`")?;
    let pool = fields.required("pool", Context::quantity::<Size>);
    fields.finish();
    Some(Check::BoundedPeersData { pool: Some(pool?) })
}

fn read_common_prefix(context: &Context, node: &Node) -> Option<Check> {
    let fields = context.map(node, "a `common_prefix`")?;
    let k = fields.required("k", Context::whole::<u32>);
    let one_interval = Within::Connected { since: Length::Blocks(1.0) };
    let within = fields.or("within", one_interval, |context, node| match &node.value {
        Value::Map(_) => {
            let fields = context.map(node, "a `within`")?;
            let since = fields.required("connected", Context::quantity::<Length>);
            fields.finish();
            Some(Within::Connected { since: since? })
        }
        _ => context.word(node, "scope", &[("connected", one_interval), ("everyone", Within::Everyone)]),
    });
    fields.finish();
    Some(Check::CommonPrefix { k: k?, within: within? })
}

fn read_chain(context: &Context, entry: &Entry) -> Option<Check> {
    let growth = entry.key == "chain_growth";
    let fields = context.map(&entry.value, if growth { "a `chain_growth`" } else { "a `chain_quality`" })?;
    let at_least = fields.required("at_least", Context::quantity::<Share>);
    let check = if growth {
        let over = fields.required("over", |context, node| {
            let over: Length = context.quantity(node)?;
            if over.is_zero() {
                context.wrong(node.at, "nothing grows in no time", Some("say `20 blocks`".into()));
            }
            (!over.is_zero()).then_some(over)
        });
        over.and_then(|over| Some(Check::ChainGrowth { at_least: at_least?, over }))
    } else {
        let over = fields.required("over", blocks);
        over.and_then(|over| Some(Check::ChainQuality { at_least: at_least?, over }))
    };
    fields.finish();
    check
}

/// A number of blocks, as `20 blocks`.
fn blocks(context: &Context, node: &Node) -> Option<u32> {
    match context.quantity(node)? {
        Length::Blocks(blocks) if blocks >= 1.0 && blocks.fract() == 0.0 && blocks <= 1e6 => Some(blocks as u32),
        _ => {
            let what = format!("{} is not a whole number of blocks", context.said(node));
            context.wrong(node.at, what, Some("say `20 blocks`".into()));
            None
        }
    }
}

fn read_converged(context: &Context, node: &Node) -> Option<Check> {
    let fields = context.map(node, "a `converged`")?;
    let within = fields.required("within", Context::quantity::<Length>);
    let fresh_blocks = fields.or("fresh_blocks", 1, Context::whole::<u32>);
    let from_each_side = fields.or("from_each_side", false, Context::flag);
    let stable = fields.or("stable", Length::ZERO, Context::quantity::<Length>);
    fields.finish();
    let fresh_blocks = fresh_blocks?;
    if from_each_side? && fresh_blocks < 2 {
        let help = "say `fresh_blocks: 3`".to_owned();
        context.wrong(node.at, "each side cannot have mined one of fewer than two blocks", Some(help));
        return None;
    }
    Some(Check::Converged { within: within?, fresh_blocks, from_each_side: from_each_side?, stable: stable? })
}

fn read_payment(context: &Context, node: &Node, scope: &Scope) -> Option<Check> {
    let everyone = || "any".parse::<Selector>().ok();
    let fields = context.map(node, "a `payment`")?;
    let selector = |context: &Context, node: &Node| scope.selector(context, node);
    let from = fields.or("from", everyone()?, selector);
    let to = fields.or("to", everyone()?, selector);
    let confirmed_within = fields.required("confirmed_within", Context::quantity::<Length>);
    fields.finish();
    Some(Check::Payment { from: from?, to: to?, confirmed_within: confirmed_within? })
}

fn read_served(context: &Context, node: &Node, scope: &Scope) -> Option<Check> {
    let fields = context.map(node, "a `served`")?;
    let selector = |context: &Context, node: &Node| scope.selector(context, node);
    let to = fields.required("to", selector);
    let by_at_least = fields.or("by_at_least", 1, Context::count);
    let by = fields.optional("by", selector);
    let while_syncing = fields.or("while_syncing", false, Context::flag);
    fields.finish();
    Some(Check::Served { to: to?, by_at_least: by_at_least?, by: by?, while_syncing: while_syncing? })
}

fn read_limits(context: &Context, node: &Node) -> Option<Limits> {
    let fields = context.map(node, "`limits`")?;
    let reorganisation = fields.optional("reorganisation", Context::whole::<u32>);
    let blocks_lost = fields.optional("blocks_lost", Context::whole::<u32>);
    let time_to_converge = fields.optional("time_to_converge", Context::quantity::<Length>);
    let transaction_everywhere = fields.optional("transaction_everywhere", read_percentiles);
    let block_everywhere = fields.optional("block_everywhere", read_percentiles);
    let gini_bytes_served = fields.optional("gini_bytes_served", index);
    let gini_verifications = fields.optional("gini_verifications", index);
    fields.finish();
    let limits = Limits {
        reorganisation: reorganisation?,
        blocks_lost: blocks_lost?,
        time_to_converge: time_to_converge?,
        transaction_everywhere: transaction_everywhere?,
        block_everywhere: block_everywhere?,
        gini_bytes_served: gini_bytes_served?,
        gini_verifications: gini_verifications?,
    };
    if limits == Limits::default() {
        context.wrong(node.at, "these limits limit nothing", Some("such as `{ reorganisation: 20 }`".into()));
        return None;
    }
    Some(limits)
}

fn read_percentiles(context: &Context, node: &Node) -> Option<Percentiles> {
    let fields = context.map(node, "a distribution")?;
    let p50 = fields.optional("p50", Context::pause);
    let p90 = fields.optional("p90", Context::pause);
    let p99 = fields.optional("p99", Context::pause);
    let max = fields.optional("max", Context::pause);
    fields.finish();
    let percentiles = Percentiles { p50: p50?, p90: p90?, p99: p99?, max: max? };
    let said: Vec<Duration> =
        [percentiles.p50, percentiles.p90, percentiles.p99, percentiles.max].into_iter().flatten().collect();
    if said.is_empty() {
        context.wrong(node.at, "this limits nothing", Some("such as `{ p99: 3s }`".into()));
        return None;
    }
    if !said.is_sorted() {
        context.wrong(node.at, "a larger part of the values has a smaller limit", Some("let them grow".into()));
        return None;
    }
    Some(percentiles)
}

/// A Gini index.
fn index(context: &Context, node: &Node) -> Option<f64> {
    let number = context.number(node)?;
    let right = (0.0..=1.0).contains(&number);
    if !right {
        context.wrong(node.at, format!("{number} is not between 0 and 1"), None);
    }
    right.then_some(number)
}
