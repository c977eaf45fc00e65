//! Text: results for people, at the end of a run.

use super::claim;
use super::{Evidence, Requirement, RequirementState, Results, Verdict};

/// Whether words are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Always,
    /// For files and pipes.
    Never,
}

impl Colour {
    fn paint(self, code: &str, words: &str) -> String {
        match self {
            Self::Always => format!("\x1b[{code}m{words}\x1b[0m"),
            Self::Never => words.to_owned(),
        }
    }

    /// A verdict in its colour.
    pub fn verdict(self, verdict: Verdict) -> String {
        let code = match verdict {
            Verdict::Passed => "1;32",
            Verdict::Inconclusive | Verdict::Interrupted => "1;33",
            _ => "1;31",
        };
        self.paint(code, verdict.word())
    }

    fn state(self, state: RequirementState) -> String {
        match state {
            RequirementState::Met => self.paint("32", "✓"),
            RequirementState::Missing => self.paint("1;31", "✗"),
            RequirementState::NotReached => self.paint("33", "–"),
        }
    }

    fn dim(self, words: &str) -> String {
        self.paint("2", words)
    }
}

/// The first line of every run: what decides it, and what is real about it.
pub fn first_line(results: &Results) -> String {
    let Results { seed, backend, fault_layer, experiment, settings, .. } = results;
    let settings: String = settings.iter().map(|setting| format!(" · {setting}")).collect();
    format!("seed {seed} · {backend} · {fault_layer} faults · {experiment}{settings}")
}

/// The whole result, as a page of text.
pub fn text(results: &Results, colour: Colour) -> String {
    let mut page = String::new();
    let out = &mut page;
    let why = results.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
    line(out, &format!("{}{why}", colour.verdict(results.verdict)));
    if !results.about.is_empty() {
        line(out, &colour.dim(&results.about));
    }
    if results.verdict == Verdict::Error && results.nodes.is_empty() {
        line(out, &format!("\nrepeat with: {}", results.repeat));
        return page;
    }
    line(out, "");
    match &results.claim {
        Some(measurement) => claim::write(out, results, measurement),
        None => measured(out, results),
    }
    requirements(out, "asked", &results.checks, colour);
    evidence(out, &results.evidence, colour);
    requirements(out, "control", &results.controls, colour);
    if results.verdict != Verdict::Passed {
        violations(out, results, colour);
        nodes(out, results);
    }
    line(out, "");
    if let Some(trace) = &results.trace {
        line(out, &colour.dim(&format!("trace {trace} over {} items", results.trace_items)));
    }
    if let Some(folder) = &results.folder {
        line(out, &colour.dim(&format!("all of it in {}", folder.display())));
    }
    line(out, &format!("repeat with: {}", results.repeat));
    page
}

pub(super) fn line(out: &mut String, words: &str) {
    out.push_str(words);
    out.push('\n');
}

/// Figures, one a line, names in a column.
fn measured(out: &mut String, results: &Results) {
    let measured = &results.measured;
    let spread = |times: &std::collections::BTreeMap<String, f64>| {
        let one = |name: &str| times.get(name).map(|seconds| format!("{name} {}", for_people(*seconds)));
        ["p50", "p90", "p99", "max"].iter().filter_map(|name| one(name)).collect::<Vec<_>>().join(" · ")
    };
    let mut row = |name: &str, words: String| {
        if !words.is_empty() {
            line(out, &format!("  {name:<24} {words}"));
        }
    };
    row("converged after the heal", measured.seconds_to_converge.map_or_else(|| "not".to_owned(), for_people));
    let blocks = format!("{} mined, {} lost, height {}", measured.blocks_mined, measured.blocks_lost, measured.height);
    row("blocks", blocks);
    row("deepest reorganisation", count(measured.deepest_reorganisation.into(), "block"));
    let payments =
        format!("{} submitted, {} confirmed", measured.transactions_submitted, measured.transactions_confirmed);
    row("transactions", if measured.transactions_submitted > 0 { payments } else { String::new() });
    row("a block everywhere", spread(&measured.block_everywhere));
    row("a transaction everywhere", spread(&measured.transaction_everywhere));
    row("served", format!("{} (Gini {:.2})", bytes(measured.bytes_served), measured.gini_bytes_served));
    let verified = format!(
        "{} signatures, {} from memory (Gini {:.2})",
        measured.verifications, measured.memo_hits, measured.gini_verifications
    );
    row("verified", verified);
    let ratio = if results.real_seconds > 0.0 { results.virtual_seconds / results.real_seconds } else { 0.0 };
    let time = format!(
        "{} in {} ({ratio:.0} times real time)",
        for_people(results.virtual_seconds),
        for_people(results.real_seconds)
    );
    row("time", time);
    if let Some(share) = processor_share(results) {
        row("processor", share);
    }
    if let Some(late) = measured.frames_late {
        row("frames late by", format!("{:.1} ms on average", late * 1e3));
    }
}

