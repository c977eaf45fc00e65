//! What a rogue floods with.

use serde::{Deserialize, Serialize};

/// What a rogue floods with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FloodKind {
    /// Bytes that are no message.
    Junk,
    /// Messages that say they are longer than any may be, and gossip that is.
    Oversized,
    /// Messages that end before they said they would.
    Truncated,
    /// Requests that never end.
    Slow,
    /// The tip, over and over, in other words each time.
    Duplicates,
    /// Chains of headers without the work of the best one.
    Headers,
    /// Transactions whose parents nobody has.
    Orphans,
    /// Questions for all there is.
    Questions,
    /// Storms of connections, each under a new name, that are closed again at once.
    Connections,
    /// Payments to itself that keep every rule and pay the least there is to pay.
    Useless,
    /// Questions whose answers it never reads.
    Unread,
    /// Made-up addresses, as many as an answer may hold or more, for whoever asks for some.
    Addresses,
}

impl FloodKind {
    /// Their words in YAML, in the order of their turns.
    pub const WORDS: [(&str, Self); 12] = [
        ("junk", Self::Junk),
        ("oversized", Self::Oversized),
        ("truncated", Self::Truncated),
        ("slow", Self::Slow),
        ("duplicates", Self::Duplicates),
        ("headers", Self::Headers),
        ("orphans", Self::Orphans),
        ("questions", Self::Questions),
        ("connections", Self::Connections),
        ("useless", Self::Useless),
        ("unread", Self::Unread),
        ("addresses", Self::Addresses),
    ];

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}
