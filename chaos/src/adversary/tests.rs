//! What strategies let pass, seen from both sides: the honest actors are scribes that write down what they are told.

use std::sync::{Arc, Mutex};

use actix::{Actor, AsyncContext, Context, Handler};
use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{Amount, Block, BlockHash, CompactTarget, ScriptBuf, TxMerkleNode, Work};
use schism_node::chain::Tip;
use schism_node::chain::assemble::coinbase;
use schism_node::messages::{Announced, Next, Source, TipChange, ToLedger, ToMempool, ToMiner, ToNetwork, Verdict};
use schism_node::ring::{Door, Ring};
use schism_node::surroundings::Trace;
use schism_node::wire::{ItemId, PeerId};

use super::between::Strategy;
use super::leash::{Leash, Phase, Signal};
use super::private_branch::{PrivateBranch, PrivateBranches};
use super::selfish::{Selfish, SelfishMining};

/// What Ledger and Network were told, a word each: `ledger a1`, `tell a1`, `shelve`.
type Book = Arc<Mutex<Vec<String>>>;

struct Scribe(Book);

impl Actor for Scribe {
    type Context = Context<Self>;
}

impl Handler<ToLedger> for Scribe {
    type Result = ();
    fn handle(&mut self, message: ToLedger, _: &mut Context<Self>) {
        if let ToLedger::CheckBlock { block, .. } = message {
            self.0.lock().unwrap().push(format!("ledger {}", block.header.nonce));
        }
    }
}

impl Handler<ToNetwork> for Scribe {
    type Result = ();
    fn handle(&mut self, message: ToNetwork, _: &mut Context<Self>) {
        let word = match message {
            ToNetwork::Verdict { verdict: Verdict::Relay(Announced::Block(block)), .. } => {
                format!("tell {}", block.header.nonce)
            }
            ToNetwork::Verdict { verdict: Verdict::Drop, .. } => "shelve".to_owned(),
            ToNetwork::TipChanged { change, .. } => format!("tip {}", change.tip.height),
            _ => return,
        };
        self.0.lock().unwrap().push(word);
    }
}

impl Handler<ToMempool> for Scribe {
    type Result = ();
    fn handle(&mut self, _: ToMempool, _: &mut Context<Self>) {}
}

impl Handler<ToMiner> for Scribe {
    type Result = ();
    fn handle(&mut self, _: ToMiner, _: &mut Context<Self>) {}
}

/// A strategy, and an honest ledger's part played by hand: what it takes becomes the tip and is to be told.
struct Scene<S> {
    strategy: S,
    ring: Ring,
    book: Book,
    genesis: BlockHash,
}

impl<S: Strategy> Scene<S> {
    fn of(strategy: S) -> Self {
        let book = Book::default();
        let context = Context::new();
        let address = context.address();
        #[allow(clippy::disallowed_methods, reason = "a scribe belongs to no node")]
        actix::spawn(context.into_future(Scribe(book.clone())));
        let ring = Ring {
            ledger: Door::of(address.clone(), Trace::default()),
            mempool: Door::of(address.clone(), Trace::default()),
            miner: Door::of(address.clone(), Trace::default()),
            network: Door::of(address, Trace::default()),
        };
        let genesis = block(BlockHash::all_zeros(), 0, 0).block_hash();
        let mut scene = Self { strategy, ring, book, genesis };
        scene.tip(genesis, 0);
        scene
    }

    fn tip(&mut self, hash: BlockHash, height: u32) {
        let next = Next {
            height: height + 1,
            bits: CompactTarget::from_consensus(0x2000_ffff),
            min_time: 0,
            max_block_bytes: 0,
            fork_id: None,
            subsidy: Amount::ZERO,
        };
        let tip = Tip { hash, height, work: Work::from_be_bytes([0; 32]), time: 0 };
        let change = Arc::new(TipChange { tip, disconnected: Vec::new(), connected: Vec::new(), next });
        self.strategy.to_network(ToNetwork::TipChanged { change, locator: Arc::default() }, &self.ring);
    }

