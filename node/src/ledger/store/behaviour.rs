//! The behaviour of a store, told once and held against both kinds.

use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Txid};
use tempfile::TempDir;

use super::{Disk, FileStore, HeaderRecord, Mark, Shelf, Step, Store, Undo};
use crate::chain::{Coin, Rules, assemble};
use crate::ledger::coins::Standing;

/// A place that a store can be opened on again and again.
enum Place {
    Memory(Disk),
    Folder(TempDir),
}

impl Place {
    fn open(&self) -> Box<dyn Store> {
        match self {
            Self::Memory(disk) => Box::new(disk.open()),
            Self::Folder(folder) => Box::new(FileStore::open(folder.path()).expect("opens")),
        }
    }
}

fn places() -> [Place; 2] {
    [Place::Memory(Disk::new()), Place::Folder(tempfile::tempdir().expect("a folder"))]
}

fn block(number: u32) -> Arc<Block> {
    let coinbase = assemble::coinbase(number, &[], ScriptBuf::new(), Amount::ONE_BTC);
    Arc::new(assemble::assemble(BlockHash::all_zeros(), number, CompactTarget::default(), coinbase, []))
}

fn record(height: u32, mark: Mark) -> HeaderRecord {
    let header = Header { version: Version::TWO, ..block(height).header };
    HeaderRecord { header, height, mark }
}

fn outpoint(number: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number as u8; 32]), vout: number }
}

fn coin(height: u32) -> Coin {
    Coin { height, coinbase: height % 2 == 1, value: Amount::from_sat(7), script: ScriptBuf::from(vec![1, 2, 3]) }
}

fn standing(height: u32) -> Standing {
    let (mut standing, _) = Standing::genesis(&Rules::lab(&[]));
    standing.tip.height = height;
    standing.take_in(&outpoint(height), &coin(height));
    standing
}

/// A step that touches everything; each later one spends what the one before made.
fn step(number: u32) -> Step {
    let spent = number.checked_sub(1).map(|before| (outpoint(before), None));
    Step {
        headers: vec![record(number, Mark::Valid)],
        coins: spent.into_iter().chain([(outpoint(number), Some(coin(number)))]).collect(),
        undo: Some((record(number, Mark::Valid).header.block_hash(), Some(Undo(vec![coin(number)])))),
        standing: Some(standing(number)),
    }
}

fn coins(store: &dyn Store) -> Vec<(OutPoint, Coin)> {
    let mut coins = Vec::new();
    store
        .each_coin(&mut |outpoint, coin| {
            coins.push((*outpoint, coin.clone()));
            true
        })
        .expect("reads");
    coins
}

#[test]
fn a_new_store_is_empty() {
    for place in places() {
        let mut store = place.open();
        assert_eq!(store.standing().expect("reads"), None);
        assert_eq!(store.headers().expect("reads"), []);
        assert_eq!(store.bodies().expect("reads"), []);
        assert_eq!(store.block(&block(0).block_hash()).expect("reads"), None);
        assert_eq!(coins(store.as_ref()), []);
        assert_eq!(store.take_damage(), None);
    }
}

#[test]
fn what_is_written_is_read_at_once_and_after_reopening() {
    for place in places() {
        let mut store = place.open();
        for number in 0..3 {
            store.keep(block(number)).expect("keeps");
            store.step(step(number)).expect("writes");
        }
        for reopened in [false, true] {
            if reopened {
                drop(store);
                store = place.open();
            }
            assert_eq!(store.standing().expect("reads"), Some(standing(2)));
            assert_eq!(store.headers().expect("reads"), [0, 1, 2].map(|height| record(height, Mark::Valid)));
            assert_eq!(store.bodies().expect("reads"), [0, 1, 2].map(|number| block(number).block_hash()));
            assert_eq!(store.block(&block(1).block_hash()).expect("reads"), Some(block(1)));
            assert_eq!(coins(store.as_ref()), [(outpoint(2), coin(2))]);
            assert_eq!(store.coin(&outpoint(2)).expect("reads"), Some(coin(2)));
            assert_eq!(store.coin(&outpoint(1)).expect("reads"), None);
            let undo = store.undo(&record(2, Mark::Open).header.block_hash()).expect("reads");
            assert_eq!(undo, Some(Undo(vec![coin(2)])));
            assert_eq!(store.take_damage(), None);
        }
    }
}

