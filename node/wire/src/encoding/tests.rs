use bitcoin::absolute::LockTime;
use bitcoin::block::Version;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version as TransactionVersion;
use bitcoin::{Amount, CompactTarget, OutPoint, ScriptBuf, Sequence, TxIn, TxMerkleNode, TxOut, Witness};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::limits::{Limits, RESPONSE_BYTES};

fn transaction() -> impl Strategy<Value = Transaction> {
    let input = (any::<[u8; 32]>(), any::<u32>(), vec(any::<u8>(), 0..20), vec(vec(any::<u8>(), 0..20), 0..3));
    let input = input.prop_map(|(txid, vout, script, witness)| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array(txid), vout },
        script_sig: ScriptBuf::from(script),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&witness),
    });
    let output = (any::<u64>(), vec(any::<u8>(), 0..30))
        .prop_map(|(value, script)| TxOut { value: Amount::from_sat(value), script_pubkey: ScriptBuf::from(script) });
    (vec(input, 1..3), vec(output, 1..3), any::<i32>()).prop_map(|(input, output, version)| Transaction {
        version: TransactionVersion(version),
        lock_time: LockTime::ZERO,
        input,
        output,
    })
}

fn header() -> impl Strategy<Value = Header> {
    (any::<i32>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u32; 3]>()).prop_map(
        |(version, parent, root, [time, bits, nonce])| Header {
            version: Version::from_consensus(version),
            prev_blockhash: BlockHash::from_byte_array(parent),
            merkle_root: TxMerkleNode::from_byte_array(root),
            time,
            bits: CompactTarget::from_consensus(bits),
            nonce,
        },
    )
}

fn block() -> impl Strategy<Value = Block> {
    (header(), vec(transaction(), 1..6)).prop_map(|(header, txdata)| Block { header, txdata })
}

fn hashes<T>(most: usize, make: impl Fn([u8; 32]) -> T + Clone) -> impl Strategy<Value = Vec<T>>
where
    T: std::fmt::Debug,
{
    vec(any::<[u8; 32]>(), 0..most).prop_map(move |all| all.into_iter().map(&make).collect())
}

