//! Flood: rogues who send a node they know more than it can want, each kind in its turn and under a new name whenever one is
//! sent away.
//!
//! - `kind`: what a rogue floods with.
//! - `addresses`: made-up addresses.

mod addresses;
mod kind;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::bip152::HeaderAndShortIds;
use bitcoin::block::{Header, Version};
use bitcoin::consensus::serialize;
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, OutPoint, ScriptBuf, Transaction, TxIn, TxMerkleNode, TxOut, Txid, absolute, transaction,
};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use schism_node::chain::header::grind;
use schism_node::messages::{ToLedger, ToNetwork};
use schism_node::ring::Ring;
use schism_node::wire::limits::{HEADERS_PER_RESPONSE, RESPONSE_BYTES};
use schism_node::wire::{Request, Response, Topic, encode_request, encode_response};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use super::between::Strategy;
use super::leash::Leash;
use super::purse::Purse;
use super::rogue::{Frame, Heard, Means, Rogue, name};
use super::tampering::compact;
pub use kind::FloodKind;

/// How a flood is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// Rogues at work at once.
    pub rogues: u32,
    /// What each sends a second.
    pub a_second: u32,
    /// What all of them flood with; nothing: each kind in its turn.
    pub with: Option<FloodKind>,
}

impl Default for Flood {
    fn default() -> Self {
        Self { rogues: 12, a_second: 50, with: None }
    }
}

/// How long one name is used at most, and how long a name that was sent away rests.
const LIFE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_millis(200);
/// Between two bursts.
const TICK: Duration = Duration::from_millis(100);

/// Starts the rogues with the first tip and tells them of every one.
pub(super) struct Flooder {
    how: Flood,
    leash: Leash,
    means: Means,
    tip: Arc<std::sync::Mutex<Option<Arc<Block>>>>,
    started: bool,
}

impl Flooder {
    pub(super) fn new(how: Flood, leash: Leash, means: Means) -> Self {
        Self { how, leash, means, tip: Arc::default(), started: false }
    }

    fn start(&mut self) {
        let chance = &mut StdRng::seed_from_u64(self.means.chance);
        for number in 0..self.how.rogues as usize {
            let flood = Work {
                kind: self.how.with.unwrap_or(FloodKind::WORDS[number % FloodKind::WORDS.len()].1),
                burst: (self.how.a_second / 10).max(1),
                chance: StdRng::seed_from_u64(chance.next_u64()),
                means: self.means.clone(),
                leash: self.leash.clone(),
                tip: self.tip.clone(),
                chain: Vec::new(),
                purse: Purse::of(self.means.purse, &self.means.rules),
            };
            self.means.spawner.spawn_local(Box::pin(flood.go_on()));
        }
    }
}

impl Strategy for Flooder {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        ring.ledger.tell(message);
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        if let ToNetwork::TipChanged { change, .. } = &message {
            if let Some(block) = change.connected.last() {
                *self.tip.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(block.clone());
            }
            if !std::mem::replace(&mut self.started, true) {
                self.start();
            }
        }
        ring.network.tell(message);
    }
}

/// One rogue after the other, all of one kind.
struct Work {
    kind: FloodKind,
    /// Messages at once.
    burst: u32,
    chance: StdRng,
    means: Means,
    leash: Leash,
    tip: Arc<std::sync::Mutex<Option<Arc<Block>>>>,
    /// Headers that were ground once and are told by every name.
    chain: Vec<Header>,
    purse: Purse,
}

impl Work {
    async fn go_on(mut self) {
        loop {
            if self.kind == FloodKind::Connections {
                self.storm().await;
                tokio::time::sleep(2 * REST).await;
                continue;
            }
            let mut rogue = self.rogue();
            self.live(&mut rogue, Instant::now() + LIFE).await;
            drop(rogue);
            tokio::time::sleep(REST).await;
        }
    }

    fn rogue(&mut self) -> Rogue {
        let identity = name(&mut self.chance);
        let mut rogue = match self.kind {
            FloodKind::Unread => Rogue::that_leaves_answers(&self.means, &identity),
            _ => Rogue::of(&self.means, &identity),
        };
        self.means.targets.iter().for_each(|target| rogue.dial(target));
        rogue
    }

    /// Connects under many names at once, and leaves.
    async fn storm(&mut self) {
        let end = Instant::now() + TICK;
        let names: Vec<Rogue> = (0..self.burst).map(|_| self.rogue()).collect();
        self.leash.note(|deeds| deeds.told += names.len() as u64);
        let stay = |mut rogue: Rogue| async move { while timeout_at(end, rogue.next()).await.is_ok() {} };
        futures::future::join_all(names.into_iter().map(stay)).await;
    }

    /// Sends until everyone has sent this name away, or for as long as a name is used.
    async fn live(&mut self, rogue: &mut Rogue, end: Instant) {
        let mut gone = BTreeSet::new();
        let mut tick = Instant::now() + TICK;
        while gone.len() < self.means.targets.len() && Instant::now() < end {
            match timeout_at(tick, rogue.next()).await {
                Ok(Heard::Gone(peer)) => drop(gone.insert(peer)),
                Ok(Heard::Asked(request, answer)) => {
                    let response = self.answer(request);
                    rogue.answer(answer, response);
                }
                Ok(_) => {}
                Err(_) => {
                    tick = Instant::now() + TICK;
                    for _ in 0..self.burst {
                        self.send(rogue);
                    }
                }
            }
        }
    }

