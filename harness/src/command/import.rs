//! `schism import FILE`: reads a file of blocks (bootstrap.dat) or of raw headers into a ledger, and says where it stands.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use miette::{IntoDiagnostic, WrapErr};
use schism_node::chain::Rules;
use schism_node::ledger::import::{self, Report};
use schism_node::ledger::store::Disk;
use schism_node::ledger::verifier::Pool;
use schism_node::ledger::{Ledger, Opened};
use schism_node::surroundings::RealWork;

use super::Speech;
use crate::report::Verdict;
use crate::suite::unix_seconds;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Blocks as magic, length, block; or headers of 80 bytes each
    file: PathBuf,
    /// The rules they are held against
    #[arg(long, default_value = "bitcoin-mainnet", value_parser = ["lab", "bitcoin-mainnet"])]
    rules: String,
    /// The file holds raw headers
    #[arg(long)]
    headers: bool,
    /// Read them in an order drawn from this seed
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,
}

pub(super) fn import(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let shown = arguments.file.display();
    let file = File::open(&arguments.file).into_diagnostic().wrap_err_with(|| format!("{shown} cannot be read"))?;
    let rules = if arguments.rules == "lab" { Rules::lab(&[]) } else { Rules::bitcoin_mainnet() };
    let now = u32::try_from(unix_seconds()).unwrap_or(u32::MAX);
    let store = Box::new(Disk::new().open());
    let verifier = Arc::new(Pool::of_all_cores());
    let opened = Ledger::open(Arc::new(rules), store, verifier, Arc::new(RealWork), now).into_diagnostic()?;
    let Opened { mut ledger, .. } = opened;
    let read = if arguments.headers {
        import::headers(&mut ledger, file, arguments.shuffle, now)
    } else {
        import::blocks(&mut ledger, file, arguments.shuffle, now)
    };
    let report = read.into_diagnostic().wrap_err_with(|| format!("{shown} was not read to its end"))?;
    if speech.json {
        println!("{}", serde_json::to_string(&report).into_diagnostic()?);
    } else if !speech.quiet {
        tell(&report);
    }
    let whole = report.broken.is_none() && report.refused.is_empty();
    if let Some(broken) = &report.broken {
        eprintln!("{shown}: byte {}: {}; what came before it was kept", broken.offset, broken.reason);
    }
    Ok(if whole { 0 } else { Verdict::Error.exit_code() })
}

fn tell(report: &Report) {
    println!("height   {}", report.height);
    println!("tip      {}", report.tip);
    println!("work     {}", report.work);
    println!("coins    {}", report.coins);
    println!("digest   {}", report.digest);
    println!(
        "read     {}: {} taken, {} known, {} refused",
        report.read,
        report.taken,
        report.known,
        report.refused.len()
    );
    for refused in &report.refused {
        println!("  byte {}: {} refused: {}", refused.offset, refused.hash, refused.reason);
    }
}
