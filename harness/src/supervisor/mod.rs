//! A supervisor: stands beside one real node, starts, kills and freezes it as its child, hurts its network, and relays
//! what it says. When the line to its harness ends it ends, and the node with it.
//!
//! - [`protocol`]: orders and words. [`serve`]: the loop that hears and says them. [`lines`]: their pieces.
//! - [`life`]: the child process; [`candidate`]: another build that it may be. [`disk`]: its store while it is dead.
//!   [`lease`]: for how long it stays unasked.
//! - [`network`]: the links into the node: [`filter`] drops and counts, [`delay`] keeps frames back as each lane says.
//! - [`probe`]: what links really do, measured between two supervisors.
//! - [`netlink`]: how the kernel is told.

pub mod candidate;
pub mod delay;
pub mod disk;
pub mod filter;
pub mod lease;
pub mod life;
pub mod lines;
pub mod netlink;
pub mod network;
pub mod probe;
pub mod protocol;
pub mod serve;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schism_chaos::fault::CrashKind;

use self::lease::Lease;
use self::life::Life;
use self::netlink::disciplines;
use self::netlink::links::Neighbour;
use self::network::{Network, Unowned};
use self::probe::{Probe, Probes};
use self::protocol::{Fruit, Order, VERSION, What, Word};
use crate::node::burden;

/// Makes the network once the peers are known.
pub type TakeCharge = Box<dyn FnMut(&[Neighbour]) -> io::Result<Box<dyn Network>>>;

/// A supervisor, which says its words to `out`.
pub struct Supervisor<W> {
    out: W,
    /// The command that is a node.
    program: Vec<String>,
    take_charge: TakeCharge,
    greeted: bool,
    network: Box<dyn Network>,
    life: Option<Life>,
    lease: Lease,
    /// From the first one on.
    probes: Option<Probes>,
    /// The store of the last life, and how much of its block file would survive the end of the machine.
    store: Option<PathBuf>,
    synced: u64,
}

impl<W: Write> Supervisor<W> {
    /// A supervisor of a node that was never started.
    pub fn new(out: W, program: Vec<String>, take_charge: TakeCharge) -> Self {
        Self {
            out,
            program,
            take_charge,
            greeted: false,
            network: Box::new(Unowned),
            life: None,
            lease: Lease::endless(),
            probes: None,
            store: None,
            synced: 0,
        }
    }

    /// The same, which ends unless it is told to stay before this lease runs out.
    pub fn leased(self, lease: Lease) -> Self {
        Self { lease, ..self }
    }

    /// For how long it stays.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The node's life, while there is one.
    pub fn life(&self) -> Option<&Life> {
        self.life.as_ref()
    }

    /// Gives the node some of what it was told; to be called when its input can take it.
    pub fn pass_on_to_node(&mut self) {
        self.life.iter_mut().for_each(Life::pass_on);
    }

    /// Probes under way, where there ever was one.
    pub fn probes(&self) -> Option<&Probes> {
        self.probes.as_ref()
    }

    /// Hears one line of the harness. What it does not know it refuses.
    ///
    /// # Errors
    /// When the harness no longer listens.
    pub fn hear(&mut self, line: &[u8]) -> io::Result<()> {
        let order: Order = match serde_json::from_slice(line) {
            Ok(order) => order,
            Err(error) => return self.say(&Word::Refused { id: 0, why: format!("this is no order: {error}") }),
        };
        let id = order.id;
        let done = match order.what {
            What::Hello { version, peers } => self.greet(version, &peers),
            What::Stay { milliseconds } => {
                self.lease = Lease::of(Duration::from_millis(milliseconds));
                Ok(Fruit::Nothing)
            }
            _ if !self.greeted => Err(io::Error::other("who speaks must say hello first")),
            what if what.is_for_node() => match self.pass_on(line) {
                Ok(()) => return Ok(()), // the node answers
                Err(error) => Err(error),
            },
            What::Probe { to, what } => match self.begin_probe(id, to, what) {
                Ok(()) => return Ok(()), // the probe answers
                Err(error) => Err(error),
            },
            what => self.obey(what),
        };
        match done {
            Ok(with) => self.say(&Word::Done { id, with }),
            Err(why) => self.say(&Word::Refused { id, why: why.to_string() }),
        }
    }

    /// Hears what the node says; when it has ended by itself, says so.
    ///
    /// # Errors
    /// When the harness no longer listens.
    pub fn hear_node(&mut self) -> io::Result<()> {
        let Some(life) = &mut self.life else { return Ok(()) };
        let (lines, goes_on) = life.listen();
        self.relay(lines)?;
        if goes_on {
            return Ok(());
        }
        let how = self.life.take().map(|mut life| life.how_it_ended()).unwrap_or_default();
        self.say(&Word::Ended { how })
    }

    /// Hears what came of probes; to be called when there is something.
    ///
    /// # Errors
    /// When the harness no longer listens.
    pub fn hear_probes(&mut self) -> io::Result<()> {
        let words = self.probes.as_mut().map_or_else(|| Ok(Vec::new()), Probes::listen)?;
        self.relay(words)
    }

