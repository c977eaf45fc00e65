//! A cluster that is up, as the command line has it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use super::{LOOKS, schism};

/// A cluster that is up, in run folders of its own; taken down at the end, whatever happened.
pub(crate) struct Up {
    folder: tempfile::TempDir,
}

impl Up {
    pub(crate) fn new(backend: &str) -> Result<Self, Failed> {
        let up = Self { folder: tempfile::tempdir()? };
        let load = ["--set", "load.transactions=2/s"];
        let started =
            up.says(&[&["up", "topologies/ring-8.yaml", "--backend", backend, "--detach"][..], &load].concat())?;
        let address = up.state_file()?["nodes"][0]["rpc"].as_str().unwrap_or("nowhere").to_owned();
        let told = ["8 nodes are up", &format!("http://{address} of miner-0"), ".cookie"];
        let all = told.iter().all(|words| started.contains(words));
        if all { Ok(up) } else { Err(format!("it said {started}").into()) }
    }

    /// What a verb says; that it fails is a failure.
    pub(crate) fn says(&self, words: &[&str]) -> Result<String, Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let errors = String::from_utf8_lossy(&said.stderr);
        if said.status.success() { Ok(text) } else { Err(format!("{words:?}: {text}{errors}").into()) }
    }

    /// A verb that goes on, and what it says.
    pub(super) fn watches(&self, words: &[&str]) -> Result<Watched, Failed> {
        Watched::begin(schism(self.folder.path()).args(words))
    }

    /// The text of a node's log.
    pub(super) fn log(&self, node: &str) -> Result<String, Failed> {
        self.says(&["logs", node])
    }

    /// What is wrong with a verb.
    pub(super) fn refuses(&self, words: &[&str], why: &str) -> Result<(), Failed> {
        let said = schism(self.folder.path()).args(words).output()?;
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        // In lines of a terminal's width, which break between any words.
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "│").collect();
        if said.status.code() == Some(3) && words.join(" ").contains(why) {
            return Ok(());
        }
        Err(format!("{words:?} ended with {} and said {text}", said.status).into())
    }

    /// Its run folders.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it is.
    pub(crate) fn state_file(&self) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&std::fs::read_to_string(self.folder.path().join("live.json"))?)?)
    }

    /// Asks again and again until its status is as it should be; what never comes ends with the test's deadline.
    pub(crate) fn until(&self, what: &str, so: impl Fn(&Value) -> bool) -> Result<(), Failed> {
        for _ in 0..LOOKS {
            if so(&self.status()?) {
                return Ok(());
            }
        }
        Err(format!("{what} did not come").into())
    }

    pub(super) fn status(&self) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.says(&["--json", "status"])?)?)
    }

    pub(super) fn state(&self, node: usize) -> Result<Value, Failed> {
        Ok(self.status()?["nodes"][node]["state"].clone())
    }
}

/// A verb that goes on; it is ended with this.
pub(super) struct Watched {
    pub(super) child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watched {
    pub(super) fn begin(command: &mut Command) -> Result<Self, Failed> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { child, lines })
    }

    /// Reads until a line has all of these words.
    pub(super) fn until(&mut self, words: &[&str]) -> Result<(), Failed> {
        let mut line = String::new();
        while self.lines.read_line(&mut line)? > 0 {
            if words.iter().all(|word| line.contains(word)) {
                return Ok(());
            }
            line.clear();
        }
        Err(format!("it ended before it said {words:?}").into())
    }

    /// Reads to its end, which has to be a good one.
    pub(super) fn ends(mut self) -> Result<(), Failed> {
        self.lines.read_to_string(&mut String::new())?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("it ended with {status}").into()) }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = schism(self.folder.path()).arg("down").output();
    }
}
