//! A harness that panics on the way: this executable started again, playing an experiment as `schism run` would.

use std::path::Path;
use std::process::ExitCode;

use schism::backend::container::Containers;
use schism::backend::process::Processes;
use schism::backend::process::loopback::Loopbacks;
use schism::backend::real;
use schism::checks::View;
use schism::experiment::Experiment;
use schism::interrupt::Interrupt;
use schism::suite::{Job, play_on};
use schism::timeline::Entry;

use super::leaks::Stage;
use super::place::Place;
use crate::experiments;

/// Names the stage at which it panics.
pub const PANICS: &str = "SCHISM_PANICS";
/// What it says then.
pub(super) const WORDS: &str = "so it was asked for";

/// Plays an experiment as `schism run` would, in this process, and panics on the way.
pub fn panic_on_the_way(stage: &str) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [place, runs, file] = words.as_slice() else { panic!("say: PLACE RUNS FILE, not {words:?}") };
    let stage = Stage::ALL.into_iter().find(|other| other.name() == stage).expect("this is a stage");
    let place = Place::ALL.into_iter().find(|other| other.name() == place).expect("this is a place");
    let file = Path::new(file);
    if stage == Stage::Creating {
        return panic_while_creating(place, file);
    }
    let on_the_way = move |_: &View, entry: &Entry| assert!(!stage.is_there(&entry.what), "{WORDS}");
    let job = Job { backend: place.backend(), runs: Some(runs.into()), ..experiments::template(file) };
    let results = job.work(&Interrupt::default(), Box::new(on_the_way));
    eprintln!("it never came so far: {:?}", results.why);
    ExitCode::SUCCESS
}

/// The machines' surroundings are there, and no machine yet.
fn panic_while_creating(place: Place, file: &Path) -> ExitCode {
    let experiment = Experiment::load(file, &[]).expect("this is an experiment");
    let setup = super::setup(place.backend());
    fn asked_for<B>(cluster: Result<B, String>) -> Result<B, String> {
        let _cluster = cluster?;
        panic!("{WORDS}")
    }
    let played = match place {
        Place::Namespaces => play_on(|settings| asked_for(Processes::new(settings)), &experiment, &setup),
        Place::Loopback => play_on(|settings| asked_for(Loopbacks::new(settings)), &experiment, &setup),
        Place::Containers => {
            play_on(|settings: real::Settings| asked_for(Containers::new(settings)), &experiment, &setup)
        }
    };
    eprintln!("it never came so far: {:?}", played.err());
    ExitCode::SUCCESS
}
