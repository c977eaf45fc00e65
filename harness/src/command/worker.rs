//! The hidden verb of a worker process: does one job for its parent, and dies with it.

use miette::IntoDiagnostic;
use schism_chaos::simulation::worker::serve;

use crate::interrupt::Interrupt;
use crate::suite::Job;

pub(super) fn work() -> miette::Result<i32> {
    let interrupt = Interrupt::default();
    let stop = interrupt.clone();
    serve(move || stop.ask(), |job: Job| job.work(&interrupt, Box::new(|_, _| {}))).into_diagnostic()?;
    Ok(0)
}
