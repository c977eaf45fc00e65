//! A network between recorders, connected to a wire that the test plays, in memory and on a paused clock.

use std::future::{Future, poll_fn};

use actix::Addr;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, Transaction, Txid};
use libp2p::Transport as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use schism_wire::{Announcement, AskId, Event as Heard, Request, Response};
use tokio::sync::oneshot;

use super::*;
use crate::bounds::{self, UNJUDGED_PER_PEER};
use crate::chain::{Refused, Tip};
use crate::config::Defences;
use crate::control::{Answer, Asked, PeersState, Question};
use crate::messages::{Announced, Next, Source, TipChange, ToLedger, ToMempool, Verdict, Want};
use crate::network::book::notes::MemoryNotes;
use crate::recorder::{Recorders, run, settle, tell};
use crate::surroundings::RealWork;

struct Tasks;

#[allow(clippy::disallowed_methods)] // nobody kills or freezes a test
impl Spawner for Tasks {
    fn spawn_local(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        tokio::task::spawn_local(future);
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        tokio::spawn(future);
    }
}

fn transport(identity: &Keypair) -> Transport {
    MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(libp2p::noise::Config::new(identity).expect("a key pair signs"))
        .multiplex(libp2p::yamux::Config::default())
        .boxed()
}

/// The tested network, its neighbours, and a peer that the test plays.
struct Scene {
    network: Addr<Network>,
    around: Recorders,
    peer: Wire,
    /// The tested network's id.
    tested: PeerId,
}

impl Scene {
    /// A network that keeps a link to the peer; both have been introduced.
    async fn set() -> Self {
        let rules = Arc::new(Rules::lab(&[]));
        let (identity, theirs) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
        let settings = Settings {
            genesis: rules.genesis.block_hash(),
            max_block_bytes: rules.max_block_bytes,
            most_connections: 10,
            most_inbound: 10,
            response_time: Duration::from_secs(RESPONSE_SECONDS),
            haste: 1.0,
        };
        let mut peer = Wire::new(&theirs, transport(&theirs), &settings, Box::new(|future| Tasks.spawn(future)));
        peer.listen("/memory/0".parse().expect("an address")).expect("memory is there");
        let heard = pump(&mut peer, 0.01).await;
        let Some(Heard::Listening { address }) = heard.into_iter().next() else { panic!("it listens") };
        let (around, tested) = (Recorders::start(), identity.public().to_peer_id());
        let network = Network::new(Parts {
            transport: transport(&identity),
            identity,
            listen: "/memory/0".parse().expect("an address"),
            rules,
            overlay: OverlayConfig {
                keep: vec![(peer.local_peer(), address)],
                bootstrap: Vec::new(),
                degree: 0,
                most_connections: 10,
                defences: Defences::default(),
                haste: 1.0,
            },
            spawner: Arc::new(Tasks),
            chance: 7,
            ring: around.ring(),
            events: around.listener(),
            work: Arc::new(RealWork),
            notes: Box::new(MemoryNotes::default()),
        });
        Self { network: network.start(), around, peer, tested }
    }

    /// The same, after both have been introduced and what follows from that has been said.
    async fn introduced() -> Self {
        let mut scene = Self::set().await;
        let asked = scene.heard(3.0).await;
        let asks = asked.iter().filter_map(|event| match event {
            Heard::Requested { ask, request, .. } => Some((*ask, request.clone())),
            _ => None,
        });
        for (ask, request) in asks.collect::<Vec<_>>() {
            scene.peer.respond(ask, nothing(&request));
        }
        scene.heard(1.0).await;
        scene.around.ledger.take();
        scene
    }

    /// What the peer hears while so many seconds pass.
    async fn heard(&mut self, seconds: f64) -> Vec<Heard> {
        pump(&mut self.peer, seconds).await
    }

    /// What the peer is asked while so many seconds pass.
    async fn asked(&mut self, seconds: f64) -> Vec<(AskId, Request)> {
        let asked = self.heard(seconds).await.into_iter().filter_map(|event| match event {
            Heard::Requested { ask, request, .. } => Some((ask, request)),
            _ => None,
        });
        asked.collect()
    }

