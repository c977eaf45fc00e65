//! `schism up FILE` and `schism drive FILE`: a cluster that lives for as long as somebody gives it orders.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use clap::Args;
use miette::{IntoDiagnostic, WrapErr, miette};
use schism_chaos::simulation::Fidelity;
use serde_json::json;

use super::Speech;
use super::flags::Require;
use crate::experiment::Experiment;
use crate::interrupt::Interrupt;
use crate::live::door::{Door, STATE, State};
use crate::live::{lines, rpc};
use crate::report::{self, Results};
use crate::run::live::{Live, Orders};
use crate::suite::{Backend, RunFolder, Setup, play_live};

/// What a live cluster is made of.
#[derive(Debug, Args)]
pub(super) struct Cluster {
    /// A topology, or an experiment whose load and schedule go on while it is up
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Another seed than the file's
    #[arg(long, env = "SCHISM_SEED")]
    seed: Option<u64>,
    /// Set something in the file: load.transactions=2/s
    #[arg(long = "set", value_name = "PATH=VALUE")]
    settings: Vec<String>,
    #[command(flatten)]
    require: Require,
    /// Nodes that can be added later
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=64))]
    room: u32,
    /// Where run folders are made
    #[arg(long, value_name = "FOLDER", default_value = "runs", env = "SCHISM_RUNS")]
    runs: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct UpArguments {
    #[command(flatten)]
    cluster: Cluster,
    /// Where nodes run: process or container
    #[arg(long, default_value_t = Backend::Process, env = "SCHISM_BACKEND")]
    backend: Backend,
    /// Return when it is up, and let it live on
    #[arg(long)]
    detach: bool,
    /// The first node's port of its JSON-RPC, the others' follow; any free ones where it is 0
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    rpc_port: u16,
    /// The file that says where the cluster is; beside the run folders where nothing is said
    #[arg(long, value_name = "PATH", env = "SCHISM_STATE")]
    state: Option<PathBuf>,
    /// Be the one that lives on
    #[arg(long, hide = true)]
    detached: bool,
}

#[derive(Debug, Args)]
pub(super) struct DriveArguments {
    #[command(flatten)]
    cluster: Cluster,
    /// Where nodes run: simulated, process or container
    #[arg(long, default_value_t, env = "SCHISM_BACKEND")]
    backend: Backend,
}

/// What a detached cluster says when it is up: who started it may go.
const UP: &str = "up";

pub(super) fn up(arguments: &UpArguments, speech: Speech) -> miette::Result<i32> {
    if arguments.backend == Backend::Simulated {
        return Err(miette!(
            help = "`--backend process` is a cluster in real time; `schism drive` lets a script move the virtual clock",
            "in a simulation time stands still until somebody moves it, so nothing was started"
        ));
    }
    arguments.cluster.require.require(arguments.backend)?;
    let experiment = arguments.cluster.experiment()?;
    let path = arguments.state.clone().unwrap_or_else(|| arguments.cluster.runs.join(STATE));
    Door::free(&path).map_err(|why| miette!("{why}"))?;
    if arguments.detach && !arguments.detached {
        return detach();
    }
    if arguments.detached {
        // A session of its own: the terminal's end is not ours.
        let _ = nix::unistd::setsid();
    }
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let folder = arguments.cluster.folder(&experiment)?;
    let (told, orders) = Orders::from_many();
    let plan = experiment.plan(experiment.seed);
    let names: Vec<String> = plan.nodes.into_iter().map(|node| node.name).collect();
    let served = rpc::serve(&names, arguments.rpc_port, folder.path(), &told);
    let state = State {
        nodes: served.into_diagnostic().wrap_err("the nodes' JSON-RPC cannot be served")?,
        name: experiment.name.clone(),
        backend: arguments.backend,
        seed: experiment.seed,
        process: std::process::id(),
        folder: std::path::absolute(folder.path()).into_diagnostic()?,
    };
    let door = Door::open(&path, &state, told).map_err(|why| miette!("{why}"))?;
    let (quiet, detached) = (speech.quiet || speech.json, arguments.detached);
    if !quiet {
        println!("seed {} · {} · {} faults · {}", state.seed, state.backend, state.backend.fault_layer(), state.name);
    }
    let nodes = experiment.topology.plan(experiment.seed).nodes.len();
    let asked = state.nodes.first().map(|first| format!("{} of {}", first.rpc, first.node));
    let cookie = state.folder.join(rpc::COOKIE);
    let ready = move || {
        if !quiet {
            println!("{nodes} nodes are up; from another terminal: schism status, schism fault add, schism down");
            let asked = asked.unwrap_or_default();
            println!("JSON-RPC: http://{asked}, the others' in schism status; cookie: {}", cookie.display());
        }
        if detached {
            println!("{UP}");
        }
    };
    let live = Live { orders, ready: Box::new(ready) };
    let results = arguments.cluster.live(&experiment, ("up", arguments.backend), &folder, interrupt, live);
    drop(door);
    if detached {
        // Who started it has gone, and its streams with it: what there is to say is in the run folder.
        return Ok(results.verdict.exit_code());
    }
    if speech.json {
        println!("{}", report::json_line(&results));
    } else {
        println!("{}", report::text(&results, speech.colour()).trim_end());
    }
    Ok(results.verdict.exit_code())
}

