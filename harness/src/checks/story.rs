//! A story: a synthetic timeline for the tests of checks. Its nodes do what they are told, honest or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut,
    Txid, Witness, absolute::LockTime, transaction,
};
use schism_chaos::draw::{NodeDescription, NodeState};
use schism_chaos::effect::{Effect, LinkChange};
use schism_chaos::progress::{Act, FaultId, Phase, Verb};
use schism_chaos::selector::Role;
use schism_node::chain::{Rules, Tip};
use schism_node::control::{Answer, Event, LedgerState, PeerId};

use super::{Check, Checks, Finding, View, Wiring};
use crate::timeline::{Entry, Happening, Intent, Load};

/// A cluster that exists only as a timeline.
pub(crate) struct Story {
    checks: Checks,
    rules: Rules,
    at: Duration,
    tips: Vec<BlockHash>,
    blocks: BTreeMap<BlockHash, (Arc<Block>, u32)>,
    #[allow(clippy::type_complexity)]
    tampered: Option<Box<dyn FnOnce(&mut LedgerState)>>,
    payees: u32,
}

/// Nodes of a story.
pub(crate) fn described(nodes: usize) -> Vec<NodeDescription> {
    let describe = |index| NodeDescription {
        name: format!("n{index}"),
        role: if index >= 9 { Role::Adversary } else { Role::Miner },
        group: "all".into(),
        region: None,
        hash_share: 1.0,
        state: NodeState::Alive,
        rejects: Vec::new(),
        served: 0,
    };
    (0..nodes).map(describe).collect()
}

impl Story {
    /// Started nodes `n0`, `n1`, … that can all reach each other.
    pub(crate) fn of(nodes: usize) -> Self {
        Self::wired(nodes, Wiring::Any)
    }

    /// The same, linked like this. The last one is an adversary when there are more than nine.
    pub(crate) fn wired(nodes: usize, wiring: Wiring) -> Self {
        let funds = |index: u32| (ScriptBuf::from_bytes(vec![0x51, index as u8]), Amount::from_sat(1_000));
        let rules = Rules::lab(&(0..8).map(funds).collect::<Vec<_>>());
        let described = described(nodes);
        let genesis = rules.genesis.clone();
        let hash = genesis.block_hash();
        let mut story = Self {
            checks: Checks::new(View::new(&described, wiring, &genesis)),
            rules,
            at: Duration::ZERO,
            tips: vec![hash; nodes],
            blocks: BTreeMap::from([(hash, (Arc::new(genesis), 0))]),
            tampered: None,
            payees: 0,
        };
        (0..nodes).for_each(|node| story.start(node));
        story
    }

    /// Poses a check before anything has happened.
    pub(crate) fn asking(mut self, check: impl Check + 'static) -> Self {
        self.checks.pose(Box::new(check));
        (0..self.tips.len()).for_each(|node| self.start(node));
        self
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        self.checks.findings()
    }

    pub(crate) fn only_finding(&self) -> &Finding {
        assert_eq!(self.findings().len(), 1, "{:?}", self.findings());
        &self.findings()[0]
    }

    pub(crate) fn satisfied(&self) -> bool {
        self.checks.satisfied()
    }

    pub(crate) fn end(&mut self) -> Vec<Finding> {
        self.checks.end(self.at)
    }

    pub(crate) fn seen(&self) -> String {
        self.checks.posed().map(|(check, _)| check.seen()).collect()
    }

    pub(crate) fn height(&self, node: usize) -> u32 {
        self.blocks[&self.tips[node]].1
    }

    /// Something happens.
    pub(crate) fn happen(&mut self, node: Option<usize>, what: Happening) {
        self.checks.feed(&Entry { at: self.at, node, what });
    }

    /// A node says something.
    pub(crate) fn say(&mut self, node: usize, event: Event) {
        self.happen(Some(node), Happening::Event(event));
    }

    /// A node answers something.
    pub(crate) fn answer(&mut self, node: usize, answer: Answer) {
        self.happen(Some(node), Happening::Answer(answer));
    }

    /// The schedule is over.
    pub(crate) fn all_healed(&mut self) {
        self.happen(None, Happening::Healed);
    }

    /// A node starts where its store stands.
    pub(crate) fn start(&mut self, node: usize) {
        let ledger = self.ledger(self.tips[node]);
        self.say(node, Event::Started { ledger });
    }

