//! Flags that `run` and `test` share: where, how often, under which seeds, and where results go.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use schism_chaos::simulation::Fidelity;

use super::{Speech, progress};
use crate::backend::capability::Offer;
use crate::interrupt::Interrupt;
use crate::report::{self, Inconclusive, Results, Verdict};
use crate::suite::{self, AtOnce, Backend, Job, RunFolder, worst};

/// What a run is given besides its file.
#[derive(Clone, Debug, Args)]
pub(super) struct Flags {
    /// Where nodes run: simulated, process or container
    #[arg(long, default_value_t, env = "SCHISM_BACKEND")]
    backend: Backend,
    #[command(flatten)]
    require: Require,
    /// How much of the wire is real in the simulation: memory or wire (noise and yamux)
    #[arg(long, default_value = "memory", value_parser = ["memory", "wire"], env = "SCHISM_FIDELITY")]
    fidelity: String,
    /// Another seed than the file's
    #[arg(long, env = "SCHISM_SEED")]
    seed: Option<u64>,
    /// So many seeds, from the first one on
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), env = "SCHISM_SEEDS")]
    seeds: Option<u64>,
    /// Only the i-th of n equal parts of all runs: i/n
    #[arg(long, env = "SCHISM_SHARD")]
    shard: Option<Shard>,
    /// Runs at once; where nothing is said as many as this machine carries
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), env = "SCHISM_JOBS")]
    jobs: Option<u16>,
    /// Set something in the file: load.transactions=2/s
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    /// Wait so many times as long as the file says: for links at the start, and for what must finally hold
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor, env = "SCHISM_TIMEOUT_FACTOR")]
    timeout_factor: f64,
    /// Write JUnit to this file
    #[arg(long, value_name = "PATH", env = "SCHISM_JUNIT")]
    junit: Option<PathBuf>,
    /// Where run folders are made
    #[arg(long, value_name = "FOLDER", default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
    /// Keep the run folder of runs that passed, too, when there are several
    #[arg(long)]
    keep: bool,
    /// Write the whole trace into the run folder, not its hash alone
    #[arg(long)]
    trace: bool,
    /// What a run without evidence does: fail or warn
    #[arg(long, default_value = "fail", value_parser = ["fail", "warn"])]
    inconclusive: String,
}

/// Which faults are real enough.
#[derive(Clone, Debug, Args)]
pub(super) struct Require {
    /// Refuse a backend that has less real faults than these: kernel-faults
    #[arg(long, value_name = "WHAT", value_parser = ["kernel-faults"], env = "SCHISM_REQUIRE")]
    require: Option<String>,
}

impl Require {
    /// Whether a backend has what is required.
    pub(super) fn require(&self, backend: Backend) -> miette::Result<()> {
        if self.require.is_none() || backend.fault_layer() == "kernel" {
            return Ok(());
        }
        let help = match Offer::of_processes() {
            (_, Some(why)) if backend == Backend::Process => why,
            _ => "`--backend process` uses the kernel's",
        };
        Err(miette!(
            help = help,
            "the {backend} backend's faults are those of its {}, not the kernel's, so nothing was started",
            backend.fault_layer()
        ))
    }
}

/// One part of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard {
    number: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |part: &str| part.parse::<usize>().ok();
        let parts = text.split_once('/').and_then(|(number, of)| Some((read(number)?, read(of)?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("it is i/n, such as 1/4, with i from 1 to n".to_owned()),
        }
    }
}

impl Flags {
    /// A job without a file, and whether it can be done at all.
    pub(super) fn template(&self) -> miette::Result<Job> {
        self.require.require(self.backend)?;
        let mut settings = self.settings.clone();
        settings.extend(self.seed.map(|seed| format!("seed={seed}")));
        Ok(Job {
            file: PathBuf::new(),
            name: String::new(),
            settings,
            seed: 0,
            backend: self.backend,
            fidelity: if self.fidelity == "wire" { Fidelity::Wire } else { Fidelity::Memory },
            control: None,
            runs: Some(self.runs.clone()),
            trace: self.trace,
            timeout_factor: self.timeout_factor,
        })
    }

    /// How many seeds.
    pub(super) fn seeds(&self) -> Option<u64> {
        self.seeds
    }

