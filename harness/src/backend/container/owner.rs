//! An owner: the harness that made something in an engine, as its labels say it, so that whoever comes later knows
//! whether it is still alive.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::suite::unix_seconds;

/// The label of everything that one cluster consists of.
pub const SESSION: &str = "schism.session";
/// The label that says whose it is.
pub const OWNER: &str = "schism.owner";
/// The label that says when it was made, in seconds since the Unix epoch.
pub const MADE: &str = "schism.made";

/// A process, named so that no other on any machine and at any time has the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its machine.
    machine: String,
    /// The start of that machine.
    boot: String,
    /// Its pid namespace, in which the next two count.
    namespace: String,
    process: u32,
    /// When it started: numbers of processes come again.
    started: u64,
}

/// Whether an owner lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Alive,
    /// It does not.
    Dead,
    /// It is on another machine or in another pid namespace: that cannot be known from here.
    Elsewhere,
}

impl Owner {
    /// This process.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let process = std::process::id();
        Self {
            machine: format!("{}{}", read("/etc/machine-id"), read("/proc/sys/kernel/hostname")),
            boot: read("/proc/sys/kernel/random/boot_id"),
            namespace: fs::read_link("/proc/self/ns/pid").unwrap_or_default().display().to_string(),
            process,
            started: started(process).unwrap_or(0),
        }
    }

    /// A name for a new cluster of this process.
    pub fn new_session(&self) -> String {
        static CLUSTERS: AtomicU64 = AtomicU64::new(0);
        self.session(CLUSTERS.fetch_add(1, Ordering::Relaxed))
    }

    /// The name of its cluster of this number, counted from 0.
    pub fn session(&self, number: u64) -> String {
        let digest = Sha256::digest(format!("{} {number}", self.said()));
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The labels of whatever it makes for a cluster.
    pub fn labels(&self, session: &str) -> HashMap<String, String> {
        let labels = [(SESSION, session.to_owned()), (OWNER, self.said()), (MADE, unix_seconds().to_string())];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Reads [`OWNER`].
    pub fn read(said: &str) -> Option<Self> {
        let mut words = said.split(' ').map(str::to_owned);
        let owner = Self {
            machine: words.next()?,
            boot: words.next()?,
            namespace: words.next()?,
            process: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
        };
        Some(owner)
    }

    /// Its number, in its pid namespace.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Whether it lives, as far as this process can know.
    pub fn life(&self) -> Life {
        let this = Self::this();
        match () {
            () if self.machine != this.machine => Life::Elsewhere,
            () if self.boot != this.boot => Life::Dead,
            () if self.namespace != this.namespace => Life::Elsewhere,
            () if started(self.process) == Some(self.started) => Life::Alive,
            () => Life::Dead,
        }
    }

    fn said(&self) -> String {
        format!("{} {} {} {} {}", self.machine, self.boot, self.namespace, self.process, self.started)
    }
}

/// When a process started, in ticks since its machine did; nothing where there is none, or only what is left of it.
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Its name stands in brackets and may have anything in it; the fields behind it are counted from 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") { None } else { fields.get(19)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_one_that_has_ended_does_not() {
        let this = Owner::this();
        assert_eq!(Owner::read(&this.said()), Some(this.clone()));
        assert_eq!(this.life(), Life::Alive);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Owner { process: child.id(), started: started(child.id()).unwrap_or(1), ..this.clone() };
        child.wait().unwrap();
        assert_eq!(ended.life(), Life::Dead);
        assert_eq!(Owner { started: this.started + 1, ..this.clone() }.life(), Life::Dead);
        assert_eq!(Owner { boot: "before".into(), ..this.clone() }.life(), Life::Dead);
        assert_eq!(Owner { namespace: "pid:[1]".into(), ..this.clone() }.life(), Life::Elsewhere);
        assert_eq!(Owner { machine: "there".into(), ..this }.life(), Life::Elsewhere);
    }

    #[test]
    fn two_clusters_have_two_names_and_no_words_are_no_owner() {
        let this = Owner::this();
        assert_ne!(this.new_session(), this.new_session());
        assert_eq!(Owner::read("here then 4026531836 12"), None);
        assert_eq!(Owner::read(""), None);
    }
}
