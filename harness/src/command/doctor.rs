//! `schism doctor`: what this machine can do, found out by doing it.

use clap::Args;
use schism_chaos::simulation::{Settings, simulate};

use super::Speech;
use crate::backend::capability::{Can, Offer, UNNEEDED, table, users_are_kept_out};
use crate::backend::container::engine::Engine;
use crate::backend::container::leftovers::{self, Leftover};
use crate::backend::container::owner::Life;
use crate::report::Verdict;
use crate::suite::Backend;

#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn doctor(_: &Arguments, speech: Speech) -> miette::Result<i32> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    // An empty simulation: whether time and chance follow the seed in this build, on this machine.
    let simulated = simulate(Settings::seeded(1), |_| async {}).map(|_| "works".to_owned());
    let well = simulated.is_ok();
    let ((of_processes, no_namespaces), container) = (Offer::of_processes(), Offer::of_the_engine());
    let process = Ok(of_processes);
    let user = if nix::unistd::getuid().is_root() { "as root" } else { "in a user namespace" };
    let rows = [
        ("version", Ok(env!("CARGO_PKG_VERSION").to_owned())),
        ("processors", Ok(processors.to_string())),
        ("user namespaces", Ok(user_namespaces())),
        ("engine", engine()),
        ("left by the dead", left()),
        ("backend simulated", simulated.map_err(|failure| failure.to_string())),
        ("backend process", processes(of_processes, no_namespaces, user)),
        ("netem, tbf, htb", Ok(UNNEEDED.to_owned())),
        ("backend container", real(&container, "containers of the engine")),
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
    faults(&process, &container, speech);
    Ok(if well { 0 } else { Verdict::Error.exit_code() })
}

/// What the engine says of itself.
fn engine() -> Result<String, String> {
    let engine = Engine::find()?;
    let about = engine.about();
    Ok(format!("{} {}, API {}, kernel {}", about.name, about.version, about.api, about.kernel))
}

/// Whether whoever is not root may make them, by the settings of the system: root needs none.
fn user_namespaces() -> String {
    users_are_kept_out().map_or_else(|| "everybody may make them".to_owned(), |why| format!("root alone: {why}"))
}

/// What clusters of harnesses that are gone have left in the engine, although a cluster began just now and swept: it will
/// not go by itself.
fn left() -> Result<String, String> {
    let Ok(engine) = Engine::find() else { return Ok("no engine to ask".to_owned()) };
    let docker = engine.docker().clone();
    let found = engine.wait(async move { leftovers::find(&docker, None).await })?;
    let dead = found.iter().filter(|leftover| leftover.life() == Life::Dead);
    let dead: Vec<_> = dead.map(Leftover::said).collect();
    if dead.is_empty() {
        return Ok("nothing".to_owned());
    }
    Err(format!("{}: `schism clean` says what keeps it", dead.join(", ")))
}

/// Which of its two kinds the process backend is here, and why.
fn processes(offer: Offer, no_namespaces: Option<&str>, user: &str) -> Result<String, String> {
    match no_namespaces {
        None => real(&Ok(offer), &format!("namespaces {user}")),
        Some(why) => Ok(format!("works, addresses of the loopback, faults by the transport under each node: {why}")),
    }
}

/// What a real backend is here.
fn real(offer: &Result<Offer, String>, place: &str) -> Result<String, String> {
    let offer = offer.clone()?;
    let (slowed, others) = (offer.can("latency"), offer.disciplines());
    Ok(format!("works, {place}, faults by the kernel; links are slowed by: {slowed}; {others}"))
}

/// Which fault each backend does by what. What one cannot do has its reason, and what to do instead, below the table.
fn faults(process: &Result<Offer, String>, container: &Result<Offer, String>, speech: Speech) {
    let tables = [Backend::Simulated, Backend::Process, Backend::Container].map(|backend| {
        let offer = if backend == Backend::Container { container } else { process };
        (backend, table(backend, offer))
    });
    let rows =
        (0..tables[0].1.len()).map(|row| (tables[0].1[row].0, tables.each_ref().map(|(_, table)| &table[row].1)));
    if speech.json {
        for (fault, [simulated, process, container]) in rows {
            let said = |can: &Can| can.to_string();
            let (simulated, process, container) = (said(simulated), said(process), said(container));
            let row = serde_json::json!({
                "fault": fault, "simulated": simulated, "process": process, "container": container,
            });
            println!("{row}");
        }
        return;
    }
    println!("\n{:<16} {:<51} {:<80} container", "fault", "simulated", "process");
    for (fault, row) in rows {
        let [simulated, process, container] = row.map(|can| match can {
            Can::By(what) => what,
            Can::Not { .. } => "no",
        });
        println!("{fault:<16} {simulated:<51} {process:<80} {container}");
    }
    for (backend, table) in &tables {
        refusals(table).into_iter().for_each(|(faults, why)| println!("\n{backend} cannot do {faults}: {why}"));
    }
}

/// What cannot be done, and why: faults with the same reason stand together.
fn refusals(table: &[(&'static str, Can)]) -> Vec<(String, String)> {
    let mut refusals: Vec<(String, String)> = Vec::new();
    for (fault, can) in table {
        let Can::Not { why, instead } = can else { continue };
        let why = format!("{why}; {instead}");
        match refusals.iter_mut().find(|(_, other)| *other == why) {
            Some((faults, _)) => faults.extend([", ", fault]),
            None => refusals.push(((*fault).to_owned(), why)),
        }
    }
    refusals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_told_once_with_what_to_do_instead() {
        let not = |why: &str| Can::Not { why: why.to_owned(), instead: "do that".to_owned() };
        let table = [("latency", not("no queue")), ("cut", Can::By("nftables")), ("loss", not("no queue"))];
        assert_eq!(refusals(&table), [("latency, loss".to_owned(), "no queue; do that".to_owned())]);
        assert!(refusals(&table[1..2]).is_empty());
    }
}
