//! `schism doctor`: what this machine can do, found out by doing it.

use clap::Args;
use schism_chaos::simulation::{Settings, simulate};

use super::Speech;
use crate::backend::capability::{Offer, table};
use crate::report::Verdict;
use crate::suite::Backend;

#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn doctor(_: &Arguments, speech: Speech) -> miette::Result<i32> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    // An empty simulation: whether time and chance follow the seed in this build, on this machine.
    let simulated = simulate(Settings::seeded(1), |_| async {}).map(|_| "works".to_owned());
    let well = simulated.is_ok();
    let offer = Offer::of_this_kernel();
    let rows = [
        ("version", Ok(env!("CARGO_PKG_VERSION").to_owned())),
        ("processors", Ok(processors.to_string())),
        ("backend simulated", simulated.map_err(|failure| failure.to_string())),
        ("backend process", process(&offer)),
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
    faults(&offer, speech);
    Ok(if well { 0 } else { Verdict::Error.exit_code() })
}

/// What the process backend is here.
fn process(offer: &Result<Offer, String>) -> Result<String, String> {
    let offer = offer.clone()?;
    let user = if nix::unistd::getuid().is_root() { "as root" } else { "in a user namespace" };
    Ok(format!("works, namespaces {user}, faults by the kernel; links are slowed by: {}", offer.can("latency")))
}

/// Which fault each backend does by what.
fn faults(offer: &Result<Offer, String>, speech: Speech) {
    let (simulated, process) = (table(Backend::Simulated, offer), table(Backend::Process, offer));
    if !speech.json {
        println!("\n{:<12} {:<36} process", "fault", "simulated");
    }
    for ((fault, simulated), (_, process)) in simulated.into_iter().zip(process) {
        let (simulated, process) = (simulated.to_string(), process.to_string());
        if speech.json {
            println!("{}", serde_json::json!({ "fault": fault, "simulated": simulated, "process": process }));
        } else {
            println!("{fault:<12} {simulated:<36} {process}");
        }
    }
}
