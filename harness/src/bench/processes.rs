//! Clusters of real processes.

use super::{Figure, real};
use crate::backend::process::Processes;

/// Nodes of the large cluster.
const MANY: u32 = 50;

/// Measures all of it.
///
/// # Errors
/// When a cluster cannot be made or something does not happen.
pub fn measure() -> Result<Vec<Figure>, String> {
    real::measure(Processes::new, MANY)
}
