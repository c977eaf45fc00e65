//! The blocks of a run: every block anyone mined or stored, in one tree, with what they confirm and spend. Known once
//! for all nodes, so that what is true of a chain is worked out once per block and not once per node.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Block, BlockHash, OutPoint, Transaction, TxOut, Txid, Work};

use crate::timeline::Intent;

/// The tree of all blocks.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    records: Vec<BlockRecord>,
    places: HashMap<BlockHash, usize>,
    transactions: BTreeMap<Txid, TransactionRecord>,
    /// Blocks in which an output is spent, with who spends it.
    spends: HashMap<OutPoint, Vec<(usize, Txid)>>,
    /// Blocks refused before anything else was heard of them: words of different nodes overtake each other.
    refused_early: BTreeSet<BlockHash>,
}

/// What is known of one block.
#[derive(Clone, Debug)]
pub struct BlockRecord {
    /// Its hash.
    pub hash: BlockHash,
    /// Its parent's place; nothing for genesis and for what was never explained.
    pub parent: Option<usize>,
    /// Its height.
    pub height: u32,
    /// The work of the chain up to it.
    pub work: Work,
    /// Who mined it, where a miner said so.
    pub miner: Option<usize>,
    /// When it was mined.
    pub mined_at: Option<Duration>,
    /// Its body, where a miner or a user showed it.
    pub body: Option<Arc<Block>>,
    /// Ids of its transactions, the coinbase first; empty without a body.
    pub txids: Vec<Txid>,
    /// Whether it was ever on the best chain of a judged node.
    pub connected: bool,
    /// Whether a judged node refused it.
    pub refused: bool,
    /// An ancestor further back (a skip list, as in Bitcoin Core's chain index), or itself.
    jump: usize,
}

/// What is known of one transaction.
#[derive(Clone, Debug)]
pub struct TransactionRecord {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// When and where a user submitted it, and what for.
    pub submitted: Option<(Duration, usize, Intent)>,
    /// Places of the blocks that hold it.
    pub blocks: Vec<usize>,
}

impl Blocks {
    /// A tree that holds genesis, at place 0.
    pub fn new(genesis: &Block) -> Self {
        let mut blocks = Self::default();
        let place = blocks.push(genesis.block_hash(), None, 0, genesis.header.work());
        blocks.show(place, &Arc::new(genesis.clone()));
        blocks.records[place].connected = true;
        blocks
    }

    /// The record at a place.
    pub fn get(&self, place: usize) -> &BlockRecord {
        &self.records[place]
    }

    /// All records, in the order they became known.
    pub fn all(&self) -> &[BlockRecord] {
        &self.records
    }

    /// Where a block is.
    pub fn place(&self, hash: &BlockHash) -> Option<usize> {
        self.places.get(hash).copied()
    }

    /// What is known of a transaction.
    pub fn transaction(&self, txid: &Txid) -> Option<&TransactionRecord> {
        self.transactions.get(txid)
    }

    /// Every transaction known, ordered by id.
    pub fn transactions(&self) -> impl Iterator<Item = (&Txid, &TransactionRecord)> {
        self.transactions.iter()
    }

    /// The ancestor of `place` at `height`, itself included; nothing above it or where history is unknown.
    pub fn ancestor(&self, place: usize, height: u32) -> Option<usize> {
        let mut at = place;
        loop {
            let record = &self.records[at];
            if record.height <= height {
                return (record.height == height).then_some(at);
            }
            at = if record.jump != at && self.records[record.jump].height >= height {
                record.jump
            } else {
                record.parent?
            };
        }
    }

    /// Whether `ancestor` is on the chain that ends in `tip`.
    pub fn is_on(&self, ancestor: usize, tip: usize) -> bool {
        self.ancestor(tip, self.records[ancestor].height) == Some(ancestor)
    }

    /// The last block that two chains share.
    pub fn fork(&self, a: usize, b: usize) -> Option<usize> {
        let height = self.records[a].height.min(self.records[b].height);
        let (mut a, mut b) = (self.ancestor(a, height)?, self.ancestor(b, height)?);
        while a != b {
            let (left, right) = (&self.records[a], &self.records[b]);
            let jumps = left.jump != right.jump && left.jump != a && right.jump != b;
            let level = self.records[left.jump].height == self.records[right.jump].height;
            (a, b) = if jumps && level { (left.jump, right.jump) } else { (left.parent?, right.parent?) };
        }
        Some(a)
    }

    /// Who spends an output on the chain that ends in `tip`.
    pub fn spender(&self, output: &OutPoint, tip: usize) -> Option<Txid> {
        let spends = self.spends.get(output)?;
        spends.iter().find(|(block, _)| self.is_on(*block, tip)).map(|(_, txid)| *txid)
    }

    /// In which block on the chain that ends in `tip` a transaction is.
    pub fn confirmed(&self, txid: &Txid, tip: usize) -> Option<usize> {
        let record = self.transactions.get(txid)?;
        record.blocks.iter().copied().find(|&block| self.is_on(block, tip))
    }

    /// Blocks in which an output is spent, with who spends it there.
    pub fn spends(&self, output: &OutPoint) -> &[(usize, Txid)] {
        self.spends.get(output).map_or(&[], Vec::as_slice)
    }

    /// An output, where its transaction is known.
    pub fn output(&self, output: &OutPoint) -> Option<&TxOut> {
        self.transactions.get(&output.txid)?.transaction.output.get(output.vout as usize)
    }

