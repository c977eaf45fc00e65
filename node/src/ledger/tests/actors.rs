//! The actor tells whom it should, once, in order, and nothing that is not durable.

use std::sync::{Arc, Mutex};

use actix::{Actor, Addr, Context, Handler, Message};
use bitcoin::Block;
use schism_wire::{AskId, ItemId, Keypair, Request};
use tokio::sync::oneshot;

use super::forge::Forge;
use super::{Inline, NOW, RealWork};
use crate::clock::Clock;
use crate::control::{Answer, Asked, Event, Question};
use crate::ledger::actor::{LedgerActor, Parts};
use crate::ledger::store::Disk;
use crate::messages::{Announced, Source, ToLedger, ToMempool, ToMiner, ToNetwork, Verdict, Want};
use crate::ring::{Door, Ring, Traced};
use crate::surroundings::Trace;

/// What was said, by whom or to whom, in order.
type Notes = Arc<Mutex<Vec<String>>>;

/// Stands where an actor would, and notes what it is told.
struct Ear {
    notes: Notes,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

/// A short line for a message.
trait Line {
    fn line(&self) -> String;
}

impl<M: Message<Result = ()> + Line> Handler<M> for Ear {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Context<Self>) {
        self.notes.lock().expect("no panic").push(message.line());
    }
}

impl Line for ToMempool {
    fn line(&self) -> String {
        match self {
            Self::TipChanged(change) => format!("mempool: tip {}", change.tip.height),
            Self::Candidate { coins, source, answer, .. } => {
                let found = coins.iter().filter(|coin| coin.is_some()).count();
                let answered = if answer.is_some() { " for the door" } else { "" };
                format!("mempool: candidate with {found} coins, own: {}{answered}", *source == Source::Own)
            }
            other => format!("mempool: {other:?}"),
        }
    }
}

impl Line for ToNetwork {
    fn line(&self) -> String {
        match self {
            Self::Verdict { source, verdict } => {
                let verdict = match verdict {
                    Verdict::Relay(Announced::Block(_)) => "relay block",
                    Verdict::Relay(_) => "relay",
                    Verdict::Refuse(reason) => &format!("refuse: {reason}"),
                    Verdict::Drop => "drop",
                };
                let item = match source {
                    Source::Own => "own".to_owned(),
                    Source::Peer { item, .. } => item.0.to_string(),
                };
                format!("network: verdict on {item}: {verdict}")
            }
            Self::TipChanged { change, .. } => format!("network: tip {}", change.tip.height),
            Self::Want(Want::Bodies(hashes)) => format!("network: want {} bodies", hashes.len()),
            Self::Want(Want::Headers { .. }) => "network: want headers".to_owned(),
            Self::Tell { ask, response } => format!("network: tell {}: {}", ask.0, response.summary().len() > 4),
            other => format!("network: {other:?}"),
        }
    }
}

impl Line for ToMiner {
    fn line(&self) -> String {
        format!("miner: {self:?}")
    }
}

/// A ledger among ears.
struct Scene {
    forge: Forge,
    disk: Disk,
    notes: Notes,
    ledger: Addr<LedgerActor>,
}

impl Scene {
    fn open(forge: Forge) -> Self {
        Self::open_at(forge, NOW)
    }

    fn open_at(forge: Forge, now: u32) -> Self {
        let (disk, notes) = (Disk::new(), Notes::default());
        let ear = || Ear { notes: notes.clone() }.start();
        // The ledger tells itself nothing; its own door leads to an ear of its own.
        let ring =
            Ring { ledger: door(DeafLedger.start()), mempool: door(ear()), miner: door(ear()), network: door(ear()) };
        let heard = notes.clone();
        let parts = Parts {
            rules: forge.rules.clone(),
            store: Box::new(disk.open()),
            ring,
            clock: Clock::starting_at(f64::from(now)),
            verifier: Arc::new(Inline),
            work: Arc::new(RealWork),
            events: Arc::new(move |event| heard.lock().expect("no panic").push(event_line(&event))),
            trace: Trace::default(),
        };
        let ledger = LedgerActor::open(parts).expect("opens").start();
        Self { forge, disk, notes, ledger }
    }

