//! The outcome: what a run adds up to, in the one value that every report is printed from.

use std::io::Write;

use std::time::Duration;

use schism_chaos::selector::Role;

use super::{Broken, Run};
use crate::backend::Backend;
use crate::checks::Finding;
use crate::cluster::State;
use crate::report::{
    Evidence, Measured, NodeRow, Requirement, RequirementState, TimelineFault, TimelinePoint, Verdict, Violation,
};
use crate::timeline::{Entry, Happening, Timeline};

/// Frames that are later than this on average belie the links of a topology: what did not come in time proves nothing.
const TOO_LATE: Duration = Duration::from_millis(20);

/// What a run found, before anything is known about the process it ran in.
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Why, when it did not pass.
    pub why: Option<String>,
    /// What was measured.
    pub measured: Measured,
    /// What each step of the schedule left.
    pub evidence: Vec<Evidence>,
    /// What was violated or stalled.
    pub violations: Vec<Violation>,
    /// Every check with what it saw.
    pub checks: Vec<Requirement>,
    /// Every node at the end.
    pub nodes: Vec<NodeRow>,
    /// Best heights over time.
    pub heights: Vec<TimelinePoint>,
    /// When faults acted.
    pub fault_bars: Vec<TimelineFault>,
    /// Seconds on the nodes' clock.
    pub virtual_seconds: f64,
    /// What happened, to be finished with the trace.
    pub timeline: Timeline<Box<dyn Write + Send>>,
}

impl<B: Backend> Run<B> {
    /// Ends the run: the checks have their last word, everything is added up, and the cluster is taken down.
    ///
    /// # Errors
    /// When the timeline could not be written.
    pub fn outcome(mut self, mut evidence: Vec<Evidence>) -> Result<Outcome, Broken> {
        let now = self.now();
        // A run that was broken off has not come to what is asked at its end.
        let last_words = if self.interrupted { Vec::new() } else { self.checks.end(now) };
        for finding in last_words {
            self.timeline.write(&Entry { at: now, node: finding.node, what: Happening::Found(finding) })?;
        }
        let view = self.checks.view();
        let mut measured = self.measure.measured(view);
        measured.frames = self.cluster.backend().frames();
        let lateness = self.cluster.backend().lateness();
        measured.frames_late = lateness.map(|late| late.as_secs_f64());
        self.lateness.resize(self.checks.findings().len(), lateness);
        measured.memo_hits = self.cluster.backend().memo_hits();
        let figures = self.checks.figures();
        measured.seconds_to_converge =
            figures.iter().find(|(name, _)| *name == "seconds_to_converge").map(|(_, value)| *value);
        let violations: Vec<Violation> = self.checks.findings().iter().map(|found| self.violation(found)).collect();
        if self.interrupted {
            evidence.iter_mut().for_each(not_reached);
        }
        let missing = evidence.iter().find_map(missing);
        let (verdict, why) = match worst(self.checks.findings(), &self.lateness) {
            _ if self.interrupted => (Verdict::Interrupted, Some(format!("stopped after {:.0} s", now.as_secs_f64()))),
            Some((verdict, why)) => (verdict, Some(why)),
            None => (missing.as_ref().map_or(Verdict::Passed, |_| Verdict::Inconclusive), missing),
        };
        let checks = self.checks.posed().map(|(check, findings)| Requirement {
            name: check.name().to_owned(),
            asked: check.asked(),
            seen: check.seen(),
            state: match findings {
                0 if self.interrupted => RequirementState::NotReached,
                0 => RequirementState::Met,
                _ => RequirementState::Missing,
            },
        });
        let nodes = self.rows();
        let fault_bars = evidence.iter().flat_map(|evidence| {
            let step = evidence.step.clone();
            evidence.acted.iter().map(move |&(from, to)| TimelineFault { step: step.clone(), from, to })
        });
        let outcome = Outcome {
            verdict,
            why,
            measured,
            violations,
            checks: checks.collect(),
            nodes,
            fault_bars: fault_bars.collect(),
            evidence,
            heights: self.heights,
            virtual_seconds: now.as_secs_f64(),
            timeline: self.timeline,
        };
        let taken_down = Entry { at: now, node: None, what: Happening::TakenDown };
        (self.onlooker)(self.checks.view(), &taken_down);
        drop(self.cluster);
        Ok(outcome)
    }

