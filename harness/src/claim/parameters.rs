//! Parameters: what the points of each claim may say, and must.

use super::What;

/// Something a point says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub explain: &'static str,
    /// Its least and greatest value.
    pub range: (f64, f64),
    /// Whether it is a whole number.
    pub whole: bool,
    /// Whether it makes another point, and does not only say how much is measured there.
    pub place: bool,
}

/// A share or a rate that makes a point.
const fn place(name: &'static str, range: (f64, f64), explain: &'static str) -> Parameter {
    Parameter { name, explain, range, whole: false, place: true }
}

/// A number that makes a point.
const fn number(name: &'static str, range: (f64, f64), explain: &'static str) -> Parameter {
    Parameter { name, explain, range, whole: true, place: true }
}

/// How much is measured.
const fn amount(name: &'static str, range: (f64, f64), explain: &'static str) -> Parameter {
    Parameter { name, explain, range, whole: true, place: false }
}

const TRIALS: Parameter = amount("trials", (1.0, 1e6), "Payments that are tried.");
const BLOCKS: Parameter = amount("blocks", (10.0, 1e6), "Blocks that everyone finds together in one stretch.");
const STRETCHES: Parameter = amount("stretches", (2.0, 1_000.0), "Stretches, from whose scatter intervals are taken.");

const DOUBLE_SPEND: [Parameter; 7] = [
    place("q", (0.0, 0.99), "The attacker's share of all hash power."),
    number(
        "confirmations",
        (1.0, 30.0),
        "Blocks on the payment, its own included, after which the merchant hands over.",
    ),
    number("honest", (1.0, 10_000.0), "Honest miners: the group `miner` has so many nodes."),
    number(
        "sybils",
        (0.0, 10_000.0),
        "Nodes without hash power on the attacker's side: the group `sybil` has so many.",
    ),
    place("honest_rate", (0.1, 1e6), "What honest miners hash together: 100 find a block an interval."),
    TRIALS,
    amount("deficit", (1.0, 10_000.0), "The attacker gives up so many blocks behind."),
];

const SELFISH: [Parameter; 3] =
    [place("alpha", (0.001, 0.499), "The attacker's share of all hash power."), BLOCKS, STRETCHES];

const CENSORSHIP: [Parameter; 5] = [
    place("c", (0.01, 0.99), "The censors' share of all hash power."),
    number("k", (1.0, 1_000.0), "Blocks of which none holds the payment."),
    number("deficit", (1.0, 10_000.0), "Censors give up so many blocks behind."),
    amount("rounds", (1.0, 1_000.0), "Times in a row that a payment must be undone to count as frozen."),
    TRIALS,
];

const ECLIPSE: [Parameter; 10] = [
    number("slots", (1.0, 64.0), "Outbound peers that each victim seeks."),
    number("addresses", (1.0, 16_000.0), "Addresses that the attacker listens at."),
    number(
        "defences",
        (0.0, 31.0),
        "Which are on, added up: buckets 1, anchors 2, feelers 4, try_before_evict 8, protect_inbound 16.",
    ),
    place(
        "calm",
        (0.1, 10_000.0),
        "Minutes before the attack, in which everyone finds peers; 5 where nothing is said.",
    ),
    place(
        "minutes",
        (0.1, 10_000.0),
        "Minutes that the attacker has before restarts are looked at; 10 where nothing is said.",
    ),
    number("crashes", (0.0, 1_000.0), "Times that victims crash and start anew meanwhile, evenly spread."),
    number("down", (0.0, 1.0), "Whether the honest peers that victims had dialled are down by then."),
    place("q", (0.0, 0.99), "The attacker's share of all hash power, where a merchant is paid."),
    number(
        "confirmations",
        (1.0, 30.0),
        "Blocks on a payment to a victim after which it hands over; it is no merchant where this is not said.",
    ),
    amount("trials", (1.0, 1e6), "Restarts that are looked at, of all victims together."),
];

const STALE_BLOCKS: [Parameter; 3] =
    [place("delay", (0.0, 1e6), "The latency of all links one way, in milliseconds."), BLOCKS, STRETCHES];

const DIFFICULTY: [Parameter; 4] = [
    place("power", (0.1, 10.0), "Hash power from the moment on, of what was there before."),
    place("liars", (0.0, 1.0), "Of all hash power, the share that lies about the time."),
    number("blocks", (1.0, 10_000.0), "Blocks that follow."),
    STRETCHES,
];

impl What {
    /// Its word in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DoubleSpend { .. } => "double_spend",
            Self::Selfish => "selfish",
            Self::Censorship { .. } => "censorship",
            Self::Eclipse { .. } => "eclipse",
            Self::StaleBlocks => "stale_blocks",
            Self::Difficulty { .. } => "difficulty",
        }
    }

    /// What its points may say.
    pub fn parameters(&self) -> &'static [Parameter] {
        match self {
            Self::DoubleSpend { .. } => &DOUBLE_SPEND,
            Self::Selfish => &SELFISH,
            Self::Censorship { .. } => &CENSORSHIP,
            Self::Eclipse { .. } => &ECLIPSE,
            Self::StaleBlocks => &STALE_BLOCKS,
            Self::Difficulty { .. } => &DIFFICULTY,
        }
    }

    /// What its points must say.
    pub fn required(&self) -> &'static [&'static str] {
        match self {
            Self::DoubleSpend { .. } => &["q", "confirmations", "trials"],
            Self::Selfish => &["alpha", "blocks", "stretches"],
            Self::Censorship { orphaning: false, .. } => &["c", "k", "trials"],
            Self::Censorship { orphaning: true, .. } => &["c", "deficit", "rounds", "trials"],
            Self::Eclipse { .. } => &["slots", "addresses", "defences", "trials"],
            Self::StaleBlocks => &["delay", "blocks", "stretches"],
            Self::Difficulty { .. } => &["power", "liars", "blocks", "stretches"],
        }
    }

    /// The kind of adversary it is about.
    pub fn adversary(&self) -> &'static str {
        match self {
            Self::DoubleSpend { .. } => "private_branch",
            Self::Censorship { .. } => "censorship",
            Self::Difficulty { .. } => "clock_lies",
            Self::Eclipse { .. } => "eclipse",
            // Of stale blocks too: that nobody keeps any back is what its control takes away.
            Self::Selfish | Self::StaleBlocks => "selfish",
        }
    }
}
