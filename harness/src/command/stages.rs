//! The hidden verbs of real backends: what this executable is when it is started again as part of a cluster.
//! Whatever goes wrong is said as a word of the protocol, so that the harness hears of it.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::backend::container::reaper;
use crate::backend::process::namespaces::{self, Lot, MYSELF};
use crate::backend::real::patience;
use crate::logs::{self, Format};
use crate::node;
use crate::report::Verdict;
use crate::supervisor::lease::Lease;
use crate::supervisor::netlink::links::Neighbour;
use crate::supervisor::network::{Kernel, Network, Unowned};
use crate::supervisor::protocol::Word;
use crate::supervisor::serve::serve;
use crate::supervisor::{Supervisor, candidate, disk};

#[derive(Debug, Args)]
pub(super) struct HubArguments {
    /// Be the first process of its namespaces
    #[arg(long)]
    first: bool,
}

#[derive(Debug, Args)]
pub(super) struct LotArguments {
    /// The hub's first process
    #[arg(long, default_value_t = 0)]
    hub: u32,
    /// The node's number
    #[arg(long)]
    number: u16,
    /// The node's name
    #[arg(long)]
    name: String,
    /// The node's address
    #[arg(long)]
    address: Ipv4Addr,
    /// Real seconds that a second of the story takes
    #[arg(long)]
    pace: f64,
    /// Keep the store in memory
    #[arg(long)]
    scratch: bool,
    /// Let that memory be a small disk
    #[arg(long)]
    small_disk: bool,
}

#[derive(Debug, Args)]
pub(super) struct SuperviseArguments {
    /// Have no network in charge: the node has an address of the loopback, and its own transport hurts its links
    #[arg(long)]
    loopback: bool,
    /// Remove this store at the end
    #[arg(long, requires = "loopback")]
    scratch: Option<PathBuf>,
    /// Have the kernel's TCP keep this pace: real seconds that a second of the story takes
    #[arg(long)]
    pace: Option<f64>,
    /// End unless the harness says within so many seconds that it lives
    #[arg(long)]
    grace: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct ReapArguments {
    /// The cluster that nothing must be left of
    session: String,
}

impl LotArguments {
    fn lot(&self) -> Lot {
        Lot {
            hub: self.hub,
            number: self.number,
            name: self.name.clone(),
            address: self.address,
            pace: self.pace,
            scratch: self.scratch,
            small_disk: self.small_disk,
        }
    }
}

pub(super) fn hub(arguments: &HubArguments) -> i32 {
    let done = if arguments.first { namespaces::first_of_hub() } else { namespaces::hub() };
    done.map_or_else(
        |error| {
            eprintln!("{error}");
            Verdict::Error.exit_code()
        },
        |()| 0,
    )
}

pub(super) fn enter(arguments: &LotArguments) -> i32 {
    told(namespaces::enter(&arguments.lot()))
}

pub(super) fn apart(arguments: &LotArguments) -> i32 {
    told(namespaces::apart(&arguments.lot()))
}

pub(super) fn supervise(arguments: &SuperviseArguments) -> i32 {
    let loopback = arguments.loopback;
    if !loopback {
        namespaces::mount_processes();
        arguments.pace.into_iter().for_each(patience::follow);
    }
    let take_charge = move |peers: &[Neighbour]| -> io::Result<Box<dyn Network>> {
        if loopback { Ok(Box::new(Unowned)) } else { Ok(Box::new(Kernel::take_charge(peers)?)) }
    };
    let program = [MYSELF, node::VERB].map(str::to_owned).to_vec();
    let lease = arguments.grace.map_or_else(Lease::endless, |grace| Lease::of(Duration::from_secs(grace)));
    let supervisor = Supervisor::new(io::stdout(), program, Box::new(take_charge)).leased(lease);
    // When nobody listens any more there is nobody to tell it.
    let served = serve(supervisor, io::stdin());
    if let Some(store) = &arguments.scratch {
        let _ = disk::erase(store);
        // The last one removes what they were all in.
        let _ = store.parent().map(fs::remove_dir);
    }
    served.map_or(Verdict::Error.exit_code(), |()| 0)
}

pub(super) fn reap(arguments: &ReapArguments) -> i32 {
    match reaper::reap(&arguments.session) {
        Ok(()) => 0,
        Err(why) => {
            // Its harness hears it, if it is there.
            println!("{why}");
            Verdict::Error.exit_code()
        }
    }
}

pub(super) fn be_a_node() -> i32 {
    if std::env::args_os().nth(2).is_some_and(|word| word == candidate::QUESTION) {
        println!("{}", candidate::answer());
        return 0;
    }
    let log = tracing_subscriber::fmt().with_env_filter(logs::words()).with_ansi(false).with_writer(io::stderr);
    match Format::asked().unwrap_or_default() {
        Format::Text => log.init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
    match node::be() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            Verdict::Error.exit_code()
        }
    }
}

fn told<T>(done: io::Result<T>) -> i32 {
    match done {
        Ok(_) => 0,
        Err(error) => {
            let word = Word::Refused { id: 0, why: error.to_string() };
            // Where the harness is gone already nobody wants to know.
            let _ = writeln!(io::stdout(), "{}", serde_json::to_string(&word).unwrap_or_default());
            Verdict::Error.exit_code()
        }
    }
}
