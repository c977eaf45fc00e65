//! A world for mutants: a ledger a few blocks high, and a good next block to spoil.

use std::sync::Arc;

use bitcoin::secp256k1::SecretKey;
use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Transaction, TxIn, TxOut};

use super::super::{NOW, ledger};
use crate::chain::assemble::{assemble, coinbase};
use crate::chain::header::{check_work, grind};
use crate::chain::sign::{key_from, public, sign_input};
use crate::chain::template::{pay_to_key_hash, pay_to_witness_key_hash};
use crate::chain::{Coin, Refused, Rules};
use crate::ledger::{Judgement, Ledger};
use crate::messages::Source;

/// Which genesis output is what.
pub(super) const WITNESS: u32 = 0;
pub(super) const PLAIN: u32 = 1;
pub(super) const UNKNOWN: u32 = 2;
pub(super) const HUGE: u32 = 3;
pub(super) const HUGE_TOO: u32 = 4;

/// A ledger, who owns its coins, and the blocks it stands on.
pub(super) struct World {
    pub(super) rules: Arc<Rules>,
    pub(super) ledger: Ledger,
    pub(super) key: SecretKey,
    pub(super) blocks: Vec<Block>,
}

impl World {
    /// Three blocks on genesis.
    pub(super) fn new() -> Self {
        let key = key_from(9, 0);
        let (witness, plain) = (pay_to_witness_key_hash(&public(&key)), pay_to_key_hash(&public(&key)));
        let rules = Arc::new(Rules::lab(&[
            (witness.clone(), Amount::ONE_BTC),
            (plain, Amount::ONE_BTC),
            (ScriptBuf::from(vec![0x51]), Amount::ONE_BTC),
            (witness.clone(), Amount::MAX_MONEY),
            (witness, Amount::MAX_MONEY),
        ]));
        let blocks = vec![rules.genesis.clone()];
        let mut world = Self { ledger: ledger(&rules), rules, key, blocks };
        for _ in 0..3 {
            let block = world.next([]);
            assert_eq!(world.give(&block), Judgement::Taken);
            world.blocks.push(block);
        }
        world
    }

    pub(super) fn tip(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// A good block on the tip.
    pub(super) fn next(&self, transactions: impl IntoIterator<Item = Transaction>) -> Block {
        let next = self.ledger.next();
        let reward = coinbase(next.height, &[], ScriptBuf::from(vec![0x51]), next.subsidy);
        let mut block = assemble(self.tip().block_hash(), self.tip().header.time + 10, next.bits, reward, transactions);
        grind(&mut block.header, u64::from(u32::MAX)).expect("lab work is light");
        block
    }

    /// The block that mutants spoil: its coinbase, a P2WPKH payment, one that spends it, and a P2PKH payment.
    pub(super) fn good(&self) -> Block {
        let first = self.pay(&[self.coin(WITNESS)]);
        let made = OutPoint { txid: first.compute_txid(), vout: 0 };
        let output = &first.output[0];
        let coin = Coin { height: 4, coinbase: false, value: output.value, script: output.script_pubkey.clone() };
        let second = self.pay(&[(made, coin)]);
        self.next([first, second, self.pay(&[self.coin(PLAIN)])])
    }

    /// A coin of genesis.
    pub(super) fn coin(&self, vout: u32) -> (OutPoint, Coin) {
        let genesis = &self.rules.genesis.txdata[0];
        let output = &genesis.output[vout as usize];
        let coin = Coin { height: 0, coinbase: true, value: output.value, script: output.script_pubkey.clone() };
        (OutPoint { txid: genesis.compute_txid(), vout }, coin)
    }

    /// A transaction that spends these coins to their owner for a fee of 1,000, signed where that can be.
    pub(super) fn pay(&self, coins: &[(OutPoint, Coin)]) -> Transaction {
        let total: u64 = coins.iter().map(|(_, coin)| coin.value.to_sat()).sum();
        let value = Amount::from_sat((total - 1_000).min(Amount::MAX_MONEY.to_sat()));
        let script_pubkey = pay_to_witness_key_hash(&public(&self.key));
        let mut payment = Transaction {
            version: bitcoin::transaction::Version::TWO,
            lock_time: bitcoin::absolute::LockTime::ZERO,
            input: coins.iter().map(|(outpoint, _)| input(*outpoint)).collect(),
            output: vec![TxOut { value, script_pubkey }],
        };
        for (index, (_, coin)) in coins.iter().enumerate() {
            let _ = sign_input(&mut payment, index, coin, &[self.key], None); // nobody signs for an unknown template
        }
        payment
    }

    /// Makes the header, and the coinbase where there are witnesses, commit to the transactions as they are, and
    /// grinds a nonce: what is refused now is refused for what it is.
    pub(super) fn repair(&self, spoilt: &Block) -> Block {
        let mut transactions = spoilt.txdata.clone();
        let mut reward = transactions.remove(0);
        reward.input[0].witness.clear();
        reward.output.retain(|output| !output.script_pubkey.as_bytes().starts_with(&[0x6a, 0x24, 0xaa]));
        let header = spoilt.header;
        let mut block = assemble(header.prev_blockhash, header.time, header.bits, reward, transactions);
        grind(&mut block.header, u64::from(u32::MAX)).expect("lab work is light");
        assert!(block.check_merkle_root() && check_work(&block.header, &self.rules).is_ok());
        block
    }

    pub(super) fn give(&mut self, block: &Block) -> Judgement {
        self.give_at(block, NOW)
    }

    pub(super) fn give_at(&mut self, block: &Block, now: u32) -> Judgement {
        self.ledger.accept_block(Arc::new(block.clone()), now, Source::Own).expect("memory does not fail").judgement
    }

    /// Gives a block that must be refused without leaving a trace in tip, coins or digest. Returns why.
    pub(super) fn refusal(&mut self, block: &Block) -> Refused {
        let before = self.ledger.state();
        let judgement = self.give(block);
        let after = self.ledger.state();
        assert_eq!((before.tip, before.digest, before.coins), (after.tip, after.digest, after.coins));
        match judgement {
            Judgement::Refused(reason) => reason,
            other => panic!("a mutant was not refused: {other:?}"),
        }
    }

    pub(super) fn hash(&self, height: usize) -> BlockHash {
        self.blocks[height].block_hash()
    }
}

/// An unsigned input.
pub(super) fn input(previous_output: OutPoint) -> TxIn {
    TxIn { previous_output, ..TxIn::default() }
}
