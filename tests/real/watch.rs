//! A watch over everything that a command starts: whether all of it is gone, and in time.
//!
//! Every process inherits the write end of a pipe, so that its end says that all are gone, without asking again and
//! again. What has a name outside of a cluster is compared with what was there before. What an engine made for a command
//! has its process in its labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};
use schism::backend::container::engine::Engine;
use schism::backend::container::leftovers::{self, Kind, Leftover};
use schism::backend::container::owner::{Life, Owner};
use schism::backend::process::namespaces::SUPERVISE;
use schism_chaos::simulation::Stopwatch;
use tempfile::TempDir;

use super::place::Place;

/// After which everything must be gone.
pub(super) const GONE_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked where nobody tells of a change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Says whose a process is: it is inherited.
const MARK: &str = "SCHISM_LEAK_MARK";
/// What the supervisor in a container is told, and no other process.
const CONTAINED: &str = "--grace";

/// In the names of nodes' containers, and in no other that is made only to try the engine.
const NODE: &str = "-miner-";

/// A watch.
pub(super) struct Watch {
    place: Place,
    folder: TempDir,
    mark: String,
    everyone_gone: OwnedFd,
    /// Until somebody has inherited it.
    inherited: Option<OwnedFd>,
    engine: Option<Engine>,
    outside: BTreeSet<String>,
    /// Processes that have been seen.
    owners: BTreeSet<u32>,
    /// The network namespaces that they were in, held open so that nobody else's gets the number.
    networks: BTreeMap<u64, File>,
}

impl Watch {
    /// Over a command that will have its nodes there.
    pub(super) fn new(place: Place) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("tmp"))?;
        fs::create_dir(folder.path().join("runs"))?;
        let (everyone_gone, inherited) = pipe()?;
        Ok(Self {
            place,
            mark: format!("{}-{}", std::process::id(), folder.path().display()),
            folder,
            everyone_gone,
            inherited: Some(inherited),
            engine: (place == Place::Containers).then(Engine::find).transpose()?,
            outside: outside(place)?,
            owners: BTreeSet::new(),
            networks: BTreeMap::new(),
        })
    }

    /// The folder for runs.
    pub(super) fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    /// Writes an experiment; where it is.
    pub(super) fn write(&self, experiment: &str) -> Result<PathBuf, Failed> {
        let file = self.folder.path().join("x.yaml");
        fs::write(&file, experiment)?;
        Ok(file)
    }

    /// Starts the command. Once: later ones would be watched by nobody.
    pub(super) fn spawn(&mut self, command: &mut Command) -> Result<Child, Failed> {
        let temporary = self.folder.path().join("tmp");
        if self.place == Place::Namespaces {
            // Where they cannot be had just then it shall say why.
            command.env("SCHISM_REQUIRE", "kernel-faults");
        }
        let child = command.env("TMPDIR", temporary).env(MARK, &self.mark).stdin(Stdio::null()).spawn()?;
        self.inherited = None;
        self.owners.insert(child.id());
        Ok(child)
    }

    /// Processes that it has started and that have not ended, by their folders.
    pub(super) fn processes(&self) -> impl Iterator<Item = PathBuf> + use<> {
        with_variable(MARK, &self.mark)
    }

    /// Those of a verb.
    pub(super) fn of_verb(&self, verb: &str) -> impl Iterator<Item = PathBuf> {
        self.processes().filter(move |process| words(process).nth(1).as_deref() == Some(verb))
    }

    /// Machines of nodes that it has now.
    pub(super) fn machines(&self) -> Result<usize, Failed> {
        let in_containers =
            self.held()?.iter().filter(|one| one.kind == Kind::Container && one.name.contains(NODE)).count();
        Ok(in_containers + self.of_verb(SUPERVISE).count())
    }

    /// How many machines' supervisors run.
    pub(super) fn supervisors(&self) -> usize {
        match self.place {
            Place::Containers => contained().count(),
            Place::Namespaces | Place::Loopback => self.of_verb(SUPERVISE).count(),
        }
    }

    /// Looks who there is.
    pub(super) fn look_who_is_there(&mut self) {
        self.owners.extend(self.processes().filter_map(|process| number(&process)));
    }

    /// Looks who there is, and in which networks: to be done before the end.
    pub(super) fn look(&mut self) -> Result<(), Failed> {
        self.look_who_is_there();
        if self.place != Place::Namespaces {
            return Ok(());
        }
        let here = fs::metadata("/proc/self/ns/net")?.ino();
        // One may have ended just now.
        for network in self.processes().filter_map(|process| File::open(process.join("ns/net")).ok()) {
            self.networks.insert(network.metadata()?.ino(), network);
        }
        self.networks.remove(&here);
        if self.networks.is_empty() {
            return Err(format!("none of these is in a network of its own: {:?}", self.lines()).into());
        }
        Ok(())
    }

    /// What the engine has of it.
    pub(super) fn held(&self) -> Result<BTreeSet<Leftover>, Failed> {
        let Some(engine) = &self.engine else { return Ok(BTreeSet::new()) };
        let docker = engine.docker().clone();
        let mut held = engine.wait(async move { leftovers::find(&docker, None).await })?;
        let is_its_own = |owner: Owner| self.owners.contains(&owner.process()) && owner.life() != Life::Elsewhere;
        held.retain(|leftover| Owner::read(&leftover.owner).is_some_and(is_its_own));
        Ok(held)
    }

    /// Waits until something is so of which nobody tells.
    pub(super) fn until(
        &mut self,
        within: Duration,
        what: &str,
        mut so: impl FnMut(&mut Self) -> Result<bool, Failed>,
    ) -> Result<(), Failed> {
        let since = Stopwatch::start();
        while !so(self)? {
            if since.elapsed() > within {
                return Err(format!("not within {within:?}: {what}").into());
            }
            pause()?;
        }
        Ok(())
    }

    /// Sees that nothing is left, in time since the end was wanted; after how long. Nothing: it does not count, as an engine has lost
    /// count itself of something that is left, which is told.
    pub(super) fn nothing_is_left(&self, since: &Stopwatch) -> Result<Option<Duration>, Failed> {
        let mut gone = [PollFd::new(self.everyone_gone.as_fd(), PollFlags::POLLIN)];
        let remains = PollTimeout::try_from(GONE_WITHIN.saturating_sub(since.elapsed()))?;
        if poll(&mut gone, remains)? == 0 {
            return Err(format!("processes are left: {:?}", self.lines()).into());
        }
        loop {
            let (held, left) = (self.held()?, self.left()?);
            if held.is_empty() && left.is_empty() {
                return Ok(Some(since.elapsed()));
            }
            if since.elapsed() <= GONE_WITHIN {
                pause()?;
            } else if !held.is_empty() && held.iter().all(|leftover| self.is_lost(leftover)) {
                return Ok(None);
            } else {
                return Err(format!("there are left: {left:?} and, in the engine, {held:?}").into());
            }
        }
    }

    /// What is left of it in no engine.
    fn left(&self) -> Result<Vec<String>, Failed> {
        let mut left = self.lines();
        left.extend(outside(self.place)?.difference(&self.outside).cloned());
        let is_its_own = |link: &str| self.networks.keys().any(|network| link.contains(&format!("net:[{network}]")));
        left.extend(mounted().into_iter().filter(|mount| is_its_own(mount)));
        let inside = |process: &PathBuf| {
            fs::read_link(process.join("ns/net")).is_ok_and(|link| is_its_own(&link.to_string_lossy()))
        };
        left.extend(all_processes().filter(inside).map(|process| format!("{} in its network", process.display())));
        let temporary = fs::read_dir(self.folder.path().join("tmp"))?;
        left.extend(temporary.filter_map(|entry| Some(entry.ok()?.path().display().to_string())));
        Ok(left)
    }

    /// Its processes' command lines.
    fn lines(&self) -> Vec<String> {
        self.processes().map(|process| words(&process).collect::<Vec<_>>().join(" ")).collect()
    }

    /// Whether the engine keeps something of which it has lost count itself, and says so again when the time to be gone is over.
    fn is_lost(&self, leftover: &Leftover) -> bool {
        let Some(engine) = &self.engine else { return false };
        let (docker, which) = (engine.docker().clone(), leftover.clone());
        let lost = engine.wait(async move {
            if !leftovers::is_lost(&docker, &which).await {
                return Ok(false);
            }
            // An engine gives no sign when it goes on counting: it has as long as everything has.
            tokio::time::sleep(GONE_WITHIN).await;
            Ok(leftovers::is_lost(&docker, &which).await)
        });
        let lost = lost.unwrap_or(false);
        if lost {
            println!("NOT COUNTED: {} is left: the engine says that it is in use, and by nobody", leftover.said());
        }
        lost
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Of a trial that failed: others shall not find it.
        for process in self.processes().filter_map(|process| number(&process)) {
            let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
        }
    }
}

