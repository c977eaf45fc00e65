//! The mutants themselves: each spoils a good block in one way and says what for.

use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Sequence, TxOut, Witness};

use super::world::{HUGE, HUGE_TOO, PLAIN, UNKNOWN, WITNESS, World, input};
use crate::chain::sign::sign_input;
use crate::chain::{Refused, assemble};

/// What a mutant is to be refused for.
pub(super) enum Expected {
    /// The block itself.
    Whole(Refused),
    /// One of its transactions.
    Inner(usize, Refused),
}
use Expected::{Inner, Whole};

/// How a block is spoilt, and what for. Its transactions: coinbase, P2WPKH, a child of that, P2PKH.
pub(super) type Mutant = fn(&World, &mut Block) -> Expected;

/// Spoilt in what the header commits to.
pub(super) const DEEP: &[Mutant] = &[
    |world, block| {
        *block = world.repair(&world.next([]));
        block.txdata = vec![world.blocks[3].txdata[0].clone()];
        Whole(Refused::TransactionOverwrites { txid: block.txdata[0].compute_txid() })
    },
    |_, block| {
        let index = block.txdata.len();
        block.txdata.push(assemble::coinbase(9, &[], ScriptBuf::new(), Amount::ZERO));
        Whole(Refused::CoinbaseSecond { index })
    },
    |_, block| {
        block.txdata[0].input[0].script_sig = vec![4].into();
        Whole(Refused::CoinbaseScriptSize { bytes: 1 })
    },
    |world, block| {
        let allowed = world.rules.subsidy(4) + Amount::from_sat(3_000);
        block.txdata[0].output[0].value = allowed + Amount::ONE_SAT;
        Whole(Refused::CoinbaseTooMuch { claimed: allowed + Amount::ONE_SAT, allowed })
    },
    |_, block| {
        block.txdata.push(block.txdata[1].clone());
        Whole(Refused::TransactionTwice { txid: block.txdata[1].compute_txid() })
    },
    |_, block| {
        // Neither transaction alone has too many.
        block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey: vec![0xac; 1_999].into() });
        block.txdata[3].output.push(TxOut { value: Amount::ZERO, script_pubkey: vec![0xac; 2].into() });
        Whole(Refused::TooManySignatureOperations { operations: 2_001, most: 2_000 })
    },
    |world, block| {
        let again = world.pay(&[world.coin(WITNESS), world.coin(UNKNOWN)]);
        block.txdata.push(again);
        Whole(Refused::SpentTwice { outpoint: world.coin(WITNESS).0 })
    },
    |_, block| {
        let outpoint = block.txdata[2].input[0].previous_output;
        block.txdata.swap(1, 2);
        Whole(Refused::SpentBeforeMade { outpoint })
    },
    |_, block| {
        block.txdata[3].input.clear();
        Inner(3, Refused::NoInputs)
    },
    |_, block| {
        block.txdata[3].output.clear();
        Inner(3, Refused::NoOutputs)
    },
    |_, block| {
        let value = Amount::MAX_MONEY + Amount::ONE_SAT;
        block.txdata[3].output[0].value = value;
        Inner(3, Refused::OutputTooLarge { index: 0, value })
    },
    |_, block| {
        block.txdata[3].output[0].value = Amount::MAX_MONEY;
        block.txdata[3].output.push(TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::new() });
        Inner(3, Refused::OutputsTooLarge)
    },
    |_, block| {
        let twice = block.txdata[3].input[0].clone();
        let outpoint = twice.previous_output;
        block.txdata[3].input.push(twice);
        Inner(3, Refused::InputTwice { outpoint })
    },
    |_, block| {
        block.txdata[3].input.push(input(OutPoint::null()));
        Inner(3, Refused::InputNull { input: 1 })
    },
    |world, block| {
        block.txdata[3].lock_time = bitcoin::absolute::LockTime::from_consensus(4);
        block.txdata[3].input[0].sequence = Sequence::ZERO;
        // Of the four times so far the third is the median.
        Inner(3, Refused::NotFinal { lock: 4, height: 4, time: world.blocks[2].header.time })
    },
    |_, block| {
        let outpoint = OutPoint { vout: 77, ..block.txdata[3].input[0].previous_output };
        block.txdata[3].input[0].previous_output = outpoint;
        Inner(3, Refused::CoinMissing { outpoint })
    },
    |world, block| {
        let outpoint = OutPoint { txid: world.blocks[1].txdata[0].compute_txid(), vout: 0 };
        block.txdata[3].input[0].previous_output = outpoint;
        Inner(3, Refused::CoinImmature { outpoint, height: 4, from: 11 })
    },
    |world, block| {
        block.txdata[3] = world.pay(&[world.coin(HUGE), world.coin(HUGE_TOO)]);
        Inner(3, Refused::InputsTooLarge)
    },
    |world, block| {
        let inputs = world.coin(PLAIN).1.value;
        block.txdata[3].output[0].value = inputs + Amount::ONE_SAT;
        Inner(3, Refused::OutputsExceedInputs { inputs, outputs: inputs + Amount::ONE_SAT })
    },
    |world, block| {
        block.txdata[3] = world.pay(&[world.coin(UNKNOWN)]);
        Inner(3, Refused::TemplateUnknown { input: 0 })
    },
    |_, block| {
        block.txdata[3].input[0].script_sig = ScriptBuf::new();
        Inner(3, Refused::UnlockMalformed { input: 0 })
    },
    |_, block| {
        let last = block.txdata[3].input[0].script_sig.len() - 1;
        let mut script = block.txdata[3].input[0].script_sig.to_bytes();
        script[last] ^= 1;
        block.txdata[3].input[0].script_sig = script.into();
        Inner(3, Refused::KeyMismatch { input: 0 })
    },
    |world, block| {
        let coin = world.coin(PLAIN).1;
        sign_input(&mut block.txdata[3], 0, &coin, &[world.key], Some(5)).expect("our coin");
        Inner(3, Refused::SignatureKindWrong { input: 0 })
    },
    |_, block| {
        block.txdata[3].output[0].value -= Amount::ONE_SAT;
        Inner(3, Refused::SignatureInvalid { input: 0 })
    },
    |_, block| {
        // The witness of the child, which its txid does not cover.
        let witness = &block.txdata[2].input[0].witness;
        let mut signature = witness.nth(0).expect("a signature").to_vec();
        signature[20] ^= 1;
        block.txdata[2].input[0].witness = Witness::from_slice(&[&signature, witness.nth(1).expect("a key")]);
        Inner(2, Refused::SignatureInvalid { input: 0 })
    },
];

/// Spoilt in a way that leaves the header, and so the hash, as it was.
pub(super) const COPIES: &[Mutant] = &[
    |_, block| {
        block.txdata.clear();
        Whole(Refused::BlockEmpty)
    },
    |_, block| {
        let stated = block.header.merkle_root;
        block.txdata[3].output[0].value -= Amount::ONE_SAT;
        let computed = block.compute_merkle_root().expect("transactions");
        Whole(Refused::MerkleRootWrong { stated, computed })
    },
    |_, block| {
        block.txdata.push(block.txdata[2].clone());
        Whole(Refused::MerkleTreeMutated)
    },
    |_, block| {
        block.txdata[1].input[0].witness = Witness::from_slice(&[[1]]);
        Whole(Refused::WitnessUncommitted)
    },
    |_, block| {
        block.txdata[0].input[0].witness = Witness::from_slice(&[[0; 31]]);
        Whole(Refused::WitnessNonceWrong)
    },
    |_, block| {
        block.txdata[1].input[0].witness = Witness::from_slice(&[[1]]);
        Whole(Refused::WitnessCommitmentWrong)
    },
];
