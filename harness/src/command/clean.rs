//! `schism clean`: removes by hand what harnesses that are gone have left: containers, networks, volumes, images of other
//! builds, temporary folders. What a living one has is never touched.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use schism_chaos::quantity::Pause;

use super::Speech;
use crate::backend::container::engine::Engine;
use crate::backend::container::image;
use crate::backend::container::leftovers::{self, Leftover};
use crate::backend::container::owner::Life;
use crate::report::Verdict;
use crate::scratch;
use crate::suite::unix_seconds;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Only what is older than this; what another machine or pid namespace made, too, then: whether that lives is not known
    /// here
    #[arg(long, value_name = "DURATION")]
    older_than: Option<Pause>,
}

pub(super) fn clean(arguments: &Arguments, speech: Speech) -> miette::Result<i32> {
    let age = arguments.older_than.map(|pause| pause.0);
    let mut well = true;
    for folder in scratch::left(age.unwrap_or_default()) {
        arguments.tell("folder", &folder.display().to_string(), "dead", speech);
        well &= arguments.dry_run || scratch::remove(&folder);
    }
    match Engine::find() {
        Ok(engine) => well &= arguments.clean_engine(&engine, age, speech)?,
        Err(why) => eprintln!("no container was looked for: {why}"),
    }
    Ok(if well { 0 } else { Verdict::Error.exit_code() })
}

impl Arguments {
    /// Whether everything went that was to go.
    fn clean_engine(&self, engine: &Engine, age: Option<Duration>, speech: Speech) -> miette::Result<bool> {
        let failed = |why: String| miette::miette!("the engine does not say what it has: {why}");
        let docker = engine.docker().clone();
        let seconds = age.unwrap_or_default().as_secs();
        let found = engine
            .wait(async move { Ok((leftovers::find(&docker, None).await?, image::old(&docker, seconds).await?)) });
        let (all, images) = found.map_err(failed)?;
        let (gone, known): (BTreeSet<Leftover>, _) = all.into_iter().partition(|leftover| self.takes(leftover, age));
        for leftover in &gone {
            self.tell(leftover.kind.word(), &leftover.name, word(leftover.life()), speech);
        }
        for (_, name) in images.iter().filter(|_| self.dry_run) {
            self.tell("image", name, "dead", speech);
        }
        let living = known.len();
        if living > 0 && !speech.json && !speech.quiet {
            println!(
                "{living} more belong to harnesses that live, or are too young, or were made elsewhere (--older-than)"
            );
        }
        if self.dry_run {
            return Ok(true);
        }
        let docker = engine.docker().clone();
        let removed = engine.wait(async move {
            leftovers::remove(&docker, None, |leftover| gone.contains(leftover), leftovers::PATIENCE).await?;
            let mut removed = Vec::new();
            for (id, name) in images {
                // One that somebody's containers use stays.
                if image::remove(&docker, &id).await.is_ok() {
                    removed.push(name);
                }
            }
            Ok(removed)
        });
        match &removed {
            Ok(images) => images.iter().for_each(|name| self.tell("image", name, "dead", speech)),
            Err(why) => eprintln!("{why}"),
        }
        Ok(removed.is_ok())
    }

    fn takes(&self, leftover: &Leftover, age: Option<Duration>) -> bool {
        let old = age.is_none_or(|age| leftover.made + age.as_secs() <= unix_seconds());
        match leftover.life() {
            Life::Alive => false,
            Life::Dead => old,
            Life::Elsewhere => age.is_some() && old,
        }
    }

    fn tell(&self, kind: &str, name: &str, owner: &str, speech: Speech) {
        if speech.json {
            println!("{}", serde_json::json!({ "kind": kind, "name": name, "owner": owner, "removed": !self.dry_run }));
        } else if !speech.quiet {
            println!("{} {kind} {name}", if self.dry_run { "would remove" } else { "removes" });
        }
    }
}

fn word(life: Life) -> &'static str {
    match life {
        Life::Alive => "alive",
        Life::Dead => "dead",
        Life::Elsewhere => "elsewhere",
    }
}
