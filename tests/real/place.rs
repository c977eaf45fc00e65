//! Where the command has its nodes, and how it is started there.

use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;
use schism::suite::Backend;

/// The command.
pub(super) const SCHISM: &str = env!("CARGO_BIN_EXE_schism");
/// In a user namespace: nobody in it may make a network namespace.
const FORBID_NETWORKS: &str = "echo 0 > /proc/sys/user/max_net_namespaces";

/// Where a run has its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In network namespaces.
    Namespaces,
    /// On the loopback: the run may make no network namespace.
    Loopback,
    /// In containers.
    Containers,
}

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Namespaces, Self::Loopback, Self::Containers];

    pub(super) fn backend(self) -> Backend {
        match self {
            Self::Namespaces | Self::Loopback => Backend::Process,
            Self::Containers => Backend::Container,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "process",
            Self::Loopback => "loopback",
            Self::Containers => "container",
        }
    }

    /// How many of so many runs are ended there: of the weaker kind of processes half.
    pub(super) fn share(self, runs: usize) -> usize {
        if self == Self::Loopback { runs / 2 } else { runs }
    }

    /// A program there.
    pub(super) fn program(self, program: &Path) -> Command {
        if self == Self::Loopback { on_the_loopback(program) } else { Command::new(program) }
    }

    /// The same where the folder for runs has so much room; in a mount namespace of its own, so that this, too, goes with it.
    pub(super) fn schism_with_room(self, room: &str, runs: &Path) -> Command {
        let mount = format!("mount -t tmpfs -o size={room} schism \"$0\"");
        let mut steps = vec![mount.as_str()];
        steps.extend((self == Self::Loopback).then_some(FORBID_NETWORKS));
        let is_root = Uid::effective().is_root() && self != Self::Loopback;
        let mut command = Command::new("unshare");
        command.args(["--mount", if is_root { "--" } else { "--map-root-user" }, "sh", "-c"]);
        command.arg(format!("{} && exec \"$@\"", steps.join(" && "))).arg(runs).arg(SCHISM);
        command
    }
}

/// A program that may make no network namespace.
pub fn on_the_loopback(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "sh", "-c", &format!("{FORBID_NETWORKS} && exec \"$0\" \"$@\"")]).arg(program);
    command
}
