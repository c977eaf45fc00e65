//! The hidden verb of a worker process: does one job for its parent, and dies with it.

use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miette::IntoDiagnostic;
use schism_chaos::simulation::worker::serve;

use crate::interrupt::Interrupt;
use crate::report::Verdict;
use crate::suite::Errand;

pub(super) fn work() -> miette::Result<i32> {
    let interrupt = Interrupt::default();
    let measures = Arc::new(AtomicBool::new(false));
    let (asked, measuring) = (interrupt.clone(), measures.clone());
    let stop = move || {
        asked.ask();
        // Half of a part's trials is nothing that could be brought back.
        if measuring.load(Ordering::Relaxed) {
            exit(Verdict::Interrupted.exit_code());
        }
    };
    let work = |errand: Errand| {
        measures.store(matches!(errand, Errand::Part(..)), Ordering::Relaxed);
        errand.run(&interrupt)
    };
    serve(stop, work).into_diagnostic()?;
    Ok(0)
}
