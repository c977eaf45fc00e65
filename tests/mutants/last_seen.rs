//! Last seen: nodes that say they follow the last seen of two blocks with equal work. Where the link is slow, miners find
//! siblings, and `most_work` sees a node leave its tip for no more work.
//!
//! No actor or surrounding can make an honest ledger leave its tip for a sibling, so the ledger itself stays honest here
//! and only what the node says of it is changed: every sibling in the story is a block that this node really stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitcoin::BlockHash;
use schism::backend::mutation::Mutation;
use schism::checks::MostWork;
use schism::run::story::{Failed, Story, seconds};
use schism_chaos::fault::{Fault, Links};
use schism_node::Surroundings;
use schism_node::chain::Tip;
use schism_node::control::{Event, LedgerState};

use super::Mutant;
use super::scene::{PAIR, Small};

pub const MUTANT: Mutant = Mutant {
    name: "follows_the_last_seen",
    red: "most_work",
    mutation: || Arc::new(LastSeen),
    play: |mutation| {
        let asked = || Box::new(MostWork::default()) as _;
        Small { topology: PAIR, asked, tell: |story| Box::pin(tell(story)) }.play(mutation)
    },
    experiment: false,
};

/// Each of two miners hears of the other's blocks two seconds late, where one is due every ten: siblings are common.
async fn tell(story: &mut Story) -> Result<(), Failed> {
    story.start().await?;
    story.wait_until("three blocks", seconds(300), |view| view.mined() >= 3).await?;
    let slow = Fault::Latency { links: Links::Every, by: seconds(2), jitter: Duration::ZERO };
    let slow = story.apply(slow).await?;
    story.wait_until("forty blocks", seconds(900), |view| view.mined() >= 40).await?;
    story.heal(slow).await
}

#[derive(Debug)]
struct LastSeen;

impl Mutation for LastSeen {
    fn surroundings(&self, surroundings: Surroundings) -> Surroundings {
        let (fickle, honest) = (Mutex::new(Fickle::default()), surroundings.events);
        let events = move |event: Event| {
            let moved = fickle.lock().unwrap_or_else(PoisonError::into_inner).hear(&event);
            honest(event);
            if let Some(moved) = moved {
                honest(moved);
            }
        };
        Surroundings { events: Arc::new(events), ..surroundings }
    }
}

/// Follows what a node says and invents its moves to siblings.
#[derive(Default)]
struct Fickle {
    ledger: Option<LedgerState>,
    parents: BTreeMap<BlockHash, BlockHash>,
}

impl Fickle {
    fn hear(&mut self, event: &Event) -> Option<Event> {
        match event {
            Event::Started { ledger } | Event::TipChanged { ledger, .. } => {
                self.ledger = Some(ledger.clone());
                None
            }
            Event::BlockStored { hash, parent, height, work, .. } => {
                self.parents.insert(*hash, *parent);
                let ledger = self.ledger.as_mut()?;
                let left = ledger.tip;
                if left.work != *work || self.parents.get(&left.hash) != Some(parent) {
                    return None;
                }
                ledger.tip = Tip { hash: *hash, height: *height, work: *work, time: left.time };
                let (disconnected, connected) = (vec![left.hash], vec![*hash]);
                Some(Event::TipChanged { ledger: ledger.clone(), disconnected, connected })
            }
            _ => None,
        }
    }
}
