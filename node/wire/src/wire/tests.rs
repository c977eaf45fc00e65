//! Wires that talk over libp2p's transport in memory, under noise and yamux.

use std::time::Duration;

use bitcoin::absolute::LockTime;
use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Network, Transaction, Txid};
use libp2p::Transport as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version as Upgrade;

use super::*;

fn settings() -> Settings {
    Settings {
        genesis: genesis_block(Network::Regtest).block_hash(),
        max_block_bytes: 100_000,
        most_connections: 20,
        most_inbound: 10,
        response_time: Duration::from_secs(10),
        haste: 1.0,
    }
}

fn wire(settings: &Settings) -> Wire {
    let identity = Keypair::generate_ed25519();
    let transport = MemoryTransport::default()
        .upgrade(Upgrade::V1)
        .authenticate(libp2p::noise::Config::new(&identity).expect("a key pair signs"))
        .multiplex(libp2p::yamux::Config::default())
        .boxed();
    #[allow(clippy::disallowed_methods)] // nobody kills or freezes a test
    let executor: Executor = Box::new(|future| drop(tokio::spawn(future)));
    let mut wire = Wire::new(&identity, transport, settings, executor);
    wire.listen("/memory/0".parse().expect("an address")).expect("memory is there");
    wire
}

/// The next event of any of them, and whose it is.
async fn next(wires: &mut [Wire]) -> (usize, Event) {
    std::future::poll_fn(|context| {
        for (number, wire) in wires.iter_mut().enumerate() {
            if let Poll::Ready(event) = wire.poll(context) {
                return Poll::Ready((number, event));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits for an event of one of them that `pick` wants.
async fn until<T>(wires: &mut [Wire], whose: usize, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        let (number, event) = next(wires).await;
        if number == whose
            && let Some(picked) = pick(event)
        {
            return picked;
        }
    }
}

/// Wires in a line, each hearing the gossip of its neighbours.
async fn line(settings: &[Settings]) -> Vec<Wire> {
    let mut wires: Vec<_> = settings.iter().map(wire).collect();
    let mut addresses = vec![None; wires.len()];
    while addresses.iter().any(Option::is_none) {
        if let (number, Event::Listening { address }) = next(&mut wires).await {
            addresses[number] = Some(address);
        }
    }
    for number in 1..wires.len() {
        let (peer, address) = (wires[number].local_peer(), addresses[number].take());
        wires[number - 1].dial(peer, address.into_iter().collect());
    }
    let mut heard = 0;
    while heard < 2 * (wires.len() - 1) {
        heard += usize::from(matches!(next(&mut wires).await, (_, Event::Subscribed { .. })));
    }
    wires
}

/// Runs a story on a runtime that has time but no sockets, and not for ever.
fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let story = async { tokio::time::timeout(Duration::from_secs(60), story).await };
    runtime.block_on(story).expect("the story comes to its end");
}

fn transaction(lock_time: u32) -> Arc<Transaction> {
    let coinbase = genesis_block(Network::Regtest).txdata.remove(0);
    Arc::new(Transaction { version: Version::TWO, lock_time: LockTime::from_consensus(lock_time), ..coinbase })
}

fn announce(lock_time: u32) -> Announcement {
    Announcement::Transaction(transaction(lock_time))
}

#[test]
fn every_request_is_answered_in_its_own_kind() {
    let block = genesis_block(Network::Regtest);
    let (hash, txid) = (block.block_hash(), block.txdata[0].compute_txid());
    let part = BlockTransactions { block_hash: hash, transactions: block.txdata.clone() };
    let address = "/ip4/10.1.0.1/tcp/4001".parse().expect("an address");
    let talk = [
        (Request::Headers { locator: vec![hash] }, Response::Headers(vec![block.header])),
        (Request::Blocks { hashes: vec![hash] }, Response::Blocks(vec![Arc::new(block.clone())])),
        (
            Request::BlockTransactions(BlockTransactionsRequest { block_hash: hash, indexes: vec![0] }),
            Response::BlockTransactions(Some(part)),
        ),
        (Request::Transactions { txids: vec![txid] }, Response::Transactions(vec![transaction(1)])),
        (Request::Pool, Response::Pool(vec![txid])),
        (Request::Addresses, Response::Addresses(vec![(PeerId::random(), address)])),
    ];
    run(async move {
        let mut wires = line(&[settings(), settings()]).await;
        let other = wires[1].local_peer();
        for (request, response) in talk {
            wires[0].request(other, request.clone());
            let (ask, heard) = until(&mut wires, 1, |event| match event {
                Event::Requested { ask, request, .. } => Some((ask, request)),
                _ => None,
            })
            .await;
            assert_eq!(heard, request);
            wires[1].respond(ask, response.clone());
            let answered = until(&mut wires, 0, |event| match event {
                Event::Answered { asked, response, .. } => Some((asked, response)),
                Event::Failed { failure, .. } => panic!("{failure}"),
                _ => None,
            });
            assert_eq!(answered.await, (request, response));
        }
        assert!(wires[1].bytes_served() > 0 && wires[0].bytes_received() > 0);
    });
}

#[test]
fn gossip_travels_on_only_when_it_was_judged_good() {
    run(async {
        let mut wires = line(&[settings(), settings(), settings()]).await;
        let gossip = |event| match event {
            Event::Gossip { id, announcement, .. } => Some((id, announcement)),
            _ => None,
        };
        for (lock_time, judgement) in [(1, Judgement::Reject), (2, Judgement::Ignore), (3, Judgement::Accept)] {
            wires[0].publish(&announce(lock_time)).expect("a neighbour listens");
            let (id, heard) = until(&mut wires, 1, gossip).await;
            assert_eq!(heard, announce(lock_time));
            assert!(wires[1].judge(&id, judgement), "it is in time");
        }
        assert_eq!(until(&mut wires, 2, gossip).await.1, announce(3), "the first that the third hears");
        let one = encode_announcement(&announce(3)).len() as u64;
        assert_eq!([wires[0].bytes_served(), wires[1].bytes_served()], [3 * one, one], "each to one neighbour");
    });
}

#[test]
fn a_block_is_told_again_in_words_of_ones_own() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let block = genesis_block(Network::Regtest);
        let words = |nonce| {
            let compact = HeaderAndShortIds::from_block(&block, nonce, 2, &[]).expect("version 2 is known");
            Announcement::Block(Arc::new(compact))
        };
        wires[0].publish(&words(1)).expect("a neighbour listens");
        assert_eq!(wires[0].publish(&words(1)), Err(Unpublished::Duplicate));
        wires[0].publish(&words(2)).expect("it was never said like this");
        for nonce in [1, 2] {
            let heard = until(&mut wires, 1, |event| match event {
                Event::Gossip { announcement, .. } => Some(announcement),
                _ => None,
            });
            assert_eq!(heard.await, words(nonce));
        }
    });
}

