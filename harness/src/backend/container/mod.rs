//! The container backend: every node's machine is a container of an engine (Docker 20.10 or later).
//!
//! - this file: [`Fleet`], the site. [`engine`]: what is asked. [`image`]: what containers are made of. [`attach`]: the
//!   line to one. [`build`]: another build, out of its image.
//! - [`owner`], [`leftovers`], [`reaper`]: why nothing is left behind.
//!
//! testcontainers finds the engine and creates, starts and removes containers; bollard, which it is made with, says what
//! it has no words for: the image, the network's subnet, the volume, attached streams, labels to look for.
//!
//! Nothing outlives its harness, in four ways, each of which is enough. What it made is removed when it ends, by a
//! result, a panic or a signal that can be heard. Its [`reaper`] removes what is left when it ends otherwise. A supervisor
//! that no heartbeat reaches ends, and its container, which is PID 1's, goes with it. The next cluster sweeps up what
//! belongs to the dead.

pub mod attach;
pub mod build;
pub mod engine;
pub mod image;
pub mod leftovers;
pub mod owner;
pub mod reaper;

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{
    HostConfig, HostConfigLogConfig, Ipam, IpamConfig, NetworkCreateRequest, VolumeCreateRequest,
};
use testcontainers::bollard::query_parameters::InspectContainerOptions;
use testcontainers::core::Mount;
use testcontainers::core::client::ClientError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::attach::{GRACE, attach};
use self::engine::{Engine, PATIENCE, answer, told};
use self::owner::Owner;
use self::reaper::Reaper;
use super::process::namespaces::SUPERVISE;
use super::real::attached::Ears;
use super::real::site::{Machine, Site, Wanted};
use super::real::{Real, Settings};
use crate::logs;
use crate::supervisor::disk::SMALL_DISK;
use crate::supervisor::netlink::links::{Hardware, Neighbour};

/// A cluster of containers.
pub type Containers = Real<Fleet>;

/// Containers started at once: the engine works on each for itself, and more only wait for processors.
pub const AT_ONCE: usize = 8;
/// Where the stores are in a container.
const STORES: &str = "/stores";
/// Subnets that are tried: of 4,096 addresses each, from 10.64.0.0 on.
const SUBNETS: u32 = 1_024;
/// Where each container is a group of processes beside those of others, not one of an engine's one group. Of a busy processor
/// that group is given one process's part, however many containers are in it, and starves while the engine starts others.
const BESIDE: &str = "/";
/// What of `/proc` stays as it is in any container, but for the network's settings, which are the container's own.
const READ_ONLY: [&str; 12] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sysrq-trigger",
    "/proc/sys/abi",
    "/proc/sys/debug",
    "/proc/sys/dev",
    "/proc/sys/fs",
    "/proc/sys/kernel",
    "/proc/sys/sunrpc",
    "/proc/sys/user",
    "/proc/sys/vm",
];

/// The containers of one cluster, with their network and their volume.
pub struct Fleet {
    engine: Engine,
    kit: Kit,
    folder: Option<PathBuf>,
    reaper: Option<Reaper>,
}

/// Containers that have been started. They are kept until they are removed: where one is merely dropped testcontainers removes
/// it and has whoever drops it wait for that, however long the engine takes.
type Ships = Arc<Mutex<Vec<ContainerAsync<GenericImage>>>>;

/// What every container of a cluster is made with.
#[derive(Clone, Debug)]
struct Kit {
    docker: Docker,
    ships: Ships,
    tag: String,
    labels: HashMap<String, String>,
    /// The name of the cluster, of its network and of its volume.
    name: String,
    pace: f64,
    small_disks: bool,
    podman: bool,
    groups: bool,
}

impl Containers {
    /// A cluster without nodes yet.
    ///
    /// # Errors
    /// Why there is no engine, or what it refuses.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self::on(Fleet::new(&settings)?, settings))
    }
}

