//! What a command says while somebody waits for its words.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::thread;

use libtest_mimic::Failed;

/// In the first line, which comes on standard output; what happens is told on standard error. The backend has been tried then.
pub(super) const FIRST: &str = "seed";

/// What a run says, line by line.
pub(super) struct Said(Box<dyn BufRead + Send>);

impl Said {
    /// On the stream that somebody listens to.
    pub(super) fn of(run: &mut Child) -> Result<Self, Failed> {
        let out = run.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>);
        let out = out.or(run.stderr.take().map(|errors| Box::new(errors) as _)).ok_or("a run without streams")?;
        Ok(Self(Box::new(BufReader::new(out))))
    }

    /// Reads until a line has these words in it.
    pub(super) fn until(mut self, words: &str) -> Result<Self, Failed> {
        let mut said = String::new();
        loop {
            let before = said.len();
            if self.0.read_line(&mut said)? == 0 {
                return Err(format!("it ended before it said {words:?}: {said}").into());
            }
            if said[before..].contains(words) {
                return Ok(self);
            }
        }
    }

    /// The rest is read, too, and by nobody: who speaks to nobody ends.
    pub(super) fn drain(self) {
        thread::spawn(move || self.0.lines().for_each(drop));
    }
}
