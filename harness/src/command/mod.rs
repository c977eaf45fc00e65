//! The command line: one file per verb. Whatever is wrong with the usage, the files or the harness exits with 3.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where the harness speaks")]

mod bench;
mod clean;
mod compare;
mod completions;
mod doctor;
mod explain;
mod figures;
mod flags;
mod import;
mod list;
mod live;
mod logs;
mod progress;
mod repeat;
mod run;
mod schema;
mod stages;
mod test;
mod up;
mod validate;
mod worker;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::backend::container::reaper;
use crate::backend::process::namespaces;
use crate::report::{Colour, Verdict};

/// A laboratory for peer-to-peer money: clusters of real nodes, hurt on purpose.
#[derive(Debug, Parser)]
#[command(name = "schism", version, about, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    speech: Speech,
}

/// How the command speaks.
#[derive(Clone, Copy, Debug, Args)]
struct Speech {
    /// Speak JSON, one object a line
    #[arg(long, global = true, env = "SCHISM_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    json: bool,
    /// Say more: once for what happens, twice for what nodes log
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true)]
    quiet: bool,
}

impl Speech {
    /// Colours are for terminals only, and for nobody who says NO_COLOR.
    fn colour(self) -> Colour {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && std::io::stdout().is_terminal() { Colour::Always } else { Colour::Never }
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run experiments and say what became of them
    Run(run::Arguments),
    /// Run a suite: every experiment of folders and files, with its controls
    Test(test::Arguments),
    /// Play a kept run again and say whether its trace is the same
    Repeat(repeat::Arguments),
    /// Put kept runs side by side
    Compare(compare::Arguments),
    /// Write what the latest runs came to into a page
    Figures(figures::Arguments),
    /// Start a cluster that lives until it is told to go down
    Up(up::UpArguments),
    /// Say where every node of the cluster stands
    Status(live::StatusArguments),
    /// Print what nodes have logged
    Logs(logs::Arguments),
    /// Hurt the cluster, say what is in force, and heal it
    Fault(live::FaultArguments),
    /// End a node as a crash would
    Kill(live::EndArguments),
    /// Stop a node without its noticing
    Freeze(live::NodeArguments),
    /// Let a frozen node go on
    Thaw(live::NodeArguments),
    /// Start a node that was killed, or start one that runs again
    Restart(live::EndArguments),
    /// Submit a transaction at a node
    Submit(live::SubmitArguments),
    /// Let a node mine at once
    Mine(live::MineArguments),
    /// Start one more node
    Add(live::AddArguments),
    /// Have a node be another build, on the same data
    Upgrade(live::UpgradeArguments),
    /// End a node for ever
    Remove(live::NodeArguments),
    /// Heal everything and end the cluster
    Down(live::DownArguments),
    /// Hold a cluster for a script: orders as JSON lines on standard input, answers on standard output
    Drive(up::DriveArguments),
    /// Check files without running them
    Validate(validate::Arguments),
    /// Print the JSON Schema of topologies or experiments
    Schema(schema::Arguments),
    /// Read a file of blocks or headers into a ledger
    Import(import::Arguments),
    /// Measure how fast clusters and ledgers are on this machine
    Bench(bench::Arguments),
    /// List experiments, topologies, faults, checks and adversaries
    List(list::Arguments),
    /// Explain a fault, a check or an adversary
    Explain(explain::Arguments),
    /// Print completions for a shell
    Completions(completions::Arguments),
    /// Say what this machine can do
    Doctor(doctor::Arguments),
    /// Remove what is left of clusters whose harness is gone
    Clean(clean::Arguments),
    /// Do one job for a parent process
    #[command(hide = true, name = crate::suite::WORKER)]
    Worker,
    /// Measure one part of a bench for a parent process
    #[command(hide = true, name = crate::bench::part::WORKER)]
    BenchWorker,
    /// Be the hub of a cluster of processes
    #[command(hide = true, name = namespaces::HUB)]
    Hub(stages::HubArguments),
    /// Join a hub's namespaces
    #[command(hide = true, name = namespaces::ENTER)]
    Enter(stages::LotArguments),
    /// Leave a hub's namespaces for a node's own
    #[command(hide = true, name = namespaces::APART)]
    Apart(stages::LotArguments),
    /// Supervise a node
    #[command(hide = true, name = namespaces::SUPERVISE)]
    Supervise(stages::SuperviseArguments),
    /// See that nothing is left of a cluster of containers
    #[command(hide = true, name = reaper::VERB)]
    Reap(stages::ReapArguments),
}

/// Whether this verb is one that a cluster of real nodes starts its parts with.
pub fn is_part_of_a_cluster(verb: &str) -> bool {
    let of_processes = [namespaces::HUB, namespaces::ENTER, namespaces::APART];
    of_processes.contains(&verb) || [namespaces::SUPERVISE, reaper::VERB, crate::node::VERB].contains(&verb)
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    end_with_the_reader();
    // Where there is one node there are many: what a command line is read with is not to be resident in each.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == crate::node::VERB) {
        return code(stages::be_a_node());
    }
    code(execute(std::env::args_os()))
}

