//! Tampering: what passes through this node goes on altered, each copy under a new name, straight to every honest node it
//! knows. Names are free; what a name said is refused, and the name is banned.
//!
//! - this file: what it takes for its material, and which alteration comes next.
//! - `blocks`, `transactions`: the alterations, one a line.
//! - `courier`: brings one of them to everyone.
//!
//! What its own users pay stays here: so it has transactions that nobody else has seen, to alter and to send instead.

#[allow(clippy::unit_arg)] // one alteration a line
mod blocks;
mod courier;
#[allow(clippy::unit_arg)]
mod transactions;

pub(super) use blocks::compact;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bitcoin::consensus::serialize;
use bitcoin::{Amount, Block, OutPoint, Transaction};
use rand::SeedableRng;
use rand::rngs::StdRng;
use schism_node::messages::{Announced, Next, Source, TipChange, ToLedger, ToNetwork, Verdict};
use schism_node::ring::Ring;
use schism_node::wire::Topic;
use serde::{Deserialize, Serialize};

use super::between::Strategy;
use super::leash::Leash;
use super::rogue::{Means, name};
use super::secret::Secret;
use courier::Parcel;

/// How tampering is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tampering {
    /// Whether merkle root, witness commitment and work are made right again after a block was altered.
    pub repair: bool,
    /// Of blocks and transactions as bytes every so manyth bit is turned, one a copy.
    pub every_bit: u32,
    /// Copies sent out at each change of tip.
    pub at_once: u32,
}

impl Default for Tampering {
    fn default() -> Self {
        Self { repair: true, every_bit: 1, at_once: 20 }
    }
}

/// What there is to alter.
pub(super) struct Material {
    means: Means,
    repair: bool,
    /// The block at the tip: another at its height is judged as if it had come first.
    tip: Arc<Block>,
    /// Blocks under it, the last one last.
    below: VecDeque<Arc<Block>>,
    /// What the block after it must look like.
    next: Next,
    /// The last block that everyone has refused for ever.
    refused: Option<Block>,
    /// A payment of its own user that nobody else has seen.
    own: Option<Arc<Transaction>>,
    /// A payment that others are likely to have in their pools.
    pooled: Option<Arc<Transaction>>,
    /// What outputs hold.
    values: BTreeMap<OutPoint, Amount>,
}

/// What is sent next.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// This line of the table of blocks, or of transactions.
    Block(usize),
    Transaction(usize),
    /// This bit of a block, or of a transaction, as it is sent.
    BlockBit(usize),
    TransactionBit(usize),
}

/// Alters whatever passes.
pub(super) struct Tamperer {
    how: Tampering,
    leash: Leash,
    chance: StdRng,
    secret: Secret,
    material: Material,
    turns: VecDeque<Turn>,
}

/// Blocks remembered under the tip.
const BELOW: usize = 16;

impl Tamperer {
    pub(super) fn new(how: Tampering, leash: Leash, means: Means) -> Self {
        let genesis = Arc::new(means.rules.genesis.clone());
        let next = Next {
            height: 1,
            bits: means.rules.pow_limit,
            min_time: genesis.header.time,
            max_block_bytes: means.rules.max_block_bytes,
            fork_id: None,
            subsidy: means.rules.subsidy(1),
        };
        let mut material = Material {
            repair: how.repair,
            tip: genesis.clone(),
            below: VecDeque::new(),
            next,
            refused: None,
            own: None,
            pooled: None,
            values: BTreeMap::new(),
            means,
        };
        material.learn(&genesis);
        let chance = StdRng::seed_from_u64(material.means.chance);
        Self { how, leash, chance, secret: Secret::default(), material, turns: VecDeque::new() }
    }

    /// Sends the next few copies, as far as there is something to make them of.
    fn send(&mut self) {
        if self.material.next.height < 4 {
            return;
        }
        if self.turns.is_empty() {
            self.turns = self.all_turns();
        }
        let (mut waits, mut sent, mut body) = (VecDeque::new(), 0, false);
        while sent < self.how.at_once {
            let Some(turn) = self.turns.pop_front() else { break };
            match self.material.parcel(turn) {
                // Nodes ask for the body of one best header at a time.
                Some(Parcel::Asked(_, Some(_))) if body => waits.push_back(turn),
                Some(parcel) => {
                    body |= matches!(parcel, Parcel::Asked(_, Some(_)));
                    courier::send(&self.material.means, &name(&mut self.chance), parcel);
                    sent += 1;
                }
                None => waits.push_back(turn),
            }
        }
        self.leash.note(|deeds| deeds.told += u64::from(sent));
        // What cannot be done now may be possible with the next block; what can never be done is not waited for.
        if !self.turns.is_empty() {
            waits.append(&mut self.turns);
            self.turns = waits;
        }
    }

