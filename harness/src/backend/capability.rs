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

    /// Whether a real backend can do this kind of fault there, a word of the catalogue or of [`rows`].
    pub fn can(self, fault: &str) -> Can {
        match fault {
            "partition" | "cut" | "isolate" | "flap" | "latency" | "jitter" | "bandwidth" | "loss"
                if self.layer == Layer::Transport =>
            {
                Can::By("the transport under each node")
            }
            "crash (machine)" if self.layer == Layer::Transport => {
                Can::By("peers' transports hear it no more, then SIGKILL, and what was not synced is cut off")
            }
            "full_disk" if self.layer == Layer::Transport => Can::Not {
                why: "without a mount namespace no node has a disk of its own that could be filled".to_owned(),
                instead: "allow namespaces, or leave `--backend` out".to_owned(),
            },
            "partition" | "cut" | "isolate" | "flap" => Can::By("nftables drops what arrives"),
            "latency" | "jitter" | "bandwidth" | "loss" => self.delays(),
            "crash (machine)" => Can::By("nftables silences it, then SIGKILL, and what was not synced is cut off"),
            "crash (torn)" => Can::By("as its machine's, and its store is damaged"),
            "restart" | "upgrade" | "churn" => Can::By("a crash of the kind that is said"),
            "destroy" => Can::By("a crash of its machine, and its store is deleted"),
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

/// Why nothing is done by a queueing discipline of the kernel, on any backend, and where that is decided.
pub const UNNEEDED: &str = "no fault needs one: a delay line slows each link for itself and says how long it kept each \
                        frame, which no discipline does (docs/decisions/0008-one-delay-line-everywhere.md)";

/// What the simulation does it by: there is nothing it cannot do.
pub fn simulated(fault: &str) -> Can {
    Can::By(match fault {
        "freeze" => "its futures are not polled",
        "crash" | "crash (process)" => "its futures are dropped",
        "crash (machine)" => "the same in silence, without what was not synced",
        "crash (torn)" => "the same, and the disk in memory is damaged",
        "restart" | "upgrade" | "churn" => "a crash of the kind that is said",
        "destroy" => "a crash of its machine, and its store is deleted",
        "clock_skew" => "the node's own clock",
        "slow" | "drop" | "hold" => "gates between the node's actors",
        "full_disk" | "failing_sync" => "the disk in memory",
        "hash_power" => "the node's own miner",
        "join" => "a node more",
        _ => "the fabric",
    })
}

/// Every kind of fault by the word of the catalogue, but for those that are not all done by the same: jitter has a row beside
/// latency, and each kind of crash its own.
pub fn rows() -> Vec<&'static str> {
    let of_kind = |name: &'static str| match name {
        "latency" => vec![name, "jitter"],
        "crash" => vec!["crash (process)", "crash (machine)", "crash (torn)"],
        _ => vec![name],
    };
    CATALOGUE.iter().flat_map(|kind| of_kind(kind.name)).collect()
}

/// Each of these [`rows`], and whether a backend can do it, which offers this where it is a real one.
pub fn table(backend: suite::Backend, offer: &Result<Offer, String>) -> Vec<(&'static str, Can)> {
    let of = |fault: &'static str| match (backend, offer) {
        (suite::Backend::Simulated, _) => simulated(fault),
        (_, Ok(offer)) => offer.can(fault),
        (_, Err(why)) => not(why),
    };
    rows().into_iter().map(|fault| (fault, of(fault))).collect()
}

fn not(why: &str) -> Can {
    Can::Not { why: why.to_owned(), instead: "leave `--backend` out: the simulation runs the same node".to_owned() }
}

fn is_slow(link: &LinkClass) -> bool {
    !link.latency.is_zero() || !link.jitter.is_zero() || link.bandwidth.is_some() || link.loss.0 > 0.0
}

/// What a cluster is told that is only asked what it can do.
fn anything() -> Settings {
    Settings::plain(0, 1.0)
}

/// Settings that forbid user namespaces to whoever is not root: where they are, the value that does, and what it means.
const FORBIDDING: [(&str, &str, &str); 3] = [
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "the kernel keeps user namespaces to root: `sysctl kernel.unprivileged_userns_clone=1`, or run as root",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "no user namespaces are left: `sysctl user.max_user_namespaces=10000`, or run as root",
    ),
];

/// Why nobody but root may make user namespaces here, by the system's settings, and what would help; nothing: everybody may.
pub fn users_are_kept_out() -> Option<&'static str> {
    kept_out(|path| fs::read_to_string(path).ok())
}