impl Fleet {
    fn new(settings: &Settings) -> Result<Self, String> {
        let engine = Engine::find()?;
        let owner = Owner::this();
        let session = owner.new_session();
        let reaper = Reaper::start(&session).map_err(|error| format!("the reaper cannot be started: {error}"))?;
        let docker = engine.docker().clone();
        let (labels, name) = (owner.labels(&session), format!("schism-{session}"));
        let Settings { pace, small_disks, .. } = *settings;
        let podman = engine.about().is_podman();
        let groups = engine.about().groups && !podman;
        let (tag, ships) = (String::new(), Ships::default());
        let mut kit = Kit { docker: docker.clone(), ships, tag, labels, name, pace, small_disks, podman, groups };
        let mut fleet = Self { engine, kit: kit.clone(), folder: settings.folder.clone(), reaper: Some(reaper) };
        fleet.kit = fleet.engine.wait(async move {
            leftovers::sweep(&docker).await;
            kit.tag = image::provide(&docker).await?;
            let volume = VolumeCreateRequest {
                name: Some(kit.name.clone()),
                labels: Some(kit.labels.clone()),
                ..Default::default()
            };
            docker.create_volume(volume).await.map_err(told)?;
            make_network(&docker, &kit.name, &kit.labels).await?;
            Ok(kit)
        })?;
        Ok(fleet)
    }

    /// The engine it is in.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn open_log(&self, name: &str) -> Result<Option<File>, String> {
        let path = self.folder.as_ref().map(|folder| folder.join("logs").join(format!("{name}.log")));
        let open = |path: PathBuf| OpenOptions::new().create(true).append(true).open(path);
        path.map(open).transpose().map_err(|error| format!("the log of {name} cannot be written: {error}"))
    }
}

