//! A part: a share of a point's trials, small enough that several processes finish together and something is seen of it
//! while it goes on. What the parts are depends on the file alone, so that any number of processes gives the same result.

use std::sync::Arc;
use std::time::Duration;

use schism_chaos::simulation::{Fidelity, Settings, simulate};
use serde::{Deserialize, Serialize};

use super::double_spend::{self, Series};
use super::{Point, What, arena, censorship, difficulty, eclipse, selfish, stale_blocks};
use crate::backend::mutation::Mutation;
use crate::experiment::Experiment;
use crate::node::burden::processor_seconds;

pub use super::censorship::Censored;
pub use super::difficulty::Followed;
pub use super::double_spend::Tally;
pub use super::eclipse::{Drawn, Eclipsed};
pub use super::selfish::Stretch;
pub use super::stale_blocks::Propagation;

/// Trials in a part: a simulation takes a moment to start, and no longer than ten of them.
const TRIALS: u32 = 50;

/// Restarts in a part: its books are poisoned once.
const RESTARTS: u32 = 120;

/// A share of a point's trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The number of its point, among those chosen.
    pub point: usize,
    /// The seed of its simulation.
    pub seed: u64,
    /// Trials it holds, or blocks it mines in one stretch.
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
    let of_point = |(number, point): (usize, &Point)| {
        let (trials, count) = match what {
            What::DoubleSpend { .. } | What::Censorship { .. } => {
                (point.whole("trials"), point.whole("trials").div_ceil(TRIALS))
            }
            What::Eclipse { .. } => (point.whole("trials"), point.whole("trials").div_ceil(RESTARTS)),
            What::Selfish | What::StaleBlocks | What::Difficulty { .. } => {
                (point.whole("blocks") * point.whole("stretches"), point.whole("stretches"))
            }
        };
        // Points of eclipses are compared with each other over the same seeds.
        let apart = if matches!(what, What::Eclipse { .. }) { 0 } else { number as u64 };
        // As equal as they can be: the last shall not be the one that everyone waits for.
        (0..count).map(move |part| Part {
            point: number,
            seed: seed.wrapping_mul(1_000_003).wrapping_add(apart * 10_007 + u64::from(part)),
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
    let mut topology = experiment.topology.clone();
    arena::populate(&mut topology, point)?;
    let settings = Settings { fidelity, work: experiment.work, ..Settings::seeded(part.seed) };
    let finished = match &claim.what {
        What::DoubleSpend { merchant, .. } => {
            let series = Series {
                q: point.get("q").unwrap_or(0.0),
                confirmations: point.whole("confirmations"),
                trials: part.trials,
                deficit: deficit(point),
                merchant: merchant.clone(),
                pace: arena::pace(point),
            };
            simulate(settings, move |simulation| double_spend::hold(simulation, topology, series, mutation))
        }
        What::Selfish => {
            let (alpha, blocks) = (point.get("alpha").unwrap_or(0.0), part.trials);
            simulate(settings, move |simulation| selfish::mine(simulation, topology, alpha, blocks, mutation))
        }
        What::Censorship { orphaning, witness } => {
            let series = censorship::Series {
                c: point.get("c").unwrap_or(0.0),
                trials: part.trials,
                deficit: if *orphaning { point.whole("deficit") } else { 0 },
                rounds: point.whole("rounds").max(1),
                witness: witness.clone(),
            };
            simulate(settings, move |simulation| censorship::hold(simulation, topology, series, mutation))
        }
        What::Difficulty { .. } => {
            let value = |name| point.get(name).unwrap_or(0.0);
            let series = difficulty::Series { power: value("power"), liars: value("liars"), blocks: part.trials };
            simulate(settings, move |simulation| difficulty::follow(simulation, topology, series, mutation))
        }
        What::Eclipse { victims } => {
            let series = eclipse::Series::at(point, part.trials, victims);
            simulate(settings, move |simulation| eclipse::hold(simulation, topology, series, mutation))
        }
        What::StaleBlocks => {
            let delay = Duration::from_secs_f64(point.get("delay").unwrap_or(0.0) / 1_000.0);
            let blocks = part.trials;
            simulate(settings, move |simulation| stale_blocks::mine(simulation, topology, delay, blocks, mutation))
        }
    };
    let finished = finished.map_err(|failure| failure.to_string())?;
    let mut tally = finished.value?;
    tally.real_seconds = finished.real_time.as_secs_f64();
    tally.processor_seconds = processor_seconds();
    Ok(Measured { tally, trace: finished.trace.hash, trace_items: finished.trace.items })
}
