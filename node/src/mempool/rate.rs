//! A rate: what a transaction, or a package of them, pays for each serialised byte.

use std::cmp::Ordering;

use bitcoin::Amount;

/// Fee over bytes, compared exactly: 1/3 and 2/6 are equal, and nothing is rounded.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// What is paid.
    pub fee: Amount,
    /// For how many serialised bytes; witnesses count in full, as they do in a block's size.
    pub bytes: usize,
}

impl Rate {
    /// A rate of `fee` for `bytes`.
    pub fn of(fee: Amount, bytes: usize) -> Self {
        Self { fee, bytes }
    }

    /// What `bytes` cost at this rate, rounded up.
    pub fn price(self, bytes: usize) -> Amount {
        let price = (u128::from(self.fee.to_sat()) * bytes as u128).div_ceil(self.bytes.max(1) as u128);
        Amount::from_sat(u64::try_from(price).unwrap_or(u64::MAX))
    }
}

impl Ord for Rate {
    fn cmp(&self, other: &Self) -> Ordering {
        let mine = u128::from(self.fee.to_sat()) * other.bytes as u128;
        mine.cmp(&(u128::from(other.fee.to_sat()) * self.bytes as u128))
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rate {}
