//! The namespaces of a cluster of processes, and how processes come to be in them without unsafe code: a process
//! unshares or joins, then starts this very executable again.
//!
//! ```text
//! harness ─▶ hub ─▶ hub's PID 1        own user (where we are not root), network, pid and mount namespaces; the bridge
//!    │                 ├ supervisor of node 0 ─▶ node 0      each pair with network, pid and mount namespaces of its own,
//!    └─▶ enter ─▶ apart ┴ supervisor of node 1 ─▶ node 1     and a wire to the bridge
//! ```
//!
//! The line from the harness to the hub carries nothing. When it ends, PID 1 ends, and with it, by the kernel's hand,
//! everything in its pid namespace and below; network namespaces and wires go with the last process in them. Nothing
//! has a name outside, so nothing can be left behind.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command};

use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getgid, getuid, sethostname};

use crate::backend::real::patience;
use crate::suite::KEEPING;
use crate::supervisor::disk::SMALL_DISK;
use crate::supervisor::netlink::links;

/// The hidden verb of the hub.
pub const HUB: &str = "hub";
/// The hidden verb that joins the hub's namespaces.
pub const ENTER: &str = "enter";
/// The hidden verb that leaves them for a node's own.
pub const APART: &str = "apart";
/// The hidden verb of a supervisor.
pub const SUPERVISE: &str = "supervise";
/// This very executable, whatever became of its file.
pub const MYSELF: &str = "/proc/self/exe";
/// What the hub says when everything is there for nodes to come.
pub const READY: &str = "ready";
/// Where a node's store is when nobody wants to keep it: memory that the kernel takes back with the namespace.
pub const SCRATCH: &str = "/mnt";

/// What a node's place is told.
#[derive(Clone, Debug)]
pub struct Lot {
    /// The hub's PID 1, as the harness sees it.
    pub hub: u32,
    /// The node's number.
    pub number: u16,
    /// The node's name: its host's, too.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Real seconds that a second of the story takes.
    pub pace: f64,
    /// Whether its store is to be in memory.
    pub scratch: bool,
    /// Whether that memory is a small disk, which can be filled.
    pub small_disk: bool,
}

/// The hub: makes the namespaces and starts their PID 1, which it outlives.
///
/// # Errors
/// What the kernel refuses.
pub fn hub() -> io::Result<()> {
    die_with_parent()?;
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if getuid().is_root() {
        unshare(flags)?;
    } else {
        flags |= CloneFlags::CLONE_NEWUSER;
        let (user, group) = (getuid(), getgid());
        unshare(flags)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    }
    let mut first = myself(&[HUB, "--first"]).spawn()?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", first.id())?;
    out.flush()?;
    first.wait().map(drop)
}

/// PID 1 of the hub: makes the bridge, and waits until the harness is gone.
///
/// # Errors
/// What the kernel refuses.
pub fn first_of_hub() -> io::Result<()> {
    die_with_parent()?;
    keep_mounts_to_ourselves()?;
    links::make_bridge()?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let ended = SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let mut harness = io::stdin();
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    loop {
        let mut streams =
            [PollFd::new(harness.as_fd(), PollFlags::POLLIN), PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        let interrupted = poll(&mut streams, PollTimeout::NONE).is_err();
        let gone = !interrupted && streams[0].any().unwrap_or(false);
        if gone && harness.read(&mut [0; 64])? == 0 {
            return Ok(());
        }
        while ended.read_signal()?.is_some() {}
        // Whoever lost its parent is our child now.
        while matches!(waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
        {
        }
    }
}

/// Joins the hub's namespaces, where [`apart`] is started, and waits until that has done its work.
///
/// # Errors
/// What the kernel refuses.
pub fn enter(lot: &Lot) -> io::Result<()> {
    let of_hub = |kind: &str| File::open(format!("/proc/{}/ns/{kind}", lot.hub));
    let (user, network, processes) = (of_hub("user")?, of_hub("net")?, of_hub("pid")?);
    if fs::metadata("/proc/self/ns/user")?.ino() != user.metadata()?.ino() {
        setns(user, CloneFlags::CLONE_NEWUSER)?;
    }
    setns(network, CloneFlags::CLONE_NEWNET)?;
    setns(processes, CloneFlags::CLONE_NEWPID)?;
    let (number, address, pace) = (lot.number.to_string(), lot.address.to_string(), lot.pace.to_string());
    let mut apart = myself(&[APART, "--number", &number, "--name", &lot.name, "--address", &address, "--pace", &pace]);
    if lot.scratch {
        apart.arg("--scratch");
    }
    if lot.small_disk {
        apart.arg("--small-disk");
    }
    let status = apart.spawn()?.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("its place could not be made ({status})"))) }
}

/// Leaves the hub's namespaces for a node's own, lays the wire, and starts the supervisor, which stays.
///
/// # Errors
/// What the kernel refuses.
pub fn apart(lot: &Lot) -> io::Result<Child> {
    let mut hub = links::open()?;
    unshare(
        CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    keep_mounts_to_ourselves()?;
    sethostname(&lot.name)?;
    if lot.scratch {
        let size = lot.small_disk.then(|| format!("size={SMALL_DISK}"));
        mount(Some("schism"), SCRATCH, Some("tmpfs"), MsFlags::empty(), size.as_deref())?;
    }
    patience::follow(lot.pace);
    links::lay_wire(&mut hub, lot.number, std::process::id(), links::hardware(lot.address))?;
    links::settle_in(lot.address)?;
    myself(&[SUPERVISE]).spawn()
}

/// Shows this pid namespace its own processes and no others, where the kernel lets us.
pub fn mount_processes() {
    // In containers whose /proc is partly hidden this is refused; the outer one shows more, and does no harm.
    let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>);
}

/// This very executable again. How a worker keeps its memory suits one process with a thousand nodes, not one of them.
pub fn myself(arguments: &[&str]) -> Command {
    let mut command = Command::new(MYSELF);
    command.args(arguments).env_remove(KEEPING);
    command
}

/// Whether stores can be in memory here.
pub fn has_scratch() -> bool {
    Path::new(SCRATCH).is_dir()
}

fn keep_mounts_to_ourselves() -> io::Result<()> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    Ok(())
}

/// Has the kernel end this process when the thread that started it ends.
fn die_with_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}