/// Waits until `whose` hears rubbish and says from whom.
async fn rubbish(wires: &mut [Wire], whose: usize) -> PeerId {
    until(wires, whose, |event| match event {
        Event::Rubbish { peer, .. } => Some(peer),
        _ => None,
    })
    .await
}

#[test]
fn rubbish_in_a_request_is_charged_to_who_asked() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let other = wires[1].local_peer();
        let locator = vec![BlockHash::all_zeros(); 2 * crate::limits::LOCATOR];
        wires[0].request(other, Request::Headers { locator });
        assert_eq!(rubbish(&mut wires, 1).await, wires[0].local_peer());
    });
}

#[test]
fn a_response_beyond_the_limit_is_charged_to_who_answered() {
    run(async {
        // Who answers believes in larger blocks than who asks.
        let larger = Settings { max_block_bytes: 32_000_000, ..settings() };
        let mut wires = line(&[settings(), larger]).await;
        let other = wires[1].local_peer();
        wires[0].request(other, Request::Blocks { hashes: vec![BlockHash::all_zeros()] });
        let ask = until(&mut wires, 1, |event| match event {
            Event::Requested { ask, .. } => Some(ask),
            _ => None,
        })
        .await;
        let mut block = genesis_block(Network::Regtest);
        block.txdata = vec![block.txdata[0].clone(); 50_000];
        wires[1].respond(ask, Response::Blocks(vec![Arc::new(block)]));
        assert_eq!(rubbish(&mut wires, 0).await, other);
        let failed = until(&mut wires, 0, |event| match event {
            Event::Failed { failure, .. } => Some(failure),
            _ => None,
        });
        assert_eq!(failed.await, Failure::Rubbish);
    });
}

#[test]
fn an_answer_to_another_question_is_charged() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let other = wires[1].local_peer();
        wires[0].request(other, Request::Headers { locator: Vec::new() });
        let ask = until(&mut wires, 1, |event| match event {
            Event::Requested { ask, .. } => Some(ask),
            _ => None,
        })
        .await;
        wires[1].respond(ask, Response::Pool(vec![Txid::all_zeros()]));
        assert_eq!(rubbish(&mut wires, 0).await, other);
    });
}

