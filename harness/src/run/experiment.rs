//! Plays an experiment: the schedule with its load, then healing, then what must finally hold.

use std::time::Duration;

use bitcoin::Transaction;
use schism_chaos::progress::{self, Due, Now, Progress};
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Start, Step};

use super::{Broken, Run};
use crate::backend::Backend;
use crate::checks::Checks;
use crate::experiment::{Check, Experiment};
use crate::payments::{Payment, Payments};
use crate::timeline::{Happening, Intent};
use crate::topology::Starts;

/// How long nodes may take to find their first peers.
const LINK_UP: Duration = Duration::from_secs(60);
/// How often pools, peers and ledgers are sampled after the schedule, in block intervals.
const SAMPLES_PER_INTERVAL: f64 = 2.0;

/// The lengths of one experiment on one backend, as durations.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The time between blocks that the chain aims at, before any pace.
    pub interval: Duration,
    /// What every length is multiplied by.
    pub pace: f64,
}

impl Scale {
    /// A length as a duration.
    pub fn of(&self, length: Length) -> Duration {
        length.duration(self.interval, self.pace)
    }

    /// The time between blocks in this run.
    pub fn paced_interval(&self) -> Duration {
        self.interval.mul_f64(self.pace)
    }
}

/// An experiment being played.
pub struct Play<'a, B> {
    run: &'a mut Run<B>,
    experiment: &'a Experiment,
    scale: Scale,
    progress: Progress,
    payments: Payments,
    /// When the next payment is due, since the load started.
    next_payment: Option<Duration>,
    fork_id: Option<u32>,
    /// Blocks mined and the greatest height when the schedule was last asked.
    seen: Option<(u64, u32)>,
}

impl<'a, B: Backend> Play<'a, B> {
    /// An experiment that has not begun, on a run whose `always` checks are posed.
    pub fn new(run: &'a mut Run<B>, experiment: &'a Experiment, scale: Scale, seed: u64) -> Self {
        let progress = Progress::new(experiment.faults.clone(), scale.interval, scale.pace, seed);
        let homes = homes(run, experiment, seed);
        let rules = run.cluster().rules(0).clone();
        let (rate, conflicting) = (experiment.load.transactions.0 / scale.pace, experiment.load.conflicting.0);
        let mut payments = Payments::new(seed, &rules, &homes, rate, conflicting);
        let next_payment = payments.wait();
        Self { run, experiment, scale, progress, payments, next_payment, fork_id: rules.at(1).fork_id, seen: None }
    }

    /// Plays it to its end. `pose` adds the checks of `finally` once everything is healed.
    ///
    /// # Errors
    /// When a node could not be started or the timeline not be written.
    pub async fn play(mut self, pose: impl FnOnce(&mut Checks)) -> Result<Progress, Broken> {
        self.run.start(LINK_UP).await?;
        self.schedule().await?;
        let due = self.progress.finish();
        self.perform(due).await?;
        pose(&mut self.run.checks);
        self.run.record(self.run.cluster.now(), None, Happening::Healed)?;
        self.finally().await?;
        Ok(self.progress)
    }

    /// Steps of the schedule and payments, as they fall due, until the last step is over and the duration has passed.
    async fn schedule(&mut self) -> Result<(), Broken> {
        let duration = self.experiment.duration.map_or(Duration::ZERO, |length| self.scale.of(length));
        loop {
            self.poll().await?;
            self.pay().await?;
            let now = self.run.now();
            if (self.progress.over() && now >= duration) || now >= duration.max(self.longest()) {
                return Ok(());
            }
            let over = if self.progress.over() { Some(duration) } else { Some(self.longest()) };
            let wake = [self.progress.next_wake(), self.next_payment, over].into_iter().flatten().min();
            self.run.step(wake.unwrap_or(now).max(now + Duration::from_millis(1))).await?;
        }
    }

    /// After the healing: goes on with the load until every check has seen what it waits for, or time is up.
    async fn finally(&mut self) -> Result<(), Broken> {
        let healed = self.run.now();
        let deadline = healed + self.time_for_finally();
        self.pay_from_each_side().await?;
        let between = self.scale.paced_interval().div_f64(SAMPLES_PER_INTERVAL);
        let mut next_sample = healed;
        loop {
            self.pay().await?;
            let now = self.run.now();
            if now >= next_sample {
                self.run.sample().await?;
                next_sample = now + between;
            }
            if self.run.checks.satisfied() || now >= deadline {
                break;
            }
            let wake = [Some(next_sample), self.next_payment, Some(deadline)].into_iter().flatten().min();
            self.run.step(wake.unwrap_or(deadline).max(now + Duration::from_millis(1))).await?;
        }
        self.run.sample().await
    }

    /// Does what is due of the schedule; looks only when time, a block or a height may have made something due.
    async fn poll(&mut self) -> Result<(), Broken> {
        let seen = (self.run.view().mined(), self.run.best_height());
        let timely = self.progress.next_wake().is_some_and(|wake| wake <= self.run.now());
        if std::mem::replace(&mut self.seen, Some(seen)) == Some(seen) && !timely {
            return Ok(());
        }
        let served = |view: &crate::checks::View, node: usize| {
            view.nodes().get(node).and_then(|node| node.peers.as_ref()).map_or(0, |peers| peers.bytes_served)
        };
        let nodes = self.run.cluster.described(|node| served(self.run.checks.view(), node));
        let due = self.progress.poll(Now { at: self.run.now(), height: seen.1, mined: seen.0, nodes: &nodes });
        self.perform(due).await
    }

