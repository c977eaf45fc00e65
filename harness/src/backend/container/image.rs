//! The image: this very executable and nothing else, named for its content. It is made through the engine's API, without
//! a registry and without a Dockerfile.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions, UploadToContainerOptionsBuilder,
};
use testcontainers::bollard::{Docker, body_try_stream};
use tokio_tar::Header;

use super::engine::told;
use super::owner::MADE;
use crate::backend::process::namespaces::MYSELF;
use crate::suite::unix_seconds;

/// What our images are called.
pub const REPOSITORY: &str = "schism";
/// Where the program is in them.
pub const PROGRAM: &str = "/schism";
/// Seconds after which an image that another build made is old: two builds may be in use by turns.
const OLD: u64 = 3_600;
/// How long an engine may take to read a program: it writes all of it down, too.
const READ_WITHIN: Duration = Duration::from_secs(120);
/// Bytes of an archive come in blocks.
const BLOCK: usize = 512;
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// The tag of this executable's image, which is made where it is not there yet.
///
/// # Errors
/// What the engine said, or why this executable cannot be read.
pub async fn provide(docker: &Docker) -> Result<String, String> {
    let tag = own_tag().map_err(told)?;
    match docker.inspect_image(&format!("{REPOSITORY}:{tag}")).await {
        Ok(_) => return Ok(tag),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(told(error)),
    }
    for (id, _) in old(docker, OLD).await? {
        // Those in use stay.
        let _ = remove(docker, &id).await;
    }
    let archive = stream::iter(archive(Path::new(MYSELF), REPOSITORY).map_err(told)?);
    // Podman hears no tag that is not in the name, and only one change: bollard says several in one.
    let changes = vec![format!("LABEL {MADE}={}", unix_seconds())];
    let name = format!("{REPOSITORY}:{tag}");
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(&name).changes(changes).build();
    let body = body_try_stream(archive.map_ok(Into::into));
    let docker = docker.clone().with_timeout(READ_WITHIN);
    let made = docker.create_image(Some(options), Some(body), None).map(|said| said.map(drop));
    made.try_collect::<()>().await.map_err(|error| format!("the image cannot be made: {}", told(error)))?;
    Ok(tag)
}

/// Brings another build into a folder of a container; where it is there.
///
/// # Errors
/// What the engine said, or why the file cannot be read.
pub async fn bring(docker: &Docker, container: &str, binary: &Path, folder: &str) -> Result<PathBuf, String> {
    let unreadable = |error: io::Error| format!("{}: {error}", binary.display());
    let name = format!("{REPOSITORY}-{}", tag(binary).map_err(unreadable)?);
    let archive = stream::iter(archive(binary, &name).map_err(unreadable)?);
    let options = UploadToContainerOptionsBuilder::new().path(folder).build();
    let body = body_try_stream(archive.map_ok(Into::into));
    docker.clone().with_timeout(READ_WITHIN).upload_to_container(container, Some(options), body).await.map_err(told)?;
    Ok(Path::new(folder).join(name))
}

/// Images of ours that are at least so many seconds old, with their names, but for this executable's.
///
/// # Errors
/// What the engine said.
pub async fn old(docker: &Docker, seconds: u64) -> Result<Vec<(String, String)>, String> {
    let own = own_tag().map(|tag| format!("{REPOSITORY}:{tag}")).map_err(told)?;
    let filters = HashMap::from([("label", vec![MADE])]);
    let images =
        docker.list_images(Some(ListImagesOptionsBuilder::new().filters(&filters).build())).await.map_err(told)?;
    let is_old = |labels: &HashMap<String, String>| {
        let made = labels.get(MADE).and_then(|made| made.parse::<u64>().ok()).unwrap_or(0);
        made + seconds <= unix_seconds()
    };
    // Podman's names begin with a registry.
    let is_own = |name: &String| name.rsplit('/').next() == Some(&own);
    let old = images.into_iter().filter(|image| is_old(&image.labels) && !image.repo_tags.iter().any(is_own));
    Ok(old.map(|image| (image.id, image.repo_tags.join(" "))).collect())
}

/// Removes an image, unless a container uses it.
///
/// # Errors
/// What the engine said.
pub async fn remove(docker: &Docker, id: &str) -> Result<(), String> {
    docker.remove_image(id, None::<RemoveImageOptions>, None).await.map(drop).map_err(told)
}

/// The tag of this executable, which stays what it is while it runs.
fn own_tag() -> io::Result<String> {
    static TAG: OnceLock<String> = OnceLock::new();
    match TAG.get() {
        Some(tag) => Ok(tag.clone()),
        None => tag(Path::new(MYSELF)).map(|tag| TAG.get_or_init(|| tag).clone()),
    }
}

/// The first digits of a file's digest: what an image of it is tagged with.
///
/// # Errors
/// When it cannot be read.
pub fn tag(file: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut piece) = (File::open(file)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            length => hasher.update(&piece[..length]),
        }
    }
    Ok(hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// An archive of this file under this name, in pieces.
fn archive(file: &Path, name: &str) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static> {
    let file = File::open(file)?;
    let size = file.metadata()?.len();
    let header = |path: &str, folder: bool| -> io::Result<Vec<u8>> {
        let mut header = Header::new_ustar();
        header.set_path(path)?;
        header.set_mode(0o755);
        header.set_size(if folder { 0 } else { size });
        header.set_entry_type(if folder { tokio_tar::EntryType::Directory } else { tokio_tar::EntryType::Regular });
        header.set_cksum();
        Ok(header.as_bytes().to_vec())
    };
    // Somebody else's library may look for it one day.
    let start = [header("tmp/", true)?, header(name, false)?].concat();
    let padding = usize::try_from(size.next_multiple_of(BLOCK as u64) - size).unwrap_or(0);
    let end = vec![0; padding + 2 * BLOCK];
    let mut left = file.take(size);
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match left.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error)),
        }
    });
    Ok(std::iter::once(Ok(start)).chain(pieces).chain(std::iter::once(Ok(end))))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn an_archive_holds_the_file_and_a_place_for_temporary_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("program");
        let content: Vec<u8> = (0..PIECE + 700).map(|byte| byte as u8).collect();
        std::fs::write(&file, &content).unwrap();
        let bytes = archive(&file, REPOSITORY).unwrap().collect::<io::Result<Vec<_>>>().unwrap().concat();
        assert_eq!(bytes.len() % BLOCK, 0);
        let mut archive = tokio_tar::Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut found = Vec::new();
        while let Some(entry) = entries.next().await {
            let mut entry = entry.unwrap();
            let mut read = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut entry, &mut read).await.unwrap();
            found.push((entry.path().unwrap().display().to_string(), read));
        }
        assert_eq!(found[0], ("tmp/".to_owned(), Vec::new()));
        assert_eq!(found[1], (REPOSITORY.to_owned(), content));
    }
}
