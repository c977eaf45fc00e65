//! An order: one line of JSON that somebody gives a live cluster, and the answer. Scripts write them on the standard input of
//! `schism drive`; the verbs of the command line send them to a cluster that `schism up` holds.
//!
//! ```text
//! {"id":1,"do":"fault","fault":"partition: half","name":"split"}  →  {"id":1,"ok":{"name":"split"}}
//! {"id":2,"do":"run_until","height":20,"within":600}              →  {"id":2,"ok":{"seconds":204.5,"height":20}}
//! {"id":3,"do":"heel","name":"split"}                             →  {"id":3,"error":"unknown variant `heel`, …"}
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use bitcoin::{BlockHash, Transaction, Txid};
use schism_chaos::fault::CrashKind;
use schism_node::control::{Multiaddr, PeerId, Question};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a live cluster can be told. Nodes are named as in the topology, times are seconds of the cluster's own clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Say where every node stands, and what is in force.
    Status {},
    /// Say under which identity and address each node is known to the others.
    Whereabouts {},
    /// Let time pass.
    RunFor {
        /// So much of it.
        seconds: f64,
    },
    /// Let time pass until all of this is so.
    RunUntil {
        /// Some honest node's best chain is this high.
        #[serde(default)]
        height: Option<u32>,
        /// So many blocks were mined in all.
        #[serde(default)]
        mined: Option<u64>,
        /// Every honest node that runs stands at one tip.
        #[serde(default)]
        agreed: bool,
        /// This transaction is in the best chain of every honest node that runs.
        #[serde(default)]
        confirmed: Option<Txid>,
        /// It is an error when it is not so after this long.
        within: f64,
    },
    /// Bring a fault into force: a step as a file says it, as YAML or as JSON. It begins at once where it does not say when.
    Fault {
        /// Such as `partition: half`, or `{"crash": "one", "for": "30s"}`.
        fault: Value,
        /// What to call it; the fault's kind where nothing is said.
        #[serde(default)]
        name: Option<String>,
    },
    /// Say what is in force.
    Faults {},
    /// Heal a fault for good; all of them where none is named.
    Heal {
        /// Its name.
        #[serde(default)]
        name: Option<String>,
    },
    /// End a node as a crash would; it stays away until it is restarted.
    Kill {
        /// Which.
        node: String,
        /// What is lost with it.
        #[serde(default)]
        kind: CrashKind,
    },
    /// Stop a node without its noticing.
    Freeze {
        /// Which.
        node: String,
    },
    /// Let a frozen node go on.
    Thaw {
        /// Which.
        node: String,
    },
    /// Start a node that was killed; one that runs ends and starts again.
    Restart {
        /// Which.
        node: String,
        /// What is lost with one that runs.
        #[serde(default)]
        kind: CrashKind,
    },
    /// Submit a transaction at a node.
    Submit {
        /// Which.
        node: String,
        /// The transaction, in hex.
        #[serde(with = "schism_node::control::hex")]
        transaction: Transaction,
    },
    /// Submit a payment out of a funded wallet whose home is this node.
    Pay {
        /// Which.
        node: String,
    },
    /// Let a node mine blocks at once.
    Mine {
        /// Which.
        node: String,
        /// How many.
        #[serde(default = "one")]
        blocks: u32,
    },
    /// Ask a node through its own door.
    Ask {
        /// Which.
        node: String,
        /// What.
        question: Question,
    },
    /// Start a node that was not there before.
    Add {
        /// Which of those there is room for; the first that is not there yet where nothing is said.
        #[serde(default)]
        node: Option<String>,
        /// Its hash rate; it does not mine where nothing is said.
        #[serde(default)]
        hashes_per_second: f64,
    },
    /// End a node for ever, its store with it.
    Remove {
        /// Which.
        node: String,
    },
    /// Have a node be another build of this program, on the same data: it ends and starts again.
    Upgrade {
        /// Which.
        node: String,
        /// The build's file, as whoever holds the cluster sees it.
        binary: PathBuf,
    },
    /// Heal everything, stop all nodes and say what it all came to.
    Down {},
}

