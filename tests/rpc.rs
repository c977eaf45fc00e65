//! JSON-RPC and metrics of a live cluster's nodes, asked over plain sockets: who may ask, both dialects, and the figures.
//! `tests/client` asks the same nodes with a library that others wrote, and `litecoin-cli`, where it is installed, as a tool.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::live::{Up, same};

/// A node's door on this machine.
struct Asked {
    address: String,
    cookie: String,
}

impl Asked {
    fn node(cluster: &Up, place: usize) -> Result<Self, Failed> {
        let state = cluster.state_file()?;
        let folder = std::path::Path::new(state["folder"].as_str().ok_or("no folder")?);
        let address = state["nodes"][place]["rpc"].as_str().ok_or("no address")?.to_owned();
        Ok(Self { address, cookie: std::fs::read_to_string(folder.join(".cookie"))? })
    }

    /// What is answered to a request: the status line's number and the body.
    fn http(&self, head: &str, body: &str) -> Result<(u16, String), Failed> {
        let mut stream = TcpStream::connect(&self.address)?;
        let length = body.len();
        write!(stream, "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n")?;
        write!(stream, "authorization: Basic {}\r\n\r\n{body}", base64(self.cookie.as_bytes()))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        Ok((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    fn call(&self, call: &Value) -> Result<Value, Failed> {
        let (status, body) = self.http("POST /", &call.to_string())?;
        same("the status", &status, &200)?;
        Ok(serde_json::from_str(&body)?)
    }

    /// A call in the dialect of Core's own tools.
    fn old(&self, method: &str, params: Value) -> Result<Value, Failed> {
        let mut answer = self.call(&json!({ "version": "1.1", "id": 7, "method": method, "params": params }))?;
        same("the number", &answer["id"], &json!(7))?;
        match answer["error"].take() {
            Value::Null => Ok(answer["result"].take()),
            error => Err(format!("{method}: {error}").into()),
        }
    }
}

/// Both dialects, whole batches, wrong ones; and that nothing is told to who has no cookie.
pub(crate) fn a_node_is_asked_as_cores_is() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let node = Asked::node(&cluster, 0)?;
    let mined = node.old("generatetoaddress", json!([2, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"]))?;
    let height = node.old("getblockcount", json!([]))?.as_u64().ok_or("no height")?;
    let new = node.call(&json!({ "jsonrpc": "2.0", "id": "x", "method": "getblock", "params": [mined[1], 2] }))?;
    let block = &new["result"];
    same("a block's place", &block["previousblockhash"], &mined[0])?;
    same(
        "whom it pays",
        &block["tx"][0]["vout"][0]["scriptPubKey"]["address"],
        &json!("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"),
    )?;
    same("it is among the last", &(block["height"].as_u64() >= height.checked_sub(8)), &true)?;
    let batch =
        json!([{ "id": 1, "method": "getblockcount" }, { "id": 2, "method": "getbestblockhash", "params": [] }]);
    same("answers to two calls", &node.call(&batch)?.as_array().map(Vec::len), &Some(2))?;
    for (wrong, code) in [
        (json!({ "id": 1, "method": "fly" }), -32601),
        (json!({ "id": 1, "method": "getblockhash", "params": [1_000_000] }), -8),
        (json!({ "id": 1, "method": "getblockhash", "params": ["x"] }), -32602),
        (json!({ "id": 1, "method": "getblock", "params": [format!("{:064x}", 1)] }), -5),
        (json!({ "id": 1, "method": "sendrawtransaction", "params": ["00"] }), -22),
        (json!({ "id": 1, "method": "addnode", "params": ["nobody", "add"] }), -5),
        (json!({ "id": 1, "method": "generatetoaddress", "params": [1, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"] }), -5),
    ] {
        same(&wrong.to_string(), &node.call(&wrong)?["error"]["code"], &json!(code))?;
    }
    same("no call at all", &node.http("POST /", "fly")?.0, &400)?;
    let stranger = Asked { cookie: "__cookie__:guess".to_owned(), address: node.address.clone() };
    same("without the cookie", &stranger.http("POST /", r#"{"id":1,"method":"stop"}"#)?.0, &401)?;
    same("too long", &node.http("POST /", &"x".repeat((16 << 20) + 1))?.0, &413)?;
    let metrics = node.http("GET /metrics", "")?.1;
    for figure in [
        "schism_up{node=\"miner-0\"} 1",
        "schism_height{node=\"miner-0\"} ",
        "schism_received_bytes_total{node=\"miner-0\"} ",
    ] {
        same(figure, &metrics.contains(figure), &true)?;
    }
    let scrape = std::fs::read_to_string(cluster.folder().join("ring-8/latest/prometheus.yaml"))?;
    same("whom to scrape", &scrape.contains(&node.address), &true)?;
    // The network off and on again.
    node.old("setnetworkactive", json!([false]))?;
    cluster.until("no peer", |status| status["nodes"][0]["peers"] == 0)?;
    node.old("setnetworkactive", json!([true]))?;
    cluster.until("a peer", |status| status["nodes"][0]["peers"] != 0)?;
    // A frozen node does not answer, and says so.
    cluster.says(&["freeze", "miner-0"])?;
    let frozen = node.call(&json!({ "id": 1, "method": "getblockcount" }))?;
    same("a frozen node", &frozen["error"]["message"], &json!("miner-0 does not answer: it is frozen"))?;
    same("its figures", &node.http("GET /metrics", "")?.1.contains("schism_up{node=\"miner-0\"} 0"), &true)
}

/// A tool that was written for Bitcoin Core's nodes: Debian has Litecoin's.
const TOOL: &str = "litecoin-cli";

/// Whether it is installed.
pub(crate) fn has_the_tool() -> bool {
    let asked = Command::new(TOOL).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Every method, in the words and with the answers of a command line that others wrote.
pub(crate) fn a_tool_of_others_asks_a_node() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let node = Asked::node(&cluster, 0)?;
    let state = cluster.state_file()?;
    let cookie = format!("{}/.cookie", state["folder"].as_str().ok_or("no folder")?);
    let (_, port) = node.address.rsplit_once(':').ok_or("no port")?;
    let asked = |words: &[&str]| -> Result<(bool, String), Failed> {
        let mut tool = Command::new(TOOL);
        // In a folder of its own: it looks for settings of whoever runs this.
        tool.arg("-regtest").arg(format!("-datadir={}", cluster.folder().display()));
        tool.arg(format!("-rpccookiefile={cookie}")).arg(format!("-rpcport={port}"));
        let said = tool.args(words).output()?;
        let (answer, refusal) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        Ok((said.status.success(), format!("{answer}{refusal}").trim().to_owned()))
    };
    let says = |words: &[&str]| -> Result<String, Failed> {
        match asked(words)? {
            (true, answer) => Ok(answer),
            (false, refusal) => Err(format!("{words:?}: {refusal}").into()),
        }
    };
    let told = |words: &[&str]| -> Result<Value, Failed> { Ok(serde_json::from_str(&says(words)?)?) };
    let payee = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let mined = told(&["generatetoaddress", "2", payee])?;
    let last = mined[1].as_str().ok_or("no second block")?.to_owned();
    let header = told(&["getblockheader", &last])?;
    same("the block before it", &header["previousblockhash"], &mined[0])?;
    let height = header["height"].to_string();
    same("the block at that height", &says(&["getblockhash", &height])?, &last)?;
    same("the height", &(says(&["getblockcount"])?.parse::<u64>()? >= height.parse()?), &true)?;
    same("the best block's hash", &says(&["getbestblockhash"])?.len(), &64)?;
    let block = told(&["getblock", &last])?;
    let coinbase = block["tx"][0].as_str().ok_or("no coinbase")?.to_owned();
    same("a block in hex", &(says(&["getblock", &last, "0"])?.len() > 160), &true)?;
    same("a coinbase's coin", &told(&["gettxout", &coinbase, "0"])?["coinbase"], &json!(true))?;
    same("the chain", &told(&["getblockchaininfo"])?["chain"], &json!("regtest"))?;
    let tips = told(&["getchaintips"])?;
    same(
        "an active tip",
        &(tips.as_array().is_some_and(|tips| tips.iter().any(|tip| tip["status"] == "active"))),
        &true,
    )?;
    same("peers", &(told(&["getpeerinfo"])?.as_array().is_some_and(|peers| !peers.is_empty())), &true)?;
    same("a pool", &told(&["getmempoolinfo"])?["loaded"], &json!(true))?;
    same("its transactions", &told(&["getrawmempool"])?.is_array(), &true)?;
    let (taken, refusal) = asked(&["sendrawtransaction", "00"])?;
    same("half a transaction", &(taken, refusal.contains("error code: -22")), &(false, true))?;
    says(&["addnode", "miner-1", "add"])?;
    says(&["setban", "miner-1", "add"])?;
    says(&["setban", "miner-1", "remove"])?;
    says(&["setnetworkactive", "false"])?;
    cluster.until("no peer", |status| status["nodes"][0]["peers"] == 0)?;
    says(&["setnetworkactive", "true"])?;
    cluster.until("a peer", |status| status["nodes"][0]["peers"] != 0)?;
    let (taken, refusal) = asked(&["fly"])?;
    same("what is no method", &(taken, refusal.contains("error code: -32601")), &(false, true))?;
    same("its last word", &says(&["stop"])?, &"Schism node stopping".to_owned())?;
    same("a node that was stopped", &asked(&["getblockcount"])?.0, &false)
}

/// By hand: what a client sends is not what our library made.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..4)
            .map(|place| match place <= chunk.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]),
                false => '=',
            })
            .collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}
