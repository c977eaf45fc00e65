//! The hidden verb of a worker process: does one job for its parent, and dies with it.

use miette::IntoDiagnostic;
use schism_chaos::simulation::worker::serve;

use crate::suite::Job;

pub(super) fn work() -> miette::Result<i32> {
    serve(|job: Job| job.work(Box::new(|_, _| {}))).into_diagnostic()?;
    Ok(0)
}
