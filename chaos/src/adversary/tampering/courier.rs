//! A courier: brings one altered thing to every target under a name of its own, and leaves when all have sent it away.

use std::collections::BTreeSet;
use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::consensus::serialize;
use bitcoin::{Block, Transaction};
use schism_node::wire::limits::RESPONSE_BYTES;
use schism_node::wire::{Keypair, Request, Response, Topic, encode_response};
use tokio::time::{Instant, timeout_at};

use super::blocks::compact;
use crate::adversary::rogue::{Heard, Means, Rogue};

/// How long a courier waits for everyone to listen, and then to be sent away: what it brought may be no reason for that.
const LISTENING: Duration = Duration::from_secs(2);
const STAYING: Duration = Duration::from_secs(3);

/// Something to be brought.
#[derive(Clone, Debug)]
pub(super) enum Parcel {
    /// A block, announced with everything in it.
    Block(Block),
    /// A transaction.
    Transaction(Transaction),
    /// Bytes on a topic.
    Bytes(Topic, Vec<u8>),
    /// Headers for who asks for headers, and a body for who asks for one.
    Asked(Vec<Header>, Option<Block>),
}

/// Sends a courier out under this name.
pub(super) fn send(means: &Means, name: &Keypair, parcel: Parcel) {
    let rogue = Rogue::of(means, name);
    means.spawner.spawn_local(Box::pin(bring(rogue, means.clone(), parcel)));
}

async fn bring(mut rogue: Rogue, means: Means, parcel: Parcel) {
    means.targets.iter().for_each(|target| rogue.dial(target));
    let mut absent: BTreeSet<_> = means.targets.iter().map(|(peer, _)| *peer).collect();
    let listening = Instant::now() + LISTENING;
    while !absent.is_empty() {
        match timeout_at(listening, rogue.next()).await {
            Ok(Heard::Listens(peer) | Heard::Gone(peer)) => drop(absent.remove(&peer)),
            Ok(Heard::Asked(request, answer)) => rogue.answer(answer, said(&parcel, request)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let told = match &parcel {
        Parcel::Block(block) => rogue.say(Topic::Blocks, serialize(&compact(block))),
        Parcel::Transaction(transaction) => rogue.say(Topic::Transactions, serialize(transaction)),
        Parcel::Bytes(topic, bytes) => rogue.say(*topic, bytes.clone()),
        Parcel::Asked(..) => true,
    };
    let staying = Instant::now() + STAYING;
    while told && !rogue.connected().is_empty() {
        match timeout_at(staying, rogue.next()).await {
            Ok(Heard::Asked(request, answer)) => rogue.answer(answer, said(&parcel, request)),
            Ok(_) => {}
            Err(_) => break,
        }
    }
}

/// The answer to a request: what it brings where that is asked for, else nothing of the kind.
fn said(parcel: &Parcel, request: Option<Request>) -> Vec<u8> {
    let response = match (request, parcel) {
        (Some(Request::Headers { .. }), Parcel::Asked(headers, _)) => Response::Headers(headers.clone()),
        (Some(Request::Blocks { .. }), Parcel::Asked(_, Some(body))) => Response::Blocks(vec![body.clone().into()]),
        (Some(Request::Headers { .. }) | None, _) => Response::Headers(Vec::new()),
        (Some(Request::Blocks { .. }), _) => Response::Blocks(Vec::new()),
        (Some(Request::BlockTransactions(_)), _) => Response::BlockTransactions(None),
        (Some(Request::Transactions { .. }), _) => Response::Transactions(Vec::new()),
        (Some(Request::Pool), _) => Response::Pool(Vec::new()),
        (Some(Request::Addresses), _) => Response::Addresses(Vec::new()),
    };
    encode_response(&response, RESPONSE_BYTES)
}
