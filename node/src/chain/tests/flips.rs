//! Every single bit of the real headers and blocks matters: flipped, it is refused under the true parent.

use std::collections::BTreeMap;

use bitcoin::block::Header;
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::{Block, BlockHash};

use super::super::{Refused, Rules, block, header};
use super::{past, real_blocks, real_headers};

/// What a ledger does with a header whose parent it knows to be `parent`, at height `height`.
fn judge(flipped: &Header, parent: &BlockHash, height: u32, headers: &[Header], rules: &Rules) -> Result<(), Refused> {
    header::check_work(flipped, rules)?;
    if flipped.prev_blockhash != *parent {
        return Err(Refused::UnknownParent { parent: flipped.prev_blockhash });
    }
    header::check(flipped, height, &past(headers), rules, headers[headers.len() - 1].time)
}

#[test]
fn every_flipped_bit_of_every_real_header_is_refused() {
    let (Some(headers), rules) = (real_headers(), Rules::bitcoin_mainnet()) else { return };
    let mut counts = BTreeMap::new();
    for (height, real) in headers.iter().enumerate() {
        // Genesis has no parent: its flipped copies are strangers that stand on nothing.
        let parent = height.checked_sub(1).map(|parent| headers[parent].block_hash());
        assert_eq!(real.prev_blockhash, parent.unwrap_or_else(bitcoin::hashes::Hash::all_zeros));
        let bytes: [u8; 80] = serialize(real).try_into().unwrap();
        for bit in 0..640 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            let flipped: Header = deserialize(&flipped).unwrap();
            let below = height.saturating_sub(1) as u32;
            let refused = judge(&flipped, &real.prev_blockhash, below, &headers, &rules);
            let reason = refused.expect_err(&format!("bit {bit} of header {height}"));
            *counts.entry(reason.name()).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.values().sum::<i32>(), 2_017 * 640);
    // Bits 0x1d00ffff: its sign bit, and flips that make exponent or mantissa larger; all else misses the target.
    assert_eq!(counts.keys().collect::<Vec<_>>(), [&"BitsAboveLimit", &"BitsNegative", &"BitsOverflow", &"WorkTooLow"]);
    assert_eq!(counts["BitsNegative"], 2_017);
}

#[test]
fn every_flipped_bit_of_every_real_block_is_refused() {
    let (Some(blocks), rules) = (real_blocks(), Rules::bitcoin_mainnet()) else { return };
    let headers: Vec<Header> = blocks.iter().map(|block| block.header).collect();
    let (mut unreadable, mut refused) = (0, 0);
    for (height, real) in blocks.iter().enumerate() {
        let bytes = serialize(real);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = deserialize::<Block>(&flipped) else {
                assert!(bit >= 640, "a header always reads");
                unreadable += 1;
                continue;
            };
            let below = height.saturating_sub(1) as u32;
            judge(&flipped.header, &real.header.prev_blockhash, below, &headers, &rules)
                .and_then(|()| block::check(&flipped, &rules.at(height as u32)).map(|_| ()))
                .expect_err(&format!("bit {bit} of block {height}"));
            refused += 1;
        }
    }
    assert_eq!(unreadable + refused, blocks.iter().map(|block| block.total_size() * 8).sum::<usize>());
    assert!(unreadable < refused / 10, "{unreadable} of {refused}: most flips must reach the rules");
}