/// Starts this very command again, waits until its cluster is up, and leaves it.
fn detach() -> miette::Result<i32> {
    let mut again = Command::new(std::env::current_exe().into_diagnostic()?);
    again.args(std::env::args_os().skip(1)).arg("--detached");
    // None of our streams may stay with it: whoever reads them waits for their end.
    again.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = again.spawn().into_diagnostic().wrap_err("it cannot be started")?;
    let errors = child.stderr.take();
    let complaints = std::thread::spawn(move || errors.map(|mut errors| io::copy(&mut errors, &mut io::stderr())));
    let out = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines().map_while(Result::ok));
    for line in out {
        if line == UP {
            return Ok(0);
        }
        println!("{line}");
    }
    // It ended before it was up, and has said why.
    let _ = complaints.join();
    Ok(child.wait().into_diagnostic()?.code().unwrap_or(3))
}

pub(super) fn drive(arguments: &DriveArguments, speech: Speech) -> miette::Result<i32> {
    arguments.cluster.require.require(arguments.backend)?;
    let experiment = arguments.cluster.experiment()?;
    let folder = arguments.cluster.folder(&experiment)?;
    let interrupt = Interrupt::by_signals().into_diagnostic()?;
    let out: lines::Out = Arc::new(Mutex::new(io::stdout()));
    let orders = if arguments.backend == Backend::Simulated {
        lines::awaited(BufReader::new(io::stdin()), out)
    } else {
        let (told, orders) = Orders::from_many();
        let read = move || lines::pass_on(BufReader::new(io::stdin()), &out, &told);
        std::thread::Builder::new().name("orders".into()).spawn(read).into_diagnostic()?;
        orders
    };
    let plan = experiment.topology.plan(experiment.seed);
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    let (seed, backend, fault_layer) = (experiment.seed, arguments.backend, arguments.backend.fault_layer());
    let first = json!({ "ready": { "seed": seed, "backend": backend, "fault_layer": fault_layer, "nodes": names, "folder": folder.path() } });
    let live = Live { orders, ready: Box::new(move || println!("{first}")) };
    let results = arguments.cluster.live(&experiment, ("drive", arguments.backend), &folder, interrupt, live);
    println!("{}", json!({ "result": results }));
    // Scripts read the lines, people the other stream.
    if !speech.quiet && !speech.json {
        eprintln!("{}", report::text(&results, report::Colour::Never).trim_end());
    }
    io::stdout().flush().into_diagnostic()?;
    Ok(results.verdict.exit_code())
}

impl Cluster {
    /// What the file says, with room for more nodes; what must finally hold is for who gives orders to ask.
    fn experiment(&self) -> miette::Result<Experiment> {
        let mut settings = self.settings.clone();
        settings.extend(self.seed.map(|seed| format!("seed={seed}")));
        let mut experiment = Experiment::load_either(&self.file, &settings)?;
        if experiment.claim.is_some() {
            return Err(miette!(
                help = "use its topology",
                "{} measures a claim and cannot be lived in",
                self.file.display()
            ));
        }
        experiment.room = self.room;
        experiment.finally.clear();
        experiment.controls.clear();
        Ok(experiment)
    }

    fn folder(&self, experiment: &Experiment) -> miette::Result<RunFolder> {
        let made = RunFolder::create(&self.runs, &experiment.name, experiment.seed).into_diagnostic();
        made.wrap_err_with(|| format!("a run folder in {} cannot be made", self.runs.display()))
    }

    fn live(
        &self,
        experiment: &Experiment,
        (verb, backend): (&str, Backend),
        folder: &RunFolder,
        interrupt: Interrupt,
        live: Live,
    ) -> Results {
        let setup = Setup {
            backend,
            fidelity: Fidelity::Memory,
            without: None,
            mutation: None,
            folder: Some(folder),
            trace: false,
            repeat: format!("schism {verb} {} --seed {} --backend {backend}", self.file.display(), experiment.seed),
            interrupt,
            timeout_factor: 1.0,
        };
        let mut results = play_live(experiment, &setup, live);
        results.folder = Some(folder.path().to_owned());
        if let Err(error) = folder.write(experiment, &results) {
            results.why.get_or_insert_with(|| format!("the run folder cannot be written: {error}"));
        }
        results
    }
}

/// Where the cluster is that a verb is about.
pub(super) fn state_file(said: Option<&Path>) -> PathBuf {
    let beside_runs = || PathBuf::from(std::env::var_os("SCHISM_RUNS").unwrap_or_else(|| "runs".into())).join(STATE);
    said.map_or_else(beside_runs, Path::to_owned)
}
