//! A story: what a test written in Rust says about a cluster, in the words of an experiment.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use schism::run::story::{Story, seconds};
//! # async fn tell(mut story: Story) -> Result<(), schism::run::story::Failed> {
//! story.start().await?;
//! story.wait_until("five blocks", seconds(200), |view| view.mined() >= 5).await?;
//! let split = story.partition(&["half"]).await?;
//! story.pass(seconds(60)).await?;
//! story.heal(split).await?;
//! story.converge(seconds(60)).await?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use bitcoin::{Amount, BlockHash, Transaction, Txid};
use schism_chaos::draw::Nobody;
use schism_chaos::fault::{CrashKind, Fault, Partition};
use schism_chaos::progress::{Act, FaultId, Phase, Verb};
use schism_chaos::selector::Selector;
use schism_chaos::simulation::Simulation;
use schism_node::control::{Answer, Question};

use super::{Broken, Run};
use crate::backend::Backend;
use crate::backend::simulated::Simulated;
use crate::checks::{Check, Checks, View};
use crate::cluster::{Blueprint, Cluster};
use crate::payments::Payments;
use crate::timeline::Intent;
use crate::topology::Topology;

/// A cluster that a test tells a story about, on the simulated backend unless another is given.
pub struct Story<B = Simulated> {
    run: Run<B>,
    payments: Payments,
    seed: u64,
    faults: u32,
}

/// A fault that is in force; to be healed with [`Story::heal`].
#[derive(Debug)]
#[must_use = "a fault that is not healed lasts for ever"]
pub struct InForce(Act);

/// Why a story did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The harness could not go on.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// What was waited for did not come.
    #[error("{what} did not happen within {within:?}; tips: {tips}")]
    Stalled {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// Every node with its height and tip.
        tips: String,
    },
    /// A selector meant nobody.
    #[error(transparent)]
    Nobody(#[from] Nobody),
    /// A word that is no selector.
    #[error("{0}")]
    Selector(String),
    /// A node did not answer or said no.
    #[error("{node} {what}")]
    Node {
        /// Which.
        node: String,
        /// What it did instead.
        what: String,
    },
    /// A check found something.
    #[error("{check}: {what}")]
    Found {
        /// The check.
        check: &'static str,
        /// What it found.
        what: String,
    },
}

/// So many seconds.
pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl Story<Simulated> {
    /// A story of this topology, in this simulation, by its seed.
    pub fn of(simulation: Simulation, topology: &Topology) -> Self {
        let seed = simulation.settings().seed;
        Self::on(Simulated::new(simulation, true), topology, seed)
    }
}

impl<B: Backend> Story<B> {
    /// A story on this backend.
    pub fn on(backend: B, topology: &Topology, seed: u64) -> Self {
        let cluster = Cluster::new(backend, Blueprint::of(topology, topology.plan(seed), seed, 1.0));
        let rules = cluster.rules(0).clone();
        let homes: Vec<usize> = (0..cluster.plan().nodes.len()).collect();
        let view = View::new(&cluster.described(|_| 0), cluster.wiring(), &rules.genesis);
        let run = Run::new(cluster, Checks::new(view), Box::new(std::io::sink()), Box::new(|_, _| {}));
        Self { run, payments: Payments::new(seed, &rules, &homes, 0.0, 0.0), seed, faults: 0 }
    }

    /// Starts the nodes and waits until each has a peer.
    ///
    /// # Errors
    /// When one cannot be started.
    pub async fn start(&mut self) -> Result<(), Failed> {
        Ok(self.run.start(seconds(60)).await?)
    }

    /// The run underneath: its view, its cluster, its checks.
    pub fn run(&mut self) -> &mut Run<B> {
        &mut self.run
    }

    /// What everything so far adds up to.
    pub fn view(&self) -> &View {
        self.run.view()
    }

    /// Poses a check; to be done before the start.
    pub fn ask_whether(&mut self, check: Box<dyn Check>) {
        self.run.checks.pose(check);
    }

    /// Splits the nodes: each selector is a side, whoever is left is one more.
    ///
    /// # Errors
    /// When a selector means nobody.
    pub async fn partition(&mut self, sides: &[&str]) -> Result<InForce, Failed> {
        let sides = sides.iter().map(|side| selector(side)).collect::<Result<_, _>>()?;
        self.apply(Fault::Partition(Partition::Sides(sides))).await
    }

    /// Ends nodes as this kind of crash would; healing starts them again.
    ///
    /// # Errors
    /// When the selector means nobody.
    pub async fn crash(&mut self, pick: &str, kind: CrashKind) -> Result<InForce, Failed> {
        self.apply(Fault::Crash { pick: selector(pick)?, kind }).await
    }

    /// Stops nodes without their noticing; healing lets them go on.
    ///
    /// # Errors
    /// When the selector means nobody.
    pub async fn freeze(&mut self, pick: &str) -> Result<InForce, Failed> {
        self.apply(Fault::Freeze { pick: selector(pick)? }).await
    }

    /// Ends nodes and starts them again at once.
    ///
    /// # Errors
    /// When the selector means nobody, or one cannot be started.
    pub async fn restart(&mut self, pick: &str, kind: CrashKind) -> Result<(), Failed> {
        self.apply(Fault::Restart { pick: selector(pick)?, kind }).await.map(drop)
    }

