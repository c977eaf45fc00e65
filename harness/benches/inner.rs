//! The inner loops that every node spends its time in, each by itself: `cargo bench --bench inner`.

#![allow(missing_docs)] // criterion's macros document nothing

use std::hint::black_box;

use bitcoin::bip152::HeaderAndShortIds;
use bitcoin::{Amount, ScriptBuf, Transaction};
use criterion::{Criterion, criterion_group, criterion_main};
use schism::bench::chain::Chain;
use schism_node::chain::{Coin, Digest, block, sighash::Digests, spend};
use schism_node::mempool::compact::Compact;
use std::sync::Arc;

/// Payments in the block that is measured, one signature each.
const PAYMENTS: usize = 100;

fn inner(criterion: &mut Criterion) {
    let chain = Chain::make(2, PAYMENTS).expect("a store in memory does not fail");
    let block = chain.blocks.last().expect("two were made");
    let rules = chain.rules.at(2);
    let payment = block.txdata.last().expect("a block has a coinbase at least");
    let (outpoint, coin) = (payment.input[0].previous_output, coin(payment));

    let mut group = criterion.benchmark_group("transaction");
    group.bench_function("txid", |bencher| bencher.iter(|| black_box(payment).compute_txid()));
    group.bench_function("signature digest", |bencher| {
        let script = ScriptBuf::new();
        bencher.iter(|| Digests::of(black_box(payment)).bip143(0, &script, Amount::ONE_BTC, 1, None))
    });
    group.bench_function("what its input owes", |bencher| {
        bencher.iter(|| spend::checks(black_box(payment), std::slice::from_ref(&coin), &rules))
    });
    group.bench_function("coin in the digest of the unspent", |bencher| {
        let mut digest = Digest::default();
        bencher.iter(|| digest.add(black_box(&outpoint), &coin));
    });
    group.finish();

    let mut group = criterion.benchmark_group("block of 100 payments");
    group.bench_function("header's hash", |bencher| bencher.iter(|| black_box(&block.header).block_hash()));
    group.bench_function("check without context", |bencher| bencher.iter(|| block::check(black_box(block), &rules)));
    let announced = HeaderAndShortIds::from_block(block, 7, 2, &[]).expect("it has a coinbase");
    let pool: Vec<_> = block.txdata.iter().map(|paid| (paid.compute_wtxid(), Arc::new(paid.clone()))).collect();
    group.bench_function("compact form made whole from a pool", |bencher| {
        bencher.iter(|| {
            let mut compact = Compact::open(black_box(&announced), usize::MAX).expect("it was made well");
            compact.fill(pool.iter().map(|(id, paid)| (*id, paid)));
            compact.build().expect("all of it is in the pool")
        });
    });
    group.finish();
}

/// A coin like the one that a payment spends: its keys' and its signatures' lengths are what counts.
fn coin(payment: &Transaction) -> Coin {
    let key = payment.input[0].witness.nth(1).expect("a payment shows its key");
    let key = bitcoin::CompressedPublicKey::from_slice(key).expect("and it is one");
    Coin { height: 1, coinbase: false, value: Amount::ONE_BTC, script: ScriptBuf::new_p2wpkh(&key.wpubkey_hash()) }
}

criterion_group!(benches, inner);
criterion_main!(benches);
