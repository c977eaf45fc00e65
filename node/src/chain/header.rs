//! Header: the eighty bytes that carry a block's work, and what must hold for them under their parent.

use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::work::{self, Ancestors};
use super::{Refused, Rules};

/// Checks what a header shows by itself: that its bits state a target the chain allows, and that its hash meets it.
/// Cheap, so it comes before anything is kept or looked up. Returns the hash.
pub fn check_work(header: &Header, rules: &Rules) -> Result<BlockHash, Refused> {
    let target = work::target(header.bits, rules.pow_limit)?;
    let hash = header.block_hash();
    if target.is_met_by(hash) { Ok(hash) } else { Err(Refused::WorkTooLow { hash, bits: header.bits }) }
}

/// Checks a header whose own work holds ([`check_work`]) under its parent at height `parent`: bits, median time past,
/// and a time that is not beyond `now + max_future`. `now` is what the node takes for the time, in Unix seconds.
pub fn check(header: &Header, parent: u32, ancestors: &impl Ancestors, rules: &Rules, now: u32) -> Result<(), Refused> {
    let expected = work::next_bits(rules, parent, ancestors);
    if header.bits != expected {
        return Err(Refused::BitsWrong { stated: header.bits, expected });
    }
    let median = median_time_past(parent, ancestors);
    if header.time <= median {
        return Err(Refused::TimeTooOld { time: header.time, median });
    }
    check_future(header, rules, now)
}

/// Checks only that a header's time has come, for one that was refused for it before.
pub fn check_future(header: &Header, rules: &Rules, now: u32) -> Result<(), Refused> {
    let latest = now.saturating_add(u32::try_from(rules.max_future.as_secs()).unwrap_or(u32::MAX));
    if header.time > latest { Err(Refused::TimeTooNew { time: header.time, latest }) } else { Ok(()) }
}

/// The median time of the block at `height` and the ten before it (fewer near genesis): a child's time must be later.
pub fn median_time_past(height: u32, ancestors: &impl Ancestors) -> u32 {
    let mut times: Vec<u32> = (height.saturating_sub(10)..=height).map(|height| ancestors.past(height).time).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// The first nonce from `nonce` on under which the header meets its own target; `None` after `most` tries.
pub fn grind(header: &mut Header, most: u64) -> Option<BlockHash> {
    let target = work::target_without_limit(header.bits).ok()?;
    for _ in 0..most {
        let hash = header.block_hash();
        if target.is_met_by(hash) {
            return Some(hash);
        }
        header.nonce = header.nonce.wrapping_add(1);
    }
    None
}
