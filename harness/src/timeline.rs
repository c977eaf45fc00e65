//! A timeline: what happened in a run, in order. Checks are fed from it, and people read it as `events.jsonl`, one JSON
//! line each; its last line is the hash of the whole trace.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::hashes::Hash;
use bitcoin::{Block, Transaction, Txid};
use schism_chaos::effect::Effect;
use schism_chaos::progress::{Act, FaultId, Phase, Verb};
use schism_node::control::{Answer, Event};
use serde::Serialize;
use serde_json::json;

use crate::checks::Finding;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, since the cluster began, on the cluster's clock.
    pub at: Duration,
    /// In or to which node, by its position; nothing: to the cluster.
    pub node: Option<usize>,
    /// What.
    pub what: Happening,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The node said so.
    Event(Event),
    /// The node answered the harness, which samples pools, peers and ledgers for the checks.
    Answer(Answer),
    /// The node stopped although nothing was done to it.
    Died {
        /// Why, as far as is known.
        reason: String,
    },
    /// A user did something at the node.
    Load(Load),
    /// A fault acted.
    Acted(Act),
    /// A fault found nobody to happen to.
    Skipped {
        /// Which.
        fault: FaultId,
        /// Why.
        reason: String,
    },
    /// The schedule is over and all that is not permanent is healed: from here on `finally` is asked.
    Healed,
    /// A check found something.
    Found(Finding),
    /// Everything is known, and the cluster is taken down. Onlookers are told; it is no part of the timeline.
    TakenDown,
}

/// What a user does.
#[derive(Clone, Debug)]
pub enum Load {
    /// Submits a transaction.
    Submitted {
        /// What.
        transaction: Arc<Transaction>,
        /// What it is good for.
        intent: Intent,
    },
    /// Submits a block.
    SubmittedBlock(Arc<Block>),
    /// The node would not take it.
    Refused {
        /// What.
        txid: Txid,
        /// Why, in the node's words.
        reason: String,
    },
}

/// What a submitted transaction is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// An honest payment.
    Payment,
    /// One of several that spend the same coin: at most one of them may be confirmed.
    Conflicting,
    /// A payment that was confirmed on one side of a fork, once more on the other side.
    Replayed,
    /// Its signatures do not hold: it must never be taken, by anyone.
    Forged,
}

/// Writes entries as lines.
pub struct Timeline<W> {
    names: Vec<String>,
    out: W,
}

impl<W: Write> Timeline<W> {
    /// A timeline of nodes with these names, newcomers included, written to `out`.
    pub fn new(names: Vec<String>, out: W) -> Self {
        Self { names, out }
    }

    /// Writes one entry as one line. What nodes answer is not written: it is a sample of state, nothing that happened.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let body = match &entry.what {
            Happening::Answer(_) | Happening::TakenDown => return Ok(()),
            Happening::Event(event) => said(event)?.split_off(1),
            Happening::Died { reason } => line(&json!({ "happened": "died", "reason": reason }))?,
            Happening::Load(load) => line(&load_body(load))?,
            Happening::Acted(act) => line(&self.act_body(act))?,
            Happening::Skipped { fault, reason } => line(&json!({
                "happened": "fault_skipped", "step": fault.step, "occurrence": fault.occurrence, "reason": reason,
            }))?,
            Happening::Healed => line(&json!({ "happened": "all_healed" }))?,
            Happening::Found(finding) => line(&json!({
                "happened": "finding", "check": finding.check, "verdict": finding.verdict.word(),
                "block": finding.block, "what": finding.what,
            }))?,
        };
        // Put together by hand so that time and place come first: a line is read from its left.
        let at = entry.at.as_secs_f64();
        match entry.node.and_then(|node| self.names.get(node)) {
            Some(name) => writeln!(self.out, "{{\"at\":{at:.6},\"node\":{},{body}", serde_json::to_string(name)?),
            None => writeln!(self.out, "{{\"at\":{at:.6},{body}"),
        }
    }

    /// Writes the last line and flushes.
    pub fn finish(mut self, trace: Option<&str>, items: u64) -> io::Result<W> {
        writeln!(self.out, "{}", json!({ "trace": trace, "items": items }))?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn act_body(&self, act: &Act) -> serde_json::Value {
        let happened = match (act.verb, act.phase) {
            (Verb::Apply, Phase::Whole) => "fault_applied",
            (Verb::Undo, Phase::Whole) => "fault_healed",
            (Verb::Apply, Phase::Turn) => "fault_turned_on",
            (Verb::Undo, Phase::Turn) => "fault_turned_off",
        };
        let named = |nodes: &[usize]| nodes.iter().filter_map(|&node| self.names.get(node)).collect::<Vec<_>>();
        let nodes: Vec<usize> = act.effects.iter().filter_map(Effect::node).collect();
        let sides: Vec<Vec<&String>> = act.sides.iter().map(|side| named(side)).collect();
        json!({
            "happened": happened, "step": act.fault.step, "occurrence": act.fault.occurrence,
            "nodes": named(&nodes), "sides": sides,
        })
    }
}

