//! The shape of a topology's file.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::Either;
use super::text::{Bandwidth, HashPower, HashRate, Length, Name, Pause, Selector, Share, Size};

/// Which nodes there are, who is linked to whom, how well, and which chain they keep.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Topology {
    /// Its name; the file's, where nothing is said.
    name: Option<Name>,
    /// What it is for; the file's first line, where nothing is said.
    about: Option<String>,
    /// The rules of its chain.
    chain: Option<Chain>,
    /// All miners together.
    hash_rate: Option<HashRate>,
    /// Nodes by kind: `<name>-0`, `<name>-1`, …
    #[schemars(extend("minProperties" = 1))]
    groups: BTreeMap<String, Group>,
    /// Who is linked to whom, or how nodes find each other.
    overlay: Overlay,
    /// The link between nodes of which one has no region.
    link: Option<Link>,
    /// Where nodes can be.
    regions: Option<BTreeMap<String, Region>>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Chain {
    preset: Option<Preset>,
    /// The time between blocks that difficulty aims at.
    interval: Option<Pause>,
    /// How the target follows the blocks.
    difficulty: Option<Difficulty>,
    /// Largest serialised block.
    block_size: Option<Size>,
    /// Blocks on a coinbase before it may be spent.
    coinbase_maturity: Option<u32>,
    /// Blocks after which the subsidy halves.
    #[schemars(range(min = 1))]
    halving: Option<u32>,
    /// How far in the future a header's time may lie.
    max_future: Option<Pause>,
    /// Named changes, lowest height first.
    upgrades: Option<Vec<Upgrade>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Preset {
    Lab,
    BitcoinMainnet,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Difficulty {
    /// Not at all.
    Fixed,
    /// Bitcoin's: every so many blocks.
    Retarget {
        #[schemars(range(min = 1))]
        window: u32,
    },
    /// aserti3-2d: every block.
    Asert { half_life: Pause },
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Upgrade {
    name: Name,
    /// The first height it holds at.
    #[schemars(range(min = 1))]
    at_height: u32,
    block_size: Option<Size>,
    difficulty: Option<Difficulty>,
    /// What signatures commit to from here on.
    fork_id: Option<u32>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Group {
    /// How many.
    #[schemars(range(min = 1, max = 100_000))]
    count: u32,
    /// What they are; the group's name, where that is a role.
    role: Option<Role>,
    /// All of them together. Miners that say nothing share equally what the others leave.
    hash_power: Option<HashPower>,
    /// Where they are: a region, or regions with shares.
    region: Option<Either<Name, BTreeMap<String, Share>>>,
    /// When they start; with the cluster, where nothing is said.
    starts: Option<Length>,
    /// Whom they keep a connection to instead of seeking peers.
    peers: Option<Selector>,
    /// Upgrades they do not follow.
    rejects: Option<Vec<Name>>,
    /// What stands between their actors; for groups of role adversary.
    adversary: Option<Adversary>,
}

#[derive(JsonSchema)]
#[schemars(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Adversary {
    /// Mines apart and undoes a payment.
    PrivateBranch {
        /// Gives up once so many blocks behind.
        #[schemars(range(min = 1))]
        deficit: Option<u32>,
        /// Tells its branch once so many blocks ahead: 1 is strictly more work.
        lead: Option<u32>,
        /// Blocks it has before the payment is made.
        pre_mined: Option<u32>,
        /// Begins by itself, once, when its chain is so high; 0: it is told everything.
        from_height: Option<u32>,
        /// Where it began by itself, payments count as final under so many blocks of the others.
        #[schemars(range(min = 1))]
        confirmations: Option<u32>,
    },
    /// Keeps its blocks back (SM1 of Eyal and Sirer).
    Selfish {
        /// Blocks below this height are told as everyone's.
        #[schemars(range(min = 1))]
        from_height: Option<u32>,
    },
    /// Fails the others.
    Byzantine {
        /// Whether it passes on what others told it.
        relays: Option<bool>,
        answers: Option<Answers>,
    },
    /// Wants to be all the peers that a victim has.
    Eclipse {
        /// Addresses that it listens at.
        #[schemars(range(min = 1))]
        addresses: Option<u32>,
        /// Groups of addresses that they are of.
        #[schemars(range(min = 1, max = 64))]
        groups: Option<u32>,
        /// Connections that it seeks to the victim.
        dials: Option<u32>,
    },
    /// Makes two blocks of one and tells each half of its peers of another.
    Equivocation {
        /// Of the blocks it finds, every so manyth comes in two.
        #[schemars(range(min = 1))]
        every: Option<u32>,
    },
    /// Sends nodes more than they can want.
    Flood {
        /// Rogues at work at once.
        #[schemars(range(min = 1))]
        rogues: Option<u32>,
        /// What each sends a second.
        #[schemars(range(min = 1))]
        a_second: Option<u32>,
        /// What all of them flood with.
        with: Option<FloodKind>,
    },
    /// Records what peers say and says it again.
    Echo {
        /// How old what it says again is.
        after: Option<Pause>,
        /// What is said a second.
        #[schemars(range(min = 1))]
        a_second: Option<u32>,
        /// Where it was recorded.
        chain: Option<Recorded>,
    },
    /// Stamps its blocks with other times than the time.
    ClockLies {
        stamps: Option<Stamps>,
        /// Blocks below this height are stamped with the time.
        #[schemars(range(min = 1))]
        from_height: Option<u32>,
    },
    /// Leaves payments out of its blocks.
    Censorship {
        /// Whether payments are left out at all.
        leave_out: Option<bool>,
        /// Blocks behind at which it builds on others' blocks with them after all.
        deficit: Option<u32>,
    },
    /// Passes on what it hears, altered.
    Tampering {
        /// Whether roots, commitments and work are made right again.
        repair: Option<bool>,
        /// Every so manyth bit is turned, one a copy.
        #[schemars(range(min = 1))]
        every_bit: Option<u32>,
        /// Copies at each change of tip.
        #[schemars(range(min = 1))]
        at_once: Option<u32>,
    },
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum FloodKind {
    Junk,
    Oversized,
    Truncated,
    Slow,
    Duplicates,
    Headers,
    Orphans,
    Questions,
    Connections,
    Useless,
    Unread,
    Addresses,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Recorded {
    /// On the chain of whom it is said to.
    Here,
    /// On one with another genesis.
    Elsewhere,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Stamps {
    Latest,
    Earliest,
    Warp,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Answers {
    Truth,
    Nothing,
    Late,
    Wrong,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(super) enum Role {
    Miner,
    Full,
    Light,
    Coordinator,
    Adversary,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case", deny_unknown_fields)]
enum Overlay {
    /// Each node is linked to the next.
    Line,
    /// A line whose ends are linked.
    Ring,
    /// All are linked to the first node.
    Star,
    /// All are linked to all.
    Mesh,
    /// Nodes seek each other.
    Unstructured {
        #[schemars(range(min = 1))]
        degree: u32,
        /// Connections that each accepts; as many as others want, where nothing is said.
        inbound: Option<u32>,
        /// What keeps others from choosing a node's peers for it; all there is, where nothing is said.
        defences: Option<Vec<Defence>>,
    },
    /// One island per group, with bridges between them.
    Islands {
        #[schemars(range(min = 1))]
        degree: u32,
        #[schemars(range(min = 1))]
        bridges: Option<u32>,
    },
    /// Exactly these.
    Links(Vec<[String; 2]>),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
enum Defence {
    /// A book in buckets by group of addresses.
    Buckets,
    /// Peers of the last life are dialled first.
    Anchors,
    /// Short connections show whether addresses are there.
    Feelers,
    /// Who was met keeps its place as long as it is there.
    TryBeforeEvict,
    /// Who connects is weighed against those who are here.
    ProtectInbound,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Link {
    latency: Pause,
    /// Added to each frame, uniformly drawn between 0 and this.
    jitter: Option<Pause>,
    bandwidth: Option<Bandwidth>,
    loss: Option<Share>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Region {
    /// To each region, itself included, one way; each pair is said once.
    latency: BTreeMap<String, Pause>,
    jitter: Option<Pause>,
    upload: Option<Bandwidth>,
    download: Option<Bandwidth>,
    loss: Option<Share>,
}
