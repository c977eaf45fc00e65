//! What a node logs: everything that it tells whoever started it, in words.

use std::sync::Arc;

use tracing::{debug, info, warn};

use crate::control::Event;

/// Has every event logged before it is heard.
pub(crate) fn as_well(events: Arc<dyn Fn(Event) + Send + Sync>) -> Arc<dyn Fn(Event) + Send + Sync> {
    Arc::new(move |event| {
        log(&event);
        events(event);
    })
}

fn log(event: &Event) {
    match event {
        Event::Started { ledger } => info!(height = ledger.tip.height, tip = %ledger.tip.hash, "started"),
        Event::TipChanged { ledger, disconnected, connected } => {
            let (off, on) = (disconnected.len(), connected.len());
            info!(height = ledger.tip.height, tip = %ledger.tip.hash, on, off, "the tip moved");
        }
        Event::BlockMined { block, height } => {
            info!(height, hash = %block.block_hash(), transactions = block.txdata.len(), "mined a block");
        }
        Event::HashRateSet { hashes_per_second } => info!(hashes_per_second, "hashes at another rate"),
        Event::BlockStored { hash, height, .. } => debug!(height, %hash, "stored a block"),
        Event::BlockRefused { hash, reason, from } => {
            info!(%hash, %reason, from = from.map(tracing::field::display), "refused a block")
        }
        Event::TransactionAccepted { txid, fee } => debug!(%txid, %fee, "took a transaction"),
        Event::TransactionRefused { txid, reason, from } => {
            info!(%txid, %reason, from = from.map(tracing::field::display), "refused a transaction");
        }
        Event::TransactionDropped { txid, why } => debug!(%txid, ?why, "let a transaction go"),
        Event::Listening { address } => info!(%address, "listens"),
        Event::PeerConnected { peer, outbound } => info!(%peer, outbound, "connected"),
        Event::PeerDisconnected { peer, reason } => info!(%peer, reason, "disconnected"),
        Event::PeerCharged { peer, points, reason, .. } => warn!(%peer, points, reason, "charged a peer"),
        Event::PeerBanned { peer, reason } => warn!(%peer, reason, "banned a peer"),
        Event::RulesChanged { follows, blocks, from } => {
            info!(?follows, blocks, from = from.height, "judged the store anew under other rules");
        }
        Event::StoreRebuilt { damage, blocks } => warn!(damage, blocks, "rebuilt the store"),
        Event::StoreFailed { error } => warn!(error, "the store failed"),
    }
}