    fn begin_probe(&mut self, id: u64, to: Ipv4Addr, probe: Probe) -> io::Result<()> {
        if self.probes.is_none() {
            self.probes = Some(Probes::new()?);
        }
        self.probes.as_ref().map_or(Ok(()), |probes| probes.begin(id, to, probe))
    }

    fn greet(&mut self, version: u32, peers: &[Neighbour]) -> io::Result<Fruit> {
        if version != VERSION {
            let what =
                format!("the harness speaks version {version}, this supervisor {VERSION}: use one build for both");
            return Err(io::Error::other(what));
        }
        if self.greeted {
            return Err(io::Error::other("hello was said before"));
        }
        self.network = (self.take_charge)(peers)?;
        self.greeted = true;
        Ok(Fruit::Greeted(self.network.queueing()))
    }

    fn pass_on(&mut self, line: &[u8]) -> io::Result<()> {
        self.life.as_mut().ok_or_else(dead)?.tell(line)
    }

    fn obey(&mut self, what: What) -> io::Result<Fruit> {
        match what {
            What::Start(mut instructions) => {
                if self.life.is_some() {
                    return Err(io::Error::other("the node runs already"));
                }
                self.network.silence(false)?;
                self.synced = disk::block_file_bytes(&instructions.store);
                self.store = Some(instructions.store.clone());
                let other = instructions.program.take().map(|other| self.node_of(&other));
                match Life::begin(other.as_ref().unwrap_or(&self.program), &instructions) {
                    // Its file was somebody else's, who has taken it away: a node that has ended, and no more.
                    Err(error) if other.is_some() => self.say(&Word::Ended { how: error.to_string() })?,
                    begun => self.life = Some(begun?),
                }
            }
            What::Examine { program } => candidate::examine(&self.node_of(&program), candidate::PATIENCE)?,
            What::Kill { kind } => return self.kill(kind),
            What::Freeze => {
                self.life.as_mut().ok_or_else(dead)?.freeze()?;
                // What it said before is said before it is known to stand still.
                let (lines, _) = self.life.as_mut().ok_or_else(dead)?.listen();
                self.relay(lines)?;
            }
            What::Thaw => self.life.as_mut().ok_or_else(dead)?.thaw()?,
            What::Erase => {
                if self.life.is_some() {
                    return Err(io::Error::other("the node runs"));
                }
                self.store.take().map_or(Ok(()), |store| disk::erase(&store))?;
            }
            What::FillDisk(full) => {
                let store = self.store.as_ref().ok_or_else(dead)?;
                if full { disk::fill(store)? } else { disk::make_room(store)? }
            }
            What::Links(links) => self.network.set(&links)?,
            What::Count => return self.network.count().map(Fruit::Counted),
            What::Weigh => {
                let (resident_bytes, own_bytes) = burden::resident_bytes();
                return Ok(Fruit::Weighed { resident_bytes, own_bytes });
            }
            What::Disciplines => return disciplines::known().map(Fruit::Disciplines),
            What::Call { to, times, bytes } => probe::call(&to, times, bytes)?,
            What::AnswerProbes => probe::answer()?,
            // These never come here: the first three are heard above, the others are the node's.
            What::Hello { .. }
            | What::Stay { .. }
            | What::Probe { .. }
            | What::Ask(_)
            | What::Gate { .. }
            | What::Clock { .. }
            | What::Ways(_)
            | What::FailSyncs
            | What::Report => {}
        }
        Ok(Fruit::Nothing)
    }

    /// The command that is a node of another build.
    fn node_of(&self, build: &Path) -> Vec<String> {
        let words = self.program.iter().skip(1).cloned();
        std::iter::once(build.display().to_string()).chain(words).collect()
    }

    fn kill(&mut self, kind: CrashKind) -> io::Result<Fruit> {
        let mut life = self.life.take().ok_or_else(dead)?;
        if kind.takes_machine() {
            // Silence first: the end of a process is told to its peers.
            self.network.silence(true)?;
        }
        life.end()?;
        let last = life.last_words();
        self.relay(last)?;
        let Some(store) = self.store.as_ref().filter(|_| kind.takes_machine()) else { return Ok(Fruit::Lost(0)) };
        let lost = disk::cut_back(store, self.synced)?;
        if kind == CrashKind::Torn {
            disk::tear(store)?;
        }
        Ok(Fruit::Lost(lost))
    }

    /// Passes on what the node said, but for what is for us.
    fn relay(&mut self, lines: Vec<Vec<u8>>) -> io::Result<()> {
        for line in lines {
            if let Some(Word::Synced { bytes }) = is_synced(&line) {
                self.synced = bytes;
            } else {
                self.out.write_all(&[&line, &b"\n"[..]].concat())?;
            }
        }
        self.out.flush()
    }

    fn say(&mut self, word: &Word) -> io::Result<()> {
        let mut line = serde_json::to_vec(word)?;
        line.push(b'\n');
        self.out.write_all(&line)?;
        self.out.flush()
    }
}

/// Most lines are events, long and not for us: only what begins as it should is read.
fn is_synced(line: &[u8]) -> Option<Word> {
    line.starts_with(b"{\"synced\"").then(|| serde_json::from_slice(line).ok()).flatten()
}

fn dead() -> io::Error {
    io::Error::other("the node does not run")
}
