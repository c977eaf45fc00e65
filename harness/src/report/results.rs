//! Results: everything a run found, in one value that every form of report is printed from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schism_chaos::simulation::Fidelity;
use serde::{Deserialize, Serialize};

use crate::claim::judge::Measurement;
use crate::suite::Backend;

/// How a run ended. The order is the order of precedence: the first that applies is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Somebody stopped it.
    Interrupted,
    /// The harness, the configuration or the usage was wrong.
    Error,
    /// Safety: something happened that may never happen.
    Violated,
    /// Liveness: something did not happen in time.
    Stalled,
    /// A claim was measured to be false where the file expected it to hold.
    Refuted,
    /// Evidence is missing that the faults were really there.
    Inconclusive,
    /// All that was asked held.
    Passed,
}

impl Verdict {
    /// What the process exits with.
    pub fn exit_code(self) -> i32 {
        match self {
            Self::Passed => 0,
            Self::Violated | Self::Stalled | Self::Refuted => 1,
            Self::Inconclusive => 2,
            Self::Error => 3,
            Self::Interrupted => 130,
        }
    }

    /// The word for it, as in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Violated => "violated",
            Self::Stalled => "stalled",
            Self::Refuted => "refuted",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Verdict {
    /// The end of a sentence that begins with the run: `passed`, `was violated`.
    pub fn ended(self) -> String {
        match self {
            Self::Passed | Self::Stalled => self.word().to_owned(),
            Self::Error => "ended in an error".to_owned(),
            _ => format!("was {}", self.word()),
        }
    }
}

/// Everything a run found. Times are virtual seconds since the load started unless their name says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The experiment's name.
    pub experiment: String,
    /// What it shows.
    pub about: String,
    /// Its seed.
    pub seed: u64,
    /// `simulated`, `process`, `container`.
    pub backend: String,
    /// What kind of faults were really used: `fabric`, `transport`, `kernel`.
    pub fault_layer: String,
    /// How much of the wire was real.
    #[serde(default)]
    pub fidelity: Fidelity,
    /// By how much longer than the file says was waited.
    #[serde(default = "one")]
    pub timeout_factor: f64,
    /// What was not healed though everyone believed so, as a control's `without` says it.
    #[serde(default)]
    pub without: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, in one sentence, when it did not pass.
    pub why: Option<String>,
    /// Settings laid over the file.
    #[serde(default)]
    pub settings: Vec<String>,
    /// The command that repeats it.
    pub repeat: String,
    /// Where everything about it is kept.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// The chained hash over all that happened, in hex; nothing where the backend is not deterministic.
    pub trace: Option<String>,
    /// Items hashed into the trace.
    pub trace_items: u64,
    /// Seconds of the run on the nodes' clock.
    pub virtual_seconds: f64,
    /// Seconds it took.
    pub real_seconds: f64,
    /// What was measured.
    pub measured: Measured,
    /// What each step of the schedule left.
    pub evidence: Vec<Evidence>,
    /// What was violated or stalled, first things first.
    pub violations: Vec<Violation>,
    /// Every expectation that was checked, in words, with whether it held.
    pub checks: Vec<Requirement>,
    /// Every node at the end.
    pub nodes: Vec<NodeRow>,
    /// Best heights over time, for drawing: one point for each change of a node's tip.
    pub heights: Vec<TimelinePoint>,
    /// When faults acted, for drawing.
    pub fault_bars: Vec<TimelineFault>,
    /// The verdict of each control, with what was expected of it.
    pub controls: Vec<Requirement>,
    /// What was measured over many trials, where the file makes a claim.
    #[serde(default)]
    pub claim: Option<Measurement>,
}

impl Results {
    /// Of a run that never came to be one.
    pub fn broken(experiment: &str, seed: u64, backend: Backend, repeat: String, why: String) -> Self {
        Self {
            experiment: experiment.to_owned(),
            about: String::new(),
            seed,
            backend: backend.to_string(),
            fault_layer: backend.fault_layer().to_owned(),
            fidelity: Fidelity::default(),
            timeout_factor: 1.0,
            without: None,
            verdict: Verdict::Error,
            why: Some(why),
            settings: Vec::new(),
            repeat,
            folder: None,
            trace: None,
            trace_items: 0,
            virtual_seconds: 0.0,
            real_seconds: 0.0,
            measured: Measured::default(),
            evidence: Vec::new(),
            violations: Vec::new(),
            checks: Vec::new(),
            nodes: Vec::new(),
            heights: Vec::new(),
            fault_bars: Vec::new(),
            controls: Vec::new(),
            claim: None,
        }
    }
}

