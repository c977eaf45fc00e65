//! A run: a cluster, everything that happens to it written down and shown to the checks, until there is a verdict.
//!
//! - this file: the heart. What a node says, what is done to it and what users do all pass through [`Run::record`].
//! - [`experiment`]: plays an experiment's schedule and asks for what must hold.
//! - [`live`]: plays what somebody orders while it runs.
//! - [`story`]: the same words for tests written in Rust.
//! - [`pose`]: which checks are asked.
//! - [`proof`]: counters before, during and after each fault, for the evidence.
//! - `replay`: payments of one side of a fork that are submitted on the other.
//! - `split`: wallets that split their coins before.
//! - [`outcome`]: what it all adds up to.

pub mod experiment;
pub mod live;
pub mod outcome;
pub mod payers;
pub mod pose;
pub mod proof;
mod replay;
mod split;
pub mod story;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{Transaction, Txid};
use schism_chaos::effect::Effect;
use schism_chaos::progress::{Act, Phase, Verb};
use schism_node::control::{Dropped, Event, Question};

use crate::backend::Backend;
use crate::checks::{Checks, Finding, Measure, View};
use crate::cluster::{Cluster, State};
use crate::interrupt::Interrupt;
use crate::report::TimelinePoint;
use crate::timeline::{Entry, Happening, Intent, Load, Timeline};
use proof::Proofs;

/// What people are told when every node has found its first peer: the story begins.
pub const CONNECTED: &str = "every node has a peer";

/// Who is shown what happens while it happens: a progress bar.
pub type Onlooker = Box<dyn FnMut(&View, &Entry) + Send>;

/// A cluster under observation.
pub struct Run<B> {
    cluster: Cluster<B>,
    checks: Checks,
    timeline: Timeline<Box<dyn Write + Send>>,
    measure: Measure,
    proofs: Proofs,
    onlooker: Onlooker,
    heights: Vec<TimelinePoint>,
    best_height: u32,
    /// Who refused, or let go as no longer valid, what was submitted there.
    refused: Vec<(usize, Txid)>,
    unhealed: Vec<usize>,
    interrupt: Interrupt,
    /// Whether the interrupt has been heeded: what is left is to heal and to collect.
    interrupted: bool,
    /// When the load started: what a schedule's times count from. Nothing while nodes look for their first peers.
    began: Option<Duration>,
    /// How late frames had been when each finding was made: what is late after it has no part in it.
    lateness: Vec<Option<Duration>>,
}

/// Why a run could not go on: neither the nodes' fault nor the experiment's.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A node could not be started.
    #[error("{0}")]
    Backend(String),
    /// The timeline could not be written.
    #[error("the timeline could not be written: {0}")]
    Timeline(#[from] io::Error),
    /// Somebody wants it to end.
    #[error("it was interrupted")]
    Interrupted,
}

impl<B: Backend> Run<B> {
    /// A run of a cluster that is not started yet.
    pub fn new(cluster: Cluster<B>, checks: Checks, out: Box<dyn Write + Send>, onlooker: Onlooker) -> Self {
        let names = cluster.plan().nodes.iter().map(|node| node.name.clone()).collect();
        Self {
            cluster,
            checks,
            timeline: Timeline::new(names, out),
            measure: Measure::default(),
            proofs: Proofs::default(),
            onlooker,
            heights: Vec::new(),
            best_height: 0,
            refused: Vec::new(),
            unhealed: Vec::new(),
            interrupt: Interrupt::default(),
            interrupted: false,
            began: None,
            lateness: Vec::new(),
        }
    }

    /// Makes the healing of these steps do nothing, though the schedule and the checks take it to happen: a control.
    pub fn never_heal(&mut self, steps: Vec<usize>) {
        self.unhealed = steps;
    }

