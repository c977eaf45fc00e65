//! Clusters of containers, beside what their engine takes by itself for as many that do nothing.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use schism_chaos::simulation::Stopwatch;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig};
use testcontainers::bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};

use super::{Figure, command, real};
use crate::backend::container::attach::GRACE;
use crate::backend::container::engine::{Engine, told};
use crate::backend::container::owner::Owner;
use crate::backend::container::reaper::Reaper;
use crate::backend::container::{AT_ONCE, Containers, image};
use crate::backend::process::namespaces::SUPERVISE;
use crate::suite::Backend;

/// Nodes of a cluster where nothing else is asked for; a ring is measured then, too.
const MANY: u32 = 20;

/// Measures all of it, or clusters of these sizes alone.
///
/// # Errors
/// When there is no engine, or when something does not happen.
pub fn measure(sizes: &[u32]) -> Result<Vec<Figure>, String> {
    let mut all = Vec::new();
    for nodes in if sizes.is_empty() { &[MANY] } else { sizes } {
        let floor = floor(*nodes)?.as_secs_f64();
        let figures = real::measure(Containers::new, *nodes)?;
        let up = figures.iter().find(|figure| figure.name == "up_s").map_or(0.0, |figure| figure.value);
        let nodes = *nodes as usize;
        all.push(Figure::of(nodes, "floor_s", floor, "s"));
        all.push(Figure::of(nodes, "up_over_floor", up / floor, "times"));
        all.extend(figures);
        all.push(command::measure(Backend::Container, nodes as u32)?);
    }
    if sizes.is_empty() {
        all.extend(real::measure_ring(Containers::new)?);
    }
    Ok(all)
}

/// How long the engine takes to create and to start so many containers of the image, as many at once as we do.
fn floor(nodes: u32) -> Result<Duration, String> {
    let engine = Engine::find()?;
    let owner = Owner::this();
    let session = owner.new_session();
    let reaper = Reaper::start(&session).map_err(told)?;
    let (docker, labels) = (engine.docker().clone(), owner.labels(&session));
    let took = engine.wait(async move {
        let image = Some(format!("{}:{}", image::REPOSITORY, image::provide(&docker).await?));
        let bare = ContainerCreateBody {
            image,
            labels: Some(labels),
            entrypoint: Some(vec![image::PROGRAM.to_owned()]),
            cmd: Some([SUPERVISE, "--grace", &GRACE.as_secs().to_string()].map(str::to_owned).to_vec()),
            open_stdin: Some(true),
            host_config: Some(HostConfig { auto_remove: Some(true), ..Default::default() }),
            ..Default::default()
        };
        let watch = Stopwatch::start();
        let each = (0..nodes).map(|_| async {
            let made = docker.create_container(None::<CreateContainerOptions>, bare.clone()).await?;
            docker.start_container(&made.id, None::<StartContainerOptions>).await
        });
        stream::iter(each).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await.map_err(told)?;
        Ok(watch.elapsed())
    });
    reaper.dismiss()?;
    took
}