    async fn state(&self) -> PeersState {
        let (answer, answered) = oneshot::channel();
        tell(&self.network, ToNetwork::Asked(Asked { question: Question::Peers, answer })).await;
        let Ok(Answer::Peers(state)) = answered.await else { panic!("it answers") };
        state
    }

    async fn verdict(&self, source: Source, verdict: Verdict) {
        tell(&self.network, ToNetwork::Verdict { source, verdict }).await;
    }
}

async fn pump(wire: &mut Wire, seconds: f64) -> Vec<Heard> {
    let (mut heard, end) = (Vec::new(), tokio::time::sleep(Duration::from_secs_f64(seconds)));
    let mut end = Box::pin(end);
    poll_fn(|context| {
        while let Poll::Ready(event) = wire.poll(context) {
            heard.push(event);
        }
        end.as_mut().poll(context)
    })
    .await;
    heard
}

/// The answer of a peer that has nothing.
fn nothing(request: &Request) -> Response {
    match request {
        Request::Headers { .. } => Response::Headers(Vec::new()),
        Request::Blocks { .. } => Response::Blocks(Vec::new()),
        Request::BlockTransactions(_) => Response::BlockTransactions(None),
        Request::Transactions { .. } => Response::Transactions(Vec::new()),
        Request::Pool => Response::Pool(Vec::new()),
        Request::Addresses => Response::Addresses(Vec::new()),
    }
}

fn transaction(lock_time: u32) -> Arc<Transaction> {
    let coinbase = Rules::lab(&[]).genesis.txdata.remove(0);
    Arc::new(Transaction { lock_time: LockTime::from_consensus(lock_time), ..coinbase })
}

fn block(nonce: u32) -> Arc<Block> {
    let mut block = Rules::lab(&[]).genesis;
    block.header.nonce = nonce;
    Arc::new(block)
}

fn tip_changed(block: &Arc<Block>) -> ToNetwork {
    let (hash, header) = (block.block_hash(), block.header);
    let next = Next {
        height: 2,
        bits: header.bits,
        min_time: 0,
        max_block_bytes: 100_000,
        fork_id: None,
        subsidy: Amount::ZERO,
    };
    let tip = Tip { hash, height: 1, work: header.work(), time: header.time };
    let change = TipChange { tip, disconnected: Vec::new(), connected: vec![block.clone()], next };
    ToNetwork::TipChanged { change: Arc::new(change), locator: Arc::new(vec![hash]) }
}

fn sources(told: Vec<ToLedger>) -> Vec<Source> {
    let sources = told.into_iter().filter_map(|message| match message {
        ToLedger::CheckTransaction { source, .. } | ToLedger::CheckBlock { source, .. } => Some(source),
        _ => None,
    });
    sources.collect()
}

#[test]
fn who_takes_all_inbound_places_leaves_room_for_peers_of_our_own_and_a_feeler() {
    let overlay = |degree, defences| OverlayConfig {
        keep: Vec::new(),
        bootstrap: Vec::new(),
        degree,
        most_connections: 10,
        defences,
        haste: 1.0,
    };
    let feels = Defences { feelers: true, ..Defences::NONE };
    let room = |degree, defences| {
        let Places { all, inbound, newcomers } = Places::of(&overlay(degree, defences));
        all - inbound - newcomers
    };
    assert_eq!((room(4, Defences::NONE), room(4, feels), room(4, Defences::default())), (4, 5, 5));
    assert_eq!(room(0, feels), 0, "who seeks nobody does not feel");
}

#[test]
fn a_new_peer_is_asked_for_headers_and_for_its_pool() {
    run(async {
        let mut scene = Scene::set().await;
        let asked: Vec<_> = scene.asked(5.0).await.into_iter().map(|(_, request)| request).collect();
        let locator = vec![Rules::lab(&[]).genesis.block_hash()];
        assert!(asked.contains(&Request::Headers { locator }), "{asked:?}");
        assert!(asked.contains(&Request::Pool), "{asked:?}");
    });
}