/// What a node said, without bodies of blocks.
///
/// # Errors
/// When it cannot be said in JSON.
pub fn said(event: &Event) -> io::Result<String> {
    Ok(match event {
        Event::BlockMined { block, height } => json!({
            "event": "block_mined", "hash": block.block_hash(), "parent": block.header.prev_blockhash,
            "height": height, "transactions": block.txdata.len(), "bytes": block.total_size(),
        })
        .to_string(),
        event => serde_json::to_string(event)?,
    })
}

/// Bytes that stand for an event in a trace: enough that two different ones differ.
///
/// # Errors
/// When it cannot be said in JSON.
pub fn digest(event: &Event) -> io::Result<Vec<u8>> {
    Ok(match event {
        // What is told most often, and what is large, in few bytes.
        Event::TransactionAccepted { txid, fee } => {
            [b"accepted", &txid.to_byte_array()[..], &fee.to_sat().to_be_bytes()].concat()
        }
        Event::BlockMined { block, height } => {
            [b"mined", &block.block_hash().to_byte_array()[..], &height.to_be_bytes()].concat()
        }
        event => serde_json::to_vec(event)?,
    })
}

fn load_body(load: &Load) -> serde_json::Value {
    match load {
        Load::Submitted { transaction, intent } => {
            let intent = match intent {
                Intent::Payment => "payment",
                Intent::Conflicting => "conflicting",
                Intent::Replayed => "replayed",
                Intent::Forged => "forged",
            };
            json!({ "load": "submitted", "txid": transaction.compute_txid(), "intent": intent })
        }
        Load::SubmittedBlock(block) => json!({ "load": "submitted_block", "hash": block.block_hash() }),
        Load::Refused { txid, reason } => json!({ "load": "refused", "txid": txid, "reason": reason }),
    }
}

/// An object's JSON without its opening brace.
fn line(object: &impl Serialize) -> io::Result<String> {
    let mut text = serde_json::to_string(object)?;
    text.remove(0);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::Network;
    use bitcoin::constants::genesis_block;

    #[test]
    fn every_line_is_json_with_time_and_place_first_and_no_block_bodies() {
        let mut timeline = Timeline::new(vec!["m0".into()], Vec::new());
        let block = Arc::new(genesis_block(Network::Bitcoin));
        let event = Event::BlockMined { block: block.clone(), height: 0 };
        let happened = [Happening::Event(event), Happening::Healed, Happening::Load(Load::SubmittedBlock(block))];
        for (second, what) in (1..).zip(happened) {
            timeline.write(&Entry { at: Duration::from_secs(second), node: Some(0), what }).expect("memory takes it");
        }
        let text = String::from_utf8(timeline.finish(Some("ab"), 3).expect("memory takes it")).expect("text");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(text.starts_with("{\"at\":1.000000,\"node\":\"m0\","));
        assert_eq!(lines[0]["transactions"], 1);
        assert_eq!(lines[3]["trace"], "ab");
        assert!(text.len() < 1_000);
    }
}
