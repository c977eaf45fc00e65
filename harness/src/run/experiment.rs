//! Plays an experiment: the schedule with its load, then healing, then what must finally hold.

use std::time::Duration;

use bitcoin::{OutPoint, Transaction};
use schism_chaos::fault::Fault;
use schism_chaos::progress::{self, Due, Now, Progress};
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Start, Step};

use super::payers::{Payer, payers};
use super::replay::{Replaying, unspent};
use super::{Broken, Run, pose};
use crate::backend::Backend;
use crate::checks::{Checks, Tempo, View};
use crate::experiment::Experiment;
use crate::payments::{Payment, Payments};
use crate::timeline::{Happening, Intent};

/// How often pools, peers and ledgers are sampled after the schedule, in block intervals.
const SAMPLES_PER_INTERVAL: f64 = 2.0;

/// Why a backend cannot do a fault; nothing: it can.
pub type Refuses = Box<dyn Fn(&Fault) -> Option<String>>;

/// An experiment being played.
pub struct Play<'a, B> {
    pub(super) run: &'a mut Run<B>,
    pub(super) experiment: &'a Experiment,
    pub(super) tempo: Tempo,
    pub(super) progress: Progress,
    pub(super) payments: Payments,
    /// When the next payment is due, since the load started.
    next_payment: Option<Duration>,
    replay: Option<Replaying>,
    seed: u64,
    /// Why a fault that nobody foresaw cannot be done here; nothing: it can.
    pub(super) refuses: Refuses,
    /// Blocks mined and the greatest height when the schedule was last asked.
    pub(super) seen: Option<(u64, u32)>,
    /// Nodes of a live cluster that ended by themselves, in words.
    pub(super) ended: Vec<String>,
}

impl<'a, B: Backend> Play<'a, B> {
    /// An experiment that has not begun, on a run whose `always` checks are posed.
    pub fn new(run: &'a mut Run<B>, experiment: &'a Experiment, tempo: Tempo, seed: u64) -> Self {
        let progress = Progress::new(experiment.faults.clone(), tempo.interval, tempo.pace, seed);
        let homes = homes(run, experiment, seed);
        let rules = run.cluster().rules(0).clone();
        let (rate, conflicting) = (experiment.load.transactions.0 / tempo.pace, experiment.load.conflicting.0);
        let mut payments = Payments::new(seed, &rules, &homes, rate, conflicting);
        let next_payment = payments.wait();
        let replay = experiment.load.replay.as_ref().map(|replay| Replaying::of(replay, run, &mut payments, seed));
        Self {
            run,
            experiment,
            tempo,
            progress,
            payments,
            next_payment,
            replay,
            seed,
            refuses: Box::new(|_| None),
            seen: None,
            ended: Vec::new(),
        }
    }

    /// Plays it to its end, or until it is interrupted. Nodes have `link_up` to find their first peers. `pose` adds the checks of `finally` once everything is healed,
    /// given who will pay once more.
    ///
    /// # Errors
    /// When a node could not be started or the timeline not be written.
    pub async fn play(
        mut self,
        link_up: Duration,
        pose: impl FnOnce(&mut Checks, &[Payer]),
    ) -> Result<Progress, Broken> {
        let ended = self.whole(link_up, pose).await;
        self.ended(ended).await
    }

    /// However it ended, what is in force is healed.
    pub(super) async fn ended(mut self, how: Result<(), Broken>) -> Result<Progress, Broken> {
        match how {
            Err(Broken::Interrupted) => self.break_off().await?,
            ended => ended?,
        }
        Ok(self.progress)
    }

    /// Heals everything and looks at every node once more.
    async fn break_off(&mut self) -> Result<(), Broken> {
        self.run.interrupted();
        self.heal_all().await?;
        self.run.sample().await
    }

    /// Heals what is not permanent; nothing more begins.
    pub(super) async fn heal_all(&mut self) -> Result<(), Broken> {
        let due = self.progress.finish();
        self.perform(due).await
    }

    async fn whole(&mut self, link_up: Duration, pose: impl FnOnce(&mut Checks, &[Payer])) -> Result<(), Broken> {
        self.run.start(link_up).await?;
        self.schedule().await?;
        self.heal_all().await?;
        let payers = payers(self.run, self.experiment, &self.payments, self.seed);
        pose(&mut self.run.checks, &payers);
        self.run.record(self.run.cluster.now(), None, Happening::Healed)?;
        self.finally(payers).await
    }

