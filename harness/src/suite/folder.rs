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
        Self::create_at(runs, experiment, seed, &name_of(unix_seconds()))
    }

    fn create_at(runs: &Path, experiment: &str, seed: u64, time: &str) -> io::Result<Self> {
        let beside = runs.join(experiment);
        fs::create_dir_all(&beside)?;
        let stem = format!("{time}-{seed}");
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

    /// Removes it, as well as that goes; `latest` points to the newest that is left.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.path);
        let Some(beside) = self.path.parent() else { return };
        let latest = beside.join("latest");
        if latest.exists() {
            return;
        }
        let names = fs::read_dir(beside).into_iter().flatten().flatten();
        let left = names.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
        // Names begin with the time.
        match left.max() {
            Some(newest) => point(&latest, &newest.to_string_lossy()),
            None => drop(fs::remove_file(&latest)),
        }
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
        if let Some(measurement) = &results.claim {
            put("rows.csv", report::csv(measurement))?;
        }
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

/// A time as names of folders have it: `20261121T104500Z`.
fn name_of(seconds: u64) -> String {
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

    /// Days of a month by the calendar's own words, not by the formula.
    fn days_of(year: u64, month: u64) -> u64 {
        let divides = |by: u64| year.is_multiple_of(by);
        let leap = divides(4) && (!divides(100) || divides(400));
        match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    #[test]
    fn dates_follow_the_calendar_day_by_day() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        // Past 2400, the leap year that a hundred years without one make rare.
        for days in 0..160_000 {
            assert_eq!(date(days), (year, month, day), "{days} days");
            day += 1;
            if day > days_of(year, month) {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert!(year > 2400);
    }

    #[test]
    fn a_folders_time_is_the_clocks() {
        assert_eq!(name_of(1_795_258_522), "20261121T105522Z");
        assert_eq!(name_of(1_795_305_599), "20261121T235959Z");
        assert_eq!(name_of(0), "19700101T000000Z");
    }

    #[test]
    fn runs_of_one_second_have_folders_of_their_own_and_latest_is_the_last() {
        let runs = tempfile::tempdir().unwrap();
        let name = |folder: &RunFolder| folder.path().file_name().unwrap().to_string_lossy().into_owned();
        for expected in ["T-7", "T-7-2", "T-7-3", "T-7-4"] {
            let folder = RunFolder::create_at(runs.path(), "x", 7, "T").unwrap();
            assert_eq!(name(&folder), expected);
            assert!(folder.log("n0").parent().is_some_and(Path::is_dir));
            let latest = fs::canonicalize(runs.path().join("x/latest")).unwrap();
            assert_eq!(latest, fs::canonicalize(folder.path()).unwrap());
        }
        assert_eq!(name(&RunFolder::create_at(runs.path(), "x", 8, "T").unwrap()), "T-8");
    }

    #[test]
    fn latest_is_what_is_left() {
        let runs = tempfile::tempdir().unwrap();
        let [first, second] = ["T1", "T2"].map(|time| RunFolder::create_at(runs.path(), "x", 7, time).unwrap());
        let latest = runs.path().join("x/latest");
        second.remove();
        assert_eq!(fs::canonicalize(&latest).unwrap(), fs::canonicalize(first.path()).unwrap());
        first.remove();
        assert!(fs::symlink_metadata(&latest).is_err());
    }
}