    fn all_turns(&self) -> VecDeque<Turn> {
        let step = self.how.every_bit.max(1) as usize;
        let block = 8 * serialize(&blocks::compact(&self.material.tip)).len();
        let transaction = self.material.own.as_ref().map_or(0, |own| 8 * own.total_size());
        let tables = (0..blocks::TABLE.len()).map(Turn::Block);
        tables
            .chain((0..transactions::TABLE.len()).map(Turn::Transaction))
            .chain((0..transaction).step_by(step).map(Turn::TransactionBit))
            .chain((0..block).step_by(step).map(Turn::BlockBit))
            .collect()
    }

    fn follow(&mut self, change: &TipChange) {
        for block in &change.connected {
            self.material.learn(block);
            let before = std::mem::replace(&mut self.material.tip, block.clone());
            self.material.below.push_back(before);
            if self.material.below.len() > BELOW {
                self.material.below.pop_front();
            }
        }
        self.material.next = change.next.clone();
        if change.disconnected.is_empty() {
            self.send();
        }
    }
}

impl Material {
    fn learn(&mut self, block: &Block) {
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            for (output, vout) in transaction.output.iter().zip(0..) {
                self.values.insert(OutPoint { txid, vout }, output.value);
            }
            for input in &transaction.input {
                self.values.remove(&input.previous_output);
            }
        }
    }

    /// Whether an altered block is what its header says: then the header is refused with it, for ever.
    fn is_whole(&self, block: &Block) -> bool {
        let (header, of_tip) = (block.header, self.tip.header);
        let beside = (header.prev_blockhash, header.time, header.bits)
            == (of_tip.prev_blockhash, of_tip.time, of_tip.bits)
            && header.merkle_root != of_tip.merkle_root;
        beside && self.repair && block.check_merkle_root() && block.check_witness_commitment()
    }

    /// What comes of a turn; nothing where the material does not have what it takes.
    fn parcel(&mut self, turn: Turn) -> Option<Parcel> {
        match turn {
            Turn::Block(line) => {
                let parcel = blocks::TABLE[line](self)?;
                if let Parcel::Block(block) = &parcel
                    && self.is_whole(block)
                {
                    self.refused = Some(block.clone());
                }
                Some(parcel)
            }
            Turn::Transaction(line) => transactions::TABLE[line](self).map(Parcel::Transaction),
            Turn::BlockBit(bit) => {
                let mut bytes = serialize(&blocks::compact(&self.tip));
                turn_over(&mut bytes, bit).then_some(Parcel::Bytes(Topic::Blocks, bytes))
            }
            Turn::TransactionBit(bit) => {
                let mut bytes = serialize(self.own.as_deref()?);
                turn_over(&mut bytes, bit).then_some(Parcel::Bytes(Topic::Transactions, bytes))
            }
        }
    }
}

/// Turns one bit over, where there are so many.
fn turn_over(bytes: &mut [u8], bit: usize) -> bool {
    let Some(byte) = bytes.get_mut(bit / 8) else { return false };
    *byte ^= 1 << (bit % 8);
    true
}

impl Strategy for Tamperer {
    fn to_ledger(&mut self, message: ToLedger, ring: &Ring) {
        if let ToLedger::CheckTransaction { transaction, source: Source::Peer { .. } } = &message {
            self.material.pooled = Some(transaction.clone());
        }
        ring.ledger.tell(message);
    }

    fn to_network(&mut self, message: ToNetwork, ring: &Ring) {
        match &message {
            ToNetwork::TipChanged { change, .. } => self.follow(change),
            ToNetwork::Verdict { source: Source::Own, verdict: Verdict::Relay(Announced::Transaction(payment)) } => {
                self.secret.keep_spends(payment.input.iter().map(|input| input.previous_output));
                let spendable =
                    payment.input.iter().all(|input| self.material.values.contains_key(&input.previous_output));
                if spendable && self.material.own.is_none() {
                    self.material.own = Some(payment.clone());
                }
            }
            _ => {}
        }
        self.secret.pass(message, ring);
    }
}
