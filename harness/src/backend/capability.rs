//! Capabilities: which kinds of fault each backend can do, by what, and what to do instead where it cannot. Asked
//! before anything starts, so that nothing is skipped.

use std::fmt;
use std::fs;
use std::sync::LazyLock;

use schism_chaos::catalogue::CATALOGUE;

use super::container::Containers;
use super::process::Processes;
use super::real::Settings;
use super::real::site::Layer;
use crate::experiment::Experiment;
use crate::suite;
use crate::supervisor::filter::Queueing;
use crate::supervisor::netlink::disciplines::SOUGHT;
use crate::topology::LinkClass;

/// Whether a backend can do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Can {
    /// By this.
    By(&'static str),
    /// It cannot.
    Not {
        /// Why.
        why: String,
        /// What to do instead.
        instead: String,
    },
}

/// What the kernel under a backend was found to offer, by asking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who hurts links.
    pub layer: Layer,
    /// How frames come to the delay line; nothing: they cannot.
    pub queueing: Option<Queueing>,
    /// Which of the [`SOUGHT`] queueing disciplines the kernel knows. No fault needs one.
    pub disciplines: [bool; 3],
}

impl Offer {
    /// Makes a place for a node and looks what can be done in it; everything is gone afterwards.
    ///
    /// # Errors
    /// Why no such place can be made, and what would help.
    pub fn of_this_kernel() -> Result<Self, String> {
        let asked = Processes::new(anything()).and_then(Processes::offer);
        asked.map_err(|why| format!("{why}; {}", remedy()))
    }

    /// What is there without any namespaces.
    pub fn of_the_loopback() -> Self {
        Self { layer: Layer::Transport, queueing: None, disciplines: [false; 3] }
    }

    /// What the process backend has here: the kernel, or the loopback and why not the kernel. It is found out once.
    pub fn of_processes() -> (Self, Option<&'static str>) {
        static FOUND: LazyLock<Result<Offer, String>> = LazyLock::new(Offer::of_this_kernel);
        match &*FOUND {
            Ok(offer) => (*offer, None),
            Err(why) => (Self::of_the_loopback(), Some(why)),
        }
    }

    /// The same in a container: the engine may be on another machine.
    ///
    /// # Errors
    /// Why there is no engine or what it refuses, and what would help.
    pub fn of_the_engine() -> Result<Self, String> {
        Containers::new(anything()).and_then(Containers::offer)
    }

    /// Whether a real backend can do this kind of fault there.
    pub fn can(self, fault: &str) -> Can {
        match fault {
            "partition" | "cut" | "isolate" | "flap" | "latency" | "bandwidth" | "loss"
                if self.layer == Layer::Transport =>
            {
                Can::By("the transport under each node")
            }
            "full_disk" if self.layer == Layer::Transport => Can::Not {
                why: "without a mount namespace no node has a disk of its own that could be filled".to_owned(),
                instead: "allow namespaces, or leave `--backend` out".to_owned(),
            },
            "partition" | "cut" | "isolate" | "flap" => Can::By("nftables drops what arrives"),
            "latency" | "bandwidth" | "loss" => self.delays(),
            "freeze" => Can::By("SIGSTOP"),
            "clock_skew" => Can::By("the node's own clock"),
            "slow" | "drop" | "hold" => Can::By("gates between the node's actors"),
            "full_disk" => Can::By("a small disk in memory, filled"),
            "failing_sync" => Can::By("a door before the node's store"),
            "hash_power" => Can::By("the node's own miner"),
            "join" => Can::By("a machine more"),
            _ => Can::By("SIGKILL"),
        }
    }

    /// What of an experiment cannot be done here, in a sentence.
    pub fn refuses(self, experiment: &Experiment) -> Option<String> {
        let faults = experiment.faults.iter().map(|step| (step.name.clone(), self.can(step.fault.name())));
        let slow = is_slow(&experiment.topology.link) || !experiment.topology.regions.is_empty();
        let links = slow.then(|| ("the topology's links".to_owned(), self.can("latency")));
        let mut refused = faults.chain(links).filter_map(|(what, can)| match can {
            Can::By(_) => None,
            Can::Not { why, instead } => Some(format!("{what}: {why}; {instead}")),
        });
        refused.next()
    }

    /// What else the kernel could shape traffic by, for people.
    pub fn disciplines(self) -> String {
        let those = |known: bool| {
            let named = SOUGHT.iter().zip(self.disciplines).filter(|(_, knows)| *knows == known);
            let named: Vec<&str> = named.map(|(name, _)| *name).collect();
            if named.is_empty() { "nothing".to_owned() } else { named.join(" and ") }
        };
        format!("of netem, tbf and htb the kernel has {}, and lacks {}", those(true), those(false))
    }

    fn delays(self) -> Can {
        match self.queueing {
            Some(Queueing::Native) => Can::By("a delay line behind nftables' queue"),
            Some(Queueing::Compatible) => Can::By("a delay line behind the NFQUEUE target"),
            None => Can::Not {
                why: "this kernel hands frames to nobody (it has neither nft_queue nor xt_NFQUEUE)".to_owned(),
                instead: "load one of the two modules, or leave `--backend` out".to_owned(),
            },
        }
    }
}

/// What the simulation does it by: there is nothing it cannot do.
pub fn simulated(fault: &str) -> Can {
    Can::By(match fault {
        "freeze" => "its futures are not polled",
        "crash" | "restart" | "upgrade" | "churn" | "destroy" => "its futures are dropped",
        "clock_skew" => "the node's own clock",
        "slow" | "drop" | "hold" => "gates between the node's actors",
        "full_disk" | "failing_sync" => "the disk in memory",
        "hash_power" => "the node's own miner",
        "join" => "a node more",
        _ => "the fabric",
    })
}

/// Every kind of fault, and whether a backend can do it, which offers this where it is a real one.
pub fn table(backend: suite::Backend, offer: &Result<Offer, String>) -> Vec<(&'static str, Can)> {
    let of = |fault: &'static str| match (backend, offer) {
        (suite::Backend::Simulated, _) => simulated(fault),
        (_, Ok(offer)) => offer.can(fault),
        (_, Err(why)) => not(why),
    };
    CATALOGUE.iter().map(|kind| (kind.name, of(kind.name))).collect()
}

fn not(why: &str) -> Can {
    Can::Not { why: why.to_owned(), instead: "leave `--backend` out: the simulation runs the same node".to_owned() }
}

fn is_slow(link: &LinkClass) -> bool {
    !link.latency.is_zero() || !link.jitter.is_zero() || link.bandwidth.is_some() || link.loss.0 > 0.0
}

/// What a cluster is told that is only asked what it can do.
fn anything() -> Settings {
    Settings { seed: 0, pace: 1.0, gated: false, small_disks: false, folder: None }
}

/// How namespaces come to be allowed here.
fn remedy() -> &'static str {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|read| read.trim() == value);
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return "AppArmor forbids user namespaces: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root";
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return "the kernel keeps user namespaces to root: `sysctl kernel.unprivileged_userns_clone=1`, or run as root";
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return "no user namespaces are left: `sysctl user.max_user_namespaces=10000`, or run as root";
    }
    "in a container it takes the right to make namespaces: `--privileged`, or another machine"
}

impl fmt::Display for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(what) => f.write_str(what),
            Self::Not { why, .. } => write!(f, "no: {why}"),
        }
    }
}
