//! An adversary: misbehaviour that stands between the actors of a node. The actors themselves are everyone's.
//!
//! - this file: the kinds, as data, with a sentence each.
//! - `leash`: how whoever drives a cluster tells an adversary to begin, and sees what it did.
//! - `between`: the actor that takes the place of two doors and asks a strategy about everything that passes.
//! - `secret`: what nobody may learn of yet, whichever way it would go out.
//! - `purse`: coins that genesis gave an adversary.
//! - `rogue`: a peer of its own on the wire, which keeps no rule.
//! - `byzantine`, `censorship`, `clock_lies`, `echo`, `eclipse`, `equivocation`, `flood`, `private_branch`, `selfish`,
//!   `tampering`: one strategy a file.

mod between;
mod byzantine;
mod censorship;
mod clock_lies;
mod echo;
mod eclipse;
mod equivocation;
mod flood;
mod leash;
mod private_branch;
mod purse;
mod rogue;
mod secret;
mod selfish;
mod tampering;
#[cfg(test)]
mod tests;

pub use between::stand_in;
pub use byzantine::{Answers, Byzantine};
pub use censorship::Censorship;
pub use clock_lies::{ClockLies, Stamps};
pub use echo::{Echo, Recorded};
pub use eclipse::{Eclipse, MOST_GROUPS, MOST_PER_GROUP};
pub use equivocation::Equivocation;
pub use flood::{Flood, FloodKind};
pub use leash::{Deeds, Leash, Phase, Signal};
pub use private_branch::PrivateBranch;
pub use rogue::{Means, TransportAt};
pub use selfish::SelfishMining;
use serde::{Deserialize, Serialize};
pub use tampering::Tampering;

/// What a node does besides what all nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adversary {
    /// Mines apart and undoes a payment.
    PrivateBranch(PrivateBranch),
    /// Keeps its blocks back and tells them when that makes others waste theirs.
    Selfish(SelfishMining),
    /// Passes on what it hears, altered.
    Tampering(Tampering),
    /// Leaves payments out, and may not build on blocks that hold them.
    Censorship(Censorship),
    /// Fails the others: passes nothing on, or answers nothing, too late or wrongly.
    Byzantine(Byzantine),
    /// Wants to be all the peers that a victim has.
    Eclipse(Eclipse),
    /// Makes two blocks of one and tells each half of its peers of another.
    Equivocation(Equivocation),
    /// Sends nodes more than they can want.
    Flood(Flood),
    /// Stamps its blocks with other times than the time.
    ClockLies(ClockLies),
    /// Records what peers say and says it again.
    Echo(Echo),
}

impl Adversary {
    /// Its word in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PrivateBranch(_) => "private_branch",
            Self::Selfish(_) => "selfish",
            Self::Tampering(_) => "tampering",
            Self::Censorship(_) => "censorship",
            Self::Byzantine(_) => "byzantine",
            Self::Eclipse(_) => "eclipse",
            Self::Equivocation(_) => "equivocation",
            Self::Flood(_) => "flood",
            Self::ClockLies(_) => "clock_lies",
            Self::Echo(_) => "echo",
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
pub const KINDS: [Kind; 10] = [
    Kind {
        name: "private_branch",
        explain: "Mines apart from the block before a payment on, with a conflict of it, and tells all when the payment counts as final and its own branch has more work; gives up when too far behind. Where a height is named it does so once, by itself.",
        evidence: "blocks of its own withheld, blocks of others held back from its ledger, branches told and given up",
        said: "adversary: { kind: private_branch, deficit: 20, lead: 1, pre_mined: 0 }, or { kind: private_branch, from_height: 12, confirmations: 6 }",
    },
    Kind {
        name: "selfish",
        explain: "Keeps its blocks back: one ahead it tells when others find one, two ahead it tells all, further ahead it tells one for each (SM1 of Eyal and Sirer).",
        evidence: "blocks of its own withheld, blocks told to match, ties",
        said: "adversary: { kind: selfish, from_height: 1 }",
    },
    Kind {
        name: "tampering",
        explain: "Passes blocks and transactions on with one thing altered (amounts, signatures, roots, history, any bit), each copy under a new name, with merkle root, witness commitment and work made right again.",
        evidence: "copies told; what they were refused for, and the names that were banned",
        said: "adversary: { kind: tampering, repair: true, every_bit: 1, at_once: 20 }",
    },
    Kind {
        name: "censorship",
        explain: "Leaves payments of certain coins out of its blocks; with a deficit it does not build on others' blocks that hold them either, until its own chain is longer or that far behind.",
        evidence: "blocks of others held back from its ledger, races begun, won and given up",
        said: "adversary: { kind: censorship, leave_out: true, deficit: 0 }",
    },
    Kind {
        name: "byzantine",
        explain: "Passes on nothing that others told it, and answers what it is asked with the truth, with nothing, too late or wrongly.",
        evidence: "announcements not passed on",
        said: "adversary: { kind: byzantine, relays: false, answers: truth }",
    },
    Kind {
        name: "eclipse",
        explain: "Listens at many addresses, tells a victim of them all, connects to it, and waits for the day on which it starts anew and chooses its peers from what it was told.",
        evidence: "addresses in the victim's book, and the connections it has",
        said: "adversary: { kind: eclipse, addresses: 220, groups: 55, dials: 24 }",
    },
    Kind {
        name: "equivocation",
        explain: "Makes two blocks where it found one, and tells one half of its peers of the one and the other half of the other.",
        evidence: "blocks told, two for each it found; nodes that stand on different ones of them",
        said: "adversary: { kind: equivocation, every: 1 }",
    },
    Kind {
        name: "flood",
        explain: "Sends nodes junk, oversized, truncated and endless messages, duplicate blocks, headers without work, orphans, payments to itself, questions whose answers it may not read, storms of connections, and made-up addresses, under a new name whenever one is sent away.",
        evidence: "messages told; bytes that nodes received, and names that they sent away",
        said: "adversary: { kind: flood, rogues: 12, a_second: 50 }, or with one kind alone: { …, with: addresses }",
    },
    Kind {
        name: "clock_lies",
        explain: "Stamps the blocks it finds as late or as early as others take them, or so that a retarget sees each of its periods \
                  last since the lies began (a time warp), and grinds them again.",
        evidence: "blocks stamped anew",
        said: "adversary: { kind: clock_lies, stamps: warp, from_height: 1 }",
    },
    Kind {
        name: "echo",
        explain: "Records what peers announce, ask and answer, and announces, asks and answers it again later, to everyone and under a \
                  new name whenever one is sent away; or says what was recorded on a chain with another genesis.",
        evidence: "frames told again; what they were charged for, and names that were banned",
        said: "adversary: { kind: echo, after: 400s, a_second: 20, chain: here }",
    },
];
