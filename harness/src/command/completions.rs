//! `schism completions SHELL`: prints completions for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which shell
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments) -> miette::Result<i32> {
    clap_complete::generate(arguments.shell, &mut super::Command::command(), "schism", &mut std::io::stdout());
    Ok(0)
}
