//! Real Bitcoin data goes through the same ledger as everything else.

use std::io::Cursor;
use std::sync::Arc;

use super::{NOW, ledger};
use crate::chain::Rules;
use crate::ledger::Ledger;
use crate::ledger::import::{self, Report};

fn mainnet() -> Ledger {
    ledger(&Arc::new(Rules::bitcoin_mainnet()))
}

/// Blocks 0 to 170 in frames.
fn file() -> Option<Vec<u8>> {
    let frame =
        |block: Vec<u8>| [&crate::ledger::frames::MAGIC[..], &(block.len() as u32).to_le_bytes(), &block].concat();
    Some(schism_data::blocks()?.into_iter().flat_map(frame).collect())
}

fn read_blocks(file: &[u8], shuffle: Option<u64>) -> Report {
    import::blocks(&mut mainnet(), Cursor::new(file), shuffle, NOW).expect("the ledger takes it")
}

#[test]
fn real_headers_import_in_any_order() {
    let Some(headers) = schism_data::headers() else { return };
    let file = headers.concat();
    let read = |shuffle| import::headers(&mut mainnet(), file.as_slice(), shuffle, NOW).expect("imports");
    let in_order = read(None);
    assert_eq!((in_order.height, in_order.taken, in_order.known), (2_016, 2_016, 1), "{in_order:?}");
    assert_eq!((in_order.refused.len(), &in_order.broken), (0, &None));
    // Every header of the first difficulty is worth 2³² + 2¹⁶ + 1 hashes.
    let work = (2_017_u128 * 0x1_0001_0001).to_be_bytes();
    assert_eq!(in_order.work.to_be_bytes()[16..], work);
    for seed in 0..3 {
        assert_eq!(read(Some(seed)), in_order);
    }
}

#[test]
fn real_blocks_import_in_any_order_to_the_same_coins() {
    let Some(file) = file() else { return };
    let in_order = read_blocks(&file, None);
    assert_eq!((in_order.height, in_order.taken, in_order.known), (170, 170, 1), "{in_order:?}");
    assert_eq!((in_order.refused.len(), &in_order.broken), (0, &None));
    // 170 coinbases, one of them spent for two outputs; nobody can spend genesis.
    assert_eq!(in_order.coins, 171);
    assert_eq!(in_order.tip.to_string(), "00000000d1145790a8694403d4063f323d499e655c83426834d4ce2f8dd4a2ee");
    for seed in 0..3 {
        assert_eq!(read_blocks(&file, Some(seed)), in_order);
    }
}

#[test]
fn a_file_cut_short_keeps_what_came_before() {
    let Some(file) = file() else { return };
    let cut = &file[..file.len() - 1];
    let report = read_blocks(cut, None);
    let broken = report.broken.expect("it is broken");
    assert_eq!((report.height, report.taken), (169, 169));
    assert_eq!(broken.offset, (file.len() - 8 - 490) as u64, "{broken:?}");
}

#[test]
fn every_bit_of_a_frame_matters() {
    let Some(file) = file() else { return };
    let first = 8 + 285; // genesis
    for bit in 0..64 {
        let mut flipped = file[..2 * first].to_vec();
        flipped[first + bit / 8] ^= 1 << (bit % 8);
        let report = read_blocks(&flipped, None);
        let broken = report.broken.expect("it is broken");
        assert_eq!((broken.offset, report.height), (first as u64, 0), "bit {bit}: {}", broken.reason);
    }
}
