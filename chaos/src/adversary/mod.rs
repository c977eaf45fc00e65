//! An adversary: misbehaviour that stands between the actors of a node. The actors themselves are everyone's.
//!
//! - this file: the kinds, as data, with a sentence each.
//! - `leash`: how whoever drives a cluster tells an adversary to begin, and sees what it did.
//! - `between`: the actor that takes the place of two doors and asks a strategy about everything that passes.
//! - `secret`: what nobody may learn of yet, whichever way it would go out.
//! - `private_branch`, `selfish`: one strategy a file.

mod between;
mod leash;
mod private_branch;
mod secret;
mod selfish;
#[cfg(test)]
mod tests;

pub use between::stand_in;
pub use leash::{Deeds, Leash, Phase, Signal};
pub use private_branch::PrivateBranch;
pub use selfish::SelfishMining;
use serde::{Deserialize, Serialize};

/// What a node does besides what all nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adversary {
    /// Mines apart and undoes a payment.
    PrivateBranch(PrivateBranch),
    /// Keeps its blocks back and tells them when that makes others waste theirs.
    Selfish(SelfishMining),
}

impl Adversary {
    /// Its word in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PrivateBranch(_) => "private_branch",
            Self::Selfish(_) => "selfish",
        }
    }
}

/// A row of the catalogue: what a user reads about a kind of adversary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its word in YAML.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub explain: &'static str,
    /// What it leaves behind that proves it.
    pub evidence: &'static str,
    /// How it is said.
    pub said: &'static str,
}

/// Every kind of adversary.
pub const KINDS: [Kind; 2] = [
    Kind {
        name: "private_branch",
        explain: "Mines apart from the block before a payment on, with a conflict of it, and tells all when the payment counts as final and its own branch has more work; gives up when too far behind.",
        evidence: "blocks of its own withheld, blocks of others held back from its ledger, branches told and given up",
        said: "adversary: { kind: private_branch, deficit: 20, lead: 1, pre_mined: 0 }",
    },
    Kind {
        name: "selfish",
        explain: "Keeps its blocks back: one ahead it tells when others find one, two ahead it tells all, further ahead it tells one for each (SM1 of Eyal and Sirer).",
        evidence: "blocks of its own withheld, blocks told to match, ties",
        said: "adversary: { kind: selfish, from_height: 1 }",
    },
];
