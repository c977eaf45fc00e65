//! A part: a share of a point's trials, small enough that several processes finish together and something is seen of it
//! while it goes on. What the parts are depends on the file alone, so that any number of processes gives the same result.

use std::sync::Arc;

use schism_chaos::simulation::{Fidelity, Settings, simulate};
use serde::{Deserialize, Serialize};

use super::double_spend::{self, Series};
use super::{Point, What};
use crate::backend::mutation::Mutation;
use crate::experiment::Experiment;

pub use super::double_spend::Tally;

/// Trials in a part: a simulation takes a moment to start, and no longer than ten of them.
const TRIALS: u32 = 50;

/// A share of a point's trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The number of its point, among those chosen.
    pub point: usize,
    /// The seed of its simulation.
    pub seed: u64,
    /// Trials it holds.
    pub trials: u32,
}

/// What a part came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was counted.
    pub tally: Tally,
    /// The hash over all that happened.
    pub trace: String,
    /// Items hashed into it.
    pub trace_items: u64,
}

/// The parts of a claim's points, each with a seed of its own that follows from `seed`.
pub fn parts(what: &What, points: &[Point], seed: u64) -> Vec<Part> {
    let What::DoubleSpend { .. } = what;
    let of_point = |(number, point): (usize, &Point)| {
        let trials = point.whole("trials");
        let count = trials.div_ceil(TRIALS);
        // As equal as they can be: the last shall not be the one that everyone waits for.
        (0..count).map(move |part| Part {
            point: number,
            seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64 * 10_007 + u64::from(part)),
            trials: trials / count + u32::from(part < trials % count),
        })
    };
    points.iter().enumerate().flat_map(of_point).collect()
}

/// Where the attacker gives up: where the point says, else where that misses less than one success in a thousand.
pub(super) fn deficit(point: &Point) -> u32 {
    match (point.get("deficit"), point.get("q")) {
        (Some(deficit), _) => deficit as u32,
        (None, Some(q)) if q >= 0.4 => 35,
        _ => 20,
    }
}

/// Holds a part's trials, here and now, with `mutation` done to every node. A process can do this once.
///
/// # Errors
/// When the simulation does not come to its end.
pub fn hold(
    experiment: &Experiment,
    fidelity: Fidelity,
    part: &Part,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Measured, String> {
    let claim = experiment.claim.as_ref().ok_or("there is no claim")?;
    let points = claim.chosen();
    let point = points.get(part.point).ok_or("there is no such point")?;
    let What::DoubleSpend { merchant, .. } = &claim.what;
    let q = point.get("q").unwrap_or(0.0);
    let series = Series {
        q,
        confirmations: point.whole("confirmations"),
        trials: part.trials,
        deficit: deficit(point),
        merchant: merchant.clone(),
    };
    let topology = experiment.topology.clone();
    let settings = Settings { fidelity, ..Settings::seeded(part.seed) };
    let story = move |simulation| double_spend::hold(simulation, topology, series, mutation);
    let finished = simulate(settings, story).map_err(|failure| failure.to_string())?;
    let mut tally = finished.value?;
    tally.real_seconds = finished.real_time.as_secs_f64();
    Ok(Measured { tally, trace: finished.trace.hash, trace_items: finished.trace.items })
}
