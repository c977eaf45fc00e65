//! Equivocation: a miner that makes two blocks where it found one, and tells one half of its peers of the one and the other half
//! of the other. Both keep every rule, so nobody is to blame; whose half finds the next block decides.
//!
//! What its own node would tell stays back until another block lies on top: each half is told by a rogue, which lives on
//! among that half as a peer like any other and answers for what it told.

use std::collections::VecDeque;
use std::sync::Arc;

use bitcoin::consensus::serialize;
use bitcoin::{Block, BlockHash, ScriptBuf};
use libp2p::{Multiaddr, PeerId};
use rand::SeedableRng;
use rand::rngs::StdRng;
use schism_node::chain::assemble::repair_merkle_root;
use schism_node::chain::header::grind;
use schism_node::messages::{Source, ToLedger, ToNetwork};
use schism_node::ring::Ring;
use schism_node::wire::limits::RESPONSE_BYTES;
use schism_node::wire::{Request, Response, Topic, encode_response};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::between::Strategy;
use super::leash::Leash;
use super::rogue::{Heard, Means, Rogue, name};
use super::secret::Secret;
use super::tampering::compact;

/// How it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// Of the blocks it finds, every so manyth comes in two; at least 1.
    pub every: u32,
}

impl Default for Equivocation {
    fn default() -> Self {
        Self { every: 1 }
    }
}

/// Blocks that a rogue has yet to tell, and such that it remembers having told.
const UNTOLD: usize = 64;
const REMEMBERED: usize = 64;

/// Makes two blocks of one.
pub(super) struct Equivocator {
    how: Equivocation,
    leash: Leash,
    secret: Secret,
    found: u32,
    /// The two halves, in the order in which blocks are handed to them.
    halves: [mpsc::Sender<Arc<Block>>; 2],
}

impl Equivocator {
    pub(super) fn new(how: Equivocation, leash: Leash, means: &Means) -> Self {
        let chance = &mut StdRng::seed_from_u64(means.chance);
        let halves = [0, 1].map(|half| {
            let (told, untold) = mpsc::channel(UNTOLD);
            let side = Side {
                rogue: Rogue::of(means, &name(chance)),
                targets: means.targets.iter().skip(half).step_by(2).cloned().collect(),
                told: VecDeque::new(),
            };
            means.spawner.spawn_local(Box::pin(side.tell(untold)));
            told
        });
        Self { how, leash, secret: Secret::default(), found: 0, halves }
    }

    fn equivocate(&mut self, block: &Arc<Block>) {
        let Some(twin) = twin(block) else { return };
        self.secret.keep(block.clone());
        // The halves take turns at being told of the block that its own node stands on.
        let turn = (self.found / self.how.every) as usize % 2;
        for (half, block) in [(turn, block.clone()), (1 - turn, Arc::new(twin))] {
            // A half that is too far behind misses one.
            let _ = self.halves[half].try_send(block);
        }
        self.leash.note(|deeds| deeds.told += 2);
    }
}

/// The same block with its reward paid to somebody else.
fn twin(block: &Block) -> Option<Block> {
    let mut twin = block.clone();
    let reward = &mut twin.txdata.first_mut()?.output.first_mut()?.script_pubkey;
    let mut script = reward.to_bytes();
    *script.last_mut()? ^= 1;
    *reward = ScriptBuf::from(script);
    repair_merkle_root(&mut twin);
    grind(&mut twin.header, u64::from(u32::MAX))?;
    Some(twin)
}

impl Strategy for Equivocator {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        if let ToLedger::CheckBlock { block, source: Source::Own } = &message {
            self.found += 1;
            if self.found.is_multiple_of(self.how.every) {
                self.equivocate(block);
            }
        }
        ring.ledger.tell(message);
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { change, .. } = &message
            && !self.secret.keeps(&change.tip.hash)
        {
            // Others have found the next one: there is nothing left to hold back.
            self.secret.drop_all();
        }
        self.secret.pass(message, ring);
    }
}

/// One half of its peers, and who tells them.
struct Side {
    rogue: Rogue,
    targets: Vec<(PeerId, Multiaddr)>,
    /// What this half was told, oldest first.
    told: VecDeque<Arc<Block>>,
}

impl Side {
    async fn tell(mut self, mut untold: mpsc::Receiver<Arc<Block>>) {
        self.dial();
        loop {
            tokio::select! {
                biased;
                block = untold.recv() => {
                    let Some(block) = block else { return };
                    self.rogue.say(Topic::Blocks, serialize(&compact(&block)));
                    self.told.push_back(block);
                    if self.told.len() > REMEMBERED {
                        self.told.pop_front();
                    }
                    self.dial();
                }
                heard = self.rogue.next() => if let Heard::Asked(request, answer) = heard {
                    let response = self.answer(request);
                    self.rogue.answer(answer, encode_response(&response, RESPONSE_BYTES));
                }
            }
        }
    }

    /// Connects to whom it is not connected to.
    fn dial(&mut self) {
        let absent = |target: &&(PeerId, Multiaddr)| !self.rogue.connected().contains(&target.0);
        let absent: Vec<_> = self.targets.iter().filter(absent).cloned().collect();
        absent.iter().for_each(|target| self.rogue.dial(target));
    }

    /// Answers for what it told, and knows of nothing else.
    fn answer(&self, request: Option<Request>) -> Response {
        match request {
            Some(Request::Blocks { hashes }) => {
                Response::Blocks(hashes.iter().filter_map(|hash| self.block(hash)).collect())
            }
            Some(Request::Headers { locator }) => {
                let after = |block: &&Arc<Block>| locator.contains(&block.header.prev_blockhash);
                let first = self.told.iter().rfind(after);
                Response::Headers(first.map(|block| block.header).into_iter().collect())
            }
            Some(Request::BlockTransactions(_)) => Response::BlockTransactions(None),
            Some(Request::Transactions { .. }) => Response::Transactions(Vec::new()),
            Some(Request::Pool) => Response::Pool(Vec::new()),
            Some(Request::Addresses) => Response::Addresses(Vec::new()),
            None => Response::Headers(Vec::new()),
        }
    }

    fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        self.told.iter().find(|block| block.block_hash() == *hash).cloned()
    }
}