    /// This node's miner finds a block and its ledger takes it for its tip.
    fn find(&mut self, parent: BlockHash, number: u32, height: u32) -> BlockHash {
        let block = block(parent, number, height);
        let hash = block.block_hash();
        self.strategy.to_ledger(ToLedger::CheckBlock { block: block.clone(), source: Source::Own }, &self.ring);
        let relay = Verdict::Relay(Announced::Block(block));
        self.strategy.to_network(ToNetwork::Verdict { source: Source::Own, verdict: relay }, &self.ring);
        self.tip(hash, height);
        hash
    }

    /// A block of somebody else arrives.
    fn hear(&mut self, parent: BlockHash, number: u32, height: u32) -> BlockHash {
        let block = block(parent, number, height);
        let hash = block.block_hash();
        let source = Source::Peer { peer: PeerId::random(), item: ItemId(1) };
        self.strategy.to_ledger(ToLedger::CheckBlock { block, source }, &self.ring);
        hash
    }

    /// What was written down since this was last asked.
    async fn said(&self) -> Vec<String> {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        std::mem::take(&mut self.book.lock().unwrap())
    }
}

/// A block that is told from others by its nonce.
fn block(parent: BlockHash, number: u32, height: u32) -> Arc<Block> {
    let header = Header {
        version: Version::TWO,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0x2000_ffff),
        nonce: number,
    };
    Arc::new(Block { header, txdata: vec![coinbase(height, &[], ScriptBuf::new(), Amount::ZERO)] })
}

fn racing(how: PrivateBranch) -> (Scene<PrivateBranches>, Leash) {
    let leash = Leash::default();
    let mut scene = Scene::of(PrivateBranches::new(how, leash.clone()));
    scene.strategy.signal(Signal::Begin { spends: Vec::new() }, &scene.ring);
    (scene, leash)
}

fn plays(story: impl Future<Output = ()>) {
    actix::System::new().block_on(story);
}

#[test]
fn a_private_branch_is_told_once_the_payment_is_final_and_it_has_more_work() {
    plays(async {
        let (mut scene, leash) = racing(PrivateBranch::default());
        let fork = scene.genesis;
        let ours = scene.find(fork, 10, 1);
        let theirs = scene.hear(fork, 20, 1);
        assert_eq!(scene.said().await, ["tip 0", "ledger 10", "shelve"], "neither side hears of the other");
        scene.strategy.signal(Signal::Delivered { confirmations: 1 }, &scene.ring);
        assert_eq!(scene.said().await, [""; 0], "a tie wins nothing");
        let second = scene.find(ours, 11, 2);
        // Ledger tells of its own block once more; Network announces no block twice.
        assert_eq!(scene.said().await, ["ledger 11", "tell 10", "tip 1", "tell 11", "tell 11", "tip 2"]);
        assert_eq!(leash.phase(), Phase::Released);
        // In the open now; what others build on it is a part of it, what they build beside it is still held back.
        let third = scene.hear(second, 21, 3);
        scene.hear(theirs, 22, 2);
        assert_eq!(scene.said().await, ["ledger 21", "shelve"]);
        assert_eq!((leash.deeds().branch, leash.deeds().public), (3, 2));
        scene.strategy.signal(Signal::Rest, &scene.ring);
        assert_eq!(scene.said().await, ["ledger 20", "ledger 22"]);
        scene.hear(third, 23, 4);
        assert_eq!(scene.said().await, ["ledger 23"], "at rest it is as everyone");
    });
}

