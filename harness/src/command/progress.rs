//! Progress: what a run shows while it goes on. On a terminal a line that moves, else a line for what happens.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use schism_chaos::progress::{Phase, Verb};
use schism_node::control::Event;

use crate::checks::View;
use crate::experiment::Experiment;
use crate::run::{CONNECTED, Onlooker};
use crate::timeline::{Entry, Happening};

/// Shows a run of this experiment; `plain` lines where nobody watches.
pub(super) fn show(experiment: &Experiment, quiet: bool) -> Onlooker {
    if quiet {
        return Box::new(|_, _| {});
    }
    let names: Vec<String> = experiment.faults.iter().map(|step| step.name.clone()).collect();
    if !std::io::stderr().is_terminal() {
        let (mut runs, mut lonely) = (false, None);
        return Box::new(move |view, entry| {
            let starts = matches!(entry.what, Happening::Event(Event::Started { .. }));
            let first = (starts && !std::mem::replace(&mut runs, true)).then(|| "the first node runs".to_owned());
            let first = first.or_else(|| connected(&mut lonely, view, entry).then(|| CONNECTED.to_owned()));
            if let Some(words) = first.or_else(|| turn(&names, entry)) {
                eprintln!("{:>8.1} s  height {:>4}  {words}", entry.at.as_secs_f64(), height(view));
            }
        });
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut active: Vec<String> = Vec::new();
    let mut shown = Duration::ZERO;
    Box::new(move |view, entry| {
        if let (Happening::Acted(act), Some(name)) = (&entry.what, acting(&names, entry)) {
            match (act.verb, act.phase) {
                (Verb::Apply, Phase::Whole) => active.push(name),
                (Verb::Undo, Phase::Whole) => active.retain(|other| *other != name),
                _ => {}
            }
        }
        // Virtual time runs fast; a line is worth drawing four times in a virtual second at most.
        if entry.at < shown + Duration::from_millis(250) {
            return;
        }
        shown = entry.at;
        let tips: BTreeSet<_> = view.expected().filter_map(|node| view.nodes()[node].tip).collect();
        let faults = if active.is_empty() { String::new() } else { format!(" · {}", active.join(", ")) };
        bar.set_message(format!(
            "{:.0} s · height {} · {} tips{faults}",
            entry.at.as_secs_f64(),
            height(view),
            tips.len()
        ));
        bar.tick();
    })
}

/// Shows how far the measuring of claims has got: on a terminal a line that moves, else a line now and then.
pub(super) fn show_measuring(quiet: bool) -> impl FnMut(crate::suite::Progress) {
    let terminal = std::io::stderr().is_terminal();
    let mut told = 0;
    move |progress| {
        let crate::suite::Progress { done, of, blocks, left } = progress;
        let tenth = done * LINES / of;
        if quiet || (!terminal && tenth == told) {
            return;
        }
        told = tenth;
        let words = format!("{done} of {of} parts, {blocks} blocks, about {:.0} s left", left.as_secs_f64());
        if terminal {
            eprint!("\r\x1b[2K{words}{}", if done == of { "\n" } else { "" });
        } else {
            eprintln!("{words}");
        }
    }
}

/// Lines in a log for all the measuring there is.
const LINES: usize = 20;

/// Whether this is the first peer of the last node that had none; `lonely` is who had none before, once anything has happened.
fn connected(lonely: &mut Option<BTreeSet<usize>>, view: &View, entry: &Entry) -> bool {
    let running = || view.nodes().iter().enumerate().filter(|(_, node)| node.running()).map(|(number, _)| number);
    let lonely = lonely.get_or_insert_with(|| running().collect());
    match (entry.node, &entry.what) {
        (Some(node), Happening::Event(Event::PeerConnected { .. })) => lonely.remove(&node) && lonely.is_empty(),
        _ => false,
    }
}

fn acting(names: &[String], entry: &Entry) -> Option<String> {
    match &entry.what {
        Happening::Acted(act) => names.get(act.fault.step).cloned(),
        _ => None,
    }
}

/// What is worth a line of its own.
fn turn(names: &[String], entry: &Entry) -> Option<String> {
    match &entry.what {
        Happening::Acted(act) if act.phase == Phase::Whole => {
            let verb = if act.verb == Verb::Apply { "begins" } else { "is healed" };
            Some(format!("{} {verb}", acting(names, entry)?))
        }
        Happening::Skipped { fault, reason } => {
            let name = names.get(fault.step).map_or("a fault", String::as_str);
            Some(format!("{name} happens to nobody: {reason}"))
        }
        Happening::Healed => Some("the schedule is over, everything is healed".to_owned()),
        Happening::Found(finding) => Some(format!("{finding:?}")),
        Happening::TakenDown => Some("the cluster is taken down".to_owned()),
        _ => None,
    }
}

fn height(view: &View) -> u32 {
    let places = view.nodes().iter().filter_map(|node| node.tip);
    places.map(|place| view.blocks().get(place).height).max().unwrap_or(0)
}
