//! Answers as Bitcoin Core words them: the same fields, so that its tools and libraries can read them.

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Address, Amount, Block, Network, Script, Transaction};
use schism_node::control::{ChainTip, HeaderState, PeersState, PoolEntry, TipStatus};
use serde_json::{Map, Value, json};

/// Labs have no network of their own in Core's sense; their addresses are regtest's.
pub(super) const NETWORK: Network = Network::Regtest;

/// A header with so many transactions below it, and where it stands under a best tip.
pub(super) fn header(state: &HeaderState, transactions: usize, best_height: u32) -> Value {
    let HeaderState { header, tip, median_time, active, next } = state;
    let mut shape = json!({
        "hash": tip.hash,
        "confirmations": if *active { i64::from(best_height) - i64::from(tip.height) + 1 } else { -1 },
        "height": tip.height,
        "version": header.version.to_consensus(),
        "versionHex": format!("{:08x}", header.version.to_consensus()),
        "merkleroot": header.merkle_root,
        "time": header.time,
        "mediantime": median_time,
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "difficulty": header.difficulty_float(),
        "chainwork": chainwork(tip.work),
        "nTx": transactions,
    });
    if tip.height > 0 {
        shape["previousblockhash"] = json!(header.prev_blockhash);
    }
    if let Some(next) = next {
        shape["nextblockhash"] = json!(next);
    }
    shape
}

/// A block: its header, and its transactions as ids or whole.
pub(super) fn block(block: &Block, state: &HeaderState, best_height: u32, whole: bool) -> Value {
    let mut shape = header(state, block.txdata.len(), best_height);
    shape["size"] = json!(block.total_size());
    shape["strippedsize"] = json!((block.weight().to_wu() as usize - block.total_size()) / 3);
    shape["weight"] = json!(block.weight().to_wu());
    let each = |one: &Transaction| if whole { transaction(one) } else { json!(one.compute_txid()) };
    shape["tx"] = block.txdata.iter().map(each).collect();
    shape
}

/// A transaction.
pub(super) fn transaction(one: &Transaction) -> Value {
    let input = |input: &bitcoin::TxIn| {
        let mut shape = if input.previous_output.is_null() {
            json!({ "coinbase": input.script_sig.to_hex_string() })
        } else {
            let signature = json!({ "asm": input.script_sig.to_asm_string(), "hex": input.script_sig.to_hex_string() });
            json!({ "txid": input.previous_output.txid, "vout": input.previous_output.vout, "scriptSig": signature })
        };
        if !input.witness.is_empty() {
            let items =
                input.witness.iter().map(|item| item.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            shape["txinwitness"] = items.collect();
        }
        shape["sequence"] = json!(input.sequence.0);
        shape
    };
    let outputs = one.output.iter().enumerate();
    json!({
        "txid": one.compute_txid(),
        "hash": one.compute_wtxid(),
        "version": one.version.0,
        "size": one.total_size(),
        "vsize": one.vsize(),
        "weight": one.weight().to_wu(),
        "locktime": one.lock_time.to_consensus_u32(),
        "vin": one.input.iter().map(input).collect::<Value>(),
        "vout": outputs
            .map(|(n, output)| json!({ "value": coins(output.value), "n": n, "scriptPubKey": script(&output.script_pubkey) }))
            .collect::<Value>(),
        "hex": serialize_hex(one),
    })
}

/// What the pool holds, by id. When each came is not known, nor who has heard of it.
pub(super) fn pool(entries: &[PoolEntry]) -> Value {
    let each = |entry: &PoolEntry| {
        let (ancestors, descendants) = (&entry.ancestors, &entry.descendants);
        let shape = json!({
            "vsize": entry.weight.div_ceil(4),
            "weight": entry.weight,
            "height": entry.height,
            "descendantcount": descendants.count,
            "descendantsize": descendants.virtual_bytes,
            "ancestorcount": ancestors.count,
            "ancestorsize": ancestors.virtual_bytes,
            "wtxid": entry.wtxid,
            "fees": {
                "base": coins(entry.fee),
                "modified": coins(entry.fee),
                "ancestor": coins(ancestors.fee),
                "descendant": coins(descendants.fee),
            },
            "depends": entry.parents,
            "spentby": entry.children,
            "bip125-replaceable": entry.replaceable,
        });
        (entry.txid.to_string(), shape)
    };
    Value::Object(entries.iter().map(each).collect::<Map<_, _>>())
}

/// Who may spend an output.
pub(super) fn script(script: &Script) -> Value {
    let kind = match () {
        () if script.is_p2wpkh() => "witness_v0_keyhash",
        () if script.is_p2pkh() => "pubkeyhash",
        () if script.is_p2pk() => "pubkey",
        () if script.is_multisig() => "multisig",
        () if script.is_op_return() => "nulldata",
        () => "nonstandard",
    };
    let mut shape = json!({ "asm": script.to_asm_string(), "hex": script.to_hex_string(), "type": kind });
    if let Ok(address) = Address::from_script(script, NETWORK) {
        shape["address"] = json!(address.to_string());
    }
    shape
}

/// An amount in coins, as Core's floating numbers: eight decimals, which a double holds for all there will ever be.
pub(super) fn coins(amount: Amount) -> f64 {
    amount.to_btc()
}

pub(super) fn chainwork(work: bitcoin::Work) -> String {
    work.to_be_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A leaf of the block tree.
pub(super) fn chain_tip(leaf: &ChainTip) -> Value {
    let status = match leaf.status {
        TipStatus::Active => "active",
        TipStatus::ValidFork => "valid-fork",
        TipStatus::ValidHeaders => "valid-headers",
        TipStatus::HeadersOnly => "headers-only",
        TipStatus::Invalid => "invalid",
    };
    json!({ "height": leaf.tip.height, "hash": leaf.tip.hash, "branchlen": leaf.branch_length, "status": status })
}

/// Connected peers of the node that listens at `own`. `place` says what one is called, and where it listens.
pub(super) fn peers(state: &PeersState, own: &str, place: impl Fn(&str) -> (String, String)) -> Value {
    let each = state.connected.iter().enumerate().map(|(id, peer)| {
        let (name, address) = place(&peer.peer.to_string());
        let mut shape = json!({
            "id": id,
            "addr": address,
            "addrbind": own,
            "services": "0000000000000009",
            "relaytxes": true,
            "lastsend": 0, "lastrecv": 0, "bytessent": 0, "bytesrecv": 0, "conntime": 0, "timeoffset": 0,
            "version": 70016,
            "subver": format!("/schism:{}({name})/", env!("CARGO_PKG_VERSION")),
            "inbound": !peer.outbound,
            "addnode": false,
            "startingheight": -1,
            "banscore": peer.misbehaviour,
            "synced_headers": -1, "synced_blocks": -1, "inflight": [], "whitelisted": false,
            "minfeefilter": 0.0, "bytessent_per_msg": {}, "bytesrecv_per_msg": {},
        });
        if let Some(seconds) = peer.round_trip {
            shape["pingtime"] = json!(seconds);
        }
        shape
    });
    each.collect()
}
