//! Other people's vectors, and real headers, blocks and a real payment.

use bitcoin::bech32::primitives::decode::CheckedHrpstring;
use bitcoin::bech32::{Bech32, Bech32m};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{Address, Block, ScriptBuf, Transaction, Txid, base58, consensus::deserialize};
use serde_json::Value;

use super::super::{Refused, Rules, SignatureCheck, block, header, spend, transaction, work};
use super::{coin, past, real_blocks, real_headers};

fn json(name: &str) -> Option<Value> {
    Some(serde_json::from_str(&schism_data::text(name)?).expect(name))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect(key)
}

fn string(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn wycheproof_signatures_hold_exactly_where_they_should() {
    let Some(file) = json("vectors/wycheproof_ecdsa_secp256k1_sha256_test.json") else { return };
    let mut verdicts = [0, 0];
    for group in list(&file, "testGroups") {
        let key = schism_data::hex(string(&group["publicKey"]["uncompressed"]));
        for case in list(group, "tests") {
            let digest = sha256::Hash::hash(&schism_data::hex(string(&case["msg"]))).to_byte_array();
            let holds = Signature::from_der(&schism_data::hex(string(&case["sig"])))
                .is_ok_and(|signature| SignatureCheck::new(&[(digest, signature)], &[&key]).holds());
            let valid = case["result"] == "valid";
            assert_eq!(holds, valid, "case {}: {}", case["tcId"], case["comment"]);
            verdicts[usize::from(valid)] += 1;
        }
    }
    assert_eq!(verdicts, [308, 168]);
}

#[test]
fn base58_reads_and_writes_as_elsewhere() {
    let Some(file) = json("vectors/base58.json") else { return };
    for pair in list(&file, "hex_to_base58") {
        let (bytes, text) = (schism_data::hex(string(&pair[0])), string(&pair[1]));
        assert_eq!(base58::encode(&bytes), text);
        assert_eq!(base58::decode(text).unwrap(), bytes);
    }
    for row in list(&file, "ascii_to_base58check") {
        let version = u8::try_from(row[0].as_u64().unwrap()).unwrap();
        let bytes = [&[version], string(&row[1]).as_bytes()].concat();
        assert_eq!(base58::encode_check(&bytes), string(&row[2]));
        assert_eq!(base58::decode_check(string(&row[2])).unwrap(), bytes);
    }
    for text in list(&file, "invalid_base58") {
        assert!(base58::decode(string(text)).is_err(), "{text}");
    }
    for text in list(&file, "bad_checksum") {
        assert!(base58::decode_check(string(text)).is_err(), "{text}");
    }
}

#[test]
fn bech32_and_its_addresses_read_as_elsewhere() {
    let Some(file) = json("vectors/bech32_bech32m.json") else { return };
    for (kind, reads) in [
        ("bech32", (|text| CheckedHrpstring::new::<Bech32>(text).is_ok()) as fn(&str) -> bool),
        ("bech32m", |text| CheckedHrpstring::new::<Bech32m>(text).is_ok()),
    ] {
        for text in list(&file, &format!("{kind}_valid")) {
            assert!(reads(string(text)), "{text}");
        }
        for row in list(&file, &format!("{kind}_invalid")) {
            assert!(!reads(string(&row[0])), "{row}");
        }
    }
    for row in list(&file, "segwit_valid_bip350") {
        let address: Address<_> = string(&row[0]).parse().unwrap();
        assert_eq!(address.assume_checked().script_pubkey(), ScriptBuf::from(schism_data::hex(string(&row[1]))));
    }
    for row in list(&file, "segwit_invalid_bip350") {
        assert!(string(&row[0]).parse::<Address<_>>().is_err(), "{row}");
    }
}

#[test]
fn two_thousand_real_headers_hold_under_their_parents() {
    let (Some(headers), rules) = (real_headers(), Rules::bitcoin_mainnet()) else { return };
    let now = headers[2_016].time;
    for (parent, header) in headers.iter().skip(1).enumerate() {
        assert_eq!(header.prev_blockhash, headers[parent].block_hash());
        header::check_work(header, &rules).unwrap();
        header::check(header, parent as u32, &past(&headers), &rules, now).unwrap();
    }
    assert_eq!(headers[0], rules.genesis.header);
    assert_eq!(work::block_work(headers[0].bits), headers[0].work());
}

#[test]
fn a_hundred_and_seventy_real_blocks_are_in_order() {
    let (Some(blocks), rules) = (real_blocks(), Rules::bitcoin_mainnet()) else { return };
    for (height, real) in blocks.iter().enumerate() {
        let txids = block::check(real, &rules.at(height as u32)).unwrap();
        assert_eq!(txids[0], real.txdata[0].compute_txid());
    }
}

#[test]
fn block_100000_has_its_merkle_root() {
    let Some(text) = schism_data::text("blocks/btc_main_block_100000.hex") else { return };
    let mut real: Block = deserialize(&schism_data::hex(&text)).unwrap();
    let rules = Rules::bitcoin_mainnet().at(100_000);
    assert_eq!(block::check(&real, &rules).unwrap().len(), 4);
    real.txdata.swap(2, 3);
    assert!(matches!(block::check(&real, &rules), Err(Refused::MerkleRootWrong { .. })));
}

#[test]
fn the_first_payment_is_signed_by_its_key() {
    let Some(file) = json("vectors/real_first_bitcoin_payment_block170.json") else { return };
    let field = |name| schism_data::hex(string(&file[name]));
    let payment: Transaction = deserialize(&field("raw_tx")).unwrap();
    assert_eq!(payment.compute_txid(), string(&file["txid"]).parse::<Txid>().unwrap());
    let coins = [coin(field("prevout_script").into(), file["prevout_value"].as_u64().unwrap())];
    let rules = Rules::bitcoin_mainnet();
    let checks = spend::checks(&payment, &coins, &rules.at(170)).unwrap();
    let digest: [u8; 32] = field("sighash").try_into().unwrap();
    let signature = Signature::from_der(&field("sig_der")).unwrap();
    assert_eq!(checks, [SignatureCheck::new(&[(digest, signature)], &[&field("pubkey")])]);
    assert!(checks[0].holds());
    let fee = transaction::check_coins(&payment, &coins, 170, &rules).unwrap();
    assert_eq!(fee.to_sat(), 0);
    let mut altered = payment;
    altered.output[0].value += bitcoin::Amount::ONE_SAT;
    assert!(!spend::checks(&altered, &coins, &rules.at(170)).unwrap()[0].holds());
}
