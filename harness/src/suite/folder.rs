//! A run folder: `runs/<experiment>/<time>-<seed>/`, everything one run leaves, and `latest` beside it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::experiment::Experiment;
use crate::report::{self, Results};

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a new one under `runs`, and lets `latest` point to it.
    pub fn create(runs: &Path, experiment: &str, seed: u64) -> io::Result<Self> {
        let beside = runs.join(experiment);
        fs::create_dir_all(&beside)?;
        let stem = format!("{}-{seed}", now());
        // Runs of one second and seed, in several processes, shall not share a folder.
        let made = (1_u32..=9_999).find_map(|number| {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            match fs::create_dir(beside.join(&name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                result => Some(result.map(|()| name)),
            }
        });
        let name = made.ok_or_else(|| io::Error::other("ten thousand runs in one second"))??;
        let path = beside.join(&name);
        fs::create_dir(path.join("logs"))?;
        point(&beside.join("latest"), &name);
        Ok(Self { path })
    }

    /// One that is there already.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The timeline's file, `events.jsonl`.
    pub fn events(&self) -> io::Result<File> {
        File::create(self.path.join("events.jsonl"))
    }

    /// The file of the whole trace, `trace.txt`.
    pub fn trace(&self) -> PathBuf {
        self.path.join("trace.txt")
    }

    /// A node's log, `logs/<node>.log`.
    pub fn log(&self, node: &str) -> PathBuf {
        self.path.join("logs").join(format!("{node}.log"))
    }

    /// Writes what is known at the end: the resolved experiment, the results in every form, and how to repeat it.
    pub fn write(&self, experiment: &Experiment, results: &Results) -> io::Result<()> {
        let put = |name: &str, text: String| fs::write(self.path.join(name), text);
        put("experiment.yaml", experiment.to_yaml())?;
        put("results.json", report::json(results))?;
        put("junit.xml", report::junit(&[results], report::Inconclusive::Fails))?;
        put("report.html", report::html(results))?;
        put("report.txt", report::text(results, report::Colour::Never))?;
        put("repeat", format!("{}\n", results.repeat))
    }
}

/// Moves the link; a folder without it is still a run folder.
fn point(link: &Path, to: &str) {
    let _ = fs::remove_file(link);
    #[cfg(unix)]
    let _ = std::os::unix::fs::symlink(to, link);
    #[cfg(not(unix))]
    let _ = fs::write(link, to);
}

/// The time as names of folders have it: `20261121T104500Z`.
fn now() -> String {
    let seconds = unix_seconds();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3_600, second / 60 % 60, second % 60)
}

/// Seconds since the Unix epoch on the machine's clock: for names, and for files of the real world.
#[allow(clippy::disallowed_methods, reason = "the one place where the harness asks the machine what time it is")]
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Year, month and day of a number of days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", civil_from_days).
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_the_calendars() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(19_675), (2023, 11, 14));
        assert_eq!(date(20_778), (2026, 11, 21));
    }

    #[test]
    fn two_runs_at_once_have_folders_of_their_own_and_latest_is_the_last() {
        let runs = tempfile::tempdir().unwrap();
        let one = RunFolder::create(runs.path(), "x", 7).unwrap();
        let other = RunFolder::create(runs.path(), "x", 7).unwrap();
        assert_ne!(one, other);
        let latest = fs::canonicalize(runs.path().join("x/latest")).unwrap();
        assert_eq!(latest, fs::canonicalize(other.path()).unwrap());
    }
}
