//! Every reason that needs a ledger to be found is found, under repaired work and merkle root, and is the expected one.

use std::sync::Arc;

use bitcoin::{Amount, Block, Transaction, absolute};

use super::forge::Forge;
use super::{NOW, give, ledger};
use crate::chain::{Refused, assemble, sign};
use crate::ledger::{Judgement, Ledger};
use crate::messages::Source;

/// A ledger at genesis with two coins to spend.
fn start() -> (Forge, Ledger) {
    let forge = Forge::new(2);
    let ledger = ledger(&forge.rules);
    (forge, ledger)
}

/// The reason against a child of genesis with these transactions, which must also be the one after a second look.
fn against(forge: &mut Forge, ledger: &mut Ledger, transactions: Vec<Transaction>) -> Refused {
    let block = forge.mine_anyhow(forge.genesis(), transactions);
    let judgement = give(ledger, &block);
    assert_eq!(give(ledger, &block), Judgement::Refused(Refused::KnownInvalid), "it lasts");
    assert_eq!(ledger.standing().tip.height, 0);
    match judgement {
        Judgement::Refused(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// A payment of the first coin, altered and signed again.
fn payment(forge: &Forge, alter: impl FnOnce(&mut Transaction)) -> Transaction {
    let coin = &forge.spendable(forge.genesis())[0];
    let mut payment = forge.pay(coin, 1, 1_000);
    alter(&mut payment);
    sign::sign_input(&mut payment, 0, &coin.1, &[forge.key], None).expect("our coin");
    payment
}

#[test]
fn a_coinbase_may_not_claim_more_than_subsidy_and_fees() {
    let (mut forge, mut ledger) = start();
    let payment = payment(&forge, |_| {});
    let allowed = Amount::from_int_btc(50) + Amount::from_sat(1_000);
    let claimed = allowed + Amount::from_sat(1);
    let greedy = forge.mine_claiming(forge.genesis(), vec![payment.clone()], claimed);
    assert_eq!(give(&mut ledger, &greedy), Judgement::Refused(Refused::CoinbaseTooMuch { claimed, allowed }));
    let exact = forge.mine_claiming(forge.genesis(), vec![payment], allowed);
    assert_eq!(give(&mut ledger, &exact), Judgement::Taken);
}

#[test]
fn a_coin_is_spent_once_in_a_block() {
    let (mut forge, mut ledger) = start();
    let coin = forge.spendable(forge.genesis())[0].clone();
    let both = vec![forge.pay(&coin, 1, 1_000), forge.pay(&coin, 2, 1_000)];
    assert_eq!(against(&mut forge, &mut ledger, both), Refused::SpentTwice { outpoint: coin.0 });
}

#[test]
fn a_coin_is_spent_once_across_blocks() {
    let (mut forge, mut ledger) = start();
    let coin = forge.spendable(forge.genesis())[0].clone();
    let (one, other) = (forge.pay(&coin, 1, 1_000), forge.pay(&coin, 2, 1_000));
    let first = forge.mine(forge.genesis(), vec![one]);
    give(&mut ledger, &first);
    let second = forge.mine_anyhow(first.block_hash(), vec![other.clone()]);
    let reason = Refused::CoinMissing { outpoint: coin.0 }.in_block(other.compute_txid());
    assert_eq!(give(&mut ledger, &second), Judgement::Refused(reason));
}

#[test]
fn a_coin_is_made_before_it_is_spent() {
    let (mut forge, mut ledger) = start();
    let parent = forge.pay(&forge.spendable(forge.genesis())[0], 1, 1_000);
    let made = crate::ledger::coins::outputs(&parent, parent.compute_txid(), 1).next().expect("an output");
    let child = forge.pay(&made, 1, 1_000);
    let swapped = vec![child.clone(), parent.clone()];
    assert_eq!(against(&mut forge, &mut ledger, swapped), Refused::SpentBeforeMade { outpoint: made.0 });
    let ordered = forge.mine(forge.genesis(), vec![parent, child]);
    assert_eq!(give(&mut ledger, &ordered), Judgement::Taken);
}

#[test]
fn a_coinbase_matures_before_it_is_spent() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), 10);
    chain.iter().for_each(|block| drop(give(&mut ledger, block)));
    let coinbase = &chain[0].txdata[0];
    let coin = crate::ledger::coins::outputs(coinbase, coinbase.compute_txid(), 1).next().expect("an output");
    let spend = forge.pay(&coin, 1, 1_000);
    // A rival of the tip, judged where it stands.
    let too_early = forge.mine_anyhow(chain[8].block_hash(), vec![spend.clone()]);
    let reason = Refused::CoinImmature { outpoint: coin.0, height: 10, from: 11 }.in_block(spend.compute_txid());
    assert_eq!(give(&mut ledger, &too_early), Judgement::Refused(reason));
    let next = forge.mine(chain[9].block_hash(), vec![spend]);
    assert_eq!(give(&mut ledger, &next), Judgement::Taken);
}

#[test]
fn outputs_do_not_exceed_inputs() {
    let (mut forge, mut ledger) = start();
    let inputs = forge.spendable(forge.genesis())[0].1.value;
    let outputs = inputs + Amount::from_sat(1);
    let payment = payment(&forge, |payment| payment.output[0].value = outputs);
    let reason = Refused::OutputsExceedInputs { inputs, outputs }.in_block(payment.compute_txid());
    assert_eq!(against(&mut forge, &mut ledger, vec![payment]), reason);
}

