//! What can be said to a cluster that is up: each verb is one order, its answer a line or a table.

use std::path::PathBuf;

use bitcoin::consensus::encode::deserialize_hex;
use clap::{Args, Subcommand};
use miette::{IntoDiagnostic, WrapErr, miette};
use schism_chaos::fault::CrashKind;
use serde_json::{Value, json};

use super::Speech;
use super::up::state_file;
use crate::backend::container::build;
use crate::live::door::State;
use crate::live::order::{Order, Status};

/// Which cluster.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The file that says where the cluster is
    #[arg(long, value_name = "PATH", env = "SCHISM_STATE", global = true)]
    state: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    which: Which,
    /// Show it again every second
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, Args)]
pub(super) struct FaultArguments {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    verb: FaultVerb,
}

#[derive(Debug, Subcommand)]
enum FaultVerb {
    /// Bring a fault into force: `partition: half`, or `{ crash: one, for: 30s }`
    Add {
        /// A step as a file says it
        fault: String,
        /// What to call it
        #[arg(long)]
        name: Option<String>,
    },
    /// Say what is in force
    List,
    /// Heal a fault, or all of them
    Heal {
        /// Its name
        name: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(super) struct NodeArguments {
    #[command(flatten)]
    which: Which,
    /// The node
    node: String,
}

#[derive(Debug, Args)]
pub(super) struct EndArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// What is lost with it: process (nothing that was written) or machine (what was not synced)
    #[arg(long, default_value = "process", value_parser = kind)]
    kind: CrashKind,
}

#[derive(Debug, Args)]
pub(super) struct SubmitArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// The transaction, in hex; a payment out of one of its wallets where nothing is said
    transaction: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct MineArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// How many blocks
    #[arg(default_value_t = 1)]
    blocks: u32,
}

#[derive(Debug, Args)]
pub(super) struct UpgradeArguments {
    #[command(flatten)]
    node: NodeArguments,
    /// Another build of this program
    #[arg(long, value_name = "PATH", required_unless_present = "image")]
    binary: Option<PathBuf>,
    /// An image that holds another build, of the engine that is here: schism:0123456789abcdef
    #[arg(long, value_name = "NAME", conflicts_with = "binary")]
    image: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    #[command(flatten)]
    which: Which,
    /// Which of those there is room for, such as newcomer-1; the next one where nothing is said
    node: Option<String>,
    /// Its hash rate, in hashes a second of the cluster's clock
    #[arg(long, default_value_t = 0.0)]
    hash_rate: f64,
}

#[derive(Debug, Args)]
pub(super) struct DownArguments {
    #[command(flatten)]
    which: Which,
}

impl Which {
    /// Gives the cluster an order; what comes of it.
    fn tell(&self, order: &Order) -> miette::Result<Value> {
        let (path, state) = (state_file(self.state.as_deref()), self.cluster()?);
        let order = serde_json::to_value(order).into_diagnostic()?;
        state.tell(&path, &order).map_err(closed)?.map_err(|why| miette!("{why}"))
    }

    /// The same, and says it.
    fn said(&self, order: &Order, speech: Speech, words: impl FnOnce(&Value) -> String) -> miette::Result<i32> {
        let value = self.tell(order)?;
        if speech.json {
            println!("{value}");
        } else if !speech.quiet {
            println!("{}", words(&value));
        }
        Ok(0)
    }

    /// The cluster, as its state file tells.
    pub(super) fn cluster(&self) -> miette::Result<State> {
        State::read(&state_file(self.state.as_deref())).map_err(closed)
    }
}

fn closed(why: crate::live::door::Closed) -> miette::Report {
    miette!(help = "`schism up FILE` starts one; `--state` names another's file", "{why}")
}

#[allow(clippy::disallowed_methods, reason = "whoever watches looks once a second, and nothing says when to look")]
pub(super) fn status(arguments: &StatusArguments, speech: Speech) -> miette::Result<i32> {
    let State { name, backend, seed, nodes, .. } = arguments.which.cluster()?;
    loop {
        let value = arguments.which.tell(&Order::Status {})?;
        let mut status: Status = serde_json::from_value(value).into_diagnostic()?;
        for node in &mut status.nodes {
            node.rpc = nodes.iter().find(|asked| asked.node == node.node).map(|asked| asked.rpc);
        }
        if speech.json {
            println!("{}", json!(status));
        } else {
            let clear = if arguments.watch { "\x1b[2J\x1b[H" } else { "" };
            println!("{clear}{name} · {backend} · seed {seed} · {}", table(&status));
        }
        if !arguments.watch {
            return Ok(0);
        }
        std::thread::sleep(AGAIN);
    }
}

/// How often a watched status is shown.
const AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) fn fault(arguments: &FaultArguments, speech: Speech) -> miette::Result<i32> {
    match &arguments.verb {
        FaultVerb::Add { fault, name } => {
            let order = Order::Fault { fault: Value::String(fault.clone()), name: name.clone() };
            arguments.which.said(&order, speech, |value| {
                let name = value["name"].as_str().unwrap_or_default();
                format!("{name} is in force; heal it with: schism fault heal {name}")
            })
        }
        FaultVerb::List => arguments.which.said(&Order::Faults {}, speech, faults),
        FaultVerb::Heal { name } => {
            let order = Order::Heal { name: name.clone() };
            arguments.which.said(&order, speech, |value| match words(&value["healed"]) {
                nothing if nothing.is_empty() => "nothing was in force".to_owned(),
                healed => format!("healed: {healed}"),
            })
        }
    }
}

