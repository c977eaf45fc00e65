//! Scratch: folders in the system's temporary one for what nobody keeps. Each is named for the process it is made for,
//! so that whoever comes later knows whether that is still there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use crate::suite::unix_seconds;

/// What all of them are called first: `schism-PROCESS-PURPOSE`.
const PREFIX: &str = "schism-";
/// The purpose of a bench's. A net of the loopback is the number of that net.
pub const BENCH: &str = "bench";
/// How often the removal of a folder is tried that somebody still writes into.
const TRIES: usize = 16;

/// Where this process has its folder of this purpose; it is not made. What processes that are gone have left is removed
/// first.
pub fn claim(purpose: &str) -> PathBuf {
    for folder in left(Duration::ZERO) {
        remove(&folder);
    }
    of_this_process(purpose)
}

/// The same, and nothing is removed.
pub fn of_this_process(purpose: &str) -> PathBuf {
    env::temp_dir().join(format!("{PREFIX}{}-{purpose}", process::id()))
}

/// Removes a folder with all that is in it; whether it is gone.
pub fn remove(folder: &Path) -> bool {
    (0..TRIES).any(|_| fs::remove_dir_all(folder).is_ok() || !folder.exists())
}

/// What processes that are gone have left, and was last changed this long ago at least.
pub fn left(age: Duration) -> Vec<PathBuf> {
    let all = fs::read_dir(env::temp_dir()).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_left = |folder: &PathBuf| {
        let process = folder.file_name().and_then(|name| whose(name.to_str()?));
        process.is_some_and(|process| !PathBuf::from(format!("/proc/{process}")).exists())
    };
    let is_old = |folder: &PathBuf| {
        let changed = fs::metadata(folder).ok().and_then(|folder| u64::try_from(folder.mtime()).ok());
        changed.is_some_and(|changed| changed + age.as_secs() <= unix_seconds())
    };
    all.filter(|folder| is_left(folder) && is_old(folder)).collect()
}

/// The process that a folder of this name is made for; nothing: it is none of ours.
fn whose(name: &str) -> Option<u32> {
    let (process, purpose) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let ours = purpose == BENCH || purpose.parse::<u8>().is_ok();
    process.parse().ok().filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_known_by_its_name_and_others_are_nobodys_business() {
        let name = |purpose: &str| of_this_process(purpose).file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(whose(&name(BENCH)), Some(process::id()));
        assert_eq!(whose(&name("254")), Some(process::id()));
        for other in ["schism-notes", "schism-12-notes", "schism-12-256", "schism-bench-12x", "schism-12", "12-bench"] {
            assert_eq!(whose(other), None, "{other}");
        }
    }
}
