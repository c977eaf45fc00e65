//! Clusters of real processes.

use super::{Figure, command, real};
use crate::backend::capability::Offer;
use crate::backend::process::Processes;
use crate::backend::process::loopback::Loopbacks;
use crate::backend::real::site::Site;
use crate::suite::Backend;

/// Nodes of a cluster where nothing else is asked for; a ring is measured then, too.
const MANY: u32 = 50;

/// Measures all of it, or clusters of these sizes alone: on the loopback where namespaces are forbidden, as a run would be.
///
/// # Errors
/// When a cluster cannot be made or something does not happen.
pub fn measure(sizes: &[u32]) -> Result<Vec<Figure>, String> {
    match Offer::of_processes() {
        (_, None) => clusters(Processes::new, sizes),
        (_, Some(_)) => clusters(Loopbacks::new, sizes),
    }
}

fn clusters<S: Site>(begin: real::Begin<S>, sizes: &[u32]) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for nodes in if sizes.is_empty() { &[MANY] } else { sizes } {
        figures.extend(real::measure(begin, *nodes)?);
        figures.push(command::measure(Backend::Process, *nodes)?);
    }
    if sizes.is_empty() {
        figures.extend(real::measure_ring(begin)?);
    }
    Ok(figures)
}
