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

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if let Some(ended) = real::as_part_of_a_cluster() {
        return ended;
    }
    if let Ok(stage) = std::env::var(real::PANICS) {
        return real::panic_on_the_way(&stage);
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
    let arguments = Arguments::from_args();
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
    run(arguments, trials.collect())
}

/// Trials in containers wait most of their time and for each other, so that they have a lane of their own beside all others.
/// Those wait, too, now and then: one more of them than there are processors runs at once.
fn run(mut arguments: Arguments, trials: Vec<Trial>) -> ExitCode {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    arguments.test_threads.get_or_insert(processors + 1);
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let (in_containers, others): (Vec<_>, Vec<_>) = trials.into_iter().partition(|trial| trial.kind() == "container");
    let lane = arguments.clone();
    let lane = std::thread::spawn(move || libtest_mimic::run(&lane, in_containers));
    let others = libtest_mimic::run(&arguments, others);
    let in_containers = lane.join().expect("a failed trial is a result");
    if others.has_failed() || in_containers.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}