    /// Lets this interrupt end it: from then on every step is [`Broken::Interrupted`], until [`Run::interrupted`].
    pub fn heed(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    /// Notes that the interrupt has been heeded, so that everything can be healed and collected.
    pub fn interrupted(&mut self) {
        self.interrupted = true;
    }

    /// Starts the nodes and waits until each has a peer, of which people are told [`CONNECTED`], or for as long as `patience`.
    ///
    /// # Errors
    /// When a node cannot be started.
    pub async fn start(&mut self, patience: Duration) -> Result<(), Broken> {
        if let Err(why) = self.cluster.start().await {
            // Who is interrupted makes no more machines: that is no failure.
            self.look_up()?;
            return Err(Broken::Backend(why));
        }
        let deadline = self.cluster.now() + patience;
        let mut lonely: Vec<bool> = self.states().map(|state| state == State::Alive).collect();
        while lonely.len() > 1 && lonely.contains(&true) {
            self.look_up()?;
            match self.cluster.next(deadline).await {
                None => match self.cluster.broken() {
                    Some(why) => return Err(Broken::Backend(why)),
                    None => break,
                },
                Some(heard) => {
                    if let Event::PeerConnected { .. } = heard.event {
                        lonely[heard.node] = false;
                    }
                    self.record(heard.at, Some(heard.node), Happening::Event(heard.event))?;
                }
            }
        }
        self.began = Some(self.cluster.now());
        Ok(())
    }

    /// The cluster.
    pub fn cluster(&mut self) -> &mut Cluster<B> {
        &mut self.cluster
    }

    /// What everything so far adds up to.
    pub fn view(&self) -> &View {
        self.checks.view()
    }

    /// What the checks found so far.
    pub fn findings(&self) -> &[Finding] {
        self.checks.findings()
    }

    /// The greatest height an honest node has reported.
    pub fn best_height(&self) -> u32 {
        self.best_height
    }

    /// Time since the load started.
    pub fn now(&self) -> Duration {
        self.since_load(self.cluster.now())
    }

    /// Waits for the next thing a node says, at most until `deadline` (since the load started); `false` when it is
    /// `deadline` first.
    ///
    /// # Errors
    /// When it could not be written down, or it is interrupted.
    pub async fn step(&mut self, deadline: Duration) -> Result<bool, Broken> {
        self.look_up()?;
        self.date_findings().await;
        match self.cluster.next(self.began.unwrap_or_default() + deadline).await {
            None => self.cluster.broken().map_or(Ok(false), |why| Err(Broken::Backend(why))),
            Some(heard) => {
                self.record(heard.at, Some(heard.node), Happening::Event(heard.event))?;
                Ok(true)
            }
        }
    }

    /// Notes how late frames have been until now beside each finding that is new.
    async fn date_findings(&mut self) {
        let found = self.checks.findings().len();
        if self.lateness.len() < found {
            self.cluster.count().await;
            self.lateness.resize(found, self.cluster.backend().lateness());
        }
    }

    /// Writes down what nodes have said until now, so that what is done next stands after it.
    async fn catch_up(&mut self) -> Result<(), Broken> {
        while self.step(self.now()).await? {}
        Ok(())
    }

    /// Does what an act of a schedule asks for, and notes the counters that prove it. Whether it took traffic of the
    /// machines' own to see that it is in force, which took time.
    ///
    /// # Errors
    /// When a node could not be started again.
    pub async fn perform(&mut self, act: Act) -> Result<bool, Broken> {
        self.catch_up().await?;
        self.cluster.count().await;
        self.proofs.before(&act, &self.cluster, self.checks.view());
        let healed = act.verb == Verb::Apply || !self.unhealed.contains(&act.fault.step);
        // A link that is not mended stays cut for the checks of safety too: they ask only among the connected. A node
        // that does not come back is missed.
        let of_links = act.effects.iter().any(|effect| matches!(effect, Effect::Links { .. }));
        if healed || !of_links {
            // The checks must know of a fault before the first event it causes.
            self.record(self.cluster.now(), None, Happening::Acted(act.clone()))?;
        }
        if healed {
            self.cluster.perform(&act).await.map_err(Broken::Backend)?;
        }
        let confirmed = match (act.verb, act.phase) {
            (Verb::Apply, Phase::Whole) => self.cluster.confirm(&act.effects).await,
            _ => None,
        };
        self.cluster.count().await;
        self.proofs.after(&act, confirmed, &self.cluster);
        Ok(confirmed.is_some())
    }

    /// Submits a transaction at a node, without waiting for what becomes of it; whether the node runs.
    ///
    /// # Errors
    /// When it could not be written down.
    pub async fn submit(&mut self, node: usize, transaction: Transaction, intent: Intent) -> Result<bool, Broken> {
        self.catch_up().await?;
        let txid = transaction.compute_txid();
        let submitted = Load::Submitted { transaction: Arc::new(transaction.clone()), intent };
        self.record(self.cluster.now(), Some(node), Happening::Load(submitted))?;
        let told = self.cluster.backend().tell(node, Question::Submit { transaction });
        if !told {
            let refused = Load::Refused { txid, reason: "the node does not run".to_owned() };
            self.record(self.cluster.now(), Some(node), Happening::Load(refused))?;
        }
        Ok(told)
    }

    /// Transactions that nodes refused to their users, or let go because of other rules, since this was last asked.
    pub fn take_refused(&mut self) -> Vec<(usize, Txid)> {
        std::mem::take(&mut self.refused)
    }

    /// Asks every node that runs for its ledger, pool and peers, and shows the answers to the checks.
    ///
    /// # Errors
    /// When they could not be noted.
    pub async fn sample(&mut self) -> Result<(), Broken> {
        self.catch_up().await?;
        let running: Vec<usize> =
            self.states().enumerate().filter(|(_, state)| *state == State::Alive).map(|(node, _)| node).collect();
        for node in running {
            for question in [Question::Ledger, Question::Pool, Question::Peers] {
                if let Some(answer) = self.cluster.backend().ask(node, question).await {
                    self.record(self.cluster.now(), Some(node), Happening::Answer(answer))?;
                }
            }
        }
        Ok(())
    }

    /// Writes one thing down and shows it to the checks and to the onlooker.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn record(&mut self, at: Duration, node: Option<usize>, what: Happening) -> Result<(), Broken> {
        let entry = Entry { at: self.since_load(at), node, what };
        self.timeline.write(&entry)?;
        if let (Happening::Event(Event::TipChanged { ledger, .. }), Some(node)) = (&entry.what, node) {
            if self.checks.view().nodes()[node].judged {
                self.best_height = self.best_height.max(ledger.tip.height);
            }
            self.heights.push(TimelinePoint {
                at: entry.at.as_secs_f64(),
                node: self.cluster.plan().nodes[node].name.clone(),
                height: ledger.tip.height,
                tip: ledger.tip.hash.to_string()[56..].to_owned(),
            });
        }
        if let (Some(node), Happening::Event(event)) = (node, &entry.what)
            && let Event::TransactionRefused { txid, from: None, .. }
            | Event::TransactionDropped { txid, why: Dropped::Unmineable } = event
        {
            self.refused.push((node, *txid));
        }
        for finding in self.checks.feed(&entry) {
            self.timeline.write(&Entry { at: entry.at, node: finding.node, what: Happening::Found(finding) })?;
        }
        self.measure.feed(self.checks.view(), &entry);
        self.proofs.notice(&entry, self.checks.view());
        (self.onlooker)(self.checks.view(), &entry);
        Ok(())
    }

    /// Time since the load started; what was before happened at its start.
    fn since_load(&self, at: Duration) -> Duration {
        self.began.map_or(Duration::ZERO, |began| at.saturating_sub(began))
    }

    /// Whether somebody wants it to end.
    fn look_up(&self) -> Result<(), Broken> {
        if self.interrupt.asked() && !self.interrupted { Err(Broken::Interrupted) } else { Ok(()) }
    }

    fn states(&self) -> impl Iterator<Item = State> + '_ {
        (0..self.cluster.plan().nodes.len()).map(|node| self.cluster.state(node))
    }
}