#[test]
fn a_flood_reaches_the_ledger_only_as_far_as_verdicts_make_room() {
    run(async {
        let mut scene = Scene::introduced().await;
        for lock_time in 0..100 {
            scene.peer.publish(&Announcement::Transaction(transaction(lock_time))).expect("it listens");
        }
        scene.heard(1.0).await;
        let admitted = sources(scene.around.ledger.take());
        assert_eq!(admitted.len(), UNJUDGED_PER_PEER);
        assert_eq!(scene.state().await.most_unjudged, UNJUDGED_PER_PEER);
        for source in admitted {
            scene.verdict(source, Verdict::Drop).await;
            scene.verdict(source, Verdict::Drop).await; // a second verdict does no harm
        }
        for lock_time in 100..200 {
            scene.peer.publish(&Announcement::Transaction(transaction(lock_time))).expect("it listens");
        }
        scene.heard(1.0).await;
        assert_eq!(sources(scene.around.ledger.take()).len(), UNJUDGED_PER_PEER);
    });
}

#[test]
fn who_sends_what_is_refused_is_charged_banned_and_sent_away() {
    run(async {
        let mut scene = Scene::introduced().await;
        scene.peer.publish(&Announcement::Transaction(transaction(1))).expect("it listens");
        scene.heard(1.0).await;
        let source = sources(scene.around.ledger.take())[0];
        scene.around.events();
        scene.verdict(source, Verdict::Refuse(Refused::NoInputs)).await;
        let heard = scene.heard(20.0).await;
        assert!(heard.iter().any(|event| matches!(event, Heard::Disconnected { .. })));
        let events = scene.around.events();
        let [Event::PeerCharged { points: 100, .. }, Event::PeerBanned { .. }, rest @ ..] = &events[..] else {
            panic!("{events:?}")
        };
        assert!(matches!(rest, [Event::PeerDisconnected { .. }]), "it is not dialled again: {rest:?}");
        assert_eq!(scene.state().await.banned.len(), 1);
    });
}

#[test]
fn who_goes_on_saying_what_has_long_been_known_is_heard_until_it_is_banned() {
    run(async {
        let mut scene = Scene::introduced().await;
        let old = Refused::LongKnown { depth: bounds::OLD_NEWS_BLOCKS };
        let enough = bounds::BAN_SCORE / old.blame();
        for lock_time in 0..enough {
            assert!(scene.state().await.banned.is_empty(), "after {lock_time}");
            scene.peer.publish(&Announcement::Transaction(transaction(lock_time))).expect("it listens");
            scene.heard(0.01).await;
            let heard = sources(scene.around.ledger.take());
            scene.verdict(heard[0], Verdict::Refuse(old.clone())).await;
        }
        assert_eq!(scene.state().await.banned.len(), 1);
    });
}

#[test]
fn what_is_nobodys_fault_charges_nobody() {
    run(async {
        let mut scene = Scene::introduced().await;
        scene.peer.publish(&Announcement::Transaction(transaction(1))).expect("it listens");
        scene.heard(1.0).await;
        let source = sources(scene.around.ledger.take())[0];
        scene.around.events();
        scene.verdict(source, Verdict::Refuse(Refused::AlreadyKnown)).await;
        assert!(scene.around.events().is_empty());
    });
}

#[test]
fn a_tip_nobody_announced_is_told_and_one_that_was_passed_on_is_not_told_again() {
    run(async {
        let mut scene = Scene::introduced().await;
        let announced = |heard: Vec<Heard>| {
            let blocks = heard.into_iter().filter_map(|event| match event {
                Heard::Gossip { announcement: Announcement::Block(compact), .. } => Some(compact.header),
                _ => None,
            });
            blocks.collect::<Vec<_>>()
        };
        tell(&scene.network, tip_changed(&block(1))).await;
        assert_eq!(announced(scene.heard(1.0).await), [block(1).header]);
        // The second comes from the peer itself and is judged good before the tip moves.
        let compact = bitcoin::bip152::HeaderAndShortIds::from_block(&block(2), 5, 2, &[]).expect("version 2 is known");
        scene.peer.publish(&Announcement::Block(Arc::new(compact))).expect("it listens");
        scene.heard(1.0).await;
        let told = scene.around.mempool.take();
        let source = told.iter().find_map(|message| match message {
            ToMempool::Reconstruct { source, .. } => Some(*source),
            _ => None,
        });
        scene.network.do_send(tip_changed(&block(2)));
        scene.verdict(source.expect("it is to be rebuilt"), Verdict::Relay(Announced::Block(block(2)))).await;
        assert_eq!(announced(scene.heard(3.0).await), []);
    });
}

