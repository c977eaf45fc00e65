//! What a live cluster looks like just now, in the words of an answer.

use std::collections::BTreeSet;

use schism_chaos::effect::Effect;

use crate::backend::Backend;
use crate::checks::NodeView;
use crate::cluster::State;
use crate::live::order::{FaultStatus, NodeStatus, Status, Whereabouts};
use crate::run::Broken;
use crate::run::experiment::Play;

impl<B: Backend> Play<'_, B> {
    pub(super) async fn status(&mut self) -> Result<Status, Broken> {
        self.run.sample().await?;
        let faults = self.in_force();
        let states: Vec<State> =
            (0..self.run.view().nodes().len()).map(|node| self.run.cluster().state(node)).collect();
        let roles: Vec<_> = self.run.cluster().plan().nodes.iter().map(|node| node.role.to_string()).collect();
        let (run, progress) = (&self.run, &self.progress);
        let there = run.view().nodes().iter().enumerate().filter(|(place, _)| states[*place] != State::Absent);
        let nodes = there.map(|(place, node): (usize, &NodeView)| {
            let acting = progress.in_force().filter(|(_, resolved)| resolved.effects.iter().any(|e| e.touches(place)));
            let answers = states[place] == State::Alive;
            NodeStatus {
                node: node.name.clone(),
                role: roles[place].clone(),
                state: word(states[place]).to_owned(),
                height: node.ledger.as_ref().map(|ledger| ledger.tip.height),
                tip: node.ledger.as_ref().map(|ledger| ledger.tip.hash),
                peers: node.peers.as_ref().filter(|_| answers).map(|peers| peers.connected.len()),
                mempool: node.pool.as_ref().filter(|_| answers).map(|pool| pool.transactions.len()),
                mined: node.mined,
                faults: acting.map(|(step, _)| step.name.clone()).collect(),
                rpc: None, // known to who serves it
            }
        });
        let findings = run.findings().iter().map(|finding| format!("{}: {}", finding.check, finding.what));
        Ok(Status {
            seconds: run.now().as_secs_f64(),
            height: run.best_height(),
            mined: run.view().mined(),
            tips: tips(self),
            nodes: nodes.collect(),
            faults,
            found: findings.chain(self.ended.iter().cloned()).collect(),
        })
    }

    pub(super) fn whereabouts(&mut self) -> Vec<Whereabouts> {
        let names: Vec<String> = self.run.cluster().plan().nodes.iter().map(|node| node.name.clone()).collect();
        let backend = self.run.cluster().backend();
        let each = names.into_iter().enumerate().map(|(place, node)| {
            let (peer, address) = backend.whereabouts(place);
            Whereabouts { node, peer, address }
        });
        each.collect()
    }

    pub(super) fn in_force(&self) -> Vec<FaultStatus> {
        let view = self.run.view();
        let nodes = |effects: &[Effect]| {
            let touched = (0..view.nodes().len()).filter(|&place| effects.iter().any(|effect| effect.touches(place)));
            touched.map(|place| view.name(place).to_owned()).collect()
        };
        let all = self.progress.in_force().map(|(step, resolved)| FaultStatus {
            name: step.name.clone(),
            kind: step.fault.name().to_owned(),
            nodes: nodes(&resolved.effects),
        });
        all.collect()
    }
}

/// Different best tips of the honest nodes that run.
pub(super) fn tips<B: Backend>(play: &Play<'_, B>) -> usize {
    let view = play.run.view();
    view.expected().map(|node| view.nodes()[node].tip).collect::<BTreeSet<_>>().len()
}

pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Alive => "alive",
        State::Frozen => "frozen",
        State::Dead => "dead",
        State::Gone => "gone",
    }
}
