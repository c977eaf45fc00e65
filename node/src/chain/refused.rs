//! Why a block, a header or a transaction is refused: reasons a person can act on.

use serde::{Deserialize, Serialize};

/// Why an item is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
pub enum Refused {
    /// The hash is above the target its own bits state.
    #[error("the hash is above its target")]
    WorkTooLow,
}

impl Refused {
    /// Points charged to the peer that sent it; 0 where an honest peer could have, 100 bans at once.
    pub fn blame(&self) -> u32 {
        match self {
            Self::WorkTooLow => 100,
        }
    }
}
