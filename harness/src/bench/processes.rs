//! Clusters of real processes.

use super::{Figure, real};
use crate::backend::process::Processes;

/// Nodes of a cluster where nothing else is asked for; a ring is measured then, too.
const MANY: u32 = 50;

/// Measures all of it, or clusters of these sizes alone.
///
/// # Errors
/// When a cluster cannot be made or something does not happen.
pub fn measure(sizes: &[u32]) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for nodes in if sizes.is_empty() { &[MANY] } else { sizes } {
        figures.extend(real::measure(Processes::new, *nodes)?);
    }
    if sizes.is_empty() {
        figures.extend(real::measure_ring(Processes::new)?);
    }
    Ok(figures)
}
