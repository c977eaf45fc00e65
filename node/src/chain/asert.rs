//! ASERT: difficulty that follows an exponential schedule from an anchor block, aserti3-2d as Bitcoin Cash has it
//! (upgradespecs.bitcoincashnode.org, 2020-11-15-asert), in 512 bits.

use std::time::Duration;

use ruint::aliases::{U256, U512};

use super::work::narrow;

/// `anchor × 2^(late ÷ half_life)`: the target after a block whose chain is `late` seconds behind its schedule
/// (negative when it is ahead). At least 1; `None` stands for more than 256 bits.
pub(super) fn next_target(anchor: U256, late: i128, half_life: Duration) -> Option<U256> {
    // The exponent in 65,536ths, rounded towards zero as the specification says.
    let exponent = late * 65_536 / i128::from(half_life.as_secs().max(1));
    let doublings = exponent >> 16;
    let fraction = (exponent - (doublings << 16)).unsigned_abs();
    // 65,536 × 2^fraction by a cubic, less than 0.013 % off; at most 17 bits.
    let cubic = 195_766_423_245_049 * fraction + 971_821_376 * fraction.pow(2) + 5_127 * fraction.pow(3) + (1 << 47);
    let product = U512::from(anchor) * U512::from((cubic >> 48) + 65_536);
    // 256 bits of anchor and 17 of factor leave 239 to shift into; an anchor is at least 1, so more than 272
    // doublings exceed 256 bits anyway, and fewer than −257 leave nothing.
    let shifted = match doublings - 16 {
        up @ 1.. if up > 255 => return None,
        up @ 1.. if product.bit_len() + up as usize > 512 => return None,
        up @ 0.. => product << (up as usize),
        down if down < -511 => U512::ZERO,
        down => product >> (down.unsigned_abs() as usize),
    };
    narrow(shifted).map(|target| target.max(U256::ONE))
}
