//! Every method: its name, its arguments as Core takes them, and what it asks of the node.

use std::sync::Arc;

use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Address, Block, BlockHash, OutPoint, Transaction, Txid, address::NetworkUnchecked};
use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use schism_chaos::fault::CrashKind;
use schism_node::bounds::POOL_BYTES;
use schism_node::chain::Coin;
use schism_node::control::{Answer, LedgerState, PeersState, PoolState, Question};
use serde_json::{Map, Value, json};

use super::desk::{Desk, Said, code, riddle, wrong};
use super::shapes::{self, NETWORK, coins};
use crate::live::order::{Order, Whereabouts};

/// The version of Core whose shapes these are: clients choose by it how they read an answer.
const CORE: u32 = 250_000;

/// All methods of one node.
///
/// # Errors
/// When two have one name.
pub(super) fn all(desk: Arc<Desk>) -> Result<RpcModule<Desk>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(desk);
    macro_rules! methods {
        ($($name:literal ($($argument:literal),*) => $method:ident,)*) => {
            $(module.register_async_method($name, |params, desk, _| async move {
                $method(in_sequence(params, &[$($argument),*])?, &desk).await
            })?;)*
            module.register_method("help", |_, _, _| [$($name),*].join("\n"))?;
        };
    }
    // Each with the names of its arguments, in their sequence. What a lab has no use for, as limits of fees, is not heeded.
    methods! {
        "getblockchaininfo" () => get_blockchain_info,
        "getblockcount" () => get_block_count,
        "getbestblockhash" () => get_best_block_hash,
        "getblockhash" ("height") => get_block_hash,
        "getblockheader" ("blockhash", "verbose") => get_block_header,
        "getblock" ("blockhash", "verbosity|verbose") => get_block,
        "getchaintips" () => get_chain_tips,
        "getdifficulty" () => get_difficulty,
        "getpeerinfo" () => get_peer_info,
        "getconnectioncount" () => get_connection_count,
        "getnetworkinfo" () => get_network_info,
        "getmempoolinfo" () => get_mempool_info,
        "getrawmempool" ("verbose") => get_raw_mempool,
        "getrawtransaction" ("txid", "verbosity|verbose") => get_raw_transaction,
        "gettxout" ("txid", "n", "include_mempool") => get_tx_out,
        "gettxoutsetinfo" () => get_tx_out_set_info,
        "sendrawtransaction" ("hexstring", "maxfeerate", "maxburnamount") => send_raw_transaction,
        "submitblock" ("hexdata", "dummy") => submit_block,
        "generatetoaddress" ("nblocks", "address", "maxtries") => generate_to_address,
        "addnode" ("node", "command") => add_node,
        "disconnectnode" ("address") => disconnect_node,
        "setban" ("subnet", "command", "bantime", "absolute") => set_ban,
        "listbanned" () => list_banned,
        "setnetworkactive" ("state") => set_network_active,
        "stop" () => stop,
    }
    Ok(module)
}