    /// The next ledger anyone reports is changed first.
    pub(crate) fn tamper(&mut self, change: impl FnOnce(&mut LedgerState) + 'static) {
        self.tampered = Some(Box::new(change));
    }

    /// A node mines an empty block on its tip and moves to it.
    pub(crate) fn mine(&mut self, node: usize) -> BlockHash {
        self.mine_with(node, Vec::new())
    }

    /// The same, with transactions.
    pub(crate) fn mine_with(&mut self, node: usize, transactions: Vec<Transaction>) -> BlockHash {
        let claimed = self.rules.subsidy(self.height(node) + 1);
        self.mine_claiming(node, transactions, claimed)
    }

    /// The same, with a coinbase of this much.
    pub(crate) fn mine_claiming(&mut self, node: usize, transactions: Vec<Transaction>, claimed: Amount) -> BlockHash {
        let hash = self.make(node, transactions, claimed);
        self.tell_mined(node, hash);
        self.hear(node, hash);
        hash
    }

    /// A node mines a block and moves to it, and the word that it has mined it is still on its way.
    pub(crate) fn mine_untold(&mut self, node: usize) -> BlockHash {
        let hash = self.make(node, Vec::new(), self.rules.subsidy(self.height(node) + 1));
        self.hear(node, hash);
        hash
    }

    /// A node says what it has mined.
    pub(crate) fn tell_mined(&mut self, node: usize, hash: BlockHash) {
        let (block, height) = self.blocks[&hash].clone();
        self.say(node, Event::BlockMined { block, height });
    }

    fn make(&mut self, node: usize, transactions: Vec<Transaction>, claimed: Amount) -> BlockHash {
        let parent = self.tips[node];
        let height = self.blocks[&parent].1 + 1;
        self.payees += 1;
        let coinbase = spending(OutPoint::null(), claimed, self.payees);
        let header = Header {
            version: Version::TWO,
            prev_blockhash: parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: height,
            bits: CompactTarget::from_consensus(0x2000_ffff),
            nonce: self.payees,
        };
        let block = Arc::new(Block { header, txdata: [vec![coinbase], transactions].concat() });
        let hash = block.block_hash();
        self.blocks.insert(hash, (block, height));
        self.at += Duration::from_millis(1);
        hash
    }

    /// A node gets a block with all below it, and moves to it.
    pub(crate) fn hear(&mut self, node: usize, hash: BlockHash) {
        self.at += Duration::from_millis(1);
        let (mut left, mut joined) = (Vec::new(), Vec::new());
        let (mut from, mut to) = (self.tips[node], hash);
        while from != to {
            if self.blocks[&from].1 >= self.blocks[&to].1 {
                left.push(from);
                from = self.blocks[&from].0.header.prev_blockhash;
            } else {
                joined.push(to);
                to = self.blocks[&to].0.header.prev_blockhash;
            }
        }
        joined.reverse();
        for &block in &joined {
            self.store(node, block);
        }
        self.tips[node] = hash;
        let ledger = self.ledger(hash);
        self.say(node, Event::TipChanged { ledger, disconnected: left, connected: joined });
    }

    /// A node bans another.
    pub(crate) fn ban(&mut self, node: usize, other: usize) {
        self.checks.view_mut().introduce(other, peer(other));
        self.say(node, Event::PeerBanned { peer: peer(other), reason: "rubbish".into() });
    }

    /// A node's connection to another ends, or to a stranger.
    pub(crate) fn lose_peer(&mut self, node: usize, other: Option<usize>) {
        if let Some(other) = other {
            self.checks.view_mut().introduce(other, peer(other));
        }
        let peer = peer(other.unwrap_or(200));
        self.say(node, Event::PeerDisconnected { peer, reason: "closed".into() });
    }

    /// A node stores a block that another sent it, and stays where it is.
    pub(crate) fn store_from(&mut self, node: usize, hash: BlockHash, sender: usize) {
        let sender_id = peer(sender);
        self.checks.view_mut().introduce(sender, sender_id);
        let (block, height) = self.blocks[&hash].clone();
        let (parent, work) = (block.header.prev_blockhash, self.tip(hash).work);
        self.say(node, Event::BlockStored { hash, parent, height, work, from: Some(sender_id) });
    }

