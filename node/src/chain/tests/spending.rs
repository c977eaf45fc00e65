//! Spending: every template under every hash type, with and without a fork id.

use bitcoin::secp256k1::{PublicKey, SecretKey};
use bitcoin::sighash::SighashCache;
use bitcoin::{Amount, EcdsaSighashType, ScriptBuf, Transaction, Witness};
use proptest::prelude::*;

use super::super::sighash::Digests;
use super::super::sign::{self, CannotSign, key_from, public, sign_input_as};
use super::super::template::{self, Template};
use super::super::{ActiveRules, Coin, Refused, Rules, spend};
use super::{coin, output, spending};

/// Three keys, and a coin of every template for them.
fn wallet() -> (Vec<SecretKey>, Vec<Coin>) {
    let keys: Vec<SecretKey> = (0..3).map(|index| key_from(7, index)).collect();
    let publics: Vec<PublicKey> = keys.iter().map(public).collect();
    let scripts = [
        template::pay_to_key(&publics[0]),
        ScriptBuf::new_p2pk(&bitcoin::PublicKey::new_uncompressed(publics[1])),
        template::pay_to_key_hash(&publics[1]),
        template::pay_to_witness_key_hash(&publics[2]),
        template::pay_to_multisig(1, &publics),
        template::pay_to_multisig(2, &publics),
        template::pay_to_multisig(3, &publics),
    ];
    (keys, scripts.map(|script| coin(script, 10_000)).to_vec())
}

fn active(fork_id: Option<u32>) -> ActiveRules {
    ActiveRules { fork_id, ..Rules::lab(&[]).at(10) }
}

/// A transaction that spends all of the wallet, signed.
fn signed(fork_id: Option<u32>, hash_type: u8) -> (Transaction, Vec<Coin>) {
    let (keys, coins) = wallet();
    let script = template::pay_to_key_hash(&public(&keys[0]));
    let mut transaction = spending(coins.len() as u32, (0..5).map(|n| output(script.clone(), 600 + n)).collect());
    for (input, coin) in coins.iter().enumerate() {
        sign_input_as(&mut transaction, input, coin, &keys, fork_id, hash_type).unwrap();
    }
    (transaction, coins)
}

/// Which inputs' signatures hold; `None` where the whole is refused before any is verified.
fn held(transaction: &Transaction, coins: &[Coin], rules: &ActiveRules) -> Option<Vec<bool>> {
    Some(spend::checks(transaction, coins, rules).ok()?.iter().map(super::super::SignatureCheck::holds).collect())
}

const TYPES: [u8; 6] = [1, 2, 3, 0x81, 0x82, 0x83];

#[test]
fn what_is_signed_holds_for_every_template_type_and_fork() {
    for fork_id in [None, Some(0), Some(0xab_cdef)] {
        for hash_type in TYPES {
            let (transaction, coins) = signed(fork_id, hash_type);
            assert_eq!(held(&transaction, &coins, &active(fork_id)), Some(vec![true; 7]), "{fork_id:?} {hash_type}");
        }
    }
}

#[test]
fn a_signature_holds_on_one_side_of_a_fork_only() {
    let (transaction, coins) = signed(None, 1);
    assert_eq!(spend::checks(&transaction, &coins, &active(Some(0))), Err(Refused::SignatureKindWrong { input: 0 }));
    let (transaction, coins) = signed(Some(1), 1);
    assert_eq!(spend::checks(&transaction, &coins, &active(None)), Err(Refused::SignatureKindWrong { input: 0 }));
    assert_eq!(held(&transaction, &coins, &active(Some(2))), Some(vec![false; 7]));
}

