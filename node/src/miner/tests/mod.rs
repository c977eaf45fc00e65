//! What holds of the miner.

mod actor;
mod draw;
mod work;

use std::sync::Arc;

use bitcoin::hashes::Hash;
use bitcoin::{Amount, BlockHash};

use crate::chain::{Rules, Tip, work as chain_work};
use crate::messages::{Next, Template};

/// A job without transactions on `parent`.
fn template(rules: &Rules, parent: BlockHash, height: u32) -> Template {
    Template {
        parent: Tip { hash: parent, height, work: chain_work::block_work(rules.pow_limit), time: 1_700_000_000 },
        next: Next {
            height: height + 1,
            bits: rules.pow_limit,
            min_time: 1_700_000_001,
            max_block_bytes: rules.max_block_bytes,
            fork_id: None,
            subsidy: rules.subsidy(height + 1),
        },
        transactions: Vec::new(),
        fees: Amount::ZERO,
    }
}

fn parent(number: u8) -> BlockHash {
    BlockHash::from_byte_array([number; 32])
}

fn job(rules: &Rules, number: u8) -> Arc<Template> {
    Arc::new(template(rules, parent(number), u32::from(number)))
}