impl Site for Fleet {
    fn make(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Machine>, String> {
        let with_logs = wanted.into_iter().map(|wanted| Ok((self.open_log(&wanted.name)?, wanted)));
        let with_logs = with_logs.collect::<Result<Vec<_>, String>>()?;
        let kit = self.kit.clone();
        self.engine.wait(async move {
            let each = with_logs.into_iter().map(|(log, wanted)| {
                let kit = kit.clone();
                async move {
                    wanted.still()?;
                    kit.make(wanted.name, wanted.ears, log).await
                }
            });
            stream::iter(each).buffered(AT_ONCE).try_collect::<Vec<_>>().await
        })
    }

    fn bring(&mut self, name: &str, binary: &Path) -> Result<PathBuf, String> {
        let (docker, container, binary) = (self.kit.docker.clone(), self.kit.container(name), binary.to_owned());
        self.engine.wait(async move { image::bring(&docker, &container, &binary, STORES).await })
    }

    fn store(&self, name: &str) -> PathBuf {
        PathBuf::from(STORES).join(name)
    }

    fn log(&self, _: &str) -> Option<PathBuf> {
        None
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let ships = std::mem::take(&mut *self.kit.ships.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = self.engine.wait(async move {
            let (gone, mut each) = mpsc::channel(1);
            Handle::current().spawn(async move {
                for ship in ships {
                    let _ = ship.rm().await;
                    let _ = gone.send(()).await;
                }
            });
            while timeout(PATIENCE, each.recv()).await.map_err(told)?.is_some() {}
            Ok(())
        });
        // Whatever is still there, with the network and the volume.
        let Some(Err(why)) = self.reaper.take().map(Reaper::dismiss) else { return };
        self.engine.abandon();
        #[expect(clippy::print_stderr, reason = "the verdict stands, and nobody hears of this otherwise")]
        {
            eprintln!("of the cluster {} something is left: {why}; `schism clean` tries again", self.kit.name);
        }
    }
}

impl Kit {
    /// Makes a container and attaches to it.
    async fn make(self, name: String, ears: Ears, log: Option<File>) -> Result<Machine, String> {
        let failed = |what: String| format!("{name}: its container cannot be started: {what}");
        let id = self.start(&name).await.map_err(failed)?;
        let place = self.place(&id).await.map_err(failed)?;
        let attached = attach(&self.docker, &id, ears, log).await.map_err(failed)?;
        Ok(Machine { attached, place })
    }

    /// What a node's container is called.
    fn container(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// Starts a container; its id.
    async fn start(&self, name: &str) -> Result<String, String> {
        match self.launch(name).await? {
            Err(TestcontainersError::Client(ClientError::PullImage { .. })) => {
                // Somebody found the image old and in nobody's use; no registry has it.
                image::provide(&self.docker).await?;
                self.launch(name).await?.map_err(told)
            }
            started => started.map_err(told),
        }
    }

    /// Asks for its start, in a task of its own: one that hangs is left to itself.
    async fn launch(&self, name: &str) -> Result<Result<String, TestcontainersError>, String> {
        let (request, ships) = (self.request(name), self.ships.clone());
        let started = Handle::current().spawn(async move {
            let ship = request.start().await?;
            let id = ship.id().to_owned();
            ships.lock().unwrap_or_else(PoisonError::into_inner).push(ship);
            Ok(id)
        });
        answer(started).await
    }

    /// What stores are on: the cluster's volume, or a small disk in each container's memory.
    fn disk(&self) -> Mount {
        if self.small_disks {
            // Podman takes no mode for a mode of nothing.
            Mount::tmpfs_mount(STORES).with_size_bytes(SMALL_DISK.cast_signed()).with_mode(0o1777)
        } else {
            Mount::volume_mount(&self.name, STORES)
        }
    }

    fn request(&self, name: &str) -> ContainerRequest<GenericImage> {
        let words = [SUPERVISE, "--pace", &self.pace.to_string(), "--grace", &GRACE.as_secs().to_string()];
        let (podman, groups) = (self.podman, self.groups);
        let request = GenericImage::new(image::REPOSITORY, &self.tag)
            .with_entrypoint(image::PROGRAM)
            .with_container_name(self.container(name))
            .with_hostname(name)
            .with_labels(self.labels.clone())
            .with_network(&self.name)
            .with_mount(self.disk())
            .with_cap_drop("ALL")
            .with_cap_add("NET_ADMIN")
            .with_readonly_rootfs(true)
            .with_open_stdin(true)
            .with_cmd(words)
            .with_host_config_modifier(move |host: &mut HostConfig| {
                host.auto_remove = Some(true);
                host.cgroup_parent = groups.then(|| BESIDE.to_owned());
                host.publish_all_ports = Some(false);
                // Podman does not hear of the first.
                host.readonly_paths = Some(READ_ONLY.map(str::to_owned).to_vec());
                host.security_opt = podman.then(settings_but_networks);
                // Everything said is on the attached streams; the engine need not write it down.
                host.log_config = Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None });
            });
        // What nodes log, and as what, is said to whoever starts them.
        let said = [logs::WORDS, logs::FORMAT].into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        said.fold(request, |request, (name, value)| request.with_env_var(name, value))
    }

    /// The addresses that the engine gave a container.
    async fn place(&self, id: &str) -> Result<Neighbour, String> {
        let found = self.docker.inspect_container(id, None::<InspectContainerOptions>).await.map_err(told)?;
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let network = networks.get(&self.name);
        let address = network.and_then(|network| network.ip_address.as_ref()?.parse().ok());
        let address = address.ok_or_else(|| "it has no address on the cluster's network".to_owned())?;
        Ok(Neighbour { address, hardware: network.and_then(|network| hardware(network.mac_address.as_ref()?)) })
    }
}

/// The address of a wire as engines write it: `02:42:0a:40:00:02`.
fn hardware(text: &str) -> Option<Hardware> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// [`READ_ONLY`] in podman's words, which can open all settings, and hide some of them, but not make some of them
/// read-only.
fn settings_but_networks() -> Vec<String> {
    let hidden: Vec<&str> = READ_ONLY.into_iter().filter(|path| path.starts_with("/proc/sys/")).collect();
    vec!["unmask=/proc/sys".to_owned(), format!("mask={}", hidden.join(":"))]
}

/// Subnets for the network of a cluster of this name, in the order in which they are tried.
pub fn subnets(name: &str) -> impl Iterator<Item = String> {
    // Clusters that begin at once begin at different ones.
    let first = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let numbers = (0..SUBNETS).map(move |next| first.wrapping_add(next) % SUBNETS);
    let subnet = |number: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 64, 0, 0)) + number * 4_096);
    numbers.map(move |number| format!("{}/20", subnet(number)))
}

/// Makes a network of containers alone, on the first subnet that nobody has.
async fn make_network(docker: &Docker, name: &str, labels: &HashMap<String, String>) -> Result<(), String> {
    let mut refused = String::new();
    for subnet in subnets(name) {
        let config = IpamConfig { subnet: Some(subnet), ..Default::default() };
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            ipam: Some(Ipam { config: Some(vec![config]), ..Default::default() }),
            labels: Some(labels.clone()),
            ..Default::default()
        };
        match docker.create_network(request).await {
            Ok(_) => return Ok(()),
            Err(Error::DockerResponseServerError { message, .. }) if is_taken(&message) => refused = message,
            Err(error) => return Err(format!("the cluster's network cannot be made: {}", told(error))),
        }
    }
    Err(format!(
        "no subnet of 10.64.0.0/10 is free for the cluster's network ({refused}): remove some that nobody uses with `docker network prune`"
    ))
}

/// Whether an engine says that somebody has the subnet already: Docker's words, the kernel's through it, and podman's.
fn is_taken(message: &str) -> bool {
    ["overlaps", "already exists", "already used", "conflicts with"].iter().any(|words| message.contains(words))
}
