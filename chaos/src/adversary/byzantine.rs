//! Byzantine: a node that keeps its own ledger in order and fails the others: it passes nothing on, or it answers what it is
//! asked with nothing, too late or wrongly.

use std::sync::Arc;
use std::time::Duration;

use bitcoin::Amount;
use schism_node::messages::{TipChange, ToLedger, ToNetwork, Verdict};
use schism_node::ring::Ring;
use schism_node::surroundings::Spawner;
use schism_node::wire::Response;
use serde::{Deserialize, Serialize};

use super::between::Strategy;
use super::leash::Leash;
use super::rogue::Means;

/// How a node fails the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Byzantine {
    /// Whether it passes on what others told it.
    pub relays: bool,
    /// What it answers.
    pub answers: Answers,
}

/// What a node answers that is asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// What is true.
    Truth,
    /// Headers, and that it has nothing else of what it told of.
    Nothing,
    /// What is true, later than anybody waits for.
    Late,
    /// Blocks and transactions that were altered.
    Wrong,
}

impl Answers {
    /// Their words in YAML.
    pub const WORDS: [(&str, Self); 4] =
        [("truth", Self::Truth), ("nothing", Self::Nothing), ("late", Self::Late), ("wrong", Self::Wrong)];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, answers)| *answers == self).map_or("", |(word, _)| word)
    }
}

impl Default for Byzantine {
    fn default() -> Self {
        Self { relays: false, answers: Answers::Truth }
    }
}

/// How late a late answer is: past the ten seconds that a node waits for one.
const LATE: Duration = Duration::from_secs(12);

/// Fails the others.
pub(super) struct Unreliable {
    how: Byzantine,
    leash: Leash,
    spawner: Arc<dyn Spawner>,
}

impl Unreliable {
    pub(super) fn new(how: Byzantine, leash: Leash, means: &Means) -> Self {
        Self { how, leash, spawner: means.spawner.clone() }
    }

    fn answer(&self, response: Response) -> Response {
        match (self.how.answers, response) {
            (Answers::Nothing, Response::Blocks(_)) => Response::Blocks(Vec::new()),
            (Answers::Nothing, Response::BlockTransactions(_)) => Response::BlockTransactions(None),
            (Answers::Nothing, Response::Transactions(_)) => Response::Transactions(Vec::new()),
            (Answers::Wrong, Response::Blocks(blocks)) => Response::Blocks(
                blocks
                    .into_iter()
                    .map(Arc::unwrap_or_clone)
                    .map(|mut block| {
                        block.txdata[0].output[0].value += Amount::ONE_SAT;
                        Arc::new(block)
                    })
                    .collect(),
            ),
            (Answers::Wrong, Response::BlockTransactions(Some(mut found))) => {
                found.transactions.iter_mut().for_each(|transaction| transaction.output[0].value += Amount::ONE_SAT);
                Response::BlockTransactions(Some(found))
            }
            (_, response) => response,
        }
    }
}

impl Strategy for Unreliable {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        ring.ledger.tell(message);
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        match message {
            ToNetwork::Verdict { source, verdict: Verdict::Relay(_) } if !self.how.relays => {
                self.leash.note(|deeds| deeds.withheld += 1);
                ring.network.tell(ToNetwork::Verdict { source, verdict: Verdict::Drop });
            }
            // Network would announce a tip by itself, had it the block.
            ToNetwork::TipChanged { change, locator } if !self.how.relays => {
                let (tip, next) = (change.tip, change.next.clone());
                let change = TipChange { tip, next, connected: Vec::new(), disconnected: Vec::new() };
                ring.network.tell(ToNetwork::TipChanged { change: Arc::new(change), locator });
            }
            ToNetwork::Tell { ask, response } if self.how.answers == Answers::Late => {
                let network = ring.network.clone();
                self.spawner.spawn_local(Box::pin(async move {
                    tokio::time::sleep(LATE).await;
                    network.tell(ToNetwork::Tell { ask, response });
                }));
            }
            ToNetwork::Tell { ask, response } => {
                let response = self.answer(response);
                ring.network.tell(ToNetwork::Tell { ask, response });
            }
            other => ring.network.tell(other),
        }
    }
}