/// Until it is looked again.
fn pause() -> Result<(), Failed> {
    poll(&mut [], PollTimeout::try_from(LOOK_AGAIN)?)?;
    Ok(())
}

/// What has a name outside of any cluster. One of processes may have another in containers beside it, which makes interfaces for
/// itself.
fn outside(place: Place) -> Result<BTreeSet<String>, Failed> {
    let interfaces = fs::read_dir("/sys/class/net")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let of_an_engine = |name: &str| ["br-", "veth", "podman"].iter().any(|start| name.starts_with(start));
    if place != Place::Containers {
        return Ok(interfaces.filter(|name| !of_an_engine(name)).collect());
    }
    let contained = contained().map(|process| format!("a supervisor, {}", process.display()));
    Ok(interfaces.chain(mounted()).chain(contained).collect())
}

/// Supervisors in containers, whoever's, by their folders.
fn contained() -> impl Iterator<Item = PathBuf> {
    all_processes().filter(|process| words(process).any(|word| word == CONTAINED))
}

/// Network namespaces that are mounted here, by their lines in proc_pid_mountinfo(5).
fn mounted() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter(|mount| mount.contains(" net:[")).map(str::to_owned).collect()
}

/// Processes that have or inherited this variable, by their folders.
pub(super) fn with_variable(name: &str, value: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let wanted = format!("{name}={value}");
    let is_ours = move |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    all_processes().filter(is_ours)
}

/// All processes, by their folders.
fn all_processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|process| number(process).is_some())
}

/// The number of a process.
pub(super) fn number(process: &Path) -> Option<u32> {
    process.file_name()?.to_str()?.parse().ok()
}

/// What a process was started with.
fn words(process: &Path) -> impl Iterator<Item = String> + use<> {
    let line = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    line.split_terminator('\0').map(str::to_owned).collect::<Vec<_>>().into_iter()
}
