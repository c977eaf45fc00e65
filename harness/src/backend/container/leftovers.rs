//! Leftovers: what an engine holds of clusters, found by its labels, and how it is removed. However a harness ends, what
//! it made is removed by this: by itself, by its reaper, by the next one, or by hand.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures::future::join_all;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::{ContainerSummary, NetworkDisconnectRequest};
use testcontainers::bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder, PruneContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};
use tokio::time::{Instant, sleep};

use super::engine::told;
use super::owner::{Life, MADE, OWNER, Owner, SESSION};

/// The engine says nothing when a removal that it has begun is through: it is asked this often.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// After which something that is still there will not go.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The same for who only wants to begin: a cluster that sweeps up what others have left.
const SWEEP: Duration = Duration::from_secs(5);
/// For how long an engine may take a network to be in use when its containers are gone: until then they are on their
/// way out.
const STALE: Duration = Duration::from_secs(1);

/// What helps where an engine has lost count.
const LOST: &str = "; nobody is on it: the engine has lost count, and gives it up when it is started again";

/// What kind of thing is left; in the order in which they can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A container, in whatever state.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// Something that belongs to a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leftover {
    /// What it is.
    pub kind: Kind,
    /// How the engine knows it.
    pub id: String,
    /// How people know it.
    pub name: String,
    /// The cluster.
    pub session: String,
    /// What its label says of whose it is.
    pub owner: String,
    /// When it was made, in seconds since the Unix epoch.
    pub made: u64,
}

impl Kind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

impl Leftover {
    /// Whether its owner lives; one whose label cannot be read is not known here.
    pub fn life(&self) -> Life {
        Owner::read(&self.owner).map_or(Life::Elsewhere, |owner| owner.life())
    }

    /// Its kind and its name.
    pub fn said(&self) -> String {
        format!("{} {}", self.kind.word(), self.name)
    }

    fn of(kind: Kind, id: &str, name: &str, labels: &HashMap<String, String>) -> Option<Self> {
        let label = |name: &str| labels.get(name).cloned();
        Some(Self {
            kind,
            id: id.to_owned(),
            name: name.trim_start_matches('/').to_owned(),
            session: label(SESSION)?,
            owner: label(OWNER).unwrap_or_default(),
            made: label(MADE).and_then(|made| made.parse().ok()).unwrap_or(0),
        })
    }
}

/// Everything there is of one cluster, or of all.
///
/// # Errors
/// What the engine said.
pub async fn find(docker: &Docker, session: Option<&str>) -> Result<BTreeSet<Leftover>, String> {
    let label = session.map_or_else(|| SESSION.to_owned(), |session| format!("{SESSION}={session}"));
    let filters = HashMap::from([("label", vec![label.as_str()])]);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let volumes = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let containers = list_containers(docker, &containers, session.map(|_| &filters)).await?;
    let networks = docker.list_networks(Some(networks)).await.map_err(told)?;
    let volumes = docker.list_volumes(Some(volumes)).await.map_err(told)?.volumes.unwrap_or_default();
    let containers = containers.iter().filter_map(|one| {
        let name = one.names.as_ref().and_then(|names| names.first()).cloned().unwrap_or_default();
        Leftover::of(Kind::Container, one.id.as_ref()?, &name, one.labels.as_ref()?)
    });
    let networks = networks.iter().filter_map(|one| {
        Leftover::of(Kind::Network, one.id.as_ref()?, one.name.as_deref().unwrap_or_default(), one.labels.as_ref()?)
    });
    let volumes = volumes.iter().filter_map(|one| Leftover::of(Kind::Volume, &one.name, &one.name, &one.labels));
    Ok(containers.chain(networks).chain(volumes).collect())
}

/// Lists containers. Podman calls those `stopped` that have ended and are not cleaned up yet, which bollard takes for a
/// broken answer: that passes, at once where those of a cluster that shall go are removed without being looked at.
async fn list_containers(
    docker: &Docker,
    which: &ListContainersOptions,
    going: Option<&HashMap<&str, Vec<&str>>>,
) -> Result<Vec<ContainerSummary>, String> {
    let began = Instant::now();
    loop {
        match docker.list_containers(Some(which.clone())).await {
            Err(Error::JsonDataError { .. }) if began.elapsed() < PATIENCE => {
                if let Some(going) = going {
                    // If it does not work now, it does later.
                    let _ = docker
                        .prune_containers(Some(PruneContainersOptionsBuilder::new().filters(going).build()))
                        .await;
                }
                sleep(LOOK_AGAIN).await;
            }
            listed => return listed.map_err(told),
        }
    }
}

