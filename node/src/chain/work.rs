//! Work: what a compact target states, what a block under it is worth, and how difficulty follows the blocks.
//!
//! The `bitcoin` crate reads negative, zero and overflowing compact targets as something absurd, and multiplies in 256
//! bits, which wrap at a lab's difficulty. Here compact targets are checked first and products are 512 bits wide.

use bitcoin::{CompactTarget, Target, Work};
use ruint::aliases::{U256, U512};

use super::{Difficulty, Refused, Rules, asert};

/// What difficulty needs to know of a block's ancestors.
pub trait Ancestors {
    /// The ancestor at `height`, which is never above the parent's; 0 is genesis.
    fn past(&self, height: u32) -> Past;
}

/// What difficulty needs to know of one ancestor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its compact target.
    pub bits: CompactTarget,
    /// Its time, in seconds since the Unix epoch.
    pub time: u32,
}

impl<F: Fn(u32) -> Past> Ancestors for F {
    fn past(&self, height: u32) -> Past {
        self(height)
    }
}

/// The target that `bits` state, when they state one that a block may have: not negative, zero, beyond 256 bits or
/// easier than `limit`. The order of the reasons is Bitcoin Core's.
pub fn target(bits: CompactTarget, limit: CompactTarget) -> Result<Target, Refused> {
    let target = decode(bits)?;
    match decode(limit) {
        Ok(most) if target <= most => Ok(Target::from_be_bytes(target.to_be_bytes())),
        _ => Err(Refused::BitsAboveLimit { bits, limit }),
    }
}

/// The target that `bits` state, however easy.
pub fn target_without_limit(bits: CompactTarget) -> Result<Target, Refused> {
    decode(bits).map(|target| Target::from_be_bytes(target.to_be_bytes()))
}

/// The work of one block under `bits`: 2²⁵⁶ ÷ (target + 1). `bits` that state no target have none.
pub fn block_work(bits: CompactTarget) -> Work {
    let quotient = match decode(bits) {
        Ok(target) if target < U256::MAX => (!target) / (target + U256::ONE) + U256::ONE,
        Ok(_) => U256::ONE,
        Err(_) => U256::ZERO,
    };
    Work::from_be_bytes(quotient.to_be_bytes())
}

/// How many hashes a block under `bits` takes on average; infinite when `bits` state no target.
pub fn expected_hashes(bits: CompactTarget) -> f64 {
    match decode(bits) {
        Ok(target) => 2_f64.powi(256) / (f64::from(target) + 1.0),
        Err(_) => f64::INFINITY,
    }
}

/// The compact target that the child of the block at height `parent` must state.
pub fn next_bits(rules: &Rules, parent: u32, ancestors: &impl Ancestors) -> CompactTarget {
    let height = parent.saturating_add(1);
    let active = rules.at(height);
    match active.difficulty {
        Difficulty::Fixed => rules.pow_limit,
        Difficulty::Retarget { window } if window == 0 || !height.is_multiple_of(window) => ancestors.past(parent).bits,
        Difficulty::Retarget { window } => {
            let last = ancestors.past(parent);
            let took = i64::from(last.time) - i64::from(ancestors.past(height - window).time);
            let due = i64::try_from(rules.interval.as_secs()).unwrap_or(i64::MAX).saturating_mul(i64::from(window));
            bounded(rules, retarget(last.bits, took, due))
        }
        Difficulty::Asert { half_life } => {
            let anchor = ancestors.past(active.anchor);
            let interval = i128::from(rules.interval.as_secs());
            let anchor_parent_time = match active.anchor.checked_sub(1) {
                Some(height) => i128::from(ancestors.past(height).time),
                None => i128::from(anchor.time) - interval, // as if genesis had a parent, one interval before it
            };
            let late = i128::from(ancestors.past(parent).time)
                - anchor_parent_time
                - interval * (i128::from(parent) - i128::from(active.anchor) + 1);
            let anchor_target = decode(anchor.bits).unwrap_or(U256::ONE);
            bounded(rules, asert::next_target(anchor_target, late, half_life))
        }
    }
}

/// Bitcoin's retarget: the old target times `took` ÷ `due` seconds, a factor of 4 at most, without a limit. `None`
/// stands for more than 256 bits.
fn retarget(old: CompactTarget, took: i64, due: i64) -> Option<U256> {
    let took = took.clamp(due / 4, due.saturating_mul(4));
    let old = decode(old).unwrap_or(U256::ONE);
    let product = U512::from(old) * U512::from(took.unsigned_abs());
    narrow(product / U512::from(due.max(1).unsigned_abs()))
}

/// The target as compact bits within the chain's limits; `None` stands for one beyond 256 bits.
fn bounded(rules: &Rules, target: Option<U256>) -> CompactTarget {
    let most = decode(rules.pow_limit).unwrap_or(U256::MAX);
    match target {
        Some(target) if target < most => match rules.hardest {
            Some(hardest) if decode(hardest).is_ok_and(|least| target < least) => hardest,
            _ => encode(target.max(U256::ONE)),
        },
        _ => rules.pow_limit,
    }
}

/// The low 256 bits, when the others are zero.
pub(super) fn narrow(wide: U512) -> Option<U256> {
    U256::checked_from_limbs_slice(wide.as_limbs())
}

/// The number that compact `bits` state: a mantissa of 23 bits and a sign, times 256 to the power of an exponent.
pub(super) fn decode(bits: CompactTarget) -> Result<U256, Refused> {
    let stated = bits.to_consensus();
    let exponent = stated >> 24;
    let mantissa = stated & 0x007f_ffff;
    let mantissa = if exponent < 3 { mantissa >> (8 * (3 - exponent)) } else { mantissa };
    if mantissa == 0 {
        return Err(Refused::BitsZero { bits });
    }
    if stated & 0x0080_0000 != 0 {
        return Err(Refused::BitsNegative { bits });
    }
    let shift = 8 * exponent.saturating_sub(3) as usize;
    if shift + (32 - mantissa.leading_zeros() as usize) > 256 {
        return Err(Refused::BitsOverflow { bits });
    }
    Ok(U256::from(mantissa) << shift)
}

/// `target` as compact bits, rounded down to 23 bits of mantissa at most.
pub(super) fn encode(target: U256) -> CompactTarget {
    let mut exponent = target.bit_len().div_ceil(8);
    let mut mantissa = match exponent {
        0..=3 => target.to::<u32>() << (8 * (3 - exponent)),
        _ => (target >> (8 * (exponent - 3))).to::<u32>(),
    };
    if mantissa & 0x0080_0000 != 0 {
        // The sign bit is not part of the mantissa.
        mantissa >>= 8;
        exponent += 1;
    }
    CompactTarget::from_consensus(mantissa | (exponent as u32) << 24)
}