#[test]
fn a_locked_transaction_waits_for_its_height() {
    let (mut forge, mut ledger) = start();
    let payment = payment(&forge, |payment| {
        payment.lock_time = absolute::LockTime::from_height(1).expect("a height");
        payment.input[0].sequence = bitcoin::Sequence::ZERO;
    });
    let txid = payment.compute_txid();
    match against(&mut forge, &mut ledger, vec![payment]) {
        Refused::InBlock { txid: stated, reason } if stated == txid => {
            assert!(matches!(*reason, Refused::NotFinal { lock: 1, height: 1, .. }), "{reason}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_signature_names_its_transaction_and_input() {
    let (mut forge, mut ledger) = start();
    let coins = forge.spendable(forge.genesis());
    let good = forge.pay(&coins[0], 1, 1_000);
    let mut bad = forge.pay(&coins[1], 1, 1_000);
    bad.output[0].value = Amount::from_sat(5); // after it was signed
    let reason = Refused::SignatureInvalid { input: 0 }.in_block(bad.compute_txid());
    assert_eq!(against(&mut forge, &mut ledger, vec![good, bad]), reason);
}

#[test]
fn an_unspent_transaction_is_not_overwritten() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let first = forge.mine(forge.genesis(), Vec::new());
    give(&mut ledger, &first);
    let again = forge.mine_whole(first.block_hash(), vec![first.txdata[0].clone()]);
    let txid = first.txdata[0].compute_txid();
    assert_eq!(give(&mut ledger, &again), Judgement::Refused(Refused::TransactionOverwrites { txid }));
}

#[test]
fn what_stands_on_an_invalid_block_is_invalid() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let greedy = forge.mine_claiming(forge.genesis(), Vec::new(), Amount::from_int_btc(51));
    let child = forge.mine(greedy.block_hash(), Vec::new());
    give(&mut ledger, &greedy);
    let parent = greedy.block_hash();
    assert_eq!(give(&mut ledger, &child), Judgement::Refused(Refused::InvalidParent { parent }));
    let judged = ledger.accept_headers(&[greedy.header, child.header], NOW, Source::Own);
    assert_eq!(judged.judgement, Judgement::Refused(Refused::KnownInvalid));
}

#[test]
fn headers_are_refused_with_the_reason_that_is_theirs() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let chain = forge.extend(forge.genesis(), 3);
    let mut ask = |headers: &[bitcoin::block::Header]| match ledger.accept_headers(headers, NOW, Source::Own).judgement
    {
        Judgement::Refused(reason) => Some(reason),
        _ => None,
    };
    let parent = chain[1].block_hash();
    assert_eq!(ask(&[chain[2].header]), Some(Refused::UnknownParent { parent }));
    assert_eq!(ask(&[chain[0].header, chain[2].header]), Some(Refused::HeadersNotLinked { position: 1 }));
    assert_eq!(ask(&[chain[1].header, chain[2].header]), Some(Refused::HeadersNotLinked { position: 0 }));
    let mut harder = Block::clone(&chain[0]);
    harder.header.bits = bitcoin::CompactTarget::from_consensus(0x1f7f_ffff);
    let harder = forge.remine(harder);
    assert!(matches!(ask(&[harder.header]), Some(Refused::BitsWrong { .. })));
    let mut old = Block::clone(&chain[0]);
    old.header.time = forge.rules.genesis.header.time;
    let old = forge.remine(old);
    assert!(matches!(ask(&[old.header]), Some(Refused::TimeTooOld { .. })));
    let mut idle = chain[0].header;
    idle.nonce = (idle.nonce..).find(|nonce| !is_met(idle, *nonce)).expect("most nonces");
    assert!(matches!(ask(&[idle]), Some(Refused::WorkTooLow { .. })));
    assert_eq!(ask(&[chain[0].header, chain[1].header, chain[2].header]), None);
}

fn is_met(mut header: bitcoin::block::Header, nonce: u32) -> bool {
    header.nonce = nonce;
    header.target().is_met_by(header.block_hash())
}

#[test]
fn a_known_block_is_neither_taken_nor_refused_again() {
    let mut forge = Forge::new(0);
    let mut ledger = ledger(&forge.rules);
    let block = forge.mine(forge.genesis(), Vec::new());
    assert_eq!(give(&mut ledger, &block), Judgement::Taken);
    assert_eq!(give(&mut ledger, &block), Judgement::Refused(Refused::AlreadyKnown));
    let genesis = Arc::new(forge.rules.genesis.clone());
    assert_eq!(give(&mut ledger, &genesis), Judgement::Refused(Refused::AlreadyKnown));
    let coinbase = assemble::coinbase(1, &[], forge.script(), Amount::ZERO);
    let orphan = forge.mine_whole(block.block_hash(), vec![coinbase]);
    let on_orphan = forge.mine(orphan.block_hash(), Vec::new());
    let parent = orphan.block_hash();
    assert_eq!(give(&mut ledger, &on_orphan), Judgement::Refused(Refused::UnknownParent { parent }));
}
