//! `schism bench`: how fast the laboratory is on this machine.

use clap::Args;
use miette::{IntoDiagnostic, miette};

use super::Speech;
use crate::backend::capability::Offer;
use crate::backend::container::Containers;
use crate::backend::process::Processes;
use crate::bench::faults::Row;
use crate::bench::{Figure, Part, SIZES, containers, faults, part, processes, table};
use crate::interrupt::Interrupt;
use crate::report::Verdict;
use crate::suite::Backend;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Sizes of the clusters to measure; nothing but these then
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(2..=10_000))]
    nodes: Vec<u16>,
    /// What to measure clusters on: simulated, process or container
    #[arg(long, default_value_t, env = "SCHISM_BACKEND")]
    backend: Backend,
    /// Measure what faults of links really do, against what is asked of them, on a real backend: process where no
    /// other is named
    #[arg(long, conflicts_with = "nodes")]
    faults: bool,
}

pub(super) fn bench(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    match arguments.backend {
        Backend::Container if arguments.faults => return judge(faults::measure(Containers::new), speech),
        _ if arguments.faults => return judge(faults::measure(Processes::new), speech),
        Backend::Simulated => {}
        Backend::Process | Backend::Container => {
            say_where(arguments.backend);
            let sizes: Vec<u32> = arguments.nodes.iter().map(|nodes| u32::from(*nodes)).collect();
            let measure = if arguments.backend == Backend::Process { processes::measure } else { containers::measure };
            return tell(measure(&sizes), speech);
        }
    }
    let chosen: Vec<usize> = arguments.nodes.iter().map(|nodes| usize::from(*nodes)).collect();
    let sizes = if chosen.is_empty() { SIZES.to_vec() } else { chosen.clone() };
    let mut figures = Vec::new();
    let mut counts = true;
    let mut note = |part: Part, of_part: Vec<Figure>, why: Option<String>| {
        if let Some(why) = why {
            counts = false;
            eprintln!("{part:?} does not count: {why}");
            return Ok(());
        }
        for figure in of_part {
            if speech.json {
                println!("{}", serde_json::to_string(&figure).into_diagnostic()?);
            }
            figures.push(figure);
        }
        Ok::<(), miette::Report>(())
    };
    // Clusters of real nodes end with this process; what measures these has its own, and is told.
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let empty = Part::Cluster(0).measure(&interrupt).peak_bytes;
    for nodes in sizes {
        let part = Part::Cluster(nodes);
        let mut measured = part.measure(&interrupt);
        if interrupt.asked() {
            break;
        }
        measured.figures.push(Figure::memory(nodes, measured.peak_bytes.saturating_sub(empty)));
        note(part, measured.figures, measured.does_not_count)?;
    }
    for part in [Part::Ledger, Part::Sync].into_iter().filter(|_| chosen.is_empty()) {
        let measured = part.measure(&interrupt);
        if interrupt.asked() {
            break;
        }
        note(part, measured.figures, measured.does_not_count)?;
    }
    if !speech.json {
        print!("{}", table(&figures));
    }
    Ok(match counts {
        _ if interrupt.asked() => Verdict::Interrupted.exit_code(),
        true => 0,
        false => Verdict::Error.exit_code(),
    })
}

/// Says whose faults are measured, and why not the kernel's where it is not those: beside the figures, not among them.
fn say_where(backend: Backend) {
    let why = match Offer::of_processes() {
        (_, Some(why)) if backend == Backend::Process => format!(", on the loopback: {why}"),
        _ => String::new(),
    };
    eprintln!("{backend} · {} faults{why}", backend.fault_layer());
}

/// Tells what clusters of real nodes came to.
fn tell(measured: Result<Vec<Figure>, String>, speech: Speech) -> miette::Result<i32> {
    let figures = measured.map_err(|why| miette!("{why}"))?;
    for figure in figures.iter().filter(|_| speech.json) {
        println!("{}", serde_json::to_string(figure).into_diagnostic()?);
    }
    if !speech.json {
        print!("{}", table(&figures));
    }
    Ok(0)
}

/// Tells what faults of links really did; one that is not as asked is a claim refuted.
fn judge(measured: Result<Vec<Row>, String>, speech: Speech) -> miette::Result<i32> {
    let rows = measured.map_err(|why| miette!("{why}"))?;
    for row in rows.iter().filter(|_| speech.json) {
        println!("{}", serde_json::to_string(row).into_diagnostic()?);
    }
    if !speech.json {
        print!("{}", faults::lines(&rows));
    }
    Ok(if rows.iter().all(|row| row.within) { 0 } else { Verdict::Refuted.exit_code() })
}

pub(super) fn work() -> miette::Result<i32> {
    part::work().into_diagnostic()?;
    Ok(0)
}