fn requirements(out: &mut String, title: &str, requirements: &[Requirement], colour: Colour) {
    if requirements.is_empty() {
        return;
    }
    line(out, &format!("\n{title}"));
    requirements.iter().for_each(|requirement| line(out, &format!("  {}", one(requirement, colour))));
}

fn one(requirement: &Requirement, colour: Colour) -> String {
    let asked =
        if requirement.asked.is_empty() { String::new() } else { format!(" {}", colour.dim(&requirement.asked)) };
    let seen = if requirement.seen.is_empty() { String::new() } else { format!(": {}", requirement.seen) };
    format!("{} {}{asked}{seen}", colour.state(requirement.state), requirement.name)
}

fn evidence(out: &mut String, all: &[Evidence], colour: Colour) {
    if all.is_empty() {
        return;
    }
    line(out, "\nevidence");
    for evidence in all {
        let acted: Vec<_> = evidence.acted.iter().map(|(from, to)| stretch(*from, *to)).collect();
        let acted = if acted.len() > 4 { format!("{} times", acted.len()) } else { acted.join(", ") };
        line(out, &format!("  {} {}", evidence.step, colour.dim(&format!("{} · {acted}", evidence.fault))));
        evidence.requirements.iter().for_each(|requirement| line(out, &format!("    {}", one(requirement, colour))));
    }
}

fn violations(out: &mut String, results: &Results, colour: Colour) {
    /// More is in the files.
    const MOST: usize = 10;
    if results.violations.is_empty() {
        return;
    }
    line(out, "\nwhat went wrong");
    for violation in results.violations.iter().take(MOST) {
        let node = violation.node.as_deref().map_or_else(String::new, |node| format!(" on {node}"));
        let block = violation.block.as_deref().map_or_else(String::new, |block| format!(" (block {})", short(block)));
        let at = for_people(violation.at);
        line(
            out,
            &format!(
                "  {} {}{node} at {at}: {}{block}",
                colour.state(RequirementState::Missing),
                violation.check,
                violation.what
            ),
        );
    }
    if results.violations.len() > MOST {
        line(out, &format!("  and {} more", results.violations.len() - MOST));
    }
}

fn nodes(out: &mut String, results: &Results) {
    let nodes = &results.nodes;
    if nodes.is_empty() {
        return;
    }
    let counted = nodes.iter().any(|node| node.processor_seconds.is_some());
    let width = nodes.iter().map(|node| node.name.len()).max().unwrap_or(4).max(4);
    line(out, "");
    line(
        out,
        &format!(
            "  {:<width$}  {:<11}  {:>6}  {:<12}  {:<12}  {:>5}  {:>5}{}",
            "node",
            "state",
            "height",
            "tip",
            "digest",
            "peers",
            "pool",
            if counted { "  processor" } else { "" }
        ),
    );
    for node in nodes {
        let (tip, digest) = (short(&node.tip), short(&node.digest));
        let share = node.processor_seconds.map(|took| 100.0 * took / results.real_seconds.max(f64::EPSILON));
        let share = share.map_or_else(String::new, |share| format!("  {share:>7.1} %"));
        line(
            out,
            &format!(
                "  {:<width$}  {:<11}  {:>6}  {tip:<12}  {digest:<12}  {:>5}  {:>5}{share}",
                node.name, node.state, node.height, node.peers, node.pool
            ),
        );
    }
}

/// How busy honest nodes kept the machine, where each has a process of its own.
pub(super) fn processor_share(results: &Results) -> Option<String> {
    let honest = results.nodes.iter().filter(|node| node.role != "adversary");
    let shares: Vec<f64> =
        honest.filter_map(|node| Some(100.0 * node.processor_seconds? / results.real_seconds)).collect();
    let most = shares.iter().copied().reduce(f64::max)?;
    let least = shares.iter().copied().fold(most, f64::min);
    Some(format!("an honest node took {least:.1} to {most:.1} % of one"))
}

/// The end of a hash: the beginning is all zeros where work is shown.
pub(super) fn short(hash: &str) -> String {
    let from = hash.len().saturating_sub(12);
    hash.get(from..).unwrap_or(hash).to_owned()
}

/// Seconds as people say them.
pub(super) fn for_people(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.000_5 => "0 s".to_owned(),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1_000.0),
        _ if seconds < 100.0 => format!("{seconds:.1} s"),
        _ => format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

fn stretch(from: f64, to: Option<f64>) -> String {
    let to = to.map_or_else(|| "the end".to_owned(), for_people);
    format!("{} to {to}", for_people(from))
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
