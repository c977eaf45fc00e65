//! `schism clean` takes what belongs to the dead, by hand, and nothing that may be in use: folders, and what an engine holds.
//! What will not go keeps nobody from starting.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use schism::backend::container::engine::{Engine, told};
use schism::backend::container::image;
use schism::backend::container::leftovers::{self, Kind, Leftover};
use schism::backend::container::owner::{MADE, OWNER, Owner, SESSION};
use serde_json::Value;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, NetworkCreateRequest, VolumeCreateRequest};
use testcontainers::bollard::query_parameters::{
    CreateContainerOptions, InspectNetworkOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
};

use super::Named;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Those that need no engine.
pub(super) fn without_an_engine() -> Vec<Trial> {
    let name = "clean_takes_folders_of_the_dead_that_are_old_enough";
    vec![Trial::test(name, clean_takes_old_folders).with_kind("command")]
}

/// Every other trial.
pub(super) fn trials() -> Vec<Named> {
    let named = |name: &str, run: fn() -> Result<(), Failed>| -> Named { (name.to_owned(), Box::new(run)) };
    vec![
        named("clean_takes_what_containers_of_the_dead_have_left", clean_takes_what_is_nobodys),
        named("what_will_not_go_keeps_no_container_from_starting", what_will_not_go_keeps_nobody_from_starting),
    ]
}

/// Folders of a bench and of a cluster on the loopback: of one that has ended two days ago, of one that has ended now, and of
/// one that lives. And one that only has a name like it.
fn clean_takes_old_folders() -> Result<(), Failed> {
    let temporary = tempfile::tempdir()?;
    let mut ended = Command::new("true").spawn()?;
    let (dead, living) = (ended.id(), std::process::id());
    ended.wait()?;
    let [old, older, young, used, other] = [
        format!("schism-{dead}-bench"),
        format!("schism-{dead}-7"),
        format!("schism-{dead}-254"),
        format!("schism-{living}-7"),
        format!("schism-{dead}-notes"),
    ];
    let now = fs::metadata(&temporary)?.modified()?;
    for (name, days) in [(&old, 2), (&older, 3), (&young, 0), (&used, 2), (&other, 2)] {
        let folder = temporary.path().join(name);
        fs::create_dir_all(folder.join("stores"))?;
        File::open(folder)?.set_modified(now - Duration::from_secs(days * DAY))?;
    }
    let cleans = |words: &[&str]| -> Result<BTreeSet<String>, Failed> {
        let mut clean = Command::new(env!("CARGO_BIN_EXE_schism"));
        // Nothing of an engine is anything to this.
        clean.arg("clean").args(words).env("TMPDIR", temporary.path()).env("DOCKER_HOST", "unix:///nowhere");
        if !clean.output()?.status.success() {
            return Err(format!("it could not clean with {words:?}").into());
        }
        let left = fs::read_dir(&temporary)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        Ok(left.collect::<std::io::Result<_>>()?)
    };
    for (words, gone) in [
        (&["--dry-run"][..], vec![]),
        (&["--older-than", "10d"], vec![]),
        (&["--older-than", "1d"], vec![&old, &older]),
        (&[], vec![&old, &older, &young]),
    ] {
        let all = [&old, &older, &young, &used, &other];
        let expected: BTreeSet<String> = all.into_iter().filter(|name| !gone.contains(name)).cloned().collect();
        let left = cleans(words)?;
        if left != expected {
            return Err(format!("{words:?} left {left:?}, not {expected:?}").into());
        }
    }
    Ok(())
}

/// The label of this process as an owner, but for one word.
fn owner_but(word: usize, instead: &str) -> Result<String, Failed> {
    let this = Owner::this().labels("of-a-trial").remove(OWNER).ok_or("an owner has a label")?;
    let words = this.split(' ').enumerate().map(|(number, own)| if number == word { instead } else { own });
    Ok(words.collect::<Vec<_>>().join(" "))
}

/// Of one that has ended: its process started when none does.
fn dead() -> Result<String, Failed> {
    owner_but(4, "1")
}

/// Three volumes, two days old: of this process, of one that has ended, and of one in another pid namespace. Whether
/// that lives cannot be known, so that its age decides. Of the second any cluster that starts meanwhile may sweep.
fn clean_takes_what_is_nobodys() -> Result<(), Failed> {
    let engine = Engine::find()?;
    let living = Volume::make(&engine, owner_but(usize::MAX, "")?)?;
    let (dead, elsewhere) = (Volume::make(&engine, dead()?)?, Volume::make(&engine, owner_but(2, "pid:[1]")?)?);

    let told = clean(&["--dry-run"])?;
    if told.contains(&living.0) || told.contains(&elsewhere.0) {
        return Err(format!("it would take what may be in use: {told}").into());
    }
    let told = clean(&["--dry-run", "--older-than", "1d"])?;
    if told.contains(&living.0) || !told.contains(&elsewhere.0) || !find(&engine)?.contains(&elsewhere.0) {
        return Err(format!("it would take the wrong ones, or has: {told}").into());
    }
    clean(&["--older-than", "3d"])?;
    if !find(&engine)?.contains(&elsewhere.0) {
        return Err("it took what is too young".into());
    }
    clean(&["--older-than", "1d"])?;
    let left = find(&engine)?;
    if left.contains(&dead.0) || left.contains(&elsewhere.0) || !left.contains(&living.0) {
        return Err(format!("of {dead:?}, {elsewhere:?} and {living:?} there are left {left:?}").into());
    }
    living.remove(&engine)
}

