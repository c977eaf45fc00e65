//! Other builds of this program, and programs that are none.

use std::path::Path;
use std::process::Command;

use libtest_mimic::Failed;

use super::{Up, same};

/// This program with other bytes behind it: where it is.
pub(super) fn another_build(folder: &Path) -> Result<String, Failed> {
    executable(&folder.join("another"), r#"cp "$1" "$0" && printf another >> "$0""#, env!("CARGO_BIN_EXE_schism"))
}

/// A script that does this: where it is.
pub(super) fn script(cluster: &Up, name: &str, does: &str) -> Result<String, Failed> {
    executable(&cluster.folder().join(name), r##"printf '#!/bin/sh\n%s\n' "$1" > "$0""##, does)
}

/// Has a shell write an executable file, and not this process: whatever another of its threads starts meanwhile has the file open
/// for writing, too, until it is a program of its own, and what is open for writing cannot be executed.
fn executable(path: &Path, written: &str, word: &str) -> Result<String, Failed> {
    let command = format!(r#"{written} && chmod +x "$0""#);
    let ended = Command::new("sh").args(["-c", &command]).arg(path).arg(word).status()?;
    same("whether it could be written", &ended.success(), &true)?;
    Ok(path.canonicalize()?.display().to_string())
}

/// Node processes of this build.
pub(super) fn processes_of(build: &str) -> Result<Vec<i32>, Failed> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended meanwhile has neither.
        let is = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == Path::new(build));
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is && words.split(|byte| *byte == 0).nth(1) == Some(b"node") {
            found.push(process);
        }
    }
    Ok(found)
}
