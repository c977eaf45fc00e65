//! Digest: one number for a whole set of unspent outputs, kept up to date coin by coin.

use std::fmt;

use bitcoin::OutPoint;
use bitcoin::hashes::Hash;
use ruint::aliases::U256;
use sha2::{Digest as _, Sha256};

use super::Coin;

/// The sum modulo 2²⁵⁶ of SHA-256 over every coin of a set. Adding and removing commute, so the order of blocks and
/// of coins does not matter. It is for comparing nodes that do not try to fool us, not a commitment: sums can be forged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(U256);

impl Digest {
    /// Takes a coin into the set.
    pub fn add(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_add(summand(outpoint, coin));
    }

    /// Takes a coin out of the set: the inverse of [`Digest::add`].
    pub fn remove(&mut self, outpoint: &OutPoint, coin: &Coin) {
        self.0 = self.0.wrapping_sub(summand(outpoint, coin));
    }

    /// The number, highest byte first.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_be_bytes()
    }

    /// The inverse of [`Digest::to_bytes`].
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(U256::from_be_bytes(bytes))
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:064x}", self.0)
    }
}

/// SHA-256 over txid, output number, height, coinbase flag, amount and script; integers little-endian. The script is
/// last, so its length needs no word.
fn summand(outpoint: &OutPoint, coin: &Coin) -> U256 {
    let mut hash = Sha256::new();
    hash.update(outpoint.txid.as_byte_array());
    hash.update(outpoint.vout.to_le_bytes());
    hash.update(coin.height.to_le_bytes());
    hash.update([u8::from(coin.coinbase)]);
    hash.update(coin.value.to_sat().to_le_bytes());
    hash.update(coin.script.as_bytes());
    U256::from_be_bytes::<32>(hash.finalize().into())
}