/// Somebody's container is on a dead cluster's network and has its volume open. The next cluster takes the network, cannot
/// take the volume, and begins all the same.
fn what_will_not_go_keeps_nobody_from_starting() -> Result<(), Failed> {
    let engine = Engine::find()?;
    let volume = Volume::make(&engine, dead()?)?;
    let (docker, name) = (engine.docker().clone(), volume.0.clone());
    let labels = [(SESSION, name.clone()), (OWNER, dead()?)].map(|(name, value)| (name.to_owned(), value));
    let (somebody, started) = engine.wait(async move {
        let request = NetworkCreateRequest {
            name: name.clone(),
            internal: Some(true),
            labels: Some(labels.into_iter().collect()),
            ..Default::default()
        };
        docker.create_network(request).await.map_err(told)?;
        let words = ["supervise", "--pace", "1", "--grace", "60"].map(str::to_owned);
        let body = ContainerCreateBody {
            image: Some(format!("{}:{}", image::REPOSITORY, image::provide(&docker).await?)),
            entrypoint: Some(vec![image::PROGRAM.to_owned()]),
            cmd: Some(words.to_vec()),
            open_stdin: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some(name.clone()),
                binds: Some(vec![format!("{name}:/stores")]),
                ..Default::default()
            }),
            ..Default::default()
        };
        let id = docker.create_container(None::<CreateContainerOptions>, body).await.map_err(told)?.id;
        let started = docker.start_container(&id, None::<StartContainerOptions>).await.map_err(told);
        Ok((id, started))
    })?;
    let doctor = Command::new(env!("CARGO_BIN_EXE_schism")).args(["doctor", "--json"]).output()?;
    let left = find(&engine)?;
    let docker = engine.docker().clone();
    engine.wait(async move {
        let at_once = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&somebody, Some(at_once)).await.map_err(told)
    })?;
    started?;
    let found = |row: &str, fine: bool| {
        let rows = doctor.stdout.split(|byte| *byte == b'\n').filter_map(|row| serde_json::from_slice(row).ok());
        rows.into_iter().find(|found: &Value| found["name"] == row && found["fine"] == fine)
    };
    let said = found("left by the dead", false).is_some_and(|row| row["found"].to_string().contains(&volume.0));
    let network = engine.wait({
        let (docker, name) = (engine.docker().clone(), volume.0.clone());
        async move { Ok(docker.inspect_network(&name, None::<InspectNetworkOptions>).await.is_ok()) }
    })?;
    if found("backend container", true).is_none() || !said || network || !left.contains(&volume.0) {
        let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
        return Err(
            format!("the network is {}there, {left:?} are left: {told}", if network { "" } else { "not " }).into()
        );
    }
    volume.remove(&engine)
}

/// A volume of a cluster, by its name.
#[derive(Debug)]
struct Volume(String);

impl Volume {
    fn make(engine: &Engine, owner: String) -> Result<Self, String> {
        let this = Owner::this();
        let session = this.new_session();
        let made: u64 = this.labels(&session).remove(MADE).and_then(|made| made.parse().ok()).unwrap_or(2 * DAY);
        let name = format!("schism-{session}");
        let labels = [(SESSION, session), (OWNER, owner), (MADE, (made - 2 * DAY).to_string())];
        let labels = labels.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let request = VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels), ..Default::default() };
        let docker = engine.docker().clone();
        engine.wait(async move { docker.create_volume(request).await.map_err(|error| error.to_string()) })?;
        Ok(Self(name))
    }

    fn remove(self, engine: &Engine) -> Result<(), Failed> {
        let docker = engine.docker().clone();
        let own = move |leftover: &Leftover| leftover.name == self.0 && leftover.kind == Kind::Volume;
        Ok(engine.wait(async move { leftovers::remove(&docker, None, own, leftovers::PATIENCE).await })?)
    }
}

/// Names of what an engine has of clusters.
fn find(engine: &Engine) -> Result<BTreeSet<String>, String> {
    let docker = engine.docker().clone();
    let found = engine.wait(async move { leftovers::find(&docker, None).await })?;
    Ok(found.into_iter().map(|leftover| leftover.name).collect())
}

/// What the command says it takes.
fn clean(words: &[&str]) -> Result<String, Failed> {
    let cleaned = Command::new(env!("CARGO_BIN_EXE_schism")).args(["clean", "--json"]).args(words).output()?;
    let (said, errors) = (String::from_utf8_lossy(&cleaned.stdout), String::from_utf8_lossy(&cleaned.stderr));
    if cleaned.status.success() { Ok(said.into_owned()) } else { Err(format!("{said}{errors}").into()) }
}
