//! The engine: what containers are asked of. Where it is, testcontainers says: DOCKER_HOST, the user's settings, or the
//! usual sockets.
//!
//! It is spoken to on a runtime of its own with one thread, so that lines to containers live on however busy the harness
//! is, and so that whoever waits for it may be in a runtime or not.
//!
//! An engine may hang: Docker before 23 locks itself out when containers of one network end at once (moby's issue 46661), and
//! says its version all the while. So they are ended one after another, whatever it is asked it has so long to answer, and
//! what hangs is called so.

use std::error::Error;
use std::sync::mpsc;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as Refusal;
use testcontainers::bollard::models::SystemInfoCgroupDriverEnum;
use testcontainers::bollard::query_parameters::ListNetworksOptions;
use testcontainers::core::client::docker_client_instance;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

/// How long an engine may take to answer: on two busy processors it takes a second or two to start a container.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to say what it is.
const FOUND_WITHIN: Duration = Duration::from_secs(15);

/// A way to the engine.
#[derive(Debug)]
pub struct Engine {
    docker: Docker,
    about: About,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

/// What an engine says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it is.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The newest API it speaks.
    pub api: String,
    /// The kernel of the machine it is on.
    pub kernel: String,
    /// Whether it makes control groups itself and anywhere: not through systemd, and as root.
    pub groups: bool,
}

impl About {
    /// Whether it is podman, which has words of its own for what a container may not do.
    pub fn is_podman(&self) -> bool {
        self.name.starts_with("Podman")
    }
}

impl Engine {
    /// Finds the engine.
    ///
    /// # Errors
    /// Why none answers, and what would help.
    pub fn find() -> Result<Self, String> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("engine").enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let found = wait(runtime.handle(), async {
            match timeout(FOUND_WITHIN, meet()).await {
                Ok(met) => met.map_err(|why| absent(&why)),
                Err(_) => Err(hangs()),
            }
        });
        match found {
            Ok((docker, about)) => Ok(Self { docker, about, runtime: Some(runtime) }),
            Err(why) => {
                runtime.shutdown_background();
                Err(why)
            }
        }
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What it is asked by.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Where it is asked.
    pub fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("it is there until the engine is dropped").handle()
    }

    /// Does something there, and waits for it.
    pub fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, String>> + Send + 'static,
    ) -> Result<T, String> {
        wait(self.handle(), work)
    }

    /// Leaves to itself whatever it has been asked and has not answered. testcontainers' own clean-up would wait for it.
    pub fn abandon(&mut self) {
        std::mem::forget(self.runtime.take());
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Does something on a runtime that is not this thread's, and waits for it.
fn wait<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let (done, outcome) = mpsc::channel();
    handle.spawn(async move {
        // Whoever asked waits below.
        let _ = done.send(work.await);
    });
    outcome.recv().unwrap_or_else(|_| Err("the engine's thread ended".to_owned()))
}

/// Asks it what it is.
async fn meet() -> Result<(Docker, About), String> {
    let docker = docker_client_instance().await.map_err(told)?;
    let docker = docker.negotiate_version().await.map_err(told)?.with_timeout(PATIENCE);
    let version = docker.version().await.map_err(told)?;
    let platform = version.platform.map(|platform| platform.name).filter(|name| !name.is_empty());
    let named = version.components.unwrap_or_default().into_iter().next().map(|part| part.name);
    // Docker's own part is called so and no more; podman's platform is an architecture.
    let name = match named {
        Some(name) if name != "Engine" => name,
        _ => platform.unwrap_or_else(|| "Docker Engine".to_owned()),
    };
    let info = docker.info().await.map_err(told)?;
    // What hangs first where it hangs.
    docker.list_networks(None::<ListNetworksOptions>).await.map_err(told)?;
    let rootless = info.security_options.unwrap_or_default().iter().any(|option| option.starts_with("name=rootless"));
    let about = About {
        groups: info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS) && !rootless,
        name,
        version: version.version.unwrap_or_default(),
        api: version.api_version.unwrap_or_default(),
        kernel: version.kernel_version.unwrap_or_default(),
    };
    Ok((docker, about))
}

/// What an engine's refusal says, or its silence means.
pub fn told(error: impl Error + 'static) -> String {
    match error {
        error if is_silence(&error) => silence(),
        error => error.to_string(),
    }
}

/// What testcontainers is answered, which itself waits for two minutes.
pub async fn answer<T, E: Error + 'static>(asked: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    timeout(PATIENCE, asked).await.map_err(|_| silence())?.map_err(told)
}

/// Whether an error comes of no answer, whoever wrapped it.
fn is_silence(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(Refusal::RequestTimeoutError)) || error.source().is_some_and(is_silence)
}

/// That there was no answer, and what would help.
fn silence() -> String {
    "the engine gave no answer in time; `schism doctor` says whether it hangs".to_owned()
}

/// That there is no engine, where it was looked for, and what would help.
fn absent(why: &str) -> String {
    format!(
        "no container engine answers at {} ({why}); install and start one (Debian: apt-get install docker.io), see that \
         you may use it (usermod -aG docker USER), or say where it is with DOCKER_HOST",
        place()
    )
}

/// That there is one, as it seems, and what would help.
fn hangs() -> String {
    format!(
        "the container engine at {} does not say within {FOUND_WITHIN:?} what it is and has: it hangs; start it again \
         (systemctl restart docker), or say with DOCKER_HOST where another is",
        place()
    )
}

/// Where it is looked for.
fn place() -> String {
    let host = std::env::var("DOCKER_HOST");
    host.map_or_else(|_| "the usual sockets".to_owned(), |host| format!("DOCKER_HOST={host}"))
}
