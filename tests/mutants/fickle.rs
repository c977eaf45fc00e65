//! Fickle: what a node says, with moves of its tip to every branch of equal work it stores. The ledger itself stays honest:
//! no actor or surrounding can make it leave its tip for no more work, so what its node says of it is changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::BlockHash;
use schism_node::Surroundings;
use schism_node::chain::Tip;
use schism_node::control::{Event, LedgerState};

/// The surroundings of a node that says it follows the last seen of two branches with equal work.
pub fn follows_the_last_seen(surroundings: Surroundings) -> Surroundings {
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

/// Follows what a node says and invents its moves: every block of them is one that the node really stored.
#[derive(Default)]
struct Fickle {
    ledger: Option<LedgerState>,
    parents: BTreeMap<BlockHash, BlockHash>,
}

impl Fickle {
    fn hear(&mut self, event: &Event) -> Option<Event> {
        match event {
            Event::Started { ledger } | Event::TipChanged { ledger, .. } => self.ledger = Some(ledger.clone()),
            Event::BlockStored { hash, parent, height, work, .. } => {
                self.parents.insert(*hash, *parent);
                let ledger = self.ledger.as_mut()?;
                let left = ledger.tip;
                if left.work != *work || left.hash == *hash {
                    return None;
                }
                let (disconnected, mut connected) = apart(&self.parents, left.hash, *hash)?;
                connected.reverse();
                ledger.tip = Tip { hash: *hash, height: *height, ..left };
                return Some(Event::TipChanged { ledger: ledger.clone(), disconnected, connected });
            }
            _ => {}
        }
        None
    }
}

/// The blocks of two chains of equal length down to where they meet, tips first.
fn apart(
    parents: &BTreeMap<BlockHash, BlockHash>,
    mut one: BlockHash,
    mut other: BlockHash,
) -> Option<(Vec<BlockHash>, Vec<BlockHash>)> {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    while one != other {
        ones.push(one);
        others.push(other);
        (one, other) = (*parents.get(&one)?, *parents.get(&other)?);
    }
    Some((ones, others))
}
