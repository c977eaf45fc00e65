//! The process backend where namespaces are forbidden: every node's machine is a child process with an address of the
//! loopback for itself, and its transport obeys the links that no kernel hurts.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::namespaces::{SUPERVISE, myself};
use super::{Becomes, attach};
use crate::backend::real::site::{Layer, Machine, Site, Wanted};
use crate::backend::real::{PORT, Real, Settings};
use crate::scratch;
use crate::supervisor::netlink::links::Neighbour;

/// A cluster of processes on the loopback.
pub type Loopbacks = Real<Loopback>;

/// Nets of the loopback that are tried: 127.1.0.0/16 and on.
const NETS: u8 = 254;

/// Addresses of the loopback for the nodes of one cluster.
#[derive(Debug)]
pub struct Loopback {
    /// The second number of all addresses.
    net: u8,
    folder: Option<PathBuf>,
    /// Where stores are when nobody wants to keep them. The supervisors remove them, too, when this does not come to it.
    scratch: PathBuf,
}

impl Loopbacks {
    /// A cluster without nodes yet.
    ///
    /// # Errors
    /// When every net of the loopback is taken.
    pub fn new(settings: Settings) -> Result<Self, String> {
        // Clusters that begin at once begin at different ones.
        let first = (std::process::id() % u32::from(NETS)) as u8;
        let nets = (0..NETS).map(|next| 1 + ((u16::from(first) + u16::from(next)) % u16::from(NETS)) as u8);
        let is_free = |net: &u8| TcpListener::bind((address(*net, 0), PORT)).is_ok();
        let net = nets.into_iter().find(is_free).ok_or("somebody listens on every net of the loopback")?;
        let scratch = scratch::claim(&net.to_string());
        Ok(Self::on(Loopback { net, folder: settings.folder.clone(), scratch }, settings))
    }
}

impl Site for Loopback {
    const LAYER: Layer = Layer::Transport;

    fn make(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Machine>, String> {
        let make = |wanted: Wanted| {
            wanted.still()?;
            let Wanted { number, name, ears, .. } = wanted;
            let begin = || -> io::Result<_> {
                let mut command = myself(&[SUPERVISE, "--loopback"]);
                match self.log(&name) {
                    Some(log) => {
                        command.stderr(Stdio::from(OpenOptions::new().create(true).append(true).open(log)?));
                    }
                    None => {
                        command.arg("--scratch").arg(self.store(&name)).stderr(Stdio::null());
                    }
                }
                // A group of its own: Ctrl-C is for the harness.
                command.process_group(0);
                attach(command, Becomes::Supervisor, ears)
            };
            let attached = begin().map_err(|error| format!("{name}: its supervisor cannot be started: {error}"))?;
            Ok(Machine { attached, place: Neighbour { address: address(self.net, number), hardware: None } })
        };
        wanted.into_iter().map(make).collect()
    }

    fn bring(&mut self, _: &str, binary: &Path) -> Result<PathBuf, String> {
        binary.canonicalize().map_err(|error| format!("{}: {error}", binary.display()))
    }

    fn store(&self, name: &str) -> PathBuf {
        self.folder.as_ref().map_or_else(|| self.scratch.clone(), |folder| folder.join("stores")).join(name)
    }

    fn log(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("logs").join(format!("{name}.log")))
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // The supervisors are gone, and what they did not remove is empty.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// A node's address.
fn address(net: u8, node: usize) -> Ipv4Addr {
    let number = u16::try_from(node + 1).expect("a plan has less than 65,535 nodes").to_be_bytes();
    Ipv4Addr::new(127, net, number[0], number[1])
}