    fn peer(&self, item: u64) -> Source {
        let peer = Keypair::ed25519_from_bytes([7; 32]).expect("a key").public().to_peer_id();
        Source::Peer { peer, item: ItemId(item) }
    }

    /// Tells the ledger, waits until it has answered a question put after it, and gives what was noted.
    async fn after(&self, message: ToLedger) -> Vec<String> {
        self.ledger.do_send(message);
        let _ = self.ask(Question::Ledger).await;
        self.heard().await
    }

    async fn heard(&self) -> Vec<String> {
        tokio::task::yield_now().await;
        std::mem::take(&mut *self.notes.lock().expect("no panic"))
    }

    async fn ask(&self, question: Question) -> Option<Answer> {
        let (answer, waits) = oneshot::channel();
        self.ledger.do_send(ToLedger::Asked(Asked { question, answer }));
        waits.await.ok()
    }

    fn check(&self, block: &Arc<Block>, source: Source) -> ToLedger {
        ToLedger::CheckBlock { block: block.clone(), source }
    }
}

struct DeafLedger;

impl Actor for DeafLedger {
    type Context = Context<Self>;
}

impl Handler<ToLedger> for DeafLedger {
    type Result = ();

    fn handle(&mut self, message: ToLedger, _: &mut Context<Self>) {
        panic!("the ledger told itself {message:?}");
    }
}

fn door<A, M>(actor: Addr<A>) -> Door<M>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    M: Message<Result = ()> + Send + Traced + 'static,
{
    Door::of(actor, Trace::default())
}

fn event_line(event: &Event) -> String {
    match event {
        Event::Started { ledger } => format!("event: started at {}", ledger.tip.height),
        Event::TipChanged { ledger, .. } => format!("event: tip {}", ledger.tip.height),
        Event::BlockStored { height, .. } => format!("event: stored {height}"),
        Event::BlockRefused { reason, .. } => format!("event: refused: {reason}"),
        Event::StoreFailed { .. } => "event: store failed".to_owned(),
        other => format!("event: {other:?}"),
    }
}

#[test]
fn a_good_block_is_told_to_the_pool_before_the_network() {
    actix::System::new().block_on(async {
        let mut scene = Scene::open(Forge::new(1));
        let coin = scene.forge.spendable(scene.forge.genesis()).remove(0);
        let payment = scene.forge.pay(&coin, 1, 1_000);
        let block = scene.forge.mine(scene.forge.genesis(), vec![payment]);
        let rivals = scene.forge.extend(scene.forge.genesis(), 2);
        let _ = scene.ask(Question::Ledger).await;
        assert_eq!(scene.heard().await, ["event: started at 0", "mempool: tip 0", "network: tip 0"]);
        let said = scene.after(scene.check(&block, scene.peer(1))).await;
        let expected = [
            "event: stored 1",
            "event: tip 1",
            "mempool: tip 1",
            "network: verdict on 1: relay block",
            "network: tip 1",
        ];
        assert_eq!(said, expected);
        let said = scene.after(scene.check(&block, scene.peer(2))).await;
        assert_eq!(said, ["network: verdict on 2: drop"], "known already");
        let said = scene.after(scene.check(&rivals[0], scene.peer(3))).await;
        assert_eq!(said, ["event: stored 1", "network: verdict on 3: relay block"], "it lost a race");
        let said = scene.after(scene.check(&rivals[1], Source::Own)).await;
        let expected = [
            "event: stored 2",
            "event: tip 2",
            "mempool: tip 2",
            "mempool: candidate with 1 coins, own: true",
            "network: verdict on own: relay block",
            "network: tip 2",
        ];
        assert_eq!(said, expected, "the freed payment follows the tip");
    });
}

