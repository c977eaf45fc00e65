//! A coin: an unspent output and where it was made.

use bitcoin::{Amount, ScriptBuf};
use serde::{Deserialize, Serialize};

/// An unspent output, with what its spender must know about its origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coin {
    /// Height of the block that made it; `u32::MAX` for an output of a transaction that is still in a pool.
    pub height: u32,
    /// Whether a coinbase made it: such coins must mature.
    pub coinbase: bool,
    /// How much it holds.
    pub value: Amount,
    /// Who may spend it.
    pub script: ScriptBuf,
}
