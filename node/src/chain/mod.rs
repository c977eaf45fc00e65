//! Plain data and rules of a chain: no actor, no async, no disk.

pub mod coin;
pub mod refused;
pub mod rules;
pub mod spend;
pub mod tip;
pub mod work;

pub use coin::Coin;
pub use refused::Refused;
pub use rules::Rules;
pub use spend::SignatureCheck;
pub use tip::Tip;
