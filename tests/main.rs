//! The stories: what a cluster does, told as tests. Each is one trial in a process of its own, because libp2p and tokio
//! count per process and two simulations in one would differ from each alone.

#![allow(unreachable_pub, clippy::print_stdout, clippy::print_stderr)] // a binary: nothing outside reaches in, and it talks to people

mod attacks;
mod determinism;
mod experiments;
mod interrupt;
mod kept;
mod live;
mod mutants;
mod plants;
mod real;
mod rpc;
mod stories;
mod tell;

use std::process::ExitCode;

use libtest_mimic::Trial;

fn main() -> ExitCode {
    if let Some(ended) = real::as_part_of_a_cluster() {
        return ended;
    }
    if let Ok(trial) = std::env::var(real::TRIAL) {
        return real::in_this_process(&trial);
    }
    if let Ok(story) = std::env::var(tell::STORY) {
        return tell::in_this_process(&story, stories::ALL);
    }
    if let Ok(job) = std::env::var(experiments::JOB) {
        return experiments::in_this_process(&job);
    }
    if let Ok(mutant) = std::env::var(mutants::MUTANT) {
        return mutants::in_this_process(&mutant);
    }
    if let Ok(job) = std::env::var(determinism::TRACED) {
        return determinism::in_this_process(&job);
    }
    if let Ok(plant) = std::env::var(plants::PLANT) {
        return plants::in_this_process(&plant);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let told = stories::ALL.iter().map(|story| {
        Trial::test(story.name, move || tell::in_a_process(tell::STORY, story.name)).with_kind("simulated")
    });
    let trials = told
        .chain(experiments::trials())
        .chain(determinism::trials())
        .chain(mutants::trials())
        .chain(interrupt::trials())
        .chain(kept::trials())
        .chain(plants::trials())
        .chain(real::trials())
        .chain(attacks::trials())
        .chain(live::trials());
    libtest_mimic::run(&arguments, spread(trials.collect())).exit_code()
}

/// Trials in containers wait most of their time and for each other: spread among the rest, they cost little of it.
fn spread(trials: Vec<Trial>) -> Vec<Trial> {
    let (slow, rest): (Vec<_>, Vec<_>) = trials.into_iter().partition(|trial| trial.kind() == "container");
    let every = rest.len() / (slow.len() + 1) + 1;
    let (mut slow, mut all) = (slow.into_iter(), Vec::new());
    for (number, trial) in rest.into_iter().enumerate() {
        if number.is_multiple_of(every) {
            all.extend(slow.next());
        }
        all.push(trial);
    }
    all.extend(slow);
    all
}