fn one() -> u32 {
    1
}

/// An order with the number its answer will carry.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// What the answer carries, too; `null` where nothing was said.
    pub id: Value,
    /// What to do, or why the line is no order.
    pub order: Result<Order, String>,
}

impl Numbered {
    /// Reads a line.
    pub fn read(line: &str) -> Self {
        let mut map = match serde_json::from_str::<serde_json::Map<String, Value>>(line) {
            Ok(map) => map,
            Err(error) => return Self { id: Value::Null, order: Err(format!("this is no order: {error}")) },
        };
        let id = map.remove("id").unwrap_or_default();
        let order = serde_json::from_value(Value::Object(map)).map_err(|error| error.to_string());
        Self { id, order }
    }

    /// The line that answers.
    pub fn answer(id: &Value, done: &Result<Value, String>) -> String {
        let mut line = match done {
            Ok(value) => serde_json::json!({ "id": id, "ok": value }),
            Err(error) => serde_json::json!({ "id": id, "error": error }),
        }
        .to_string();
        line.push('\n');
        line
    }
}

/// Where every node of a cluster stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Time since the load started, in seconds.
    pub seconds: f64,
    /// The greatest height an honest node has reported.
    pub height: u32,
    /// Blocks mined so far, by anyone.
    pub mined: u64,
    /// Different best tips of the honest nodes that run.
    pub tips: usize,
    /// Every node that is or was there.
    pub nodes: Vec<NodeStatus>,
    /// What is in force.
    pub faults: Vec<FaultStatus>,
    /// What checks have found, and nodes that ended by themselves: nothing, while all is well.
    pub found: Vec<String>,
}

/// Where one node stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// What it is.
    pub role: String,
    /// Whether it is alive, frozen, dead or gone.
    pub state: String,
    /// How high its best chain is.
    pub height: Option<u32>,
    /// Its best block.
    pub tip: Option<BlockHash>,
    /// Connected peers, when last asked.
    pub peers: Option<usize>,
    /// Transactions in its pool, when last asked.
    pub mempool: Option<usize>,
    /// Blocks it mined.
    pub mined: u32,
    /// Names of the faults that act on it, or on a link of its.
    pub faults: Vec<String>,
    /// Where it is asked in Bitcoin Core's way, where it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc: Option<SocketAddr>,
}

/// Under which identity and address a node is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Its name.
    pub node: String,
    /// Its identity.
    pub peer: PeerId,
    /// Where it listens.
    pub address: Multiaddr,
}

impl Whereabouts {
    /// Its address and port; nothing useful where it listens on no socket.
    pub fn socket(&self) -> String {
        let text = self.address.to_string();
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["", "ip4", address, "tcp", port, ..] => format!("{address}:{port}"),
            _ => text,
        }
    }
}

/// A fault in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FaultStatus {
    /// Its name: what heals it.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Nodes on which it acts, or on a link of which.
    pub nodes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Order, String> {
        Numbered::read(line).order
    }

    #[test]
    fn orders_are_strict_and_keep_their_number() {
        assert!(matches!(read(r#"{"id":1,"do":"status"}"#), Ok(Order::Status {})));
        assert!(matches!(read(r#"{"do":"mine","node":"a"}"#), Ok(Order::Mine { blocks: 1, .. })));
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"do":"fly"}"#,
            r#"{"do":"status","all":true}"#,
            r#"{"do":"mine","node":"a","blocks":-1}"#,
            r#"{"do":"kill","node":"a","kind":"gently"}"#,
            r#"{"do":"submit","node":"a","transaction":"00"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let numbered = Numbered::read(r#"{"id":"seven","do":"fly"}"#);
        let answer = Numbered::answer(&numbered.id, &Err(numbered.order.unwrap_err()));
        assert!(
            answer.starts_with(r#"{"error":"unknown variant `fly`"#) && answer.contains(r#""id":"seven""#),
            "{answer}"
        );
    }
}
