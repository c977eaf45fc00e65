//! How blocks told compactly are put together, and what becomes of those that cannot be.

use std::sync::Arc;

use bitcoin::bip152::{BlockTransactions, HeaderAndShortIds, PrefilledTransaction, ShortId};
use bitcoin::{Block, ScriptBuf, Transaction, Wtxid};
use proptest::prelude::*;
use schism_wire::ItemId;

use super::lobby::block;
use super::orphans::peer;
use super::purse::{outpoint, unsigned};
use crate::bounds;
use crate::chain::{Refused, Rules};
use crate::mempool::reconstruct::{Ending, Reconstructions, Step};
use crate::messages::Source;

const LARGEST: usize = 100_000;

fn transactions(count: u8) -> Vec<Arc<Transaction>> {
    (1..=count).map(|number| Arc::new(unsigned([outpoint(number)], [1], &ScriptBuf::new()))).collect()
}

fn block_of(transactions: &[Arc<Transaction>]) -> Block {
    Block::clone(&block(&Rules::lab(&[]), 1, &Vec::from_iter(transactions)))
}

fn announce(block: &Block, prefill: &[usize]) -> HeaderAndShortIds {
    HeaderAndShortIds::from_block(block, 7, 2, prefill).expect("the indexes are in the block")
}

fn from(number: u8) -> Source {
    Source::Peer { peer: peer(number), item: ItemId(u64::from(number)) }
}

fn at_hand(pool: &[Arc<Transaction>]) -> impl Iterator<Item = (Wtxid, &Arc<Transaction>)> {
    pool.iter().map(|transaction| (transaction.compute_wtxid(), transaction))
}

fn begin(all: &mut Reconstructions, announced: &HeaderAndShortIds, who: u8, pool: &[Arc<Transaction>]) -> Step {
    all.begin(announced, from(who), at_hand(pool), LARGEST, 0)
}

#[test]
fn a_block_whose_transactions_are_pooled_is_built_at_once() {
    let pool = transactions(5);
    let block = block_of(&pool[..4]);
    let step = begin(&mut Reconstructions::default(), &announce(&block, &[2]), 1, &pool);
    assert!(matches!(step, Step::Ended(Ending::Built { block: built, .. }) if *built == block));
}

#[test]
fn what_is_missing_is_owed_by_the_announcer_and_completes_the_block() {
    let pool = transactions(4);
    let block = block_of(&pool);
    let mut all = Reconstructions::default();
    let step = begin(&mut all, &announce(&block, &[]), 1, &[pool[0].clone(), pool[2].clone()]);
    assert!(matches!(step, Step::Owed { from, indexes, .. } if from == peer(1) && indexes == [2, 4]));
    let transactions = vec![block.txdata[2].clone(), block.txdata[4].clone()];
    let hash = block.block_hash();
    let paid = Some(BlockTransactions { block_hash: hash, transactions });
    assert!(all.paid(peer(2), hash, paid.clone()).is_none(), "this one owes nothing");
    assert!(matches!(all.paid(peer(1), hash, paid), Some(Ending::Built { block: built, .. }) if *built == block));
    assert!(all.is_empty());
}

#[test]
fn an_announcer_that_cannot_pay_leaves_its_header() {
    let block = block_of(&transactions(2));
    let mut all = Reconstructions::default();
    begin(&mut all, &announce(&block, &[]), 1, &[]);
    let ending = all.paid(peer(1), block.block_hash(), None);
    assert!(matches!(ending, Some(Ending::HeaderOnly { header, .. }) if header == block.header));
}