    fn send(&mut self, rogue: &mut Rogue) {
        self.leash.note(|deeds| deeds.told += 1);
        let number = self.chance.next_u64();
        match self.kind {
            FloodKind::Junk => {
                let bytes = self.junk();
                rogue.say(Topic::Transactions, bytes.clone());
                self.ask_all(rogue, &bytes.into());
            }
            FloodKind::Oversized => {
                rogue.say(Topic::Blocks, vec![number as u8; 1 << 20]);
                self.ask_all(rogue, &Frame { states: Some(u32::MAX), bytes: vec![0; 1_000], hangs: false });
            }
            FloodKind::Truncated => {
                self.ask_all(rogue, &Frame { states: Some(1_000), bytes: vec![0; 10], hangs: false });
            }
            FloodKind::Slow => self.ask_all(rogue, &Frame { states: Some(1_000), bytes: vec![0; 10], hangs: true }),
            FloodKind::Duplicates => {
                let tip = self.tip.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                if let Some(tip) = tip {
                    let again = HeaderAndShortIds { nonce: number, ..compact(&tip) };
                    rogue.say(Topic::Blocks, serialize(&again));
                }
            }
            FloodKind::Orphans => {
                let orphan = self.orphan();
                rogue.say(Topic::Transactions, serialize(&orphan));
            }
            FloodKind::Questions => {
                let asked = [Request::Pool, Request::Headers { locator: Vec::new() }, Request::Addresses];
                self.ask_all(rogue, &encode_request(&asked[number as usize % asked.len()]).into());
            }
            FloodKind::Useless => {
                if let Some(payment) = self.purse.spend() {
                    rogue.say(Topic::Transactions, serialize(&payment));
                }
            }
            FloodKind::Unread => {
                let genesis = self.means.rules.genesis.block_hash();
                let tip = self.tip.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                let tip = tip.map_or(genesis, |tip| tip.block_hash());
                let asked = [Request::Blocks { hashes: vec![tip; 16] }, Request::Headers { locator: vec![genesis] }];
                self.ask_all(rogue, &encode_request(&asked[number as usize % asked.len()]).into());
            }
            // These wait to be asked, and are there.
            FloodKind::Headers | FloodKind::Addresses | FloodKind::Connections => {}
        }
    }

    fn ask_all(&self, rogue: &mut Rogue, frame: &Frame) {
        let connected: Vec<_> = rogue.connected().iter().copied().collect();
        connected.iter().for_each(|peer| rogue.ask(peer, frame.clone()));
    }

    fn answer(&mut self, request: Option<Request>) -> Vec<u8> {
        if self.kind == FloodKind::Addresses && request == Some(Request::Addresses) {
            return addresses::answer(&mut self.chance);
        }
        let response = match request {
            Some(Request::Headers { .. }) if self.kind == FloodKind::Headers => Response::Headers(self.headers()),
            Some(Request::Addresses) => Response::Addresses(Vec::new()),
            Some(Request::Pool) if self.kind == FloodKind::Orphans => {
                Response::Pool((0..1_000).map(|_| self.unknown()).collect())
            }
            Some(Request::Pool) => Response::Pool(Vec::new()),
            Some(Request::Blocks { .. }) => Response::Blocks(Vec::new()),
            Some(Request::BlockTransactions(_)) => Response::BlockTransactions(None),
            Some(Request::Transactions { .. }) => Response::Transactions(Vec::new()),
            Some(Request::Headers { .. }) | None => Response::Headers(Vec::new()),
        };
        encode_response(&response, RESPONSE_BYTES)
    }

    /// The next headers of a chain from genesis, a response full: each has the least work there is.
    fn headers(&mut self) -> Vec<Header> {
        let genesis = self.means.rules.genesis.header;
        let from = self.chain.len();
        for number in from..from + HEADERS_PER_RESPONSE.min(200) {
            let parent = self.chain.last().unwrap_or(&genesis);
            let mut root = [0; 32];
            self.chance.fill_bytes(&mut root);
            let mut header = Header {
                version: Version::TWO,
                prev_blockhash: parent.block_hash(),
                merkle_root: TxMerkleNode::from_byte_array(root),
                time: genesis.time + 1 + number as u32,
                bits: genesis.bits,
                nonce: 0,
            };
            if grind(&mut header, u64::from(u32::MAX)).is_none() {
                break;
            }
            self.chain.push(header);
        }
        self.chain[from..].to_vec()
    }

    fn junk(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; self.chance.random_range(1..2_000)];
        self.chance.fill_bytes(&mut bytes);
        bytes
    }

    fn unknown(&mut self) -> Txid {
        let mut id = [0; 32];
        self.chance.fill_bytes(&mut id);
        Txid::from_byte_array(id)
    }

    fn orphan(&mut self) -> Transaction {
        let previous_output = OutPoint { txid: self.unknown(), vout: 0 };
        Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn { previous_output, ..TxIn::default() }],
            output: vec![TxOut { value: Amount::from_sat(10_000), script_pubkey: ScriptBuf::from(vec![0x6a; 5_000]) }],
        }
    }
}
