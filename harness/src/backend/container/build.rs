//! A build in an image: the program that an image of this project holds, taken out of it into a file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::ContainerCreateBody;
use testcontainers::bollard::query_parameters::{
    CreateContainerOptions, DownloadFromContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use tokio::io::AsyncReadExt;
use tokio_tar::Archive;

use super::engine::{Engine, told};
use super::image::PROGRAM;
use super::owner::Owner;

/// Takes the program out of an image into a folder, which is made where it is not there; where it is then.
///
/// # Errors
/// When there is no engine or no such image, or when it holds no program of ours.
pub fn take_out(image: &str, folder: &Path) -> Result<PathBuf, String> {
    let engine = Engine::find()?;
    let (docker, named) = (engine.docker().clone(), image.to_owned());
    let owner = Owner::this();
    let labels = owner.labels(&owner.new_session());
    let program = engine.wait(async move {
        let entrypoint = Some(vec![PROGRAM.to_owned()]);
        // It is never started. Who is killed meanwhile leaves it to the next sweep.
        let body =
            ContainerCreateBody { image: Some(named.clone()), labels: Some(labels), entrypoint, ..Default::default() };
        let made = docker.create_container(None::<CreateContainerOptions>, body).await;
        let container = made.map_err(|error| format!("there is no image `{named}` here: {error}"))?.id;
        let program = read(&docker, &container).await;
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&container, Some(force)).await.map_err(told)?;
        program.map_err(|error| format!("the image `{named}` holds no {PROGRAM}: {error}"))
    })?;
    let name: String = image.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let path = folder.join(name);
    let write = || {
        fs::create_dir_all(folder)?;
        // A node may run the file that is there: what replaces it is another one.
        let _ = fs::remove_file(&path);
        OpenOptions::new().create_new(true).write(true).mode(0o755).open(&path)?.write_all(&program)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

async fn read(docker: &Docker, container: &str) -> Result<Vec<u8>, String> {
    let options = DownloadFromContainerOptionsBuilder::new().path(PROGRAM).build();
    let pieces = docker.download_from_container(container, Some(options));
    let archive: Vec<u8> = pieces
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
        .map_err(told)?;
    let mut entries = Archive::new(archive.as_slice()).entries().map_err(told)?;
    let mut program = Vec::new();
    let mut entry = entries.next().await.ok_or("it is empty")?.map_err(told)?;
    entry.read_to_end(&mut program).await.map_err(told)?;
    Ok(program)
}