fn request() -> impl Strategy<Value = Request> {
    let indexes = proptest::collection::btree_set(0..limits::BLOCK_TRANSACTIONS as u64, 0..40);
    prop_oneof![
        hashes(limits::LOCATOR, BlockHash::from_byte_array).prop_map(|locator| Request::Headers { locator }),
        hashes(limits::BLOCKS_PER_RESPONSE, BlockHash::from_byte_array).prop_map(|hashes| Request::Blocks { hashes }),
        (any::<[u8; 32]>(), indexes).prop_map(|(hash, indexes)| {
            let block_hash = BlockHash::from_byte_array(hash);
            Request::BlockTransactions(BlockTransactionsRequest { block_hash, indexes: indexes.into_iter().collect() })
        }),
        hashes(60, Txid::from_byte_array).prop_map(|txids| Request::Transactions { txids }),
        Just(Request::Pool),
        Just(Request::Addresses),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let address = any::<(u8, u16)>().prop_map(|(host, port)| {
        let address = format!("/ip4/10.1.0.{host}/tcp/{port}").parse().expect("an address");
        (PeerId::random(), address)
    });
    let part = (any::<[u8; 32]>(), vec(transaction(), 0..4)).prop_map(|(hash, transactions)| BlockTransactions {
        block_hash: BlockHash::from_byte_array(hash),
        transactions,
    });
    prop_oneof![
        vec(header(), 0..20).prop_map(Response::Headers),
        vec(block(), 0..4).prop_map(|blocks| Response::Blocks(shared(blocks))),
        proptest::option::of(part).prop_map(Response::BlockTransactions),
        vec(transaction(), 0..10).prop_map(|found| Response::Transactions(shared(found))),
        hashes(60, Txid::from_byte_array).prop_map(Response::Pool),
        vec(address, 0..10).prop_map(Response::Addresses),
    ]
}

fn announcement() -> impl Strategy<Value = Announcement> {
    prop_oneof![
        transaction().prop_map(|transaction| Announcement::Transaction(Arc::new(transaction))),
        (block(), any::<u64>()).prop_map(|(block, nonce)| {
            let compact = HeaderAndShortIds::from_block(&block, nonce, 2, &[]).expect("version 2 is known");
            Announcement::Block(Arc::new(compact))
        }),
    ]
}

/// Decodes bytes as everything they could be. Whatever can be read is written in the same bytes again, so nobody can
/// dress one message in many forms.
fn decode_all(bytes: &[u8]) {
    if let Ok(request) = decode_request(bytes) {
        assert_eq!(encode_request(&request), bytes);
    }
    if let Ok(response) = decode_response(bytes, RESPONSE_BYTES) {
        assert_eq!(encode_response(&response, RESPONSE_BYTES), bytes);
    }
    for topic in [Topic::Blocks, Topic::Transactions] {
        if let Ok(announcement) = decode_announcement(topic, bytes, RESPONSE_BYTES) {
            assert_eq!(encode_announcement(&announcement), bytes);
        }
    }
}

proptest! {
    #[test]
    fn decode_after_encode_is_the_same(request in request(), response in response(), announced in announcement()) {
        prop_assert_eq!(decode_request(&encode_request(&request)), Ok(request));
        let limit = Limits::for_blocks_of(100_000);
        let bytes = encode_response(&response, limit.response_bytes);
        prop_assert_eq!(decode_response(&bytes, limit.response_bytes), Ok(response));
        let bytes = encode_announcement(&announced);
        prop_assert_eq!(decode_announcement(announced.topic(), &bytes, limit.announcement_bytes), Ok(announced));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(kind in 0_u8..7, bytes in vec(any::<u8>(), 0..400)) {
        decode_all(&bytes);
        decode_all(&[&[kind], &bytes[..]].concat());
    }

    #[test]
    fn damaged_messages_are_decoded_or_refused(
        request in request(), response in response(), announced in announcement(),
        place in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>(),
    ) {
        let response = encode_response(&response, RESPONSE_BYTES);
        for mut bytes in [encode_request(&request), response, encode_announcement(&announced)] {
            let place = place.index(bytes.len());
            bytes[place] = byte;
            decode_all(&bytes);
            decode_all(&bytes[..end.index(bytes.len())]);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end(blocks in vec(block(), 1..8), limit in 20_usize..3_000) {
        let blocks = shared(blocks);
        let bytes = encode_response(&Response::Blocks(blocks.clone()), limit);
        prop_assert!(bytes.len() <= limit);
        let Ok(Response::Blocks(sent)) = decode_response(&bytes, limit) else { panic!("it was encoded as blocks") };
        prop_assert_eq!(&sent[..], &blocks[..sent.len()]);
    }

    #[test]
    fn a_promise_longer_than_the_message_is_refused_before_anything_is_kept(count in 1_000_u64.., kind in 0_u8..6) {
        let promise = [&[kind], &bitcoin::consensus::serialize(&VarInt(count))[..], &[0; 90]].concat();
        prop_assert!(decode_request(&promise).is_err());
        let lists = [0, 1, 3, 4, 5];
        if lists.contains(&kind) {
            let refused = decode_response(&promise, RESPONSE_BYTES);
            prop_assert!(matches!(refused, Err(Malformed::TooMany { .. })), "{refused:?}");
        }
    }
}

#[test]
fn a_message_longer_than_its_limit_is_refused_unread() {
    let bytes = vec![0; 1_001];
    assert_eq!(decode_response(&bytes, 1_000), Err(Malformed::TooLong { bytes: 1_001, limit: 1_000 }));
    assert!(matches!(decode_request(&vec![4; limits::REQUEST_BYTES + 1]), Err(Malformed::TooLong { .. })));
}

#[test]
fn nothing_may_follow_a_message() {
    assert_eq!(decode_request(&[4, 0]), Err(Malformed::Trailing(1)));
}

#[test]
fn indexes_in_any_order_are_asked_for_in_order() {
    let block_hash = BlockHash::all_zeros();
    let asked = Request::BlockTransactions(BlockTransactionsRequest { block_hash, indexes: vec![9, 2, u64::MAX, 2] });
    let sent = Request::BlockTransactions(BlockTransactionsRequest { block_hash, indexes: vec![2, 9] });
    assert_eq!(decode_request(&encode_request(&asked)), Ok(sent));
}

#[test]
fn a_prefilled_transaction_beyond_the_block_is_refused() {
    let block = bitcoin::constants::genesis_block(bitcoin::Network::Regtest);
    let mut compact = HeaderAndShortIds::from_block(&block, 1, 2, &[]).expect("version 2 is known");
    compact.prefilled_txs[0].idx = 1;
    let bytes = encode_announcement(&Announcement::Block(Arc::new(compact)));
    assert!(decode_announcement(Topic::Blocks, &bytes, RESPONSE_BYTES).is_err());
}
