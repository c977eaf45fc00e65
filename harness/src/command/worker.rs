//! The hidden verb of a worker process: does one job for its parent, and dies with it.

use miette::IntoDiagnostic;
use schism_chaos::simulation::worker::serve;

use crate::interrupt::Interrupt;
use crate::suite::Errand;

pub(super) fn work() -> miette::Result<i32> {
    let interrupt = Interrupt::default();
    let stop = interrupt.clone();
    serve(move || stop.ask(), |errand: Errand| errand.run(&interrupt)).into_diagnostic()?;
    Ok(0)
}