#[test]
fn a_step_overwrites_marks_and_removes_undo() {
    for place in places() {
        let mut store = place.open();
        store.step(step(0)).expect("writes");
        let hash = record(0, Mark::Open).header.block_hash();
        let marked = Step { headers: vec![record(0, Mark::Invalid)], undo: Some((hash, None)), ..Step::default() };
        store.step(marked).expect("writes");
        assert_eq!(store.headers().expect("reads"), [record(0, Mark::Invalid)]);
        assert_eq!(store.undo(&hash).expect("reads"), None);
        assert_eq!(store.standing().expect("reads"), Some(standing(0)), "left alone");
    }
}

#[test]
fn a_body_is_kept_once_in_order_of_arrival() {
    for place in places() {
        let mut store = place.open();
        for number in [2, 0, 2, 1, 0] {
            store.keep(block(number)).expect("keeps");
        }
        let hashes = [2, 0, 1].map(|number| block(number).block_hash());
        assert_eq!(store.bodies().expect("reads"), hashes);
        drop(store);
        assert_eq!(place.open().bodies().expect("reads"), hashes);
    }
}

#[test]
fn coins_come_in_order_and_end_when_told() {
    for place in places() {
        let mut store = place.open();
        let made = [3, 1, 2].map(|number| (outpoint(number), Some(coin(number))));
        store.step(Step { coins: made.to_vec(), ..Step::default() }).expect("writes");
        assert_eq!(coins(store.as_ref()), [1, 2, 3].map(|number| (outpoint(number), coin(number))));
        let mut seen = 0;
        store
            .each_coin(&mut |_, _| {
                seen += 1;
                seen < 2
            })
            .expect("reads");
        assert_eq!(seen, 2);
    }
}

#[test]
fn forgetting_leaves_the_bodies_alone() {
    for place in places() {
        let mut store = place.open();
        store.keep(block(0)).expect("keeps");
        store.step(step(0)).expect("writes");
        store.forget().expect("forgets");
        for reopened in [false, true] {
            if reopened {
                drop(store);
                store = place.open();
            }
            assert_eq!(store.bodies().expect("reads"), [block(0).block_hash()]);
            assert_eq!(store.headers().expect("reads"), []);
            assert_eq!(store.standing().expect("reads"), None);
            assert_eq!(coins(store.as_ref()), []);
        }
    }
}

#[test]
fn a_lost_machine_takes_exactly_what_was_not_synced() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.keep(block(0)).expect("keeps");
    store.step(step(0)).expect("writes");
    store.sync().expect("syncs");
    store.keep(block(1)).expect("keeps");
    store.step(step(1)).expect("writes");
    store.forget().expect("forgets");
    assert_eq!(disk.unsynced(), 3);
    disk.lose_unsynced();
    let store = disk.open();
    assert_eq!(store.bodies().expect("reads"), [block(0).block_hash()]);
    assert_eq!(store.standing().expect("reads"), Some(standing(0)));
    assert_eq!(coins(&store), [(outpoint(0), coin(0))]);
    assert_eq!(store.headers().expect("reads"), [record(0, Mark::Valid)]);
}

#[test]
fn a_lost_machine_may_keep_the_oldest_of_what_was_not_synced() {
    let disk = Disk::new();
    let mut store = disk.open();
    for number in 0..3 {
        store.step(step(number)).expect("writes");
    }
    disk.lose_unsynced_but(2);
    assert_eq!(disk.open().standing().expect("reads"), Some(standing(1)));
    assert_eq!(coins(&disk.open()), [(outpoint(1), coin(1))]);
}

#[test]
fn a_failing_disk_changes_nothing_until_it_is_mended() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.step(step(0)).expect("writes");
    disk.fail_from(disk.operations());
    store.keep(block(1)).expect_err("fails");
    store.step(step(1)).expect_err("fails");
    store.sync().expect_err("fails");
    disk.mend();
    assert_eq!(store.bodies().expect("reads"), []);
    assert_eq!(store.standing().expect("reads"), Some(standing(0)));
    store.step(step(1)).expect("writes again");
}

#[test]
fn disks_on_one_shelf_share_their_bodies() {
    let shelf = Shelf::default();
    let (mut one, mut other) = (Disk::on(&shelf).open(), Disk::on(&shelf).open());
    let mine = one.keep(block(0)).expect("keeps");
    let theirs = other.keep(block(0)).expect("keeps");
    assert!(Arc::ptr_eq(&mine, &theirs));
    let altered = {
        let mut block = Block::clone(&block(1));
        block.txdata[0].output[0].value = Amount::ZERO; // the header, and so the hash, stays
        Arc::new(block)
    };
    one.keep(block(1)).expect("keeps");
    assert!(Arc::ptr_eq(&other.keep(altered.clone()).expect("keeps"), &altered), "another copy is not shared");
}