#[test]
fn wanted_bodies_are_fetched_and_judged_as_the_peers() {
    run(async {
        let mut scene = Scene::introduced().await;
        let wanted = vec![block(1).block_hash(), block(2).block_hash()];
        tell(&scene.network, ToNetwork::Want(Want::Bodies(wanted.clone()))).await;
        let (ask, request) = scene.asked(1.0).await.remove(0);
        assert_eq!(request, Request::Blocks { hashes: wanted });
        scene.peer.respond(ask, Response::Blocks(vec![block(1), block(2)]));
        scene.heard(1.0).await;
        let judged = sources(scene.around.ledger.take());
        let peer = scene.peer.local_peer();
        assert!(
            matches!(judged[..], [Source::Peer { peer: a, .. }, Source::Peer { peer: b, .. }] if a == peer && b == peer)
        );
        for (source, number) in judged.into_iter().zip([1, 2]) {
            scene.verdict(source, Verdict::Relay(Announced::Block(block(number)))).await;
        }
        assert_eq!(scene.asked(5.0).await, [], "there is nothing left to fetch");
    });
}

#[test]
fn who_answers_with_other_blocks_than_asked_is_charged() {
    run(async {
        let mut scene = Scene::introduced().await;
        tell(&scene.network, ToNetwork::Want(Want::Bodies(vec![block(1).block_hash()]))).await;
        let (ask, _) = scene.asked(1.0).await.remove(0);
        scene.around.events();
        scene.peer.respond(ask, Response::Blocks(vec![block(2)]));
        scene.heard(1.0).await;
        assert!(matches!(&scene.around.events()[..], [Event::PeerCharged { .. }]));
        assert_eq!(sources(scene.around.ledger.take()), []);
    });
}

#[test]
fn what_a_peer_asks_goes_to_who_has_it_and_the_answer_goes_back() {
    run(async {
        let mut scene = Scene::introduced().await;
        let tested = scene.tested;
        scene.peer.request(tested, Request::Headers { locator: vec![BlockHash::all_zeros()] });
        scene.peer.request(tested, Request::Pool);
        scene.heard(1.0).await;
        let served = scene.around.ledger.take().into_iter().find_map(|message| match message {
            ToLedger::Serve { ask, .. } => Some(ask),
            _ => None,
        });
        let listed = scene.around.mempool.take().into_iter().find_map(|message| match message {
            ToMempool::Serve { ask, .. } => Some(ask),
            _ => None,
        });
        let pool = Response::Pool(vec![Txid::all_zeros()]);
        let headers = Response::Headers(vec![block(1).header]);
        for (ask, response) in [(served, headers.clone()), (listed, pool.clone())] {
            tell(&scene.network, ToNetwork::Tell { ask: ask.expect("it was asked"), response }).await;
        }
        let answered: Vec<_> = scene
            .heard(1.0)
            .await
            .into_iter()
            .filter_map(|event| match event {
                Heard::Answered { response, .. } => Some(response),
                _ => None,
            })
            .collect();
        assert!(answered.contains(&headers) && answered.contains(&pool), "{answered:?}");
    });
}

#[test]
fn a_kept_link_comes_back_by_itself_until_the_door_hangs_up() {
    run(async {
        let mut scene = Scene::introduced().await;
        let (tested, peer) = (scene.tested, scene.peer.local_peer());
        scene.peer.disconnect(tested, "a whim");
        let heard = scene.heard(10.0).await;
        assert!(heard.iter().any(|event| matches!(event, Heard::Connected { .. })), "{heard:?}");
        let (answer, answered) = oneshot::channel();
        tell(&scene.network, ToNetwork::Asked(Asked { question: Question::Hang { peer }, answer })).await;
        assert!(matches!(answered.await, Ok(Answer::Done)));
        let heard = scene.heard(60.0).await;
        assert!(heard.iter().any(|event| matches!(event, Heard::Disconnected { .. })));
        assert!(!heard.iter().any(|event| matches!(event, Heard::Connected { .. })));
        settle().await;
    });
}
