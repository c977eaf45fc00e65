//! `schism doctor`: what this machine can do, found out by doing it.

use clap::Args;
use schism_chaos::simulation::{Settings, simulate};

use super::Speech;
use crate::report::Verdict;

#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn doctor(_: &Arguments, speech: Speech) -> miette::Result<i32> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    // An empty simulation: whether time and chance follow the seed in this build, on this machine.
    let simulated = simulate(Settings::seeded(1), |_| async {}).map(|_| "works".to_owned());
    let well = simulated.is_ok();
    let rows = [
        ("version", Ok(env!("CARGO_PKG_VERSION").to_owned())),
        ("processors", Ok(processors.to_string())),
        ("backend simulated", simulated.map_err(|failure| failure.to_string())),
        ("backend process", Ok("not built yet".to_owned())),
        ("backend container", Ok("not built yet".to_owned())),
    ];
    for (name, found) in rows {
        let (fine, found) = match found {
            Ok(found) => (true, found),
            Err(failure) => (false, failure),
        };
        if speech.json {
            println!("{}", serde_json::json!({ "name": name, "fine": fine, "found": found }));
        } else {
            println!("{name:<18} {}{found}", if fine { "" } else { "FAILS: " });
        }
    }
    Ok(if well { 0 } else { Verdict::Error.exit_code() })
}