    async fn perform(&mut self, due: Due) -> Result<(), Broken> {
        for (fault, nobody) in due.skipped {
            let reason = nobody.to_string();
            self.run.record(self.run.cluster.now(), None, Happening::Skipped { fault, reason })?;
        }
        for act in due.acts {
            self.run.perform(act).await?;
        }
        Ok(())
    }

    /// Submits what is due of the load.
    async fn pay(&mut self) -> Result<(), Broken> {
        for txid in self.run.take_refused() {
            self.payments.take_back(txid);
        }
        while let Some(due) = self.next_payment.filter(|due| *due <= self.run.now()) {
            self.next_payment = self.payments.wait().map(|wait| due + wait);
            if let Some(payment) = self.payments.next(self.fork_id) {
                self.submit(payment).await?;
            }
        }
        Ok(())
    }

    async fn submit(&mut self, payment: Payment) -> Result<(), Broken> {
        let intent = if payment.rival.is_some() { Intent::Conflicting } else { Intent::Payment };
        let told = self.run.submit(payment.home, payment.transaction.clone(), intent).await?;
        match &payment.rival {
            Some(rival) => self.submit_elsewhere(payment.home, rival.clone()).await?,
            None if !told => self.payments.take_back(payment.transaction.compute_txid()),
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

    /// One payment out of a wallet of each former side, for the check that asks whether payments still work.
    async fn pay_from_each_side(&mut self) -> Result<(), Broken> {
        if !self.experiment.finally.iter().any(|expectation| matches!(expectation.check, Check::Payment { .. })) {
            return Ok(());
        }
        let homes = self.payments.homes();
        let mut sides = self.run.view().sides().to_vec();
        if sides.is_empty() {
            sides.push(homes.clone());
        }
        for side in sides {
            let home = homes.iter().copied().find(|home| side.contains(home));
            if let Some(payment) = home.and_then(|home| self.payments.from_home(home, self.fork_id)) {
                self.submit(payment).await?;
            }
        }
        Ok(())
    }

    /// A schedule that waits for something that never comes ends then.
    fn longest(&self) -> Duration {
        let lengths = self.experiment.faults.iter().map(|step| longest(step, self.scale));
        lengths.sum::<Duration>().max(self.scale.paced_interval() * 60)
    }

    /// How long `finally` may take: the most patient of its checks, and the blocks that are waited for besides.
    fn time_for_finally(&self) -> Duration {
        let patience = |check: &Check| match check {
            Check::Converged { within, fresh_blocks, stable, .. } => {
                self.scale.of(*within)
                    + self.scale.of(*stable)
                    + self.scale.of(Length::Blocks(f64::from(*fresh_blocks) * 4.0))
            }
            Check::Payment { confirmed_within, .. } => self.scale.of(*confirmed_within),
            Check::PoolAgreement { within } => self.scale.of(*within),
            Check::ChainGrowth { over, .. } => self.scale.of(*over),
            _ => Duration::ZERO,
        };
        let longest = self.experiment.finally.iter().map(|expectation| patience(&expectation.check)).max();
        longest.unwrap_or(Duration::ZERO) + self.scale.paced_interval()
    }
}

/// How long one step may take from the moment it could begin, were it to wait for nothing but time and blocks.
fn longest(step: &Step, scale: Scale) -> Duration {
    let start = match &step.trigger.start {
        Start::At(length) => scale.of(*length),
        Start::AtHeight(height) => scale.paced_interval() * *height,
        Start::After(_) => Duration::ZERO,
    };
    let once = match &step.lasting {
        Lasting::For(length) => scale.of(*length),
        Lasting::Until(Start::At(length)) => scale.of(*length),
        Lasting::Until(Start::AtHeight(height)) => scale.paced_interval() * *height,
        _ => Duration::ZERO,
    };
    let every = step.trigger.every.map_or(Duration::ZERO, |length| scale.of(length)).max(once);
    // Blocks may take far longer than they should while hash power is split: the schedule's own patience, and some.
    (start + scale.of(step.trigger.delay) + once + every * step.trigger.times.unwrap_or(0)) * (progress::PATIENCE + 1)
}

/// Nodes that wallets submit to: whom the load's selector means at the start.
fn homes<B: Backend>(run: &mut Run<B>, experiment: &Experiment, seed: u64) -> Vec<usize> {
    let nodes = run.cluster().described(|_| 0);
    let present: Vec<usize> =
        (0..nodes.len()).filter(|&node| run.cluster().plan().nodes[node].starts == Starts::WithCluster).collect();
    let meant = experiment.load.from.draw(&nodes, &[], seed).unwrap_or_default();
    let meant: Vec<usize> = meant.into_iter().filter(|node| present.contains(node)).collect();
    if meant.is_empty() { present } else { meant }
}
