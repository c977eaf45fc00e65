//! Policy is stricter than consensus, and only about what others could alter.

use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{Amount, ScriptBuf, Transaction};

use super::super::sign::{key_from, public, push_all, sign_input};
use super::super::{ActiveRules, Coin, Refused, Rules, policy, spend, template};
use super::{coin, output, spending};

fn lab() -> ActiveRules {
    Rules::lab(&[]).at(10)
}

/// A P2PK coin and a payment of it that policy accepts.
fn payment() -> (Transaction, Coin) {
    let key = key_from(1, 1);
    let coin = coin(template::pay_to_key(&public(&key)), 10_000);
    let mut transaction = spending(1, vec![output(coin.script.clone(), 9_000)]);
    sign_input(&mut transaction, 0, &coin, &[key], None).unwrap();
    assert_eq!(policy::check(&transaction, std::slice::from_ref(&coin), &lab()), Ok(()));
    (transaction, coin)
}

fn signature(transaction: &Transaction) -> Vec<u8> {
    transaction.input[0].script_sig.as_bytes()[1..].to_vec()
}

/// The same signature with the other S, which is as good: order of the group minus S.
fn high_s(signature: &[u8]) -> Vec<u8> {
    let (hash_type, der) = signature.split_last().unwrap();
    let compact = Signature::from_der(der).unwrap().serialize_compact();
    let order = ruint::uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);
    let s = order - ruint::aliases::U256::from_be_slice(&compact[32..]);
    let high = [&compact[..32], &s.to_be_bytes::<32>()].concat();
    let mut signature = Signature::from_compact(&high).unwrap().serialize_der().to_vec();
    signature.push(*hash_type);
    signature
}

fn with(signature: &[u8]) -> (Transaction, Coin) {
    let (mut transaction, coin) = payment();
    transaction.input[0].script_sig = push_all(&[signature]);
    (transaction, coin)
}

#[test]
fn high_s_is_valid_in_a_block_and_refused_by_the_pool() {
    let (transaction, coin) = with(&high_s(&signature(&payment().0)));
    assert!(spend::checks(&transaction, std::slice::from_ref(&coin), &lab()).unwrap()[0].holds());
    assert_eq!(policy::check(&transaction, &[coin], &lab()), Err(Refused::SignatureHighS { input: 0 }));
}

#[test]
fn lax_signatures_are_valid_on_early_mainnet_only() {
    let mut lax = signature(&payment().0);
    // One byte more of zeros before r than strict DER allows.
    lax[1] += 1;
    lax[3] += 1;
    lax.insert(4, 0);
    let (transaction, coin) = with(&lax);
    let coins = std::slice::from_ref(&coin);
    let mainnet = Rules::bitcoin_mainnet().at(10);
    assert!(spend::checks(&transaction, coins, &mainnet).unwrap()[0].holds());
    assert_eq!(spend::checks(&transaction, coins, &lab()), Err(Refused::SignatureInvalid { input: 0 }));
    assert_eq!(policy::check(&transaction, coins, &mainnet), Err(Refused::SignatureNotStrict { input: 0 }));
}

#[test]
fn undefined_hash_types_and_roundabout_pushes_are_refused_by_the_pool() {
    let mut odd = signature(&payment().0);
    *odd.last_mut().unwrap() = 4;
    let (transaction, coin) = with(&odd);
    let coins = std::slice::from_ref(&coin);
    assert!(spend::checks(&transaction, coins, &lab()).is_ok());
    assert_eq!(policy::check(&transaction, coins, &lab()), Err(Refused::HashTypeUndefined { input: 0 }));

    let (mut transaction, coin) = payment();
    let roundabout = [&[0x4c], transaction.input[0].script_sig.as_bytes()].concat(); // OP_PUSHDATA1
    transaction.input[0].script_sig = ScriptBuf::from(roundabout);
    assert!(spend::checks(&transaction, std::slice::from_ref(&coin), &lab()).unwrap()[0].holds());
    assert_eq!(policy::check(&transaction, &[coin], &lab()), Err(Refused::PushNotMinimal { input: 0 }));
}

#[test]
fn outputs_must_be_known_and_worth_spending() {
    let (good, coin) = payment();
    let refused = |altered: bitcoin::TxOut| {
        let mut transaction = good.clone();
        transaction.output = vec![altered];
        policy::check(&transaction, std::slice::from_ref(&coin), &lab())
    };
    assert_eq!(refused(output(ScriptBuf::from(vec![0x51]), 5_000)), Err(Refused::OutputNotStandard { index: 0 }));
    assert_eq!(refused(output(ScriptBuf::new_op_return([1, 2, 3]), 0)), Ok(()));
    let dust = refused(output(template::pay_to_key_hash(&public(&key_from(1, 1))), 545));
    let floor = Amount::from_sat(546); // Bitcoin Core's for P2PKH
    assert_eq!(dust, Err(Refused::OutputDust { index: 0, value: Amount::from_sat(545), floor }));
    let large = output(ScriptBuf::from([vec![0x6a], vec![0; 520]].concat()), 0);
    let mut transaction = good.clone();
    transaction.output = vec![large; 100];
    let bytes = transaction.total_size();
    let reason = Refused::TransactionTooLarge { bytes, most: 50_000 };
    assert_eq!(policy::check(&transaction, &[coin], &lab()), Err(reason));
}