fn one() -> f64 {
    1.0
}

/// Figures of one run; nothing where it was not reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Seconds from the end of the schedule (everything healed) to convergence.
    pub seconds_to_converge: Option<f64>,
    /// The best chain's height at the end.
    pub height: u32,
    /// Blocks mined by all nodes.
    pub blocks_mined: u32,
    /// Mined blocks that are not on the final chain.
    pub blocks_lost: u32,
    /// Blocks undone at once, at most.
    pub deepest_reorganisation: u32,
    /// Transactions submitted.
    pub transactions_submitted: u64,
    /// Of them on the final chain.
    pub transactions_confirmed: u64,
    /// Frames that crossed links.
    pub frames: u64,
    /// Seconds that a frame was later than it should have been, on average, where a machine can be too busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames_late: Option<f64>,
    /// Payload bytes that nodes served, in all.
    pub bytes_served: u64,
    /// Gini index, 0 to 1, of bytes served per node.
    pub gini_bytes_served: f64,
    /// Signature checks, in all.
    pub verifications: u64,
    /// Of them answered by the shared memo.
    pub memo_hits: u64,
    /// Gini index, 0 to 1, of signature checks per node.
    pub gini_verifications: f64,
    /// Seconds from submission until every reachable honest node had a transaction: `p50`, `p90`, `p99`, `max`.
    pub transaction_everywhere: BTreeMap<String, f64>,
    /// Seconds from mining until every reachable honest node had a block.
    pub block_everywhere: BTreeMap<String, f64>,
}

/// What one step of the schedule left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The step's name.
    pub step: String,
    /// What it was, in words: `partition half for 12 blocks`.
    pub fault: String,
    /// When it acted, from and to, each time; an open end is the end of the run.
    pub acted: Vec<(f64, Option<f64>)>,
    /// Whom it touched: names.
    pub nodes: Vec<String>,
    /// What was asked for and what was seen.
    pub requirements: Vec<Requirement>,
}

/// Something asked for, with what was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    /// `applied`, `tight`, `effective: each_side_mined`, `healed`, or a check's name.
    pub name: String,
    /// What was asked, in words.
    pub asked: String,
    /// What was seen, in words.
    pub seen: String,
    /// Whether it was met.
    pub state: RequirementState,
}

/// Whether something asked for was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequirementState {
    /// Yes.
    Met,
    /// No.
    Missing,
    /// It could not be asked any more: the run ended before.
    NotReached,
}

/// Something that may not happen and did, or had to happen and did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// When.
    pub at: f64,
    /// The check's name.
    pub check: String,
    /// The node it was seen on.
    pub node: Option<String>,
    /// The block it is about, its hash in hex.
    pub block: Option<String>,
    /// What happened, in one sentence.
    pub what: String,
}

/// A node at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// `miner`, `full`, …
    pub role: String,
    /// `alive`, `dead`, `frozen`, `not started`.
    pub state: String,
    /// Its tip's height.
    pub height: u32,
    /// Its tip's hash, in hex.
    pub tip: String,
    /// The ledger's digest, in hex.
    pub digest: String,
    /// Connected peers.
    pub peers: u32,
    /// Unconfirmed transactions it holds.
    pub pool: u32,
    /// Blocks it mined.
    pub mined: u32,
    /// Payload bytes it served.
    pub bytes_served: u64,
    /// Signature checks it asked for.
    pub verifications: u64,
    /// Seconds that processors have worked for it, where it has a process of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor_seconds: Option<f64>,
}

/// A node's best height from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelinePoint {
    /// Seconds.
    pub at: f64,
    /// The node's name.
    pub node: String,
    /// Blocks.
    pub height: u32,
    /// The first digits of the tip's hash, to tell tips of one height apart.
    pub tip: String,
}

/// A stretch during which a fault acted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineFault {
    /// The step's name.
    pub step: String,
    /// Seconds.
    pub from: f64,
    /// Seconds; nothing: to the end.
    pub to: Option<f64>,
}
