//! `schism logs`: what nodes have logged, of a cluster that is up or of any run folder. Where that is JSON, so is what is printed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;

use super::live::Which;
use crate::live::door::State;
use crate::yaml::closest;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Of these nodes; of all where none is named
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// A run folder instead of the cluster that is up
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// In the order of time, each line with its node's name; without it node by node
    #[arg(long)]
    merge: bool,
    /// Go on as more is logged, until the cluster is down
    #[arg(short, long)]
    follow: bool,
}

/// How often a followed log is looked at.
const AGAIN: Duration = Duration::from_millis(200);

/// A node's log as far as it was read.
struct Log {
    node: String,
    file: BufReader<File>,
    /// What was read of a line whose end is not there yet.
    begun: String,
}

pub(super) fn logs(arguments: &Arguments) -> miette::Result<i32> {
    let folder = match &arguments.run {
        Some(folder) => folder.clone(),
        None => arguments.which.cluster()?.folder,
    };
    let mut logs = open(&folder.join("logs"), &arguments.nodes)?;
    let several = logs.len() > 1;
    let mut line = if arguments.follow { State::line(&folder) } else { None };
    loop {
        // Asked before the logs are read, so that the last words are read after it.
        let lives = match (&mut line, &arguments.run) {
            (Some(line), _) => lives_on(line),
            (None, Some(run)) if arguments.follow => goes_on(run),
            (None, _) => false,
        };
        if !tell(&mut logs, arguments.merge, several) || !lives {
            return Ok(0);
        }
    }
}

/// Whether a run whose cluster nobody can be told anything goes on, after a while: the last thing it writes are its results.
#[allow(clippy::disallowed_methods, reason = "files do not say when they grow")]
fn goes_on(run: &Path) -> bool {
    std::thread::sleep(AGAIN);
    !run.join("results.json").exists()
}

/// Whether the cluster at the other end still is, after a while: files do not say when they grow.
fn lives_on(line: &mut UnixStream) -> bool {
    let _ = line.set_read_timeout(Some(AGAIN));
    let heard = line.read(&mut [0]);
    heard.is_err_and(|error| {
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
    })
}

fn open(folder: &Path, nodes: &[String]) -> miette::Result<Vec<Log>> {
    let mut paths: BTreeMap<String, PathBuf> = BTreeMap::new();
    let listed = std::fs::read_dir(folder).into_diagnostic();
    for entry in listed.wrap_err_with(|| format!("there are no logs in {}", folder.display()))?.flatten() {
        if let Some(node) = entry.path().file_name().and_then(|name| name.to_str()?.strip_suffix(".log")) {
            paths.insert(node.to_owned(), entry.path());
        }
    }
    for node in nodes {
        if !paths.contains_key(node) {
            let names: Vec<&str> = paths.keys().map(String::as_str).collect();
            let help = closest(node, &names).map_or(names.join(", "), |near| format!("did you mean `{near}`?"));
            return Err(miette!(help = help, "there is no log of `{node}` in {}", folder.display()));
        }
    }
    let wanted = paths.into_iter().filter(|(node, _)| nodes.is_empty() || nodes.contains(node));
    let open = wanted.map(|(node, path)| {
        let file =
            File::open(&path).into_diagnostic().wrap_err_with(|| format!("{} cannot be read", path.display()))?;
        Ok(Log { node, file: BufReader::new(file), begun: String::new() })
    });
    open.collect()
}

/// Prints what is new; `false` when nobody reads it any more.
fn tell(logs: &mut [Log], merge: bool, several: bool) -> bool {
    let mut lines: Vec<(String, String)> = Vec::new();
    for log in logs.iter_mut() {
        while let Some(line) = log.next() {
            lines.push((log.node.clone(), line));
        }
    }
    if merge {
        // A line begins with its time, and those of one node are in order already.
        lines.sort_by_key(|(_, line)| time(line));
    }
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|(node, line)| match (several, line.strip_prefix('{')) {
        (true, Some(rest)) => writeln!(out, "{{\"node\":\"{node}\",{rest}"),
        (true, None) => writeln!(out, "{node}  {line}"),
        (false, _) => writeln!(out, "{line}"),
    });
    written.and_then(|()| out.flush()).is_ok()
}

/// When a line was logged: seconds of the story first, as numbers, then a time of day as it is written.
fn time(line: &str) -> (u64, String) {
    let stamp = line.starts_with('{').then(|| serde_json::from_str::<Stamp>(line).ok()).flatten();
    let stamp = stamp.map(|stamp| stamp.timestamp.to_string());
    let first = stamp.as_deref().or(line.split_whitespace().next()).unwrap_or_default().trim_matches('"');
    match first.trim_end_matches('s').parse::<f64>() {
        Ok(seconds) => ((seconds * 1e6) as u64, String::new()),
        Err(_) => (0, first.to_owned()),
    }
}

/// What a line of JSON says of its time.
#[derive(Deserialize)]
struct Stamp {
    timestamp: serde_json::Value,
}

impl Log {
    /// The next whole line.
    fn next(&mut self) -> Option<String> {
        let read = self.file.read_line(&mut self.begun).unwrap_or(0);
        if read == 0 || !self.begun.ends_with('\n') {
            return None;
        }
        Some(std::mem::take(&mut self.begun).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_form_have_their_time() {
        let of = |line: &str| time(line);
        assert_eq!(of("    1.250000 debug schism_node: tip changed"), (1_250_000, String::new()));
        assert_eq!(of(r#"{"level":"DEBUG","timestamp":1.25}"#), (1_250_000, String::new()));
        let day = "2026-11-22T05:52:36.296576Z";
        assert_eq!(of(&format!("{day} DEBUG schism_node: x")), (0, day.to_owned()));
        assert_eq!(of(&format!(r#"{{"timestamp":"{day}","level":"DEBUG"}}"#)), (0, day.to_owned()));
    }
}