#[test]
fn an_announcer_that_pays_with_something_else_is_refused() {
    let pool = transactions(3);
    let block = block_of(&pool[..2]);
    let hash = block.block_hash();
    let [first, second] = [&block.txdata[1], &block.txdata[2]].map(Transaction::clone);
    let wrong = [
        vec![first.clone()],
        vec![second.clone(), first.clone()],
        vec![first.clone(), second.clone(), second.clone()],
        vec![first, Transaction::clone(&pool[2])],
    ];
    for transactions in wrong {
        let mut all = Reconstructions::default();
        begin(&mut all, &announce(&block, &[]), 1, &[]);
        let ending = all.paid(peer(1), hash, Some(BlockTransactions { block_hash: hash, transactions }));
        assert!(matches!(ending, Some(Ending::Refused { reason: Refused::CompactMalformed, .. })), "{ending:?}");
    }
}

#[test]
fn a_block_of_colliding_short_ids_leaves_its_header() {
    let pool = transactions(2);
    let mut announced = announce(&block_of(&pool), &[]);
    announced.short_ids[1] = announced.short_ids[0];
    let step = begin(&mut Reconstructions::default(), &announced, 1, &pool);
    assert!(matches!(step, Step::Ended(Ending::HeaderOnly { .. })), "{step:?}");
}

#[test]
fn a_pooled_transaction_that_only_has_the_right_short_id_blames_nobody() {
    let pool = transactions(3);
    let mut announced = announce(&block_of(&pool[..2]), &[]);
    // As if the pool held another transaction of the same short id.
    let keys = ShortId::calculate_siphash_keys(&announced.header, announced.nonce);
    announced.short_ids[1] = ShortId::with_siphash_keys(&pool[2].compute_wtxid(), keys);
    let step = begin(&mut Reconstructions::default(), &announced, 1, &pool);
    assert!(matches!(step, Step::Ended(Ending::HeaderOnly { .. })), "{step:?}");
}

#[test]
fn a_place_that_two_pooled_transactions_fit_is_left_to_the_announcer() {
    let pool = transactions(2);
    let announced = announce(&block_of(&pool[..1]), &[]);
    // As if the second had the first's short id.
    let both = pool.iter().map(|transaction| (pool[0].compute_wtxid(), transaction));
    let step = Reconstructions::default().begin(&announced, from(1), both, LARGEST, 0);
    assert!(matches!(step, Step::Owed { ref indexes, .. } if *indexes == [1]), "{step:?}");
}

#[test]
fn an_announcer_that_gave_all_transactions_wrong_is_refused() {
    let block = block_of(&transactions(1));
    let mut announced = announce(&block, &[1]);
    announced.prefilled_txs[1].tx.output[0].value = bitcoin::Amount::from_sat(2);
    let step = begin(&mut Reconstructions::default(), &announced, 1, &[]);
    assert!(matches!(step, Step::Ended(Ending::Refused { .. })), "{step:?}");
}

#[test]
fn a_list_with_its_end_repeated_is_not_the_block() {
    // Three leaves hash like four of which the last two are equal (CVE-2012-2459).
    let pool = transactions(2);
    let block = block_of(&pool);
    let mut announced = announce(&block, &[1, 2]);
    announced.prefilled_txs.push(PrefilledTransaction { idx: 0, tx: block.txdata[2].clone() });
    let step = begin(&mut Reconstructions::default(), &announced, 1, &pool);
    assert!(matches!(step, Step::Ended(Ending::Refused { .. })), "{step:?}");
}

#[test]
fn indexes_beyond_the_block_and_blocks_beyond_any_size_are_refused() {
    let block = block_of(&transactions(2));
    let mut beyond = announce(&block, &[]);
    beyond.prefilled_txs[0].idx = 3;
    let mut empty = announce(&block, &[]);
    (empty.short_ids, empty.prefilled_txs) = (Vec::new(), Vec::new());
    let mut huge = announce(&block, &[]);
    huge.short_ids = vec![ShortId::default(); LARGEST / 60];
    let mut overflowing = announce(&block, &[]);
    overflowing.prefilled_txs = vec![PrefilledTransaction { idx: u16::MAX, tx: block.txdata[0].clone() }; 3];
    for malformed in [beyond, empty, huge, overflowing] {
        let step = begin(&mut Reconstructions::default(), &malformed, 1, &[]);
        assert!(matches!(step, Step::Ended(Ending::Refused { reason: Refused::CompactMalformed, .. })), "{step:?}");
    }
}