/// Removes what there is of one cluster, or of all, and is such, and returns when it is gone.
///
/// # Errors
/// What is still there when this patience is over, and what the engine said of it.
pub async fn remove(
    docker: &Docker,
    session: Option<&str>,
    such: impl Fn(&Leftover) -> bool,
    patience: Duration,
) -> Result<(), String> {
    let began = Instant::now();
    let (mut refused, mut no_container_since) = (Vec::new(), began);
    loop {
        let mut found = find(docker, session).await?;
        found.retain(&such);
        if found.is_empty() {
            return Ok(());
        }
        if no_container_since.elapsed() > STALE || began.elapsed() > patience {
            let lost = join_all(found.iter().map(|leftover| is_lost(docker, leftover))).await;
            if began.elapsed() > patience || lost.iter().all(|lost| *lost) {
                let names: Vec<_> = found.iter().map(Leftover::said).collect();
                let why = if lost.contains(&true) { LOST } else { "" };
                return Err(format!("{} cannot be removed: {}{why}", names.join(", "), refused.join("; ")));
            }
            join_all(of(Kind::Network, &found).map(|network| disconnect_all(docker, network))).await;
        }
        refused.clear();
        // Networks and volumes go when nobody uses them any more. That containers of a network end at once no engine before
        // Docker 23 bears.
        for leftover in [Kind::Container, Kind::Network, Kind::Volume].into_iter().flat_map(|kind| of(kind, &found)) {
            match remove_one(docker, leftover).await {
                Ok(()) => {}
                Err(silence @ Error::RequestTimeoutError) => return Err(told(silence)),
                Err(error) => refused.push(error.to_string()),
            }
        }
        if of(Kind::Container, &found).next().is_some() {
            no_container_since = Instant::now();
        }
        if !refused.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    }
}

/// Removes everything of a cluster, also what the engine is only about to make for a harness that is gone already: it has
/// to be empty for so long.
///
/// # Errors
/// What is still there, and what the engine said of it.
pub async fn remove_session(docker: &Docker, session: &str, empty_for: Duration) -> Result<(), String> {
    loop {
        remove(docker, Some(session), |_| true, PATIENCE).await?;
        let empty_since = Instant::now();
        loop {
            if empty_since.elapsed() >= empty_for {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
            if !find(docker, Some(session)).await?.is_empty() {
                break;
            }
        }
    }
}

/// Removes whatever belongs to a harness that is dead. What will not go keeps nobody from starting: `schism doctor` and
/// `schism clean` say it.
pub async fn sweep(docker: &Docker) {
    let _ = remove(docker, None, |leftover| leftover.life() == Life::Dead, SWEEP).await;
}

/// Asks for something's removal.
async fn remove_one(docker: &Docker, leftover: &Leftover) -> Result<(), Error> {
    let id = leftover.id.as_str();
    let removed = match leftover.kind {
        Kind::Container => {
            let at_once = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            docker.remove_container(id, Some(at_once)).await
        }
        Kind::Network => docker.remove_network(id).await,
        Kind::Volume => docker.remove_volume(id, Some(RemoveVolumeOptionsBuilder::new().force(true).build())).await,
    };
    match removed {
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        // Somebody else is about it, or a container that uses it is on its way out; or it will not go.
        Err(error) => Err(error),
    }
}

/// Whether an engine has lost count of who is on a network, asked by trying to remove it: it says that somebody is, and knows
/// nobody who would be. Docker 20.10 sometimes does when many containers end at once (moby's issue 43286), and gives the
/// network up when it is started again.
pub async fn is_lost(docker: &Docker, leftover: &Leftover) -> bool {
    leftover.kind == Kind::Network
        && remove_one(docker, leftover).await.is_err()
        && endpoints(docker, leftover).await.is_some_and(|names| names.is_empty())
}

/// Takes everybody off a network: somebody else's container may be on it, and keep it.
async fn disconnect_all(docker: &Docker, network: &Leftover) {
    for container in endpoints(docker, network).await.unwrap_or_default() {
        // The next try to remove the network says whether it helped.
        let _ = docker.disconnect_network(&network.id, NetworkDisconnectRequest { container, force: Some(true) }).await;
    }
}

/// Who is on a network, as far as the engine says.
async fn endpoints(docker: &Docker, network: &Leftover) -> Option<Vec<String>> {
    let found = docker.inspect_network(&network.id, None::<InspectNetworkOptions>).await.ok()?;
    Some(found.containers.unwrap_or_default().into_values().filter_map(|endpoint| endpoint.name).collect())
}

/// Those of one kind.
fn of(kind: Kind, leftovers: &BTreeSet<Leftover>) -> impl Iterator<Item = &Leftover> {
    leftovers.iter().filter(move |leftover| leftover.kind == kind)
}
