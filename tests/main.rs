//! The stories: what a cluster does, told as tests. Each is one trial in a process of its own, because libp2p and tokio
//! count per process and two simulations in one would differ from each alone.

mod stories;
mod tell;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(story) = tell::asked_for() {
        return tell::in_this_process(&story, stories::ALL);
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let trials = stories::ALL
        .iter()
        .map(|story| libtest_mimic::Trial::test(story.name, move || tell::in_a_process(story)).with_kind("simulated"));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