#[test]
fn a_hash_type_signs_what_it_says_and_no_more() {
    // Which alterations leave the signature of input 3 good: another output, its own output, another input's sequence.
    for fork_id in [None, Some(5)] {
        for (hash_type, other_output, own_output, other_input) in [
            (1, false, false, false),
            (2, true, true, false),
            (3, true, false, false),
            (0x81, false, false, true),
            (0x82, true, true, true),
            (0x83, true, false, true),
        ] {
            let holds = |input: usize, alter: fn(&mut Transaction)| {
                let (mut transaction, coins) = signed(fork_id, hash_type);
                alter(&mut transaction);
                held(&transaction, &coins, &active(fork_id)).unwrap()[input]
            };
            let name = format!("{hash_type:#x} {fork_id:?}");
            // Input 2 is P2PKH with Bitcoin's first digest, or the fork's; input 3 is P2WPKH.
            let raise: [fn(&mut Transaction); 2] =
                [|tx| tx.output[2].value += Amount::ONE_SAT, |tx| tx.output[3].value += Amount::ONE_SAT];
            for (input, own, other) in [(2, raise[0], raise[1]), (3, raise[1], raise[0])] {
                assert_eq!(holds(input, other), other_output, "{name}");
                assert_eq!(holds(input, own), own_output, "{name}");
                assert_eq!(holds(input, |tx| tx.input[0].previous_output.vout = 99), other_input, "{name}");
                assert!(!holds(input, |tx| tx.lock_time = bitcoin::absolute::LockTime::from_consensus(9)), "{name}");
            }
        }
    }
}

#[test]
fn the_amount_is_signed_where_bip143_signs() {
    for (fork_id, expected) in [(None, [true, true, true, false, true, true, true]), (Some(1), [false; 7])] {
        let (transaction, mut coins) = signed(fork_id, 1);
        coins.iter_mut().for_each(|coin| coin.value += Amount::ONE_SAT);
        assert_eq!(held(&transaction, &coins, &active(fork_id)), Some(expected.to_vec()));
    }
}

#[test]
fn a_wrong_unlocking_is_refused_by_its_reason() {
    let (good, coins) = signed(None, 1);
    let refused = |alter: &dyn Fn(&mut Transaction, &mut Vec<Coin>)| {
        let (mut transaction, mut coins) = (good.clone(), coins.clone());
        alter(&mut transaction, &mut coins);
        spend::checks(&transaction, &coins, &active(None)).unwrap_err()
    };
    assert_eq!(
        refused(&|_, coins| coins[2].script = ScriptBuf::from(vec![0x51])),
        Refused::TemplateUnknown { input: 2 }
    );
    assert_eq!(
        refused(&|_, coins| coins.truncate(6)),
        Refused::CoinMissing { outpoint: good.input[6].previous_output }
    );
    let malformed = |input| Refused::UnlockMalformed { input };
    assert_eq!(refused(&|tx, _| tx.input[0].script_sig = ScriptBuf::new()), malformed(0));
    assert_eq!(refused(&|tx, _| tx.input[1].script_sig = ScriptBuf::from(vec![0x51])), malformed(1));
    assert_eq!(refused(&|tx, _| tx.input[2].witness = Witness::from_slice(&[[1]])), malformed(2));
    assert_eq!(refused(&|tx, _| tx.input[3].witness = Witness::default()), malformed(3));
    assert_eq!(refused(&|tx, _| tx.input[3].script_sig = ScriptBuf::from(vec![0])), malformed(3));
    assert_eq!(refused(&|tx, _| tx.input[5].script_sig = tx.input[4].script_sig.clone()), malformed(5));
    let keyless = |tx: &mut Transaction, _: &mut Vec<Coin>| {
        tx.input[3].witness = Witness::from_slice(&[tx.input[3].witness.nth(0).unwrap(), &[2; 33]]);
    };
    assert_eq!(refused(&keyless), Refused::KeyMismatch { input: 3 });
    let unreadable = |tx: &mut Transaction, _: &mut Vec<Coin>| {
        tx.input[3].witness = Witness::from_slice(&[&[0x30, 1, 1][..], tx.input[3].witness.nth(1).unwrap()]);
    };
    assert_eq!(refused(&unreadable), Refused::SignatureInvalid { input: 3 });
}

