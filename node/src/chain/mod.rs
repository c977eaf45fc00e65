//! Plain data and rules of a chain: no actor, no async, no disk.
//!
//! - [`rules`]: what a chain allows, by height, with the presets; [`genesis`]: where chains start; [`fingerprint`]: rules in
//!   32 bytes.
//! - [`work`]: compact targets, work and how difficulty follows the blocks; [`asert`] is one way.
//! - [`header`], [`block`], [`transaction`]: what is checked of each, and [`refused`]: every reason against them.
//! - [`template`], [`spend`], [`sighash`], [`signature`]: who may spend an output, and what a spender must sign.
//! - [`policy`]: what a pool refuses besides; [`sign`] and [`assemble`]: how wallets and miners do their part.
//! - [`coin`], [`digest`], [`tip`]: an unspent output, a sum over all of them, and the end of a chain.

pub mod asert;
pub mod assemble;
pub mod block;
pub mod coin;
pub mod digest;
pub mod fingerprint;
pub mod genesis;
pub mod header;
pub mod policy;
mod reasons;
pub mod refused;
pub mod rules;
pub mod sighash;
pub mod sign;
pub mod signature;
pub mod spend;
pub mod template;
pub mod tip;
pub mod transaction;
pub mod work;

pub use coin::Coin;
pub use digest::Digest;
pub use fingerprint::Fingerprint;
pub use refused::{Lasting, Refused};
pub use rules::{ActiveRules, Allocation, Difficulty, Rules, Upgrade};
pub use signature::SignatureCheck;
pub use tip::Tip;

#[cfg(test)]
mod tests;
