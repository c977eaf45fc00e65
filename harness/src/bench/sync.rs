//! Sync: a node that knows nothing fetches a chain from one that has it.

use std::time::Duration;

use schism_chaos::link::Link;
use schism_chaos::simulation::clock::Stopwatch;
use schism_chaos::simulation::{Settings, Simulation, simulate};
use schism_node::control::{Answer, Event, Question};

use super::chain::Chain;
use super::{Figure, Measured, SEED};
use crate::backend::simulated::Simulated;
use crate::backend::{Backend, Place};
use crate::topology::LinkClass;

/// Blocks to fetch, and payments in each.
const BLOCKS: usize = 1_000;
const PAYMENTS: usize = 5;
/// Virtual time it may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures how long it takes.
///
/// # Errors
/// When it does not come to its end.
pub fn measure() -> Result<Measured, String> {
    let chain = Chain::make(BLOCKS, PAYMENTS).map_err(|failure| failure.to_string())?;
    let story = move |simulation| fetch(simulation, chain);
    let (real, virtually) = simulate(Settings::seeded(SEED), story).map_err(|failure| failure.to_string())?.value?;
    let figures = vec![
        Figure::new("seconds_to_sync_1000_blocks", real.as_secs_f64(), "s, two simulated nodes"),
        Figure::new("virtual_seconds_to_sync_1000_blocks", virtually.as_secs_f64(), "s, on the nodes' clock"),
    ];
    Ok(Measured { figures, ..Measured::default() })
}

async fn fetch(simulation: Simulation, chain: Chain) -> Result<(Duration, Duration), String> {
    let mut backend = Simulated::new(simulation, false);
    backend.set_usual_link(Link::with_latency(LinkClass::default().latency));
    for keep in [vec![], vec![0]] {
        backend.add(Place {
            name: format!("node-{}", keep.len()),
            rules: chain.rules.clone(),
            hashes_per_second: 0.0,
            keep,
            bootstrap: Vec::new(),
            degree: 0,
            most_connections: None,
            defences: Default::default(),
            adversary: None,
        });
    }
    // The chain is older than the simulation: its end must not lie in the nodes' future.
    let age = f64::from(chain.end() - chain.rules.genesis.header.time);
    (0..2).for_each(|node| backend.set_clock(node, age, 1.0));
    backend.start(0).await?;
    for block in &chain.blocks {
        match backend.ask(0, Question::SubmitBlock { block: block.as_ref().clone() }).await {
            Some(Answer::Accepted) => {}
            other => return Err(format!("a good block was not taken: {other:?}")),
        }
    }
    let (started, began) = (Stopwatch::start(), backend.now());
    backend.start(1).await?;
    while let Some(heard) = backend.next(began + PATIENCE).await {
        match heard.event {
            Event::TipChanged { ledger, .. } if heard.node == 1 && ledger.tip.height as usize == BLOCKS => {
                return Ok((started.elapsed(), heard.at - began));
            }
            _ => {}
        }
    }
    Err(format!("the chain was not fetched within {} virtual seconds", PATIENCE.as_secs()))
}
