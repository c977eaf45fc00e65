//! An errand: what one worker process does. A run is one errand; a claim is many, one for each part of its trials.

use std::collections::BTreeMap;
use std::time::Duration;

use schism_chaos::simulation::clock::Stopwatch;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder::RunFolder;
use super::job::judge_control;
use super::{Backend, Job};
use crate::claim::part::{Measured, Part, Tally, hold, parts};
use crate::claim::{Point, judge::judge};
use crate::experiment::Experiment;
use crate::interrupt::Interrupt;
use crate::report::{Results, Verdict};

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// A whole run.
    Run(Job),
    /// A part of a claim's trials.
    Part(Job, Part),
}

/// What a worker brings back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "it is taken apart as soon as it has arrived")]
pub enum Brought {
    /// Of a run.
    Results(Results),
    /// Of a part; or why there is nothing.
    Part(Result<Measured, String>),
}

impl Errand {
    /// Does it, here and now. A process can do this once.
    pub fn run(&self, interrupt: &Interrupt) -> Brought {
        match self {
            Self::Run(job) => Brought::Results(job.work(interrupt, Box::new(|_, _| {}))),
            Self::Part(job, part) => Brought::Part(
                job.resolved()
                    .map_err(|refusal| refusal.to_string())
                    .and_then(|experiment| hold(&experiment, job.fidelity, part, None)),
            ),
        }
    }
}

/// A worker that brings what was not asked for.
const ANOTHER: &str = "the worker did another errand";

impl Brought {
    pub(super) fn results(self) -> Result<Results, String> {
        if let Self::Results(results) = self { Ok(results) } else { Err(ANOTHER.to_owned()) }
    }

    pub(super) fn measured(self) -> Result<Measured, String> {
        if let Self::Part(measured) = self { measured } else { Err(ANOTHER.to_owned()) }
    }
}

/// How far the measuring has got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Parts that are done, of all claims.
    pub done: usize,
    /// All parts.
    pub of: usize,
    /// Blocks found so far.
    pub blocks: u64,
    /// What the rest will take, should it go on like this.
    pub left: Duration,
}

/// Claims being measured: their parts as they come.
#[derive(Default)]
pub(super) struct Measuring {
    claims: BTreeMap<usize, Measurement>,
    done: usize,
    of: usize,
    blocks: u64,
}

/// One claim being measured.
struct Measurement {
    job: Job,
    experiment: Experiment,
    points: Vec<Point>,
    parts: Vec<Part>,
    measured: Vec<Option<Measured>>,
    failed: Option<String>,
    missing: usize,
}

impl Measuring {
    /// The errands of a job, each with the number of the part it is; nothing where it is a run.
    pub(super) fn plan(&mut self, number: usize, job: &Job) -> Option<Vec<Errand>> {
        // What is wrong with the file is told by the run that it then is.
        let experiment = job.resolved().ok()?;
        // Where it cannot be measured, the run that it then is says so.
        let claim = experiment.claim.as_ref().filter(|_| job.backend == Backend::Simulated)?;
        let points = claim.chosen();
        let parts = parts(&claim.what, &points, job.seed);
        let errands = parts.iter().map(|part| Errand::Part(job.clone(), part.clone())).collect();
        self.of += parts.len();
        let (measured, missing) = (parts.iter().map(|_| None).collect(), parts.len());
        let job = job.clone();
        self.claims.insert(number, Measurement { job, experiment, points, parts, measured, failed: None, missing });
        Some(errands)
    }

    /// Takes what a part came to; the results, when it was a claim's last.
    pub(super) fn take(&mut self, number: usize, part: usize, measured: Result<Measured, String>) -> Option<Results> {
        let claim = self.claims.get_mut(&number)?;
        self.done += 1;
        claim.missing -= 1;
        match measured {
            Ok(measured) => {
                self.blocks += measured.tally.blocks;
                claim.measured[part] = Some(measured);
            }
            Err(why) => claim.failed = Some(why),
        }
        (claim.missing == 0).then(|| claim.results())
    }

    /// The results of claims of which parts are missing: somebody wanted them to end.
    pub(super) fn interrupted(&self) -> Vec<(usize, Results)> {
        let unfinished = self.claims.iter().filter(|(_, claim)| claim.missing > 0);
        let results = unfinished.map(|(number, claim)| {
            let why = format!("{} of {} parts were not measured", claim.missing, claim.parts.len());
            (*number, Results { verdict: Verdict::Interrupted, ..claim.job.broken(why) })
        });
        results.collect()
    }

    /// How far all of them have got since `watch` was started.
    pub(super) fn progress(&self, watch: &Stopwatch) -> Progress {
        let left = watch.elapsed().mul_f64((self.of - self.done) as f64 / (self.done as f64).max(1.0));
        Progress { done: self.done, of: self.of, blocks: self.blocks, left }
    }
}

impl Measurement {
    fn results(&self) -> Results {
        if let Some(why) = &self.failed {
            return self.job.broken(why.clone());
        }
        let Some(claim) = &self.experiment.claim else { return self.job.broken("there is no claim".to_owned()) };
        let mut tallies = vec![Tally::default(); self.points.len()];
        let mut trace = Sha256::new();
        let mut items = 0;
        let measured = self.parts.iter().zip(&self.measured);
        for (part, measured) in measured.filter_map(|(part, measured)| Some((part, measured.as_ref()?))) {
            tallies[part.point].add(&measured.tally);
            trace.update(&measured.trace);
            items += measured.trace_items;
        }
        let (verdict, why, measurement) = judge(claim, &tallies);
        let mut results = Results {
            about: self.experiment.about.clone(),
            verdict,
            why,
            trace: Some(format!("{:x}", trace.finalize())),
            trace_items: items,
            virtual_seconds: tallies.iter().map(|tally| tally.virtual_seconds).sum(),
            real_seconds: tallies.iter().map(|tally| tally.real_seconds).sum(),
            claim: Some(measurement),
            ..self.job.broken(String::new())
        };
        if let Ok(Some(control)) = self.job.its_control() {
            judge_control(&mut results, &control);
        }
        self.keep(&mut results);
        results
    }

    /// Writes the run folder, where one is wanted.
    fn keep(&self, results: &mut Results) {
        let Some(runs) = &self.job.runs else { return };
        let kept = RunFolder::create(runs, &self.job.title(), self.job.seed).and_then(|folder| {
            results.folder = Some(folder.path().to_owned());
            folder.write(&self.experiment, results)
        });
        if let Err(error) = kept {
            results.verdict = results.verdict.min(Verdict::Error);
            results.why = Some(format!("the run folder cannot be written: {error}"));
        }
    }
}