/// Arguments in their sequence where they were said by these names, `a|b` where one has two; those under `args` come first.
fn in_sequence(params: Params<'static>, names: &[&str]) -> Result<Params<'static>, ErrorObjectOwned> {
    if !params.is_object() {
        return Ok(params);
    }
    let mut said: Map<String, Value> = params.parse()?;
    let mut sequence: Vec<Value> = match said.remove("args") {
        Some(first) => serde_json::from_value(first).map_err(|_| wrong(code::PARAMETER, "args is a list"))?,
        None => Vec::new(),
    };
    for (place, name) in names.iter().enumerate() {
        let Some((name, value)) = name.split('|').find_map(|name| said.remove_entry(name)) else { continue };
        if place < sequence.len() {
            let why = format!("Parameter {name} specified twice both as positional and named argument");
            return Err(wrong(code::PARAMETER, why));
        }
        sequence.resize(place, Value::Null);
        sequence.push(value);
    }
    match said.keys().next() {
        Some(unknown) => Err(wrong(code::PARAMETER, format!("Unknown named parameter {unknown}"))),
        None => Ok(Params::new(Some(&Value::from(sequence).to_string())).into_owned()),
    }
}

async fn get_blockchain_info(_: Params<'static>, desk: &Desk) -> Said {
    let ledger = desk.ledger().await?;
    let (best, tips) = (desk.header(ledger.tip.hash).await?, leaves(desk).await?);
    let headers = tips.iter().map(|leaf| leaf.tip.height).max().unwrap_or(ledger.tip.height);
    Ok(json!({
        "chain": NETWORK.to_core_arg(),
        "blocks": ledger.tip.height,
        "headers": headers,
        "bestblockhash": ledger.tip.hash,
        "bits": format!("{:08x}", best.header.bits.to_consensus()),
        "difficulty": best.header.difficulty_float(),
        "time": ledger.tip.time,
        "mediantime": best.median_time,
        "verificationprogress": if headers == 0 { 1.0 } else { f64::from(ledger.tip.height) / f64::from(headers) },
        "initialblockdownload": headers > ledger.tip.height,
        "chainwork": shapes::chainwork(ledger.tip.work),
        "size_on_disk": 0,
        "pruned": false,
        "warnings": "",
    }))
}

async fn get_block_count(_: Params<'static>, desk: &Desk) -> Said {
    Ok(json!(desk.ledger().await?.tip.height))
}

async fn get_best_block_hash(_: Params<'static>, desk: &Desk) -> Said {
    Ok(json!(desk.ledger().await?.tip.hash))
}

async fn get_block_hash(params: Params<'static>, desk: &Desk) -> Said {
    let height: u32 = params.sequence().next()?;
    match desk.ask(Question::HashAt { height }).await? {
        Answer::Hash { hash: Some(hash) } => Ok(json!(hash)),
        Answer::Hash { hash: None } => Err(wrong(code::PARAMETER, "Block height out of range")),
        other => Err(riddle(&other)),
    }
}

async fn get_block_header(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (hash, verbose): (BlockHash, Option<bool>) = (params.next()?, params.optional_next()?);
    let state = desk.header(hash).await?;
    if verbose == Some(false) {
        return Ok(json!(serialize_hex(&state.header)));
    }
    // Of a header whose body is not here nobody knows how many.
    let transactions = body(desk, hash).await.map_or(0, |block| block.txdata.len());
    Ok(shapes::header(&state, transactions, desk.ledger().await?.tip.height))
}

async fn get_block(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let hash: BlockHash = params.next()?;
    // Old clients say true and false where newer ones count.
    let verbosity = match params.optional_next::<Value>()? {
        None | Some(Value::Null | Value::Bool(true)) => 1,
        Some(Value::Bool(false)) => 0,
        Some(other) => other.as_u64().ok_or_else(|| wrong(code::PARAMETER, "verbosity is 0, 1 or 2"))?,
    };
    let state = desk.header(hash).await?;
    let block = body(desk, hash).await?;
    if verbosity == 0 {
        return Ok(json!(serialize_hex(&block)));
    }
    Ok(shapes::block(&block, &state, desk.ledger().await?.tip.height, verbosity > 1))
}

async fn get_chain_tips(_: Params<'static>, desk: &Desk) -> Said {
    Ok(leaves(desk).await?.iter().map(shapes::chain_tip).collect())
}

async fn get_difficulty(_: Params<'static>, desk: &Desk) -> Said {
    let best = desk.header(desk.ledger().await?.tip.hash).await?;
    Ok(json!(best.header.difficulty_float()))
}

async fn get_peer_info(_: Params<'static>, desk: &Desk) -> Said {
    let (peers, everyone) = (peers(desk).await?, whereabouts(desk).await?);
    let place = |peer: &str| {
        let known = everyone.iter().find(|other| other.peer.to_string() == peer);
        known.map_or_else(|| ("?".to_owned(), "0.0.0.0:0".to_owned()), |other| (other.node.clone(), other.socket()))
    };
    let own = everyone.iter().find(|other| other.node == desk.node).map(Whereabouts::socket);
    Ok(shapes::peers(&peers, &own.unwrap_or_default(), place))
}

async fn get_connection_count(_: Params<'static>, desk: &Desk) -> Said {
    Ok(json!(peers(desk).await?.connected.len()))
}

async fn get_network_info(_: Params<'static>, desk: &Desk) -> Said {
    let peers = peers(desk).await?;
    let inbound = peers.connected.iter().filter(|peer| !peer.outbound).count();
    Ok(json!({
        "version": CORE,
        "subversion": format!("/schism:{}({})/", env!("CARGO_PKG_VERSION"), desk.node),
        "protocolversion": 70016,
        "localservices": "0000000000000009",
        "localrelay": true,
        "timeoffset": 0,
        "networkactive": peers.active,
        "connections": peers.connected.len(),
        "connections_in": inbound,
        "connections_out": peers.connected.len() - inbound,
        "networks": [],
        "relayfee": 0.0,
        "incrementalfee": 0.0,
        "localaddresses": [],
        "warnings": "",
    }))
}

async fn get_mempool_info(_: Params<'static>, desk: &Desk) -> Said {
    let pool = pool(desk).await?;
    Ok(json!({
        "loaded": true,
        "size": pool.transactions.len(),
        "bytes": pool.bytes,
        "usage": pool.bytes,
        "maxmempool": POOL_BYTES,
        "mempoolminfee": 0.0,
        "minrelaytxfee": 0.0,
        "unbroadcastcount": 0,
    }))
}

async fn get_raw_mempool(params: Params<'static>, desk: &Desk) -> Said {
    if params.sequence().optional_next::<bool>()? != Some(true) {
        return Ok(json!(pool(desk).await?.transactions));
    }
    match desk.ask(Question::PoolEntries).await? {
        Answer::PoolEntries { entries } => Ok(shapes::pool(&entries)),
        other => Err(riddle(&other)),
    }
}

async fn get_raw_transaction(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (txid, verbose): (Txid, Option<Value>) = (params.next()?, params.optional_next()?);
    let hex = match desk.ask(Question::Pooled { txid }).await? {
        Answer::Pooled { hex, .. } => {
            hex.ok_or_else(|| wrong(code::NOT_FOUND, "No such mempool transaction; there is no index"))?
        }
        other => return Err(riddle(&other)),
    };
    if matches!(verbose, None | Some(Value::Null | Value::Bool(false))) || verbose == Some(json!(0)) {
        return Ok(json!(hex));
    }
    Ok(shapes::transaction(&transaction(&hex)?))
}

async fn get_tx_out(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (txid, vout): (Txid, u32) = (params.next()?, params.next()?);
    let include_mempool = params.optional_next::<bool>()?.unwrap_or(true);
    let outpoint = OutPoint::new(txid, vout);
    // The pool first: what a block confirms meanwhile is on the chain then.
    let (spent, made) = if include_mempool { pool_coin(desk, outpoint).await? } else { (false, None) };
    let ledger = desk.ledger().await?;
    let on_chain = match desk.ask(Question::Coin { outpoint }).await? {
        Answer::Coin { coin } => coin.map(|coin| (ledger.tip.height.saturating_sub(coin.height) + 1, coin)),
        other => return Err(riddle(&other)),
    };
    let coin = on_chain.or(made.map(|coin| (0, coin))).filter(|_| !spent);
    Ok(coin.map_or(Value::Null, |(confirmations, coin)| {
        json!({
            "bestblock": ledger.tip.hash,
            "confirmations": confirmations,
            "value": coins(coin.value),
            "scriptPubKey": shapes::script(&coin.script),
            "coinbase": coin.coinbase,
        })
    }))
}

async fn get_tx_out_set_info(_: Params<'static>, desk: &Desk) -> Said {
    let LedgerState { tip, digest, coins: count, unspent, .. } = desk.ledger().await?;
    Ok(json!({
        "height": tip.height, "bestblock": tip.hash, "txouts": count, "digest": digest, "total_amount": coins(unspent),
    }))
}

async fn send_raw_transaction(params: Params<'static>, desk: &Desk) -> Said {
    let transaction = transaction(&params.sequence().next::<String>()?)?;
    let txid = transaction.compute_txid();
    judged(desk.ask(Question::Submit { transaction }).await)?;
    Ok(json!(txid))
}

/// As in Core, `null` is success.
async fn submit_block(params: Params<'static>, desk: &Desk) -> Said {
    let hex: String = params.sequence().next()?;
    let block: Block = deserialize_hex(&hex).map_err(|_| wrong(code::BYTES, "Block decode failed"))?;
    Ok(judged(desk.ask(Question::SubmitBlock { block }).await)
        .map_or_else(|error| json!(error.message()), |()| Value::Null))
}

async fn generate_to_address(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (blocks, address): (u32, String) = (params.next()?, params.next()?);
    let address: Result<Address<NetworkUnchecked>, _> = address.parse();
    let address = address.ok().and_then(|address| address.require_network(NETWORK).ok());
    let address = address.ok_or_else(|| wrong(code::NOT_FOUND, "Error: Invalid address (a lab's are regtest's)"))?;
    match desk.ask(Question::Mine { blocks, payee: Some(address.script_pubkey()) }).await? {
        Answer::Mined { blocks } => Ok(json!(blocks)),
        other => Err(riddle(&other)),
    }
}

async fn add_node(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (node, command): (String, String) = (params.next()?, params.next()?);
    let Whereabouts { peer, address, .. } = find(desk, &node).await?;
    match command.as_str() {
        "add" | "onetry" => done(desk.ask(Question::Dial { peer, address }).await),
        "remove" => done(desk.ask(Question::Hang { peer }).await),
        _ => Err(wrong(code::PARAMETER, "the command is add, remove or onetry")),
    }
}

async fn disconnect_node(params: Params<'static>, desk: &Desk) -> Said {
    let peer = find(desk, &params.sequence().next::<String>()?).await?.peer;
    done(desk.ask(Question::Hang { peer }).await)
}

async fn set_ban(params: Params<'static>, desk: &Desk) -> Said {
    let mut params = params.sequence();
    let (node, command): (String, String) = (params.next()?, params.next()?);
    let (seconds, absolute): (Option<u64>, Option<bool>) = (params.optional_next()?, params.optional_next()?);
    if seconds.is_some_and(|seconds| seconds > 0) || absolute == Some(true) {
        return Err(wrong(
            code::PARAMETER,
            "a ban has no term here: leave out bantime, and lift it with setban remove",
        ));
    }
    let peer = find(desk, &node).await?.peer;
    match command.as_str() {
        "add" => done(desk.ask(Question::Ban { peer }).await),
        "remove" => done(desk.ask(Question::Unban { peer }).await),
        _ => Err(wrong(code::PARAMETER, "the command is add or remove")),
    }
}

async fn list_banned(_: Params<'static>, desk: &Desk) -> Said {
    let everyone = whereabouts(desk).await?;
    let banned = peers(desk).await?.banned.into_iter().map(|(peer, reason)| {
        let known = everyone.iter().find(|other| other.peer == peer);
        json!({ "address": known.map_or_else(|| peer.to_string(), Whereabouts::socket), "ban_reason": reason })
    });
    Ok(banned.collect())
}

async fn set_network_active(params: Params<'static>, desk: &Desk) -> Said {
    let active: bool = params.sequence().next()?;
    done(desk.ask(Question::SetNetwork { active }).await)?;
    Ok(json!(active))
}

/// Ends the node; `schism restart` starts it again.
async fn stop(_: Params<'static>, desk: &Desk) -> Said {
    desk.order(Order::Kill { node: desk.node.clone(), kind: CrashKind::Process }).await?;
    Ok(json!("Schism node stopping"))
}

/// A node by its name, or by the address that others see it under.
async fn find(desk: &Desk, node: &str) -> Result<Whereabouts, ErrorObjectOwned> {
    let mut everyone = whereabouts(desk).await?.into_iter();
    let is = |other: &Whereabouts| {
        other.node == node || other.socket() == node || other.socket().split(':').next() == Some(node)
    };
    everyone.find(is).ok_or_else(|| wrong(code::NOT_FOUND, format!("no node is called `{node}` or listens there")))
}

async fn body(desk: &Desk, hash: BlockHash) -> Result<Block, ErrorObjectOwned> {
    let hex = match desk.ask(Question::Block { hash }).await? {
        Answer::Block { hex } => hex.ok_or_else(|| wrong(code::MISC, "Block not available (not downloaded yet)"))?,
        other => return Err(riddle(&other)),
    };
    deserialize_hex(&hex).map_err(|error| wrong(code::MISC, error.to_string()))
}

async fn whereabouts(desk: &Desk) -> Result<Vec<Whereabouts>, ErrorObjectOwned> {
    serde_json::from_value(desk.order(Order::Whereabouts {}).await?)
        .map_err(|error| wrong(code::MISC, error.to_string()))
}

async fn leaves(desk: &Desk) -> Result<Vec<schism_node::control::ChainTip>, ErrorObjectOwned> {
    match desk.ask(Question::Tips).await? {
        Answer::Tips { tips } => Ok(tips),
        other => Err(riddle(&other)),
    }
}

async fn pool(desk: &Desk) -> Result<PoolState, ErrorObjectOwned> {
    match desk.ask(Question::Pool).await? {
        Answer::Pool(pool) => Ok(pool),
        other => Err(riddle(&other)),
    }
}

/// Whether the pool spends a coin, and what it is where the pool makes it.
async fn pool_coin(desk: &Desk, outpoint: OutPoint) -> Result<(bool, Option<Coin>), ErrorObjectOwned> {
    match desk.ask(Question::PoolCoin { outpoint }).await? {
        Answer::PoolCoin { spent, made } => Ok((spent, made)),
        other => Err(riddle(&other)),
    }
}

async fn peers(desk: &Desk) -> Result<PeersState, ErrorObjectOwned> {
    match desk.ask(Question::Peers).await? {
        Answer::Peers(peers) => Ok(peers),
        other => Err(riddle(&other)),
    }
}

fn transaction(hex: &str) -> Result<Transaction, ErrorObjectOwned> {
    deserialize_hex(hex).map_err(|_| wrong(code::BYTES, "TX decode failed"))
}

/// What a node says of something submitted: its refusal is an error of its own kind.
fn judged(answer: Result<Answer, ErrorObjectOwned>) -> Result<(), ErrorObjectOwned> {
    match answer {
        Ok(Answer::Accepted) => Ok(()),
        Ok(other) => Err(riddle(&other)),
        Err(error) => Err(wrong(code::REFUSED, error.message().to_owned())),
    }
}

fn done(answer: Result<Answer, ErrorObjectOwned>) -> Said {
    match answer? {
        Answer::Done => Ok(Value::Null),
        other => Err(riddle(&other)),
    }
}