#[test]
fn a_bad_block_is_refused_and_an_orphan_asks_for_headers() {
    actix::System::new().block_on(async {
        let mut scene = Scene::open(Forge::new(0));
        let chain = scene.forge.extend(scene.forge.genesis(), 3);
        let mut bad = Block::clone(&chain[0]);
        bad.txdata.clear();
        let _ = scene.ask(Question::Ledger).await;
        scene.heard().await;
        let said = scene.after(scene.check(&chain[2], scene.peer(1))).await;
        assert_eq!(said, ["network: verdict on 1: drop", "network: want headers"]);
        let said = scene.after(scene.check(&Arc::new(bad), scene.peer(2))).await;
        let reason = "the block holds no transaction";
        let expected = [
            format!("event: refused: {reason}"),
            format!("network: verdict on 2: refuse: {reason}"),
            "network: want 1 bodies".to_owned(),
        ];
        assert_eq!(said, expected);
        let headers = chain.iter().map(|block| block.header).collect();
        let said = scene.after(ToLedger::CheckHeaders { headers, source: scene.peer(3) }).await;
        assert_eq!(said, ["network: verdict on 3: relay", "network: want 3 bodies"]);
        let request = Request::Blocks { hashes: vec![chain[0].block_hash()] };
        let said = scene.after(ToLedger::Serve { ask: AskId(9), request }).await;
        assert_eq!(said, ["network: tell 9: true"]);
    });
}

#[test]
fn a_block_from_the_future_is_judged_again_when_its_time_has_come() {
    let paused = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    actix::System::with_tokio_rt(|| paused().expect("a runtime")).block_on(async {
        let mut forge = Forge::new(0);
        let block = forge.mine(forge.genesis(), Vec::new());
        let scene = Scene::open_at(forge, block.header.time - 123);
        let _ = scene.ask(Question::Ledger).await;
        scene.heard().await;
        let said = scene.after(scene.check(&block, scene.peer(1))).await;
        assert_eq!(said[1..], ["network: verdict on 1: drop"], "{said:?}");
        tokio::time::sleep(std::time::Duration::from_millis(2_900)).await;
        assert!(scene.heard().await.is_empty());
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
        let said = scene.heard().await;
        assert!(said.contains(&"network: verdict on own: relay block".to_owned()), "{said:?}");
    });
}

#[test]
fn nothing_is_told_once_the_store_fails() {
    actix::System::new().block_on(async {
        let mut scene = Scene::open(Forge::new(0));
        let chain = scene.forge.extend(scene.forge.genesis(), 2);
        let _ = scene.ask(Question::Ledger).await;
        scene.heard().await;
        // Body and step are written; the sync is what fails.
        scene.disk.fail_from(scene.disk.operations() + 2);
        let said = scene.after(scene.check(&chain[0], scene.peer(1))).await;
        assert_eq!(said, ["event: store failed"]);
        scene.disk.mend();
        let said = scene.after(scene.check(&chain[1], scene.peer(2))).await;
        assert!(said.is_empty(), "{said:?}");
        assert!(scene.ask(Question::Ledger).await.is_none());
    });
}

#[test]
fn the_door_is_answered_for_blocks_and_the_pool_answers_for_transactions() {
    actix::System::new().block_on(async {
        let mut scene = Scene::open(Forge::new(1));
        let genesis = scene.forge.genesis();
        let transaction = scene.forge.pay(&scene.forge.spendable(genesis)[0], 1, 1_000);
        let block = Block::clone(&scene.forge.mine(genesis, Vec::new()));
        let submit = Question::SubmitBlock { block };
        assert!(matches!(scene.ask(submit.clone()).await, Some(Answer::Accepted)));
        match scene.ask(submit).await {
            Some(Answer::Refused { reason }) => assert_eq!(reason, "already known"),
            other => panic!("{other:?}"),
        }
        match scene.ask(Question::Coins { scripts: vec![scene.forge.script()], limit: 9 }).await {
            Some(Answer::Coins { coins }) => assert_eq!(coins.len(), 2),
            other => panic!("{other:?}"),
        }
        scene.heard().await;
        assert!(scene.ask(Question::Submit { transaction }).await.is_none(), "the ear lets the answer go");
        assert_eq!(scene.heard().await, ["mempool: candidate with 1 coins, own: true for the door"]);
    });
}