pub(super) fn kill(arguments: &EndArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.node.clone();
    let order = Order::Kill { node: node.clone(), kind: arguments.kind };
    arguments.node.which.said(&order, speech, |_| format!("{node} is dead; start it with: schism restart {node}"))
}

pub(super) fn restart(arguments: &EndArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.node.clone();
    let order = Order::Restart { node: node.clone(), kind: arguments.kind };
    arguments.node.which.said(&order, speech, |_| format!("{node} is started again"))
}

pub(super) fn freeze(arguments: &NodeArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.clone();
    arguments.which.said(&Order::Freeze { node: node.clone() }, speech, |_| {
        format!("{node} stands still; let it go on with: schism thaw {node}")
    })
}

pub(super) fn thaw(arguments: &NodeArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.clone();
    arguments.which.said(&Order::Thaw { node: node.clone() }, speech, |_| format!("{node} goes on"))
}

pub(super) fn remove(arguments: &NodeArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.clone();
    arguments
        .which
        .said(&Order::Remove { node: node.clone() }, speech, |_| format!("{node} is gone, its store with it"))
}

pub(super) fn upgrade(arguments: &UpgradeArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.node.clone();
    let binary = match (&arguments.binary, &arguments.image) {
        (_, Some(image)) => {
            let builds = arguments.node.which.cluster()?.folder.join("builds");
            build::take_out(image, &builds).map_err(|why| miette!(help = "nothing was changed", "{why}"))?
        }
        (binary, None) => binary.clone().unwrap_or_default(),
    };
    let binary =
        binary.canonicalize().into_diagnostic().wrap_err_with(|| format!("there is no {}", binary.display()))?;
    let order = Order::Upgrade { node: node.clone(), binary };
    arguments.node.which.said(&order, speech, |_| format!("{node} is the other build now"))
}

pub(super) fn add(arguments: &AddArguments, speech: Speech) -> miette::Result<i32> {
    let order = Order::Add { node: arguments.node.clone(), hashes_per_second: arguments.hash_rate };
    arguments.which.said(&order, speech, |value| format!("{} is started", value["node"].as_str().unwrap_or_default()))
}

pub(super) fn submit(arguments: &SubmitArguments, speech: Speech) -> miette::Result<i32> {
    let node = arguments.node.node.clone();
    let order = match &arguments.transaction {
        None => Order::Pay { node },
        Some(hex) => {
            let transaction =
                deserialize_hex(hex).map_err(|error| miette!("this is no transaction in hex: {error}"))?;
            Order::Submit { node, transaction }
        }
    };
    arguments.node.which.said(&order, speech, |value| value["txid"].as_str().unwrap_or_default().to_owned())
}

pub(super) fn mine(arguments: &MineArguments, speech: Speech) -> miette::Result<i32> {
    let order = Order::Mine { node: arguments.node.node.clone(), blocks: arguments.blocks };
    arguments.node.which.said(&order, speech, |value| words(&value["blocks"]).replace(", ", "\n"))
}

pub(super) fn down(arguments: &DownArguments, speech: Speech) -> miette::Result<i32> {
    let folder = arguments.which.cluster()?.folder;
    arguments.which.said(&Order::Down {}, speech, |_| format!("it is down; what it came to is in {}", folder.display()))
}

fn kind(text: &str) -> Result<CrashKind, String> {
    let kind = serde_json::from_value(Value::String(text.to_owned()));
    kind.map_err(|_| "it is process, machine or torn".to_owned())
}

/// The strings of a list, for people.
fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join(", ")
}

fn faults(list: &Value) -> String {
    let row = |fault: &Value| {
        let text = |key: &str| fault[key].as_str().unwrap_or_default().to_owned();
        format!("{}  {}  {}", text("name"), text("kind"), words(&fault["nodes"]))
    };
    let rows: Vec<String> = list.as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() { "nothing is in force".to_owned() } else { rows.join("\n") }
}

/// Every node a row.
fn table(status: &Status) -> String {
    let width = status.nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).max(4);
    let plural = if status.tips == 1 { "tip" } else { "tips" };
    let mut page = format!(
        "{:.1} s · height {} · {} {plural} · {} blocks mined\n\n{:<width$}  {:<11}  {:<6}  {:>6}  {:<8}  {:>5}  {:>7}  {:>5}  {:<15}  faults\n",
        status.seconds,
        status.height,
        status.tips,
        status.mined,
        "node",
        "role",
        "state",
        "height",
        "tip",
        "peers",
        "mempool",
        "mined",
        "rpc"
    );
    let said = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
    for node in &status.nodes {
        page += &format!(
            "{:<width$}  {:<11}  {:<6}  {:>6}  {:<8}  {:>5}  {:>7}  {:>5}  {:<15}  {}\n",
            node.node,
            node.role,
            node.state,
            said(node.height.map(|height| height.to_string())),
            said(node.tip.map(|tip| tip.to_string()[56..].to_owned())),
            said(node.peers.map(|peers| peers.to_string())),
            said(node.mempool.map(|pool| pool.to_string())),
            node.mined,
            said(node.rpc.map(|rpc| rpc.to_string())),
            node.faults.join(", "),
        );
    }
    status.found.iter().for_each(|found| page += &format!("! {found}\n"));
    page
}
