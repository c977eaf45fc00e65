//! A JSON-RPC for each node of a live cluster, in the shape of Bitcoin Core's, and its figures for Prometheus. They are served
//! on the machine's own loopback, whatever network the nodes are in, and answered through the nodes' doors: a frozen node's
//! does not answer, a dead one's says so.
//!
//! - `desk`: what a method can ask of its node. `methods`: every method. `shapes`: answers as Core words them.
//! - `http`: who may ask, and in which dialect. `metrics`: the figures.

mod desk;
mod http;
mod methods;
mod metrics;
mod shapes;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;

use self::desk::Desk;
use crate::run::live::Request;

/// Where one node is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// The node.
    pub node: String,
    /// Where it is asked, and where its metrics are.
    pub rpc: SocketAddr,
}

/// The cookie file in a run folder: user and password for every node, as Core writes it.
pub const COOKIE: &str = ".cookie";
/// What Prometheus is told in a run folder: whom to scrape.
pub const SCRAPE: &str = "prometheus.yaml";

/// Serves all nodes on threads of its own for as long as the process lives. Nodes get ports from `first` on; any that are free
/// where that is 0.
///
/// # Errors
/// When a port is taken, or the folder cannot be written.
pub fn serve(nodes: &[String], first: u16, folder: &Path, told: &Sender<Request>) -> io::Result<Vec<Address>> {
    let listeners = (0..).zip(nodes).map(|(place, node): (u16, _)| {
        let port = if first == 0 { 0 } else { first.saturating_add(place) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| io::Error::new(error.kind(), format!("port {port} for {node}: {error}")))?;
        listener.set_nonblocking(true)?;
        Ok((Address { node: node.clone(), rpc: listener.local_addr()? }, listener))
    });
    let (addresses, listeners): (Vec<Address>, Vec<TcpListener>) =
        listeners.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let password = write_cookie(&folder.join(COOKIE))?;
    fs::write(folder.join(SCRAPE), scrape_file(&addresses))?;
    let key = http::Key::of(&password);
    let desks: Vec<Arc<Desk>> = nodes.iter().map(|node| Arc::new(Desk::new(node.clone(), told.clone()))).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("rpc".into())
        .spawn(move || runtime.block_on(http::serve_all(listeners, desks, key)))?;
    Ok(addresses)
}

/// Makes a password nobody knows and writes it where only who owns the folder can read it.
fn write_cookie(path: &PathBuf) -> io::Result<String> {
    let mut bytes = [0_u8; 32];
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    let password = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    write!(file, "{}:{password}", http::USER)?;
    Ok(password)
}

/// JSON, which is YAML. Each figure says itself whose it is.
fn scrape_file(addresses: &[Address]) -> String {
    let targets: Vec<String> = addresses.iter().map(|address| address.rpc.to_string()).collect();
    let all = serde_json::json!([{ "targets": targets }]);
    let file = serde_json::json!({ "scrape_configs": [{ "job_name": "schism", "static_configs": all }] });
    format!("# For Prometheus: prometheus --config.file={SCRAPE}\n{file:#}\n")
}