fn kept_out(read: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let forbids = |path, value| read(path).is_some_and(|read| read.trim() == value);
    FORBIDDING.into_iter().find(|(path, value, _)| forbids(path, *value)).map(|(.., why)| why)
}

/// How namespaces come to be allowed here.
fn remedy() -> &'static str {
    let no_networks = fs::read_to_string("/proc/sys/user/max_net_namespaces").is_ok_and(|most| most.trim() == "0");
    users_are_kept_out().unwrap_or(if no_networks {
        "no network namespaces are left: `sysctl user.max_net_namespaces=10000`"
    } else {
        "in a container it takes the right to make namespaces: `--privileged`, or another machine"
    })
}

impl fmt::Display for Can {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(what) => f.write_str(what),
            Self::Not { why, instead } => write!(f, "no: {why}; {instead}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(queueing: Option<Queueing>) -> Offer {
        Offer { layer: Layer::Kernel, queueing, disciplines: [false, true, false] }
    }

    #[test]
    fn without_a_queue_links_are_cut_and_not_slowed_and_the_modules_are_named() {
        let offer = kernel(None);
        for fault in ["latency", "jitter", "bandwidth", "loss"] {
            let said = offer.can(fault).to_string();
            assert_eq!(
                said,
                "no: this kernel hands frames to nobody (it has neither nft_queue nor xt_NFQUEUE); load one of the two \
                 modules, or leave `--backend` out",
                "{fault}"
            );
        }
        assert_eq!(offer.can("partition").to_string(), "nftables drops what arrives");
        assert!(matches!(offer.can("full_disk"), Can::By(_)));
    }

    #[test]
    fn with_a_queue_it_is_the_delay_line_behind_it() {
        let by = |queueing| kernel(Some(queueing)).can("jitter").to_string();
        assert_eq!(by(Queueing::Native), "a delay line behind nftables' queue");
        assert_eq!(by(Queueing::Compatible), "a delay line behind the NFQUEUE target");
    }

    #[test]
    fn on_the_loopback_no_disk_is_filled_and_no_kernel_is_named() {
        let offer = Offer::of_the_loopback();
        let rows = table(suite::Backend::Process, &Ok(offer));
        let refused: Vec<&str> =
            rows.iter().filter(|(_, can)| matches!(can, Can::Not { .. })).map(|row| row.0).collect();
        assert_eq!(refused, ["full_disk"]);
        assert!(offer.can("full_disk").to_string().ends_with("; allow namespaces, or leave `--backend` out"));
        assert!(rows.iter().all(|(_, can)| !can.to_string().contains("nftables")), "{rows:?}");
        let machine = offer.can("crash (machine)").to_string();
        assert!(machine.starts_with("peers' transports hear it no more, then SIGKILL"), "{machine}");
        assert_eq!(offer.can("crash (process)").to_string(), "SIGKILL");
    }

    #[test]
    fn where_there_is_no_engine_every_fault_has_the_reason_and_the_alternative() {
        let rows = table(suite::Backend::Container, &Err("no engine answers".to_owned()));
        assert_eq!(rows.len(), CATALOGUE.len() + 3, "jitter, and two kinds of crash more");
        for (fault, can) in rows {
            let said = "no: no engine answers; leave `--backend` out: the simulation runs the same node";
            assert_eq!(can.to_string(), said, "{fault}");
        }
        assert!(table(suite::Backend::Simulated, &Err(String::new())).iter().all(|(_, can)| matches!(can, Can::By(_))));
    }

    #[test]
    fn a_discipline_that_is_lacking_is_named_with_the_reason_why_none_is_needed() {
        let said = kernel(None).disciplines();
        assert_eq!(said, "of netem, tbf and htb the kernel has tbf, and lacks netem and htb");
        assert!(UNNEEDED.starts_with("no fault needs one"), "{UNNEEDED}");
        let page = UNNEEDED.split(['(', ')']).nth(1).unwrap_or_default();
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page).exists(), "{page}");
    }

    #[test]
    fn a_setting_that_forbids_user_namespaces_is_named() {
        let system = |wrong: &'static str, value: &'static str| {
            kept_out(move |path| (path == wrong).then(|| format!("{value}\n")))
        };
        for (path, value, why) in FORBIDDING {
            assert_eq!(system(path, value), Some(why));
            assert_eq!(system(path, "7"), None, "{path}");
        }
        assert_eq!(system("", ""), None, "a system without such settings");
    }
}