    /// Notes that a miner found a block, or that a user submitted it.
    pub(super) fn mined(&mut self, block: &Arc<Block>, height: u32, miner: Option<usize>, at: Duration) -> usize {
        let hash = block.block_hash();
        let place = match self.place(&hash) {
            Some(place) => place,
            None => {
                let parent = self.place(&block.header.prev_blockhash);
                let below = parent.map_or_else(|| block.header.work(), |parent| self.records[parent].work);
                let work = if parent.is_some() { below + block.header.work() } else { below };
                self.push(hash, parent, height, work)
            }
        };
        let record = &mut self.records[place];
        record.miner = record.miner.or(miner);
        record.mined_at = record.mined_at.or(Some(at));
        if record.body.is_none() {
            self.show(place, block);
        }
        place
    }

    /// Notes that somebody stored a block.
    pub(super) fn stored(&mut self, hash: BlockHash, parent: BlockHash, height: u32, work: Work) -> usize {
        let parent = self.place(&parent);
        let place = match self.place(&hash) {
            Some(place) => place,
            None => self.push(hash, parent, height, work),
        };
        let record = &mut self.records[place];
        if record.parent.is_none() && height > 0 {
            record.parent = parent;
        }
        place
    }

    /// Notes that a judged node refused a block.
    pub(super) fn refused(&mut self, hash: BlockHash) {
        match self.place(&hash) {
            Some(place) => self.records[place].refused = true,
            None => {
                self.refused_early.insert(hash);
            }
        }
    }

    /// Notes a tip about which nothing else was ever said, as after an import.
    pub(super) fn stub(&mut self, hash: BlockHash, height: u32, work: Work) -> usize {
        self.place(&hash).unwrap_or_else(|| self.push(hash, None, height, work))
    }

    /// Notes a transaction that a user submitted.
    pub(super) fn submitted(&mut self, transaction: &Arc<Transaction>, at: Duration, node: usize, intent: Intent) {
        let record = self.transactions.entry(transaction.compute_txid()).or_insert_with(|| TransactionRecord {
            transaction: transaction.clone(),
            submitted: None,
            blocks: Vec::new(),
        });
        record.submitted = record.submitted.or(Some((at, node, intent)));
    }

    pub(super) fn record(&mut self, place: usize) -> &mut BlockRecord {
        &mut self.records[place]
    }

    fn push(&mut self, hash: BlockHash, parent: Option<usize>, height: u32, work: Work) -> usize {
        let place = self.records.len();
        let jump = parent.map_or(place, |parent| {
            let once = self.records[parent].jump;
            let twice = self.records[once].jump;
            let height = |place: usize| self.records[place].height;
            if height(parent) - height(once) == height(once) - height(twice) { twice } else { parent }
        });
        self.places.insert(hash, place);
        self.records.push(BlockRecord {
            hash,
            parent,
            height,
            work,
            miner: None,
            mined_at: None,
            body: None,
            txids: Vec::new(),
            connected: false,
            refused: self.refused_early.remove(&hash),
            jump,
        });
        place
    }

    fn show(&mut self, place: usize, block: &Arc<Block>) {
        let mut txids = Vec::with_capacity(block.txdata.len());
        for transaction in &block.txdata {
            let txid = transaction.compute_txid();
            txids.push(txid);
            let record = self.transactions.entry(txid).or_insert_with(|| TransactionRecord {
                transaction: Arc::new(transaction.clone()),
                submitted: None,
                blocks: Vec::new(),
            });
            record.blocks.push(place);
            if !transaction.is_coinbase() {
                for input in &transaction.input {
                    self.spends.entry(input.previous_output).or_default().push((place, txid));
                }
            }
        }
        let record = &mut self.records[place];
        record.txids = txids;
        record.body = Some(block.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schism_node::chain::Rules;

    use super::*;
    use bitcoin::hashes::Hash;

    fn hash(number: usize) -> BlockHash {
        BlockHash::from_byte_array(std::array::from_fn(
            |place| if place < 8 { (number >> (8 * place)) as u8 } else { 7 },
        ))
    }

    #[test]
    fn a_block_that_was_refused_before_it_was_known_is_refused() {
        let genesis = Rules::lab(&[]).genesis;
        let mut blocks = Blocks::new(&genesis);
        blocks.refused(hash(1));
        let [early, late] =
            [1, 2].map(|number| blocks.stored(hash(number), genesis.block_hash(), 1, genesis.header.work()));
        assert_eq!((blocks.get(early).refused, blocks.get(late).refused), (true, false));
        blocks.refused(hash(2));
        assert!(blocks.get(late).refused);
    }

    proptest! {
        /// However a tree has grown, skipping back finds what walking back finds.
        #[test]
        fn skips_lead_where_parents_lead(parents in proptest::collection::vec(any::<prop::sample::Index>(), 1..80)) {
            let genesis = Rules::lab(&[]).genesis;
            let mut blocks = Blocks::new(&genesis);
            let work = genesis.header.work();
            for (number, parent) in parents.iter().enumerate() {
                // Mostly on the newest: long chains with some branches.
                let newest = blocks.all().len() - 1;
                let parent = if number % 3 == 0 { parent.index(newest + 1) } else { newest };
                let (below, height) = (blocks.get(parent).hash, blocks.get(parent).height);
                blocks.stored(hash(number), below, height + 1, work);
            }
            let line = |tip: usize| {
                let mut line = vec![tip];
                while let Some(parent) = blocks.get(*line.last().unwrap()).parent {
                    line.push(parent);
                }
                line
            };
            for a in 0..blocks.all().len() {
                let chain = line(a);
                for &ancestor in &chain {
                    prop_assert_eq!(blocks.ancestor(a, blocks.get(ancestor).height), Some(ancestor));
                }
                for b in 0..a {
                    let other = line(b);
                    let fork = chain.iter().find(|place| other.contains(place)).copied();
                    prop_assert_eq!(blocks.fork(a, b), fork);
                    prop_assert_eq!(blocks.is_on(b, a), chain.contains(&b));
                }
            }
        }
    }
}
