//! `schism clean` takes what belongs to the dead, by hand, and nothing that may be in use.

use std::collections::BTreeSet;
use std::process::Command;

use libtest_mimic::Failed;
use schism::backend::container::engine::Engine;
use schism::backend::container::leftovers::{self, Kind, Leftover};
use schism::backend::container::owner::{MADE, OWNER, Owner, SESSION};
use testcontainers::bollard::models::VolumeCreateRequest;

use super::Named;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Every trial.
pub(super) fn trials() -> Vec<Named> {
    let run = || clean_takes_what_is_nobodys();
    vec![("clean_takes_what_containers_of_the_dead_have_left".to_owned(), Box::new(run))]
}

/// Three volumes, two days old: of this process, of one that has ended, and of one in another pid namespace. Whether
/// that lives cannot be known, so that its age decides. Of the second any cluster that starts meanwhile may sweep.
fn clean_takes_what_is_nobodys() -> Result<(), Failed> {
    let engine = Engine::find()?;
    let this = Owner::this().labels("of-a-trial").remove(OWNER).ok_or("an owner has a label")?;
    let with = |word: usize, instead: &str| {
        let words = this.split(' ').enumerate().map(|(number, own)| if number == word { instead } else { own });
        words.collect::<Vec<_>>().join(" ")
    };
    let [living, dead, elsewhere] =
        [this.clone(), with(4, "1"), with(2, "pid:[1]")].map(|owner| Volume::make(&engine, owner));
    let (living, dead, elsewhere) = (living?, dead?, elsewhere?);

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
        let removed = engine.wait(async move {
            let mut all = leftovers::find(&docker, None).await?;
            all.retain(own);
            leftovers::remove(&docker, &all).await
        });
        Ok(removed?)
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