    /// Steps of the schedule and payments, as they fall due, until the last step is over and the duration has passed.
    async fn schedule(&mut self) -> Result<(), Broken> {
        let duration = self.experiment.duration.map_or(Duration::ZERO, |length| self.tempo.time(length));
        loop {
            self.do_what_is_due().await?;
            let now = self.run.now();
            if (self.progress.over() && now >= duration) || now >= duration.max(self.longest()) {
                return Ok(());
            }
            let over = if self.progress.over() { duration } else { self.longest() };
            let wake = self.wake(over);
            self.run.step(wake).await?;
        }
    }

    /// Does what is due by now, of the schedule and of the load.
    pub(super) async fn do_what_is_due(&mut self) -> Result<(), Broken> {
        self.poll().await?;
        self.pay().await
    }

    /// When something is due again, at the latest at `deadline`.
    pub(super) fn wake(&self, deadline: Duration) -> Duration {
        let wake = [self.progress.next_wake(), self.next_payment].into_iter().flatten().fold(deadline, Duration::min);
        wake.max(self.run.now() + Duration::from_millis(1))
    }

    /// After the healing: goes on with the load until every check has seen what it waits for, or time is up.
    async fn finally(&mut self, payers: Vec<Payer>) -> Result<(), Broken> {
        let healed = self.run.now();
        let deadline = healed + pose::time_for_finally(self.experiment, self.tempo);
        let between = self.interval().div_f64(SAMPLES_PER_INTERVAL);
        let (mut payers, mut next_sample) = (payers, healed);
        loop {
            let now = self.run.now();
            if now >= next_sample {
                payers = self.pay_for_checks(payers).await?;
            }
            self.pay().await?;
            if now >= next_sample {
                self.run.sample().await?;
                next_sample = now + between;
            }
            if self.run.checks.satisfied() || now >= deadline {
                break;
            }
            let wake = self.wake(next_sample.min(deadline));
            self.run.step(wake).await?;
        }
        self.run.cluster.count().await;
        self.run.sample().await
    }

    /// Makes the payments that checks wait for. Returns who cannot pay yet: on the chain of a node that is still behind none of the
    /// coins need be that wallets have left.
    async fn pay_for_checks(&mut self, payers: Vec<Payer>) -> Result<Vec<Payer>, Broken> {
        let mut behind = Vec::new();
        for payer in payers {
            let fork_id = fork_id(self.run, payer.from);
            let known = |coin: &OutPoint| unspent(self.run.view(), payer.from, coin);
            match self.payments.between(payer.from, &payer.to, fork_id, known) {
                Some(payment) => self.submit(payment).await?,
                None => behind.push(payer),
            }
        }
        Ok(behind)
    }

    /// Does what is due of the schedule; looks only when time, a block or a height may have made something due.
    async fn poll(&mut self) -> Result<(), Broken> {
        let seen = (self.run.view().mined(), self.run.best_height());
        let timely = self.progress.next_wake().is_some_and(|wake| wake <= self.run.now());
        if self.seen.replace(seen) == Some(seen) && !timely {
            return Ok(());
        }
        let served = |view: &View, node: usize| {
            view.nodes().get(node).and_then(|node| node.peers.as_ref()).map_or(0, |peers| peers.bytes_served)
        };
        let nodes = self.run.cluster.described(|node| served(self.run.checks.view(), node));
        let due = self.progress.poll(Now { at: self.run.now(), height: seen.1, mined: seen.0, nodes: &nodes });
        self.perform(due).await
    }

    pub(super) async fn perform(&mut self, due: Due) -> Result<(), Broken> {
        for (fault, nobody) in due.skipped {
            let reason = nobody.to_string();
            self.run.record(self.run.cluster.now(), None, Happening::Skipped { fault, reason })?;
        }
        for act in due.acts {
            let fault = act.fault;
            if self.run.perform(act).await? {
                self.progress.in_force_since(fault, self.run.now(), self.run.view().mined());
            }
        }
        Ok(())
    }