#[test]
fn rubbish_in_gossip_is_charged_to_who_passed_it_on() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let topic = wires[0].topics.hash(crate::words::Topic::Blocks).clone();
        wires[0].swarm.behaviour_mut().gossip.publish(topic, vec![7; 50]).expect("a neighbour listens");
        assert_eq!(rubbish(&mut wires, 1).await, wires[0].local_peer());
    });
}

#[test]
fn a_request_left_without_an_answer_fails_at_once() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let other = wires[1].local_peer();
        wires[0].request(other, Request::Pool);
        let ask = until(&mut wires, 1, |event| match event {
            Event::Requested { ask, .. } => Some(ask),
            _ => None,
        })
        .await;
        assert_eq!(wires[1].asks_of(wires[0].local_peer()), 1);
        wires[1].ignore(ask);
        let failed = until(&mut wires, 0, |event| match event {
            Event::Failed { asked, failure, .. } => Some((asked, failure)),
            _ => None,
        });
        assert!(matches!(failed.await, (Request::Pool, Failure::Broken(_))));
    });
}

#[test]
fn a_hurried_wire_waits_a_hundredth_of_the_time() {
    run(async {
        let hurried = Settings { response_time: Duration::from_secs(100), haste: 100.0, ..settings() };
        let mut wires = line(&[hurried, settings()]).await;
        let other = wires[1].local_peer();
        wires[0].request(other, Request::Pool);
        let failed = until(&mut wires, 0, |event| match event {
            Event::Failed { failure, .. } => Some(failure),
            _ => None,
        });
        assert_eq!(failed.await, Failure::TimedOut, "the other never answers, and a story ends after a minute");
    });
}

#[test]
fn nobody_is_asked_who_is_not_connected() {
    run(async {
        let mut wires = vec![wire(&settings())];
        wires[0].request(PeerId::random(), Request::Pool);
        let failed = until(&mut wires, 0, |event| match event {
            Event::Failed { failure, .. } => Some(failure),
            _ => None,
        });
        assert_eq!(failed.await, Failure::NotConnected);
    });
}

#[test]
fn the_banned_are_sent_away_and_kept_out_until_the_ban_is_lifted() {
    run(async {
        let mut wires = line(&[settings(), settings()]).await;
        let (first, second) = (wires[0].local_peer(), wires[1].local_peer());
        let address: Multiaddr = wires[1].swarm.listeners().next().expect("it listens").clone();
        wires[1].ban(first, "rubbish");
        let gone = until(&mut wires, 1, |event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(gone.await, "rubbish");
        while wires[0].is_connected(second) {
            next(&mut wires).await;
        }
        wires[0].dial(second, vec![address.clone()]);
        // Who dials may believe for a moment that it is connected.
        until(&mut wires, 0, |event| match event {
            Event::Disconnected { .. } | Event::DialFailed { .. } => Some(()),
            _ => None,
        })
        .await;
        assert!(!wires[1].is_connected(first));
        wires[1].unban(first);
        wires[0].dial(second, vec![address]);
        until(&mut wires, 1, |event| matches!(event, Event::Connected { .. }).then_some(())).await;
    });
}

#[test]
fn a_dial_that_the_node_itself_refuses_was_never_tried() {
    run(async {
        let full = Settings { most_connections: 1, ..settings() };
        let mut wires = line(&[full, settings()]).await;
        wires.push(wire(&settings()));
        let there = wires[2].local_peer();
        let address = until(&mut wires, 2, |event| match event {
            Event::Listening { address } => Some(address),
            _ => None,
        })
        .await;
        let nowhere: Multiaddr = "/memory/1".parse().expect("an address");
        for (number, peer, address, wanted) in
            [(0, there, address.clone(), false), (1, PeerId::random(), address, true), (1, there, nowhere, true)]
        {
            wires[number].dial(peer, vec![address]);
            let failed = until(&mut wires, number, |event| match event {
                Event::DialFailed { tried, .. } => Some(tried),
                _ => None,
            });
            assert_eq!(failed.await, wanted);
        }
    });
}

#[test]
fn nodes_of_another_chain_are_not_talked_to() {
    run(async {
        let other = Settings { genesis: BlockHash::from_byte_array([9; 32]), ..settings() };
        let mut wires = vec![wire(&settings()), wire(&other)];
        let address = until(&mut wires, 1, |event| match event {
            Event::Listening { address } => Some(address),
            _ => None,
        })
        .await;
        let peer = wires[1].local_peer();
        wires[0].dial(peer, vec![address]);
        let reason = loop {
            if let (_, Event::Disconnected { reason, .. }) = next(&mut wires).await {
                break reason;
            }
        };
        assert_eq!(reason, "follows another chain");
    });
}