/// What a shell says of a program that ended because nobody read on: 128 and the number of SIGPIPE.
const NOBODY_READS: i32 = 128 + 13;

/// Ends the process quietly when whoever reads its output or its errors has left, as after `schism run … | head` or with its
/// terminal. What a run has started ends as it does however a harness ends.
fn end_with_the_reader() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panicked| {
        // std's printing macros panic with this text and offer no other sign.
        let what = panicked.payload_as_str().unwrap_or_default();
        let gone = ["Broken pipe", "Input/output error"].iter().any(|why| what.contains(why));
        if what.starts_with("failed printing to std") && gone {
            std::process::exit(NOBODY_READS);
        }
        before(panicked);
    }));
}

/// Runs a command; what it exits with.
fn execute(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            // Where there is nobody left to read it, the exit code still says it.
            let _ = error.print();
            return if error.use_stderr() { Verdict::Error.exit_code() } else { 0 };
        }
    };
    let speech = command.speech;
    if let Err(why) = crate::logs::Format::asked() {
        eprintln!("{:?}", miette::miette!("{why}"));
        return Verdict::Error.exit_code();
    }
    crate::logs::listen(speech.verbose >= 2);
    let done = match command.verb {
        Verb::Run(arguments) => run::run(&arguments, speech),
        Verb::Test(arguments) => test::test(&arguments, speech),
        Verb::Repeat(arguments) => repeat::repeat(&arguments, speech),
        Verb::Compare(arguments) => compare::compare(&arguments, speech),
        Verb::Figures(arguments) => figures::figures(&arguments),
        Verb::Up(arguments) => up::up(&arguments, speech),
        Verb::Status(arguments) => live::status(&arguments, speech),
        Verb::Logs(arguments) => logs::logs(&arguments),
        Verb::Fault(arguments) => live::fault(&arguments, speech),
        Verb::Kill(arguments) => live::kill(&arguments, speech),
        Verb::Freeze(arguments) => live::freeze(&arguments, speech),
        Verb::Thaw(arguments) => live::thaw(&arguments, speech),
        Verb::Restart(arguments) => live::restart(&arguments, speech),
        Verb::Submit(arguments) => live::submit(&arguments, speech),
        Verb::Mine(arguments) => live::mine(&arguments, speech),
        Verb::Add(arguments) => live::add(&arguments, speech),
        Verb::Upgrade(arguments) => live::upgrade(&arguments, speech),
        Verb::Remove(arguments) => live::remove(&arguments, speech),
        Verb::Down(arguments) => live::down(&arguments, speech),
        Verb::Drive(arguments) => up::drive(&arguments, speech),
        Verb::Validate(arguments) => validate::validate(&arguments, speech),
        Verb::Schema(arguments) => schema::schema(&arguments),
        Verb::Import(arguments) => import::import(&arguments, speech),
        Verb::List(arguments) => list::list(&arguments, speech),
        Verb::Explain(arguments) => explain::explain(&arguments),
        Verb::Completions(arguments) => completions::completions(&arguments),
        Verb::Doctor(arguments) => doctor::doctor(&arguments, speech),
        Verb::Bench(arguments) => bench::bench(&arguments, speech),
        Verb::Clean(arguments) => clean::clean(&arguments, speech),
        Verb::Worker => worker::work(),
        Verb::BenchWorker => bench::work(),
        Verb::Hub(arguments) => Ok(stages::hub(&arguments)),
        Verb::Enter(arguments) => Ok(stages::enter(&arguments)),
        Verb::Apart(arguments) => Ok(stages::apart(&arguments)),
        Verb::Supervise(arguments) => Ok(stages::supervise(&arguments)),
        Verb::Reap(arguments) => Ok(stages::reap(&arguments)),
    };
    done.unwrap_or_else(|report| {
        eprintln!("{report:?}");
        Verdict::Error.exit_code()
    })
}

fn code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn exits(words: &str) -> i32 {
        execute(std::iter::once("schism").chain(words.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
    }

    #[test]
    fn what_clap_refuses_exits_with_3_and_help_with_0() {
        assert_eq!(exits("run --sed 7 x.yaml"), 3);
        assert_eq!(exits("fly"), 3);
        assert_eq!(exits("run --backend moon x.yaml"), 3);
        assert_eq!(exits("--help"), 0);
        assert_eq!(exits("--version"), 0);
    }

    #[test]
    fn a_file_that_is_not_there_exits_with_3() {
        assert_eq!(exits("validate no-such-file.yaml"), 3);
        assert_eq!(exits("run no-such-file.yaml"), 3);
        assert_eq!(exits("test no-such-folder"), 3);
        assert_eq!(exits("import no-such-file.dat"), 3);
    }

    #[test]
    fn shipped_files_are_valid_and_every_word_is_explained() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        assert_eq!(exits(&format!("--quiet validate {root}/chaos/churn.yaml {root}/topologies/pair.yaml")), 0);
        assert_eq!(exits("explain churn"), 0);
        assert_eq!(exits("explain converged"), 0);
        assert_eq!(exits("explain chrun"), 3);
    }
}