    /// A node stores a block and stays where it is.
    pub(crate) fn store(&mut self, node: usize, hash: BlockHash) {
        let (block, height) = self.blocks[&hash].clone();
        let parent = block.header.prev_blockhash;
        self.say(node, Event::BlockStored { hash, parent, height, work: self.tip(hash).work, from: None });
    }

    /// Everyone else gets a block.
    pub(crate) fn everyone_hears(&mut self, hash: BlockHash) {
        let others: Vec<usize> = (0..self.tips.len()).filter(|&node| self.tips[node] != hash).collect();
        others.into_iter().for_each(|node| self.hear(node, hash));
    }

    /// Cuts between sides; give the act to [`Story::heal`].
    pub(crate) fn split(&mut self, sides: &[Vec<usize>]) -> Act {
        let rest = |side: &Vec<usize>| (0..self.tips.len()).filter(|node| !side.contains(node)).collect();
        let cut = |side: &Vec<usize>| Effect::Links { from: side.clone(), to: rest(side), change: LinkChange::Cut };
        self.apply(sides.iter().map(cut).collect(), sides.to_vec())
    }

    /// Does something to links or nodes; give the act to [`Story::heal`].
    pub(crate) fn apply(&mut self, effects: Vec<Effect>, sides: Vec<Vec<usize>>) -> Act {
        let fault = FaultId { step: 0, occurrence: 0 };
        let act = Act { fault, verb: Verb::Apply, phase: Phase::Whole, effects, sides };
        self.happen(None, Happening::Acted(act.clone()));
        act
    }

    /// Undoes it.
    pub(crate) fn heal(&mut self, act: Act) {
        self.happen(None, Happening::Acted(Act { verb: Verb::Undo, ..act }));
    }

    /// A user pays with one of the eight coins of genesis.
    pub(crate) fn pay(&mut self, node: usize, coin: u32, intent: Intent) -> Transaction {
        self.payees += 1;
        let transaction = spending(self.coin(coin), Amount::from_sat(1_000), self.payees);
        let submitted = Load::Submitted { transaction: Arc::new(transaction.clone()), intent };
        self.happen(Some(node), Happening::Load(submitted));
        transaction
    }

    /// One of the eight coins of genesis.
    pub(crate) fn coin(&self, coin: u32) -> OutPoint {
        OutPoint { txid: self.rules.genesis.txdata[0].compute_txid(), vout: coin }
    }

    /// The pool of a node, as it would answer.
    pub(crate) fn pool(&mut self, node: usize, mut transactions: Vec<Txid>) {
        transactions.sort_unstable();
        let pool = schism_node::control::PoolState { transactions, ..Default::default() };
        self.answer(node, Answer::Pool(pool));
    }

    fn tip(&self, hash: BlockHash) -> Tip {
        let (block, height) = &self.blocks[&hash];
        let mut work = block.header.work();
        let mut at = block.header.prev_blockhash;
        while let Some((below, _)) = self.blocks.get(&at) {
            work = work + below.header.work();
            at = below.header.prev_blockhash;
        }
        Tip { hash, height: *height, work, time: block.header.time }
    }

    fn ledger(&mut self, hash: BlockHash) -> LedgerState {
        let tip = self.tip(hash);
        let subsidies = self.rules.subsidies(tip.height);
        let mut ledger = LedgerState {
            tip,
            digest: format!("digest of {hash}"),
            coins: u64::from(tip.height),
            unspent: subsidies,
            unclaimed: Amount::ZERO,
            unspendable: Amount::ZERO,
            subsidies,
            signature_checks: 0,
        };
        if let Some(change) = self.tampered.take() {
            change(&mut ledger);
        }
        ledger
    }
}

/// A transaction that spends one output; `number` makes it differ from all others.
pub(crate) fn spending(previous_output: OutPoint, value: Amount, number: u32) -> Transaction {
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output,
            sequence: Sequence::MAX,
            script_sig: ScriptBuf::new(),
            witness: Witness::new(),
        }],
        output: vec![TxOut { value, script_pubkey: ScriptBuf::from_bytes(number.to_be_bytes().to_vec()) }],
    }
}

/// The identity a node of a story has to its peers.
fn peer(node: usize) -> PeerId {
    // A peer's id is a multihash; the identity hash (code 0) of any bytes is one.
    PeerId::from_bytes(&[0, 1, node as u8]).expect("an identity multihash is a peer id")
}