    /// This shard's part of all jobs.
    pub(super) fn part(&self, jobs: Vec<Job>) -> Vec<Job> {
        let Some(shard) = self.shard else { return jobs };
        let numbered = jobs.into_iter().enumerate();
        numbered.filter(|(number, _)| number % shard.of == shard.number - 1).map(|(_, job)| job).collect()
    }

    /// Does all of several jobs in worker processes: a line for all, one for each, and a table at the end.
    pub(super) fn work_all(&self, jobs: &[Job], interrupt: &Interrupt, speech: Speech) -> Vec<Results> {
        if !speech.json && !speech.quiet {
            let plural = if jobs.len() == 1 { "" } else { "s" };
            println!("{} · {} faults · {} run{plural}", self.backend, self.backend.fault_layer(), jobs.len());
        }
        let mut ended: Vec<(usize, Results)> = Vec::new();
        let measuring = progress::show_measuring(speech.quiet || speech.json);
        suite::work_all(jobs, self.at_once(), interrupt, measuring, |number, results| {
            one_of_many(&results, speech);
            self.tidy(&results);
            ended.push((number, results));
        });
        ended.sort_by_key(|(number, _)| *number);
        let left_out = jobs.len() - ended.len();
        if left_out > 0 {
            eprintln!("interrupted: {left_out} of {} runs were not begun", jobs.len());
        }
        let all: Vec<Results> = ended.into_iter().map(|(_, results)| results).collect();
        if !speech.json && !speech.quiet {
            println!("\n{}", report::table(&all, speech.colour()));
        }
        all
    }

    /// Runs at once.
    pub(super) fn at_once(&self) -> AtOnce {
        self.jobs.map_or(AtOnce::Carried, |jobs| AtOnce::Jobs(jobs.into()))
    }

    /// Removes the folder of one of several runs, unless it is to be kept: of whatever did not pass, always.
    fn tidy(&self, results: &Results) {
        if let Some(folder) = &results.folder
            && !self.keep
            && results.verdict == Verdict::Passed
        {
            RunFolder::at(folder).remove();
        }
    }

    /// Writes JUnit where asked, and says what to exit with.
    pub(super) fn finish(&self, all: &[Results], interrupt: &Interrupt) -> miette::Result<i32> {
        let inconclusive = if self.inconclusive == "warn" { Inconclusive::Warns } else { Inconclusive::Fails };
        if let Some(path) = &self.junit {
            let text = report::junit(&all.iter().collect::<Vec<_>>(), inconclusive);
            let written = std::fs::write(path, text).into_diagnostic();
            written.wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        }
        annotate(all);
        let counts = |verdict: &Verdict| *verdict != Verdict::Inconclusive || inconclusive == Inconclusive::Fails;
        let verdicts = all.iter().map(|results| results.verdict).filter(counts);
        Ok(worst(verdicts.chain(interrupt.asked().then_some(Verdict::Interrupted))).exit_code())
    }
}

/// A factor that time can be multiplied with.
fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (0.01..=1_000.0).contains(&factor) => Ok(factor),
        _ => Err("it is a number from 0.01 to 1000, such as 2.5".to_owned()),
    }
}

/// A line for a run of many; all of it where it did not pass.
fn one_of_many(results: &Results, speech: Speech) {
    if speech.json {
        println!("{}", report::json_line(results));
    } else if results.verdict != Verdict::Passed || speech.verbose > 0 {
        println!("{}\n{}", report::first_line(results), report::text(results, speech.colour()));
    } else if !speech.quiet {
        println!("{} · {}", report::first_line(results), speech.colour().verdict(results.verdict));
    }
}

/// Inside GitHub Actions what did not pass is shown beside the change, too.
fn annotate(all: &[Results]) {
    if std::env::var_os("GITHUB_ACTIONS").is_none() {
        return;
    }
    for results in all.iter().filter(|results| results.verdict != Verdict::Passed) {
        let level = if results.verdict == Verdict::Inconclusive { "warning" } else { "error" };
        let why = results.why.as_deref().unwrap_or_default().replace('%', "%25").replace('\n', "%0A");
        let (name, verdict) = (&results.experiment, results.verdict.word());
        println!("::{level} title={name} {verdict}::{why} (repeat with: {})", results.repeat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_all_runs_and_no_run_twice() {
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for wrong in ["0/4", "5/4", "4", "a/b", "1/0"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
