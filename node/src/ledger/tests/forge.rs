//! A forge: makes lab blocks on any parent, good ones and bad ones, without asking a ledger.

use std::collections::BTreeMap;
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::secp256k1::SecretKey;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    absolute, transaction,
};

use crate::chain::header::{grind, median_time_past};
use crate::chain::template::pay_to_witness_key_hash;
use crate::chain::work::{Past, next_bits};
use crate::chain::{Coin, Difficulty, Rules, assemble, sign};
use crate::ledger::coins::outputs;

/// Blocks made so far, and the coins that the chain up to each leaves.
pub(super) struct Forge {
    pub(super) rules: Arc<Rules>,
    pub(super) key: SecretKey,
    made: BTreeMap<BlockHash, Made>,
    count: u32,
}

struct Made {
    header: Header,
    height: u32,
    coins: BTreeMap<OutPoint, Coin>,
}

impl Forge {
    /// A forge whose one key owns `funds` coins of genesis.
    pub(super) fn new(funds: usize) -> Self {
        let key = sign::key_from(7, 0);
        let script = pay_to_witness_key_hash(&sign::public(&key));
        Self::under(key, Rules::lab(&vec![(script, Amount::from_int_btc(10)); funds]))
    }

    /// A forge without funds whose blocks cost two hashes.
    pub(super) fn without_work() -> Self {
        let rules = Rules::lab(&[]);
        let pow_limit = CompactTarget::from_consensus(0x207f_ffff);
        Self::under(sign::key_from(7, 0), Rules { pow_limit, difficulty: Difficulty::Fixed, ..rules })
    }

    fn under(key: SecretKey, rules: Rules) -> Self {
        let rules = Arc::new(rules);
        let mut this = Self { rules: rules.clone(), key, made: BTreeMap::new(), count: 0 };
        this.note(&rules.genesis, BTreeMap::new(), 0);
        this
    }

    pub(super) fn script(&self) -> ScriptBuf {
        pay_to_witness_key_hash(&sign::public(&self.key))
    }

    pub(super) fn genesis(&self) -> BlockHash {
        self.rules.genesis.block_hash()
    }

    /// Coins that a child of `parent` may spend, ordered by outpoint.
    pub(super) fn spendable(&self, parent: BlockHash) -> Vec<(OutPoint, Coin)> {
        let made = &self.made[&parent];
        let ripe = |coin: &Coin| self.rules.spendable_from(coin).is_some_and(|from| from <= made.height + 1);
        let coins = made.coins.iter().filter(|(_, coin)| ripe(coin));
        coins.map(|(outpoint, coin)| (*outpoint, coin.clone())).collect()
    }

    /// All coins that the chain up to a block leaves.
    pub(super) fn coins(&self, tip: BlockHash) -> &BTreeMap<OutPoint, Coin> {
        &self.made[&tip].coins
    }

    pub(super) fn height(&self, block: BlockHash) -> u32 {
        self.made[&block].height
    }

    /// A signed payment of one coin to `parts` outputs of the same key.
    pub(super) fn pay(&self, (outpoint, coin): &(OutPoint, Coin), parts: u64, fee: u64) -> Transaction {
        let value = Amount::from_sat((coin.value.to_sat() - fee) / parts);
        let mut payment = Transaction {
            version: transaction::Version::TWO,
            lock_time: absolute::LockTime::ZERO,
            input: vec![TxIn {
                previous_output: *outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence::MAX,
                witness: Witness::new(),
            }],
            output: (0..parts).map(|_| TxOut { value, script_pubkey: self.script() }).collect(),
        };
        sign::sign_input(&mut payment, 0, coin, &[self.key], None).expect("our own coin");
        payment
    }

    /// A good block, unlike any other, ten seconds after its parent.
    pub(super) fn mine(&mut self, parent: BlockHash, transactions: Vec<Transaction>) -> Arc<Block> {
        let claim = self.rules.subsidy(self.made[&parent].height + 1);
        self.mine_claiming(parent, transactions, claim)
    }

    /// A chain of empty blocks on `parent`.
    pub(super) fn extend(&mut self, parent: BlockHash, count: usize) -> Vec<Arc<Block>> {
        let mut tip = parent;
        let mut next = || {
            let block = self.mine(tip, Vec::new());
            tip = block.block_hash();
            block
        };
        (0..count).map(|_| next()).collect()
    }

    /// A block whose coinbase claims this much.
    pub(super) fn mine_claiming(
        &mut self,
        parent: BlockHash,
        transactions: Vec<Transaction>,
        claim: Amount,
    ) -> Arc<Block> {
        self.count += 1;
        let height = self.made[&parent].height + 1;
        let coinbase = assemble::coinbase(height, &self.count.to_be_bytes(), self.script(), claim);
        let (bits, time) = (self.bits_after(parent), self.time_after(parent));
        let mut block = assemble::assemble(parent, time, bits, coinbase, transactions);
        grind(&mut block.header, u64::from(u32::MAX)).expect("lab work is light");
        self.note(&block, self.made[&parent].coins.clone(), height);
        Arc::new(block)
    }

    /// A block whose transactions need not be valid.
    pub(super) fn mine_anyhow(&mut self, parent: BlockHash, transactions: Vec<Transaction>) -> Arc<Block> {
        self.mine_claiming(parent, transactions, Amount::ZERO)
    }

    /// A child of `parent` with these transactions, coinbase included, whatever they are.
    pub(super) fn mine_whole(&mut self, parent: BlockHash, mut transactions: Vec<Transaction>) -> Arc<Block> {
        let coinbase = transactions.remove(0);
        let (bits, time) = (self.bits_after(parent), self.time_after(parent));
        self.remine(assemble::assemble(parent, time, bits, coinbase, transactions))
    }

    /// Finds a nonce for a block that was altered, and remembers it.
    pub(super) fn remine(&mut self, mut block: Block) -> Arc<Block> {
        grind(&mut block.header, u64::from(u32::MAX)).expect("lab work is light");
        let parent = &self.made[&block.header.prev_blockhash];
        let (coins, height) = (parent.coins.clone(), parent.height + 1);
        self.note(&block, coins, height);
        Arc::new(block)
    }

    fn note(&mut self, block: &Block, mut coins: BTreeMap<OutPoint, Coin>, height: u32) {
        for tx in &block.txdata {
            tx.input.iter().for_each(|input| drop(coins.remove(&input.previous_output)));
            let made = outputs(tx, tx.compute_txid(), height);
            coins.extend(made.filter(|(_, coin)| !crate::chain::template::is_unspendable(&coin.script)));
        }
        self.made.insert(block.block_hash(), Made { header: block.header, height, coins });
    }

    fn bits_after(&self, parent: BlockHash) -> CompactTarget {
        next_bits(&self.rules, self.made[&parent].height, &self.pasts(parent))
    }

    fn time_after(&self, parent: BlockHash) -> u32 {
        let median = median_time_past(self.made[&parent].height, &self.pasts(parent));
        (self.made[&parent].header.time + 10).max(median + 1)
    }

    fn pasts(&self, tip: BlockHash) -> impl Fn(u32) -> Past + '_ {
        move |height| {
            let mut at = &self.made[&tip];
            while at.height > height {
                at = &self.made[&at.header.prev_blockhash];
            }
            Past { bits: at.header.bits, time: at.header.time }
        }
    }
}