#[test]
fn reconstructions_are_bounded_in_all_and_for_one_block() {
    let mut all = Reconstructions::default();
    let block = block_of(&transactions(1));
    for who in 1..=10 {
        begin(&mut all, &announce(&block, &[]), who, &[]);
    }
    assert_eq!(all.len(), bounds::RECONSTRUCTIONS_PER_BLOCK);
    for number in 1..=50 {
        let other = block_of(&transactions(50)[number - 1..number]);
        begin(&mut all, &announce(&other, &[]), 11, &[]);
    }
    assert_eq!(all.len(), bounds::RECONSTRUCTIONS);
}

/// Something that happens to announcements.
#[derive(Clone, Debug)]
enum Happening {
    Announced { block: usize, who: u8, pooled: bool, malformed: bool },
    Paid { block: usize, who: u8, with: Option<bool> },
    Settled { block: usize },
    Expired,
}

fn happening() -> impl Strategy<Value = Happening> {
    let (block, who) = (0..4_usize, 1..5_u8);
    let announced = (block.clone(), who.clone(), any::<bool>(), prop::bool::weighted(0.1));
    prop_oneof![
        5 => announced.prop_map(|(block, who, pooled, malformed)| Happening::Announced { block, who, pooled, malformed }),
        3 => (block.clone(), who, any::<Option<bool>>()).prop_map(|(block, who, with)| Happening::Paid { block, who, with }),
        1 => block.prop_map(|block| Happening::Settled { block }),
        1 => Just(Happening::Expired),
    ]
}

proptest! {
    /// An ending is a verdict, or hands the source to whoever tells it: so every announcement has exactly one.
    #[test]
    fn every_announcement_ends_exactly_once(happenings in prop::collection::vec(happening(), 1..60)) {
        let pool = transactions(4);
        let blocks: Vec<Block> = pool.chunks(1).map(block_of).collect();
        let mut all = Reconstructions::default();
        let (mut announced, mut ended) = (Vec::new(), Vec::new());
        for (now, happening) in happenings.into_iter().enumerate() {
            let endings = match happening {
                Happening::Announced { block, who, pooled, malformed } => {
                    let mut compact = announce(&blocks[block], &[]);
                    compact.prefilled_txs[0].idx = if malformed { 9 } else { 0 };
                    let source = Source::Peer { peer: peer(who), item: ItemId(now as u64) };
                    announced.push(now as u64);
                    let pool = if pooled { &pool[..] } else { &[] };
                    match all.begin(&compact, source, at_hand(pool), LARGEST, now as u64) {
                        Step::Ended(ending) => vec![ending],
                        Step::Owed { .. } => Vec::new(),
                    }
                }
                Happening::Paid { block, who, with } => {
                    let block_hash = blocks[block].block_hash();
                    let paid = with.map(|right| pool[if right { block } else { (block + 1) % 4 }].as_ref().clone());
                    let paid = paid.map(|paid| BlockTransactions { block_hash, transactions: vec![paid] });
                    all.paid(peer(who), block_hash, paid).into_iter().collect()
                }
                Happening::Settled { block } => all.settle(&blocks[block].block_hash()),
                Happening::Expired => all.expire(now as u64),
            };
            ended.extend(endings.iter().map(item));
        }
        ended.extend(all.expire(u64::MAX).iter().map(item));
        ended.sort_unstable();
        prop_assert_eq!(ended, announced);
    }
}

fn item(ending: &Ending) -> u64 {
    let (Ending::Built { source, .. }
    | Ending::HeaderOnly { source, .. }
    | Ending::Needless { source }
    | Ending::Refused { source, .. }) = ending;
    match source {
        Source::Peer { item, .. } => item.0,
        Source::Own => panic!("nobody announces to itself"),
    }
}