    /// Brings any fault of the catalogue into force.
    ///
    /// # Errors
    /// When it would happen to nobody.
    pub async fn apply(&mut self, fault: Fault) -> Result<InForce, Failed> {
        self.faults += 1;
        let nodes = self.run.cluster().described(|_| 0);
        let resolved = fault.resolve(&nodes, self.seed ^ u64::from(self.faults))?;
        let id = FaultId { step: 0, occurrence: self.faults };
        let (effects, sides) = (resolved.effects, resolved.sides);
        let act = Act { fault: id, verb: Verb::Apply, phase: Phase::Whole, effects, sides };
        self.run.perform(act.clone()).await?;
        Ok(InForce(act))
    }

    /// Undoes a fault.
    ///
    /// # Errors
    /// When a node could not be started again.
    pub async fn heal(&mut self, fault: InForce) -> Result<(), Failed> {
        Ok(self.run.perform(Act { verb: Verb::Undo, ..fault.0 }).await.map(drop)?)
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// When the run could not go on.
    pub async fn pass(&mut self, time: Duration) -> Result<(), Failed> {
        let until = self.run.now() + time;
        while self.run.step(until).await? {}
        self.found()
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When it is not within the given time, or a check has found something.
    pub async fn wait_until(&mut self, what: &str, within: Duration, so: impl Fn(&View) -> bool) -> Result<(), Failed> {
        let deadline = self.run.now() + within;
        while !so(self.run.view()) {
            if !self.run.step(deadline).await? {
                return Err(Failed::Stalled { what: what.to_owned(), within, tips: self.tips() });
            }
            self.found()?;
        }
        Ok(())
    }

    /// Waits until every honest node that runs stands at the same tip.
    ///
    /// # Errors
    /// When they do not within the given time.
    pub async fn converge(&mut self, within: Duration) -> Result<(), Failed> {
        self.wait_until("one tip everywhere", within, |view| {
            let mut tips = view.expected().map(|node| view.nodes()[node].tip);
            tips.next().is_some_and(|first| first.is_some() && tips.all(|tip| tip == first))
        })
        .await
    }

    /// Lets a node mine so many blocks at once.
    ///
    /// # Errors
    /// When it does not.
    pub async fn mine(&mut self, node: &str, blocks: u32) -> Result<Vec<BlockHash>, Failed> {
        match self.ask(node, Question::Mine { blocks, payee: None }).await? {
            Answer::Mined { blocks } => Ok(blocks),
            other => Err(Failed::Node { node: node.to_owned(), what: format!("answered {other:?}") }),
        }
    }

    /// Submits a transaction at a node.
    ///
    /// # Errors
    /// When it refuses it.
    pub async fn submit(&mut self, node: &str, transaction: Transaction) -> Result<Txid, Failed> {
        let txid = transaction.compute_txid();
        match self.ask(node, Question::Submit { transaction }).await? {
            Answer::Accepted => Ok(txid),
            Answer::Refused { reason } => {
                Err(Failed::Node { node: node.to_owned(), what: format!("refused: {reason}") })
            }
            other => Err(Failed::Node { node: node.to_owned(), what: format!("answered {other:?}") }),
        }
    }

    /// Submits a payment out of a wallet whose home is this node.
    ///
    /// # Errors
    /// When no such wallet has a coin.
    pub async fn pay(&mut self, node: &str) -> Result<Txid, Failed> {
        let position = self.position(node)?;
        let transaction = self.payment(node, position)?;
        let txid = transaction.compute_txid();
        self.run.submit(position, transaction, Intent::Payment).await?;
        Ok(txid)
    }

    /// Submits a payment whose signature does not hold: it was changed after it had been signed.
    ///
    /// # Errors
    /// When no wallet that has this node for its home has a coin.
    pub async fn forge(&mut self, node: &str) -> Result<Txid, Failed> {
        let position = self.position(node)?;
        let mut transaction = self.payment(node, position)?;
        transaction.output[1].value -= Amount::ONE_SAT;
        let txid = transaction.compute_txid();
        self.run.submit(position, transaction, Intent::Forged).await?;
        Ok(txid)
    }

    /// Asks a node.
    ///
    /// # Errors
    /// When it is not there or does not answer.
    pub async fn ask(&mut self, node: &str, question: Question) -> Result<Answer, Failed> {
        let position = self.position(node)?;
        let answer = self.run.cluster().backend().ask(position, question).await;
        answer.ok_or_else(|| Failed::Node { node: node.to_owned(), what: "did not answer".into() })
    }

    fn payment(&mut self, node: &str, position: usize) -> Result<Transaction, Failed> {
        let no_coin = || Failed::Node { node: node.to_owned(), what: "is no home of a wallet with a coin".into() };
        Ok(self.payments.from_home(position, None, |_| true).ok_or_else(no_coin)?.transaction)
    }

    fn position(&mut self, node: &str) -> Result<usize, Failed> {
        let unknown = || Failed::Node { node: node.to_owned(), what: "is not in the cluster".into() };
        self.run.cluster().plan().position(node).ok_or_else(unknown)
    }

    fn found(&self) -> Result<(), Failed> {
        match self.run.findings().first() {
            Some(finding) => Err(Failed::Found { check: finding.check, what: finding.what.clone() }),
            None => Ok(()),
        }
    }

    fn tips(&self) -> String {
        let tip = |node: &crate::checks::NodeView| match &node.ledger {
            Some(ledger) => format!("{} {} {}", node.name, ledger.tip.height, &ledger.tip.hash.to_string()[56..]),
            None => format!("{} -", node.name),
        };
        self.run.view().nodes().iter().map(tip).collect::<Vec<_>>().join(", ")
    }
}

fn selector(word: &str) -> Result<Selector, Failed> {
    word.parse().map_err(|error| Failed::Selector(format!("`{word}`: {error}")))
}