#[test]
fn multisig_wants_its_signatures_in_the_order_of_its_keys() {
    let (keys, coins) = wallet();
    let two_of_three = &coins[5];
    let sign = |keys: &[SecretKey]| {
        let mut transaction = spending(1, vec![output(ScriptBuf::new(), 1)]);
        sign_input_as(&mut transaction, 0, two_of_three, keys, None, 1).map(|()| transaction)
    };
    let check = |transaction: &Transaction| held(transaction, std::slice::from_ref(two_of_three), &active(None));
    for pair in [[0, 1], [0, 2], [1, 2], [2, 0]] {
        let transaction = sign(&pair.map(|index: usize| keys[index])).unwrap(); // signed in the keys' order
        assert_eq!(check(&transaction), Some(vec![true]));
    }
    assert_eq!(sign(&keys[..1]), Err(CannotSign::KeyMissing));
    let good = sign(&keys[..2]).unwrap();
    let mut pushes: Vec<Vec<u8>> = good.input[0]
        .script_sig
        .instructions()
        .map(|instruction| instruction.unwrap().push_bytes().unwrap().as_bytes().to_vec())
        .collect();
    pushes.swap(1, 2);
    let mut swapped = good;
    swapped.input[0].script_sig = sign::push_all(&pushes.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(check(&swapped), Some(vec![false]));
    let cost = spend::checks(&swapped, std::slice::from_ref(two_of_three), &active(None)).unwrap()[0].operations();
    assert_eq!(cost, 3);
}

#[test]
fn templates_are_only_what_they_look_like() {
    let (_, coins) = wallet();
    for script in coins.iter().map(|coin| &coin.script) {
        assert!(Template::of(script).is_some(), "{script}");
        let longer = ScriptBuf::from([script.as_bytes(), &[0x51]].concat());
        assert_eq!(Template::of(&longer), None, "{longer}");
        let shorter = ScriptBuf::from(script.as_bytes()[..script.len() - 1].to_vec());
        assert_eq!(Template::of(&shorter), None, "{shorter}");
    }
    let too_many_needed = template::pay_to_multisig(3, &[public(&key_from(1, 0)); 2]);
    assert_eq!(Template::of(&too_many_needed), None);
    let sixteen = template::pay_to_multisig(16, &[public(&key_from(1, 0)); 16]);
    assert!(Template::of(&sixteen).is_some());
    assert_eq!(Template::of(&ScriptBuf::new()), None);
}

#[test]
fn seeds_give_keys_that_stay_the_same() {
    assert_eq!(key_from(1, 2), key_from(1, 2));
    assert_ne!(key_from(1, 2), key_from(2, 1));
    assert_ne!(key_from(1, 2), key_from(1, 3));
}

proptest! {
    #[test]
    fn bip143_agrees_with_the_crate(inputs in 1_u32..4, outputs in 0_u64..4, input in 0_usize..4, pick in 0_usize..6, value in 0_u64..1 << 50) {
        let input = input % inputs as usize;
        let transaction = spending(inputs, (0..outputs).map(|n| output(ScriptBuf::from(vec![0x51; n as usize]), n)).collect());
        let script = template::pay_to_witness_key_hash(&public(&key_from(1, 1)));
        let value = Amount::from_sat(value);
        let hash_type = EcdsaSighashType::from_consensus(u32::from(TYPES[pick]));
        let oracle = SighashCache::new(&transaction).p2wpkh_signature_hash(input, &script, value, hash_type).unwrap();
        let code = script.p2wpkh_script_code().unwrap();
        let ours = Digests::of(&transaction).bip143(input, &code, value, TYPES[pick], None);
        prop_assert_eq!(ours, *AsRef::<[u8; 32]>::as_ref(&oracle));
    }

    #[test]
    fn no_script_or_unlocking_causes_a_panic(
        script in prop::collection::vec(any::<u8>(), 0..120), unlocking in prop::collection::vec(any::<u8>(), 0..200),
        witness in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4), which in 0_usize..8, fork_id in prop::option::of(any::<u32>()),
    ) {
        let (_, coins) = wallet();
        let coin = coins.get(which).cloned().unwrap_or_else(|| coin(script.into(), 5));
        let mut transaction = spending(1, vec![output(ScriptBuf::new(), 1)]);
        transaction.input[0].script_sig = unlocking.into();
        transaction.input[0].witness = Witness::from_slice(&witness);
        let rules = active(fork_id);
        if let Ok(checks) = spend::checks(&transaction, std::slice::from_ref(&coin), &rules) {
            prop_assert!(!checks[0].holds());
        }
        let _ = super::super::policy::check(&transaction, &[coin], &rules);
    }
}
