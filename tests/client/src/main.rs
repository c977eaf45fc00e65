//! Talks to a node of a live cluster with the `bitcoincore-rpc` crate: `schism-client PATH-OF-SCHISM TOPOLOGY`. It says what
//! it saw and exits with 0, or panics.

use std::path::{Path, PathBuf};
use std::process::Command;

use bitcoincore_rpc::bitcoin::consensus::encode::serialize_hex;
use bitcoincore_rpc::bitcoin::{Address, Amount, BlockHash, Network, Transaction};
use bitcoincore_rpc::json::GetChainTipsResultStatus;
use bitcoincore_rpc::{Auth, Client, RpcApi};
use serde_json::Value;

/// What `schism up` left to be found.
struct Cluster {
    schism: PathBuf,
    runs: PathBuf,
    state: Value,
}

impl Cluster {
    fn up(schism: &str, topology: &str) -> Self {
        let runs = std::env::temp_dir().join(format!("schism-client-{}", std::process::id()));
        let mut cluster = Self { schism: schism.into(), runs, state: Value::Null };
        cluster.tell(&["up", topology, "--detach"]);
        let state = std::fs::read_to_string(cluster.runs.join("live.json")).expect("a state file");
        cluster.state = serde_json::from_str(&state).expect("a state");
        cluster
    }

    fn tell(&self, words: &[&str]) -> String {
        let said =
            Command::new(&self.schism).args(words).env("SCHISM_RUNS", &self.runs).output().expect("schism starts");
        assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    fn client(&self, node: usize) -> Client {
        let cookie = Path::new(self.state["folder"].as_str().expect("a folder")).join(".cookie");
        let address = self.state["nodes"][node]["rpc"].as_str().expect("an address");
        Client::new(&format!("http://{address}"), Auth::CookieFile(cookie)).expect("a client")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let down = Command::new(&self.schism).arg("down").env("SCHISM_RUNS", &self.runs).output();
        drop(down.and_then(|_| std::fs::remove_dir_all(&self.runs)));
    }
}

/// Asks again until there is an answer: what never comes is a failure, not a hang.
fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    const TIMES: usize = 20_000;
    std::iter::repeat_with(ask).take(TIMES).flatten().next().unwrap_or_else(|| panic!("{what} did not come"))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, schism, topology] = arguments.as_slice() else { panic!("say: schism-client PATH-OF-SCHISM TOPOLOGY") };
    let cluster = Cluster::up(schism, topology);
    let (first, second) = (cluster.client(0), cluster.client(1));

    // Blocks, each way there is to ask for them.
    let payee: Address<_> = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080".parse().expect("an address");
    let payee = payee.require_network(Network::Regtest).expect("a regtest address");
    let before = first.get_block_count().expect("getblockcount");
    let mined: Vec<BlockHash> = first.generate_to_address(3, &payee).expect("generatetoaddress");
    assert_eq!(mined.len(), 3);
    let info = first.get_blockchain_info().expect("getblockchaininfo");
    assert!(info.chain == Network::Regtest && info.blocks >= before + 3 && info.difficulty > 0.0);
    let last = mined[2];
    let header = first.get_block_header_info(&last).expect("getblockheader");
    assert_eq!(first.get_block_hash(header.height as u64).expect("getblockhash"), last);
    assert_eq!(first.get_block_header(&last).expect("getblockheader, raw").block_hash(), last);
    let block = first.get_block(&last).expect("getblock, raw");
    assert_eq!(block.block_hash(), last);
    let coinbase = &block.txdata[0];
    assert_eq!(coinbase.output[0].script_pubkey, payee.script_pubkey(), "the coinbase pays whom it was told to");
    let worded = first.get_block_info(&last).expect("getblock");
    assert_eq!((worded.tx.len(), worded.merkleroot), (block.txdata.len(), block.header.merkle_root));
    let tips = first.get_chain_tips().expect("getchaintips");
    assert!(tips.iter().any(|tip| tip.status == GetChainTipsResultStatus::Active));
    let coin = first.get_tx_out(&coinbase.compute_txid(), 0, None).expect("gettxout").expect("an unspent coinbase");
    assert!(coin.coinbase && coin.value > Amount::ZERO && coin.script_pub_key.hex == payee.script_pubkey().to_bytes());
    assert!(first.get_block_hash(1_000_000).is_err(), "there is no such height");

    // A payment of the lab's own wallets goes through the pool of the other node and is then known by hex.
    let txid = cluster.tell(&["submit", "miner-1"]).trim().parse().expect("a transaction's id");
    // The order is obeyed before the pool has judged it; asking again is what a client would do.
    let payment: Transaction = until("the payment", || second.get_raw_transaction(&txid, None).ok());
    assert!(second.get_raw_mempool().expect("getrawmempool").contains(&txid));
    assert!(second.get_mempool_info().expect("getmempoolinfo").size >= 1);
    let again =
        second.send_raw_transaction(serialize_hex(&payment)).expect("what is in the pool already is told again");
    assert_eq!(again, txid);
    let mut changed = payment.clone();
    changed.output[0].value = changed.output[0].value + Amount::from_sat(1);
    let refused = second
        .send_raw_transaction(serialize_hex(&changed))
        .expect_err("it spends what the first one does, and its signature is that one's");

    // Peers.
    let peers = first.get_peer_info().expect("getpeerinfo");
    assert!(!peers.is_empty());
    first.set_network_active(false).expect("setnetworkactive");
    first.set_network_active(true).expect("setnetworkactive");
    first.add_node("miner-1").expect("addnode");
    first.add_ban("miner-1", 0, false).expect("setban");
    first.remove_ban("miner-1").expect("setban remove");
    assert_eq!(second.stop().expect("stop"), "Schism node stopping");
    assert!(second.get_block_count().is_err(), "a stopped node does not answer");
    cluster.tell(&["restart", "miner-1"]);
    until("a restarted node", || second.get_block_count().ok());

    println!("bitcoincore-rpc: {} blocks, {} peers, one payment", info.blocks, peers.len());
    println!("a changed payment: {refused}");
}