    /// Submits what is due of the load.
    async fn pay(&mut self) -> Result<(), Broken> {
        for (home, txid) in self.run.take_refused() {
            self.payments.take_back(home, txid);
        }
        while let Some(due) = self.next_payment.filter(|due| *due <= self.run.now()) {
            self.next_payment = self.payments.wait().map(|wait| due + wait);
            if let Some(payment) = self.payments.next(|home| fork_id(self.run, home)) {
                self.submit(payment).await?;
            }
        }
        self.replay().await
    }

    /// Submits what another block has made due of the replay.
    async fn replay(&mut self) -> Result<(), Broken> {
        let Some(replay) = &mut self.replay else { return Ok(()) };
        if !replay.another_block(self.run.view()) {
            return Ok(());
        }
        let (split, due) = (replay.split(self.run, &mut self.payments), replay.due(self.run));
        for payment in split {
            self.submit(payment).await?;
        }
        for (node, transaction) in due {
            self.run.submit(node, transaction, Intent::Replayed).await?;
        }
        Ok(())
    }

    pub(super) async fn submit(&mut self, payment: Payment) -> Result<(), Broken> {
        if let Some(replay) = self.replay.as_mut().filter(|_| payment.rival.is_none()) {
            replay.note(&payment);
        }
        let intent = if payment.rival.is_some() { Intent::Conflicting } else { Intent::Payment };
        let told = self.run.submit(payment.home, payment.transaction.clone(), intent).await?;
        match &payment.rival {
            Some(rival) => self.submit_elsewhere(payment.home, rival.clone()).await?,
            None if !told => self.payments.take_back(payment.home, payment.transaction.compute_txid()),
            None => {}
        }
        Ok(())
    }

    async fn submit_elsewhere(&mut self, home: usize, rival: Transaction) -> Result<(), Broken> {
        let homes = self.payments.homes();
        let elsewhere = homes.iter().copied().find(|&other| other > home).or(homes.first().copied());
        self.run.submit(elsewhere.unwrap_or(home), rival, Intent::Conflicting).await?;
        Ok(())
    }

    /// A schedule that waits for something that never comes ends then.
    fn longest(&self) -> Duration {
        let lengths = self.experiment.faults.iter().map(|step| longest(step, self.tempo));
        lengths.sum::<Duration>().max(self.interval() * 60)
    }

    pub(super) fn interval(&self) -> Duration {
        self.tempo.time(Length::Blocks(1.0))
    }
}

/// What a signature commits to, so that it holds in the block after this node's tip.
pub(super) fn fork_id<B: Backend>(run: &mut Run<B>, node: usize) -> Option<u32> {
    let ledger = run.view().nodes()[node].ledger.as_ref();
    let next = ledger.map_or(1, |ledger| ledger.tip.height + 1);
    run.cluster().rules(node).at(next).fork_id
}

/// How long one step may take from the moment it could begin, were it to wait for nothing but time and blocks.
fn longest(step: &Step, tempo: Tempo) -> Duration {
    let interval = tempo.time(Length::Blocks(1.0));
    let start = match &step.trigger.start {
        Start::At(length) => tempo.time(*length),
        Start::AtHeight(height) => interval * *height,
        Start::After(_) => Duration::ZERO,
    };
    let once = match &step.lasting {
        Lasting::For(length) => tempo.time(*length),
        Lasting::Until(Start::At(length)) => tempo.time(*length),
        Lasting::Until(Start::AtHeight(height)) => interval * *height,
        _ => Duration::ZERO,
    };
    let every = step.trigger.every.map_or(Duration::ZERO, |length| tempo.time(length)).max(once);
    // Blocks may take far longer than they should while hash power is split: the schedule's own patience, and some.
    (start + tempo.time(step.trigger.delay) + once + every * step.trigger.times.unwrap_or(0)) * (progress::PATIENCE + 1)
}

/// Nodes that wallets submit to: whom the load's selector means at the start.
fn homes<B: Backend>(run: &mut Run<B>, experiment: &Experiment, seed: u64) -> Vec<usize> {
    let nodes = run.cluster().described(|_| 0);
    let present: Vec<usize> = (0..nodes.len()).filter(|&node| run.cluster().starts_with_cluster(node)).collect();
    let meant = experiment.load.from.draw(&nodes, &[], seed).unwrap_or_default();
    let meant: Vec<usize> = meant.into_iter().filter(|node| present.contains(node)).collect();
    if meant.is_empty() { present } else { meant }
}