#[test]
fn a_private_branch_is_given_up_when_it_is_too_far_behind() {
    plays(async {
        let (mut scene, leash) = racing(PrivateBranch { deficit: 2, ..PrivateBranch::default() });
        let fork = scene.genesis;
        scene.hear(fork, 20, 1);
        assert_eq!((leash.phase(), leash.deeds().public), (Phase::Racing, 1));
        // The parent of the next was lost on the way, and nobody fetches it while the race lasts.
        let lost = block(fork, 21, 1).block_hash();
        scene.hear(lost, 22, 2);
        assert_eq!(scene.said().await, ["tip 0", "shelve", "shelve", "ledger 20", "ledger 22"]);
        assert_eq!((leash.phase(), leash.deeds().given_up, leash.deeds().public), (Phase::Resting, 1, 2));
    });
}

#[test]
fn a_private_branch_that_nobody_leads_goes_by_heights_and_races_once() {
    plays(async {
        let leash = Leash::default();
        let how = PrivateBranch { from_height: 1, confirmations: 1, ..PrivateBranch::default() };
        let mut scene = Scene::of(PrivateBranches::new(how, leash.clone()));
        let fork = scene.find(scene.genesis, 10, 1);
        assert_eq!(leash.phase(), Phase::Racing, "its chain is high enough");
        let first = scene.find(fork, 11, 2);
        let second = scene.find(first, 12, 3);
        assert_eq!((leash.phase(), leash.deeds().withheld), (Phase::Racing, 2), "no payment is final yet");
        scene.hear(fork, 20, 2);
        assert_eq!((leash.phase(), leash.deeds().released), (Phase::Released, 1));
        scene.hear(second, 21, 4);
        assert_eq!(leash.phase(), Phase::Resting, "the others follow");
        let third = scene.hear(second, 22, 5);
        scene.find(third, 13, 6);
        assert_eq!((leash.phase(), leash.deeds().begun), (Phase::Resting, 1));
    });
}

#[test]
fn before_its_branch_is_told_what_others_build_on_the_fork_is_theirs() {
    plays(async {
        let (mut scene, leash) = racing(PrivateBranch { lead: 0, ..PrivateBranch::default() });
        // The payment is final before its block has come here.
        scene.strategy.signal(Signal::Delivered { confirmations: 1 }, &scene.ring);
        scene.hear(scene.genesis, 20, 1);
        assert_eq!(scene.said().await, ["tip 0", "shelve"]);
        assert_eq!((leash.deeds().branch, leash.deeds().public, leash.deeds().released), (0, 1, 0));
    });
}

#[test]
fn a_selfish_miner_tells_what_its_lead_asks_for() {
    plays(async {
        let leash = Leash::default();
        let mut scene = Scene::of(Selfish::new(SelfishMining::default(), leash.clone()));
        let fork = scene.genesis;
        // One ahead: a tie. Then its own next block decides it, and is told at once.
        let a1 = scene.find(fork, 11, 1);
        scene.hear(fork, 21, 1);
        let a2 = scene.find(a1, 12, 2);
        assert_eq!(
            scene.said().await,
            ["tip 0", "ledger 11", "ledger 21", "tell 11", "tip 1", "ledger 12", "tell 12", "tip 2"]
        );
        assert_eq!(leash.deeds().ties, [a1]);
        // Two ahead: everything.
        let a3 = scene.find(a2, 13, 3);
        let a4 = scene.find(a3, 14, 4);
        let b3 = scene.hear(a2, 23, 3);
        assert_eq!(scene.said().await, ["ledger 13", "ledger 14", "ledger 23", "tell 13", "tell 14", "tip 4"]);
        // Three ahead: one for each, until two are left.
        let a5 = scene.find(a4, 15, 5);
        let a6 = scene.find(a5, 16, 6);
        scene.find(a6, 17, 7);
        let b5 = scene.hear(a4, 25, 5);
        scene.hear(b5, 26, 6);
        let said = scene.said().await;
        assert_eq!(said[3..], ["ledger 25", "tell 15", "ledger 26", "tell 16", "tell 17", "tip 7"]);
        // A block at a height that everyone is past changes nothing.
        scene.hear(b3, 24, 4);
        assert_eq!(scene.said().await, ["ledger 24"]);
        assert_eq!(leash.deeds().withheld, 6);
    });
}