    fn violation(&self, finding: &Finding) -> Violation {
        Violation {
            at: finding.at.as_secs_f64(),
            check: finding.check.to_owned(),
            node: finding.node.map(|node| self.checks.view().name(node).to_owned()),
            block: finding.block.map(|block| block.to_string()),
            what: finding.what.clone(),
        }
    }

    fn rows(&self) -> Vec<NodeRow> {
        let view = self.checks.view();
        let row = |(position, node): (usize, &crate::checks::NodeView)| NodeRow {
            name: node.name.clone(),
            role: role(self.cluster.plan().nodes[position].role).to_owned(),
            state: state(self.cluster.state(position)).to_owned(),
            height: node.ledger.as_ref().map_or(0, |ledger| ledger.tip.height),
            tip: node.ledger.as_ref().map_or_else(String::new, |ledger| ledger.tip.hash.to_string()),
            digest: node.ledger.as_ref().map_or_else(String::new, |ledger| ledger.digest.clone()),
            peers: node.peers.as_ref().map_or(0, |peers| peers.connected.len() as u32),
            pool: node.pool.as_ref().map_or(0, |pool| pool.transactions.len() as u32),
            mined: node.mined,
            bytes_served: self.measure.bytes_served(position),
            verifications: self.measure.verifications(position),
            processor_seconds: Some(self.cluster.node_counters(position).processor_seconds).filter(|took| *took > 0.0),
        };
        view.nodes().iter().enumerate().map(row).collect()
    }
}

/// What findings add up to, and why, when frames had been so late by the time of each.
fn worst(findings: &[Finding], lateness: &[Option<Duration>]) -> Option<(Verdict, String)> {
    let judged = findings.iter().zip(lateness).map(|(finding, late)| {
        let why = format!("{}: {}", finding.check, finding.what);
        match late.filter(|late| finding.timed && *late > TOO_LATE) {
            Some(late) => {
                let late = late.as_millis();
                let busy = format!("the machine is too busy for this pace (frames were {late} ms late)");
                (Verdict::Inconclusive, format!("{busy}: {why}"))
            }
            None => (finding.verdict, why),
        }
    });
    judged.min_by_key(|(verdict, _)| *verdict)
}

/// What was not seen of a step by the time of an interrupt might have been later.
fn not_reached(evidence: &mut Evidence) {
    let missing = |requirement: &&mut Requirement| requirement.state == RequirementState::Missing;
    let later = evidence.requirements.iter_mut().filter(missing);
    later.for_each(|requirement| requirement.state = RequirementState::NotReached);
}

/// The first thing asked of a step's evidence that was not seen, as a sentence.
fn missing(evidence: &Evidence) -> Option<String> {
    let missing = evidence.requirements.iter().find(|requirement| requirement.state != RequirementState::Met)?;
    Some(format!("{} is not proven {}: {}", evidence.step, missing.name, missing.seen))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Miner => "miner",
        Role::Full => "full",
        Role::Light => "light",
        Role::Coordinator => "coordinator",
        Role::Adversary => "adversary",
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Absent => "not started",
        State::Alive => "alive",
        State::Frozen => "frozen",
        State::Dead => "dead",
        State::Gone => "destroyed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(verdict: Verdict, timed: bool) -> Finding {
        let what = format!("{verdict:?}");
        Finding { check: "check", verdict, at: Duration::ZERO, node: None, block: None, what, timed }
    }

    #[test]
    fn on_a_busy_machine_only_what_no_lateness_excuses_is_held_against_a_run() {
        let (split, slow) = (finding(Verdict::Violated, true), finding(Verdict::Stalled, true));
        let forged = finding(Verdict::Violated, false);
        let (unknown, quiet, busy) = (None, Some(TOO_LATE), Some(Duration::from_millis(36)));
        let verdict = |findings: &[Finding], lateness: &[_]| worst(findings, lateness).map(|(verdict, _)| verdict);
        let both = [slow.clone(), split.clone()];
        assert_eq!(verdict(&both, &[unknown; 2]), Some(Verdict::Violated));
        assert_eq!(verdict(&both, &[busy; 2]), Some(Verdict::Inconclusive));
        assert_eq!(verdict(&[slow, split, forged], &[busy; 3]), Some(Verdict::Violated));
        assert_eq!(verdict(&[], &[]), None);
        // What was late after the split does not excuse it.
        assert_eq!(verdict(&both, &[busy, quiet]), Some(Verdict::Violated));
    }
}
