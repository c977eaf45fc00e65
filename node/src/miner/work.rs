//! Work: a block being made from a template, and the search for the nonce that makes its header one.

use std::sync::Arc;

use bitcoin::consensus::encode::serialize;
use bitcoin::hashes::sha256::{self, HashEngine, Midstate};
use bitcoin::hashes::{Hash, HashEngine as _, sha256d};
use bitcoin::{Block, BlockHash, CompactTarget, ScriptBuf, Target, Transaction};

use crate::chain::{Refused, assemble, work};
use crate::messages::Template;

/// Bytes of a header that are hashed before those with the nonce: a block of SHA-256.
const BEFORE_NONCE: usize = 64;

/// Who mines, as a coinbase says it.
#[derive(Clone, Debug)]
pub struct Signature {
    /// Who is paid.
    pub payee: ScriptBuf,
    /// Differs between miners, so that no two of them hash the same headers.
    pub miner: u64,
    /// Differs between the coinbases of one miner.
    pub extranonce: u64,
}

/// A block whose nonce is being looked for.
#[derive(Debug)]
pub struct Work {
    template: Arc<Template>,
    signature: Signature,
    block: Block,
    target: Target,
    /// SHA-256 of the header's first bytes, which no nonce changes.
    midstate: Midstate,
    /// The nonce to try next; beyond the last one the extranonce rolls.
    next_nonce: u64,
}

impl Work {
    /// Begins a block on `template` that shows `time`, or the earliest time allowed where that is later. Refused when
    /// the template's bits state no target that `easiest` allows.
    pub fn begin(
        template: Arc<Template>,
        signature: Signature,
        time: u32,
        easiest: CompactTarget,
    ) -> Result<Self, Refused> {
        let target = work::target(template.next.bits, easiest)?;
        let block = block_on(&template, &signature, time);
        let midstate = midstate(&block);
        Ok(Self { template, signature, block, target, midstate, next_nonce: 0 })
    }

    /// The template it is made from.
    pub fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// Tries at most `hashes` nonces. When all 2³² are tried, the extranonce rolls and the header shows `time`.
    pub fn grind(&mut self, hashes: u64, time: u32) -> Option<Block> {
        for _ in 0..hashes {
            if self.next_nonce > u64::from(u32::MAX) {
                self.roll(time);
            }
            let nonce = self.next_nonce as u32;
            self.next_nonce += 1;
            if self.target.is_met_by(self.hash(nonce)) {
                self.block.header.nonce = nonce;
                return Some(self.block.clone());
            }
        }
        None
    }

    fn hash(&self, nonce: u32) -> BlockHash {
        let header = &self.block.header;
        let mut tail = [0; 16];
        tail[..4].copy_from_slice(&header.merkle_root.as_byte_array()[28..]);
        tail[4..8].copy_from_slice(&header.time.to_le_bytes());
        tail[8..12].copy_from_slice(&header.bits.to_consensus().to_le_bytes());
        tail[12..].copy_from_slice(&nonce.to_le_bytes());
        let (mut once, mut twice) = (HashEngine::from_midstate(self.midstate, BEFORE_NONCE), HashEngine::default());
        once.input(&tail);
        twice.input(sha256::Hash::from_engine(once).as_byte_array());
        BlockHash::from_raw_hash(sha256d::Hash::from_byte_array(sha256::Hash::from_engine(twice).to_byte_array()))
    }

    fn roll(&mut self, time: u32) {
        self.signature.extranonce = self.signature.extranonce.wrapping_add(1);
        self.block = block_on(&self.template, &self.signature, time);
        self.midstate = midstate(&self.block);
        self.next_nonce = 0;
    }
}

fn block_on(template: &Template, signature: &Signature, time: u32) -> Block {
    let next = &template.next;
    let extra = [signature.miner.to_be_bytes(), signature.extranonce.to_be_bytes()].concat();
    let coinbase = assemble::coinbase(next.height, &extra, signature.payee.clone(), next.subsidy + template.fees);
    let transactions = template.transactions.iter().map(|transaction| Transaction::clone(transaction));
    assemble::assemble(template.parent.hash, time.max(next.min_time), next.bits, coinbase, transactions)
}

fn midstate(block: &Block) -> Midstate {
    let mut engine = HashEngine::default();
    engine.input(&serialize(&block.header)[..BEFORE_NONCE]);
    engine.midstate()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Rules, Tip, header};
    use crate::messages::Next;
    use bitcoin::Amount;

    #[test]
    fn the_extranonce_rolls_when_all_nonces_are_tried() {
        let rules = Rules::lab(&[]);
        let bits = rules.pow_limit;
        let parent = Tip { hash: rules.genesis.block_hash(), height: 0, work: work::block_work(bits), time: 0 };
        let (subsidy, max_block_bytes) = (Amount::from_sat(1), 1_000);
        let next = Next { height: 1, bits, min_time: 5, max_block_bytes, fork_id: None, subsidy };
        let template = Template { parent, next, transactions: Vec::new(), fees: Amount::ZERO };
        let signature = Signature { payee: ScriptBuf::new(), miner: 1, extranonce: u64::MAX };
        let mut work = Work::begin(Arc::new(template), signature, 0, bits).expect("the lab's bits are in order");
        let former = work.block.clone();
        work.next_nonce = 1 << 32;
        let found = work.grind(1 << 16, 9).expect("lab work takes 256 hashes");
        assert_ne!(found.txdata[0].compute_txid(), former.txdata[0].compute_txid());
        assert_eq!(found.header.time, 9);
        assert!(header::check_work(&found.header, &rules).is_ok());
        assert!(found.check_merkle_root());
    }
}
