//! JSON-RPC and metrics of a live cluster's nodes, asked over plain sockets: who may ask, both dialects, and the figures.
//! `tests/client` asks the same nodes with libraries that others wrote, in Rust and, where it is installed, in Python, and
//! `litecoin-cli`, where that is installed, as a tool.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::live::{Up, same};
use crate::real::Stage;

/// Every trial. Where a tool of others is not installed the trial with it is ignored, and says so.
pub(crate) fn trials(processes: &Stage) -> Vec<Trial> {
    let asked = processes.trial("a_node_that_is_up_is_asked_as_cores_is", a_node_is_asked_as_cores_is);
    let by_tool = processes.trial("a_node_that_is_up_is_asked_by_a_tool_of_others", a_tool_of_others_asks_a_node);
    let by_library =
        processes.trial("a_node_that_is_up_is_asked_by_a_library_of_others", a_library_of_others_asks_a_node);
    let here = |mut command: Command| {
        let asked = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let (mut tool, mut library) = (Command::new(TOOL), Command::new("python3"));
    tool.arg("-version");
    library.args(["-c", "import bitcoinrpc.authproxy"]);
    let only_where = |is_here: bool, what: &str, help: &str, trial: Trial| {
        if is_here {
            return trial;
        }
        eprintln!("a node is NOT asked by {what}: it is not installed ({help})");
        trial.with_ignored_flag(true)
    };
    vec![
        asked,
        only_where(here(tool), TOOL, "Debian: apt-get install litecoind", by_tool),
        only_where(here(library), "python-bitcoinrpc", "pip install python-bitcoinrpc", by_library),
    ]
}

/// A node's door on this machine.
pub(crate) struct Asked {
    address: String,
    cookie: String,
}

impl Asked {
    pub(crate) fn node(cluster: &Up, place: usize) -> Result<Self, Failed> {
        let state = cluster.state_file()?;
        let folder = std::path::Path::new(state["folder"].as_str().ok_or("no folder")?);
        let address = state["nodes"][place]["rpc"].as_str().ok_or("no address")?.to_owned();
        Ok(Self { address, cookie: std::fs::read_to_string(folder.join(".cookie"))? })
    }

    /// What is answered to a request: the status line's number, the head and the body.
    fn http(&self, head: &str, body: &str) -> Result<(u16, String, String), Failed> {
        let mut stream = TcpStream::connect(&self.address)?;
        let length = body.len();
        write!(stream, "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n")?;
        write!(stream, "authorization: Basic {}\r\n\r\n{body}", base64(self.cookie.as_bytes()))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
        Ok((status, head.to_lowercase(), body.to_owned()))
    }

    fn call(&self, call: &Value) -> Result<Value, Failed> {
        let (status, head, body) = self.http("POST /", &call.to_string())?;
        same("the status", &status, &200)?;
        same("the kind of page", &head.lines().any(|line| line == "content-type: application/json"), &true)?;
        Ok(serde_json::from_str(&body)?)
    }

    /// A call in the dialect of Core's own tools: whatever comes of it, the answer has all three keys.
    pub(crate) fn old(&self, method: &str, params: Value) -> Result<Value, Failed> {
        let mut answer = self.call(&json!({ "version": "1.1", "id": 7, "method": method, "params": params }))?;
        same("the keys", &keys(&answer), &vec!["error", "id", "result"])?;
        same("the number", &answer["id"], &json!(7))?;
        match (answer["result"].take(), answer["error"].take()) {
            (result, Value::Null) => Ok(result),
            (Value::Null, error) => Err(format!("{method}: {error}").into()),
            both => Err(format!("{method}: {both:?}").into()),
        }
    }
}

/// What an object has, in the alphabet's order.
fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

/// Both dialects, whole batches, wrong ones; and that nothing is told to who has no cookie.
fn a_node_is_asked_as_cores_is() -> Result<(), Failed> {
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
    same("what a new answer has", &keys(&new), &vec!["id", "jsonrpc", "result"])?;
    dialects(&node)?;
    by_name(&node, &mined[1])?;
    what_is_pooled(&cluster, &node)?;
    for (wrong, code) in [
        (json!({ "id": 1, "method": "fly" }), -32601),
        (json!({ "id": 1, "method": "getblockhash", "params": [1_000_000] }), -8),
        (json!({ "id": 1, "method": "getblockhash", "params": ["x"] }), -32602),
        (json!({ "id": 1, "method": "getblock", "params": [format!("{:064x}", 1)] }), -5),
        (json!({ "id": 1, "method": "sendrawtransaction", "params": ["00"] }), -22),
        (json!({ "id": 1, "method": "addnode", "params": ["nobody", "add"] }), -5),
        (json!({ "id": 1, "method": "setban", "params": ["miner-1", "add", 60] }), -8),
        (json!({ "id": 1, "method": "setban", "params": ["miner-1", "add", 0, true] }), -8),
        (json!({ "id": 1, "method": "getblock", "params": { "hash": mined[1] } }), -8),
        (json!({ "id": 1, "method": "getblock", "params": { "args": [mined[1]], "blockhash": mined[1] } }), -8),
        (json!({ "id": 1, "method": "getblock", "params": { "verbosity": 1 } }), -32602),
        (json!({ "id": 1, "method": "generatetoaddress", "params": [1, "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"] }), -5),
    ] {
        let answer = node.call(&wrong)?;
        same(&wrong.to_string(), &answer["error"]["code"], &json!(code))?;
        same("what a refusal has", &keys(&answer), &vec!["error", "id", "result"])?;
    }
    same("no call at all", &node.http("POST /", "fly")?.0, &400)?;
    let stranger = Asked { cookie: "__cookie__:guess".to_owned(), address: node.address.clone() };
    same("without the cookie", &stranger.http("POST /", r#"{"id":1,"method":"stop"}"#)?.0, &401)?;
    same("too long", &node.http("POST /", &"x".repeat((16 << 20) + 1))?.0, &413)?;
    let metrics = node.http("GET /metrics", "")?.2;
    for figure in [
        "schism_up{node=\"miner-0\"} 1",
        "schism_height{node=\"miner-0\"} ",
        "schism_received_bytes_total{node=\"miner-0\"} ",
    ] {
        same(figure, &metrics.contains(figure), &true)?;
    }
    let scrape = std::fs::read_to_string(cluster.folder().join("ring-8/latest/prometheus.yaml"))?;
    same("whom to scrape", &scrape.contains(&node.address), &true)?;
    same("a label that the figures have already", &scrape.contains("miner-0"), &false)?;
    // The network off and on again.
    node.old("setnetworkactive", json!([false]))?;
    cluster.until("no peer", |status| status["nodes"][0]["peers"] == 0)?;
    node.old("setnetworkactive", json!([true]))?;
    cluster.until("a peer", |status| status["nodes"][0]["peers"] != 0)?;
    // A frozen node does not answer, and says so.
    cluster.says(&["freeze", "miner-0"])?;
    let frozen = node.call(&json!({ "id": 1, "method": "getblockcount" }))?;
    same("a frozen node", &frozen["error"]["message"], &json!("miner-0 does not answer: it is frozen"))?;
    same("its figures", &node.http("GET /metrics", "")?.2.contains("schism_up{node=\"miner-0\"} 0"), &true)
}

/// Both dialects in one batch, each call answered in its own; one of 2.0 that wants no answer has none, and is heard.
fn dialects(node: &Asked) -> Result<(), Failed> {
    let batch = json!([
        { "id": 1, "method": "getblockcount" },
        { "jsonrpc": "2.0", "method": "setnetworkactive", "params": [true] },
        { "jsonrpc": "2.0", "id": 2, "method": "getbestblockhash" },
        { "jsonrpc": "2.0", "id": 3, "method": "fly" },
        { "jsonrpc": "1.0", "id": 4, "method": "fly", "params": [] },
    ]);
    let answers = node.call(&batch)?;
    let answers: Vec<(&Value, Vec<&str>)> =
        answers.as_array().into_iter().flatten().map(|answer| (&answer["id"], keys(answer))).collect();
    let (all, result, error) =
        (vec!["error", "id", "result"], vec!["id", "jsonrpc", "result"], vec!["error", "id", "jsonrpc"]);
    let expected = [(1, all.clone()), (2, result), (3, error), (4, all)];
    let expected: Vec<(Value, Vec<&str>)> = expected.into_iter().map(|(id, keys)| (json!(id), keys)).collect();
    same("answers in their dialects", &answers, &expected.iter().map(|(id, keys)| (id, keys.clone())).collect())?;
    let silent = json!({ "jsonrpc": "2.0", "method": "setnetworkactive", "params": [false] });
    let (status, _, body) = node.http("POST /", &silent.to_string())?;
    same("an answer that nobody wants", &(status, body), &(204, String::new()))?;
    same("it was heard", &node.old("getnetworkinfo", json!([]))?["networkactive"], &json!(false))?;
    same("and undone", &node.old("setnetworkactive", json!([true]))?, &json!(true))
}

/// Arguments by their names, all of them or some after others.
fn by_name(node: &Asked, block: &Value) -> Result<(), Failed> {
    let by_place = node.old("getblock", json!([block, 2]))?;
    for named in [
        json!({ "blockhash": block, "verbosity": 2 }),
        json!({ "verbose": 2, "blockhash": block }),
        json!({ "args": [block], "verbosity": 2 }),
    ] {
        same(&named.to_string(), &node.old("getblock", named)?["tx"], &by_place["tx"])?;
    }
    same("no name at all", &node.old("getblockcount", json!({})).is_ok(), &true)?;
    let unknown = node.call(&json!({ "id": 1, "method": "getblockhash", "params": { "hight": 1 } }))?;
    same("an unknown name", &unknown["error"]["message"], &json!("Unknown named parameter hight"))
}

/// What is told of a payment that waits, and of the coins it spends and makes.
fn what_is_pooled(cluster: &Up, node: &Asked) -> Result<(), Failed> {
    // A block may confirm it meanwhile: the next one then.
    for _ in 0..20 {
        let txid = cluster.says(&["submit", "miner-0"])?.trim().to_owned();
        cluster.until("its judgement", |_| node.old("getrawtransaction", json!([txid])).is_ok())?;
        let whole = node.old("getrawtransaction", json!([txid, true]))?;
        let (from, vout) = (&whole["vin"][0]["txid"], &whole["vin"][0]["vout"]);
        let entry = node.old("getrawmempool", json!([true]))?[&txid].clone();
        let (spent, on_chain) =
            (node.old("gettxout", json!([from, vout]))?, node.old("gettxout", json!([from, vout, false]))?);
        let (made, not_yet) = (node.old("gettxout", json!([txid, 0]))?, node.old("gettxout", json!([txid, 0, false]))?);
        let ids = node.old("getrawmempool", json!([]))?;
        if !ids.as_array().is_some_and(|ids| ids.contains(&json!(txid))) {
            continue;
        }
        for key in ["vsize", "weight"] {
            same(key, &entry[key], &whole[key])?;
        }
        let outputs: f64 = whole["vout"].as_array().into_iter().flatten().filter_map(|out| out["value"].as_f64()).sum();
        let fee = on_chain["value"].as_f64().unwrap_or(f64::NAN) - outputs;
        let told = entry["fees"]["base"].as_f64().unwrap_or(f64::NAN);
        same(&format!("a fee of {fee}: {told}"), &((fee - told).abs() < 1e-9 && fee > 0.0), &true)?;
        same("it and who it needs", &(&entry["ancestorcount"], &entry["depends"]), &(&json!(1), &json!([])))?;
        same("what it spends", &(&spent, on_chain["confirmations"].as_u64() > Some(0)), &(&Value::Null, true))?;
        same("what it makes", &(&made["confirmations"], &made["value"]), &(&json!(0), &whole["vout"][0]["value"]))?;
        return same("which is on no chain", &not_yet, &Value::Null);
    }
    Err("every payment was confirmed at once".into())
}

/// A tool that was written for Bitcoin Core's nodes: Debian has Litecoin's.
const TOOL: &str = "litecoin-cli";

/// A library of others in a language of others, which knows only the old dialect and is strict about it.
fn a_library_of_others_asks_a_node() -> Result<(), Failed> {
    let cluster = Up::new("process")?;
    let node = Asked::node(&cluster, 0)?;
    let url = format!("http://{}@{}", node.cookie, node.address);
    let said = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/client/asks.py"))
        .arg(url)
        .output()?;
    let (text, errors) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    same(&format!("what it said: {errors}"), &text.trim(), &"heard")
}

/// Every method, in the words and with the answers of a command line that others wrote.
fn a_tool_of_others_asks_a_node() -> Result<(), Failed> {
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
    let named = told(&["-named", "getblock", &format!("blockhash={last}"), "verbosity=2"])?;
    same("the same by name", &named["tx"][0]["txid"], &block["tx"][0])?;
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
