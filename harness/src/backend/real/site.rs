//! A site: where the machines of a cluster of real nodes stand, and how the line to the supervisor of each comes about.

use std::path::{Path, PathBuf};

use super::attached::{Attached, Ears};
use crate::interrupt::Interrupt;
use crate::supervisor::netlink::links::Neighbour;

/// A machine that is wanted.
pub struct Wanted {
    /// The number of its node.
    pub number: usize,
    /// The name of its node.
    pub name: String,
    /// Who hears its supervisor.
    pub ears: Ears,
    /// Whether somebody wants the run to end.
    pub interrupt: Interrupt,
}

impl Wanted {
    /// That it is still wanted: to be asked just before it is made, which takes long when there are many.
    ///
    /// # Errors
    /// When somebody wants the run to end.
    pub fn still(&self) -> Result<(), String> {
        if self.interrupt.asked() { Err(format!("{}: nobody wants it any more", self.name)) } else { Ok(()) }
    }
}

/// A machine whose supervisor listens.
pub struct Machine {
    /// The line to its supervisor.
    pub attached: Attached,
    /// Where others reach it.
    pub place: Neighbour,
}

/// Who hurts links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The kernel, in the network namespace of each machine.
    Kernel,
    /// The transport under each node.
    Transport,
}

/// A place for machines. They stand until it is dropped, and no longer.
pub trait Site {
    /// Who hurts links there.
    const LAYER: Layer = Layer::Kernel;

    /// Makes machines that are [`Wanted::still`] wanted; they are returned in the same order.
    ///
    /// # Errors
    /// Why one could not be made.
    fn make(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Machine>, String>;

    /// Brings another build of this program to a node's machine; where it is there.
    ///
    /// # Errors
    /// Why it cannot be had there.
    fn bring(&mut self, name: &str, binary: &Path) -> Result<PathBuf, String>;

    /// The folder of a node's store, as its machine sees it.
    fn store(&self, name: &str) -> PathBuf;

    /// The file that a node's log is added to, as its machine sees it; nothing: it goes where its supervisor's goes.
    fn log(&self, name: &str) -> Option<PathBuf>;
}
