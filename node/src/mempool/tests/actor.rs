//! The actor among recorders: who is told what.

use std::sync::Arc;

use actix::{Actor, Addr};
use bitcoin::bip152::{BlockTransactions, HeaderAndShortIds};
use bitcoin::{Block, ScriptBuf, Transaction};
use schism_wire::{AskId, ItemId, Request, Response};
use tokio::sync::oneshot;

use super::lobby::{block, change};
use super::orphans::peer;
use super::purse::{Inline, Purse, outpoint, output, unsigned};
use crate::chain::{Rules, Upgrade, header};
use crate::control::{Answer, Asked, Event, PoolFamily, Question};
use crate::mempool::Mempool;
use crate::mempool::actor::Parts;
use crate::messages::{Announced, Source, Template, ToLedger, ToMempool, ToMiner, ToNetwork, Verdict, Want};
use crate::recorder::{Recorders, pass, run, settle, tell};
use crate::surroundings::RealWork;

const VALUE: u64 = 100_000;

struct Scene {
    around: Recorders,
    mempool: Addr<Mempool>,
    rules: Rules,
    purse: Purse,
}

impl Scene {
    async fn new() -> Self {
        Self::under(Rules::lab(&[])).await
    }

    async fn under(rules: Rules) -> Self {
        let around = Recorders::start();
        let mempool = Mempool::new(Parts {
            rules: Arc::new(rules.clone()),
            ring: around.ring(),
            verifier: Arc::new(Inline),
            work: Arc::new(RealWork),
            events: around.listener(),
        });
        let mempool = mempool.start();
        tell(&mempool, ToMempool::TipChanged(Arc::new(change(&rules, 20, &[], &[])))).await;
        Self { around, mempool, rules, purse: Purse::new() }
    }

    async fn tell(&self, message: ToMempool) {
        tell(&self.mempool, message).await;
    }

    async fn candidate(&self, transaction: &Arc<Transaction>, on_chain: bool, source: Source) -> Answer {
        let (answer, answered) = oneshot::channel();
        let coins = vec![on_chain.then(|| self.purse.coin(VALUE)); transaction.input.len()];
        let transaction = transaction.clone();
        self.tell(ToMempool::Candidate { transaction, coins, source, answer: Some(answer) }).await;
        answered.await.expect("a candidate's answer is sent before anything else is judged")
    }

    async fn ask(&self, question: Question) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.tell(ToMempool::Asked(Asked { question, answer })).await;
        answered.await.expect("a question is answered at once")
    }

    fn pay(&self, coin: u8, fee: u64) -> Arc<Transaction> {
        self.purse.pay(&[(outpoint(coin), VALUE)], &[VALUE - fee], None)
    }

    /// What Network was told, in short; wants apart.
    fn verdicts(&self) -> Vec<(Source, &'static str)> {
        let told = self.around.network.take().into_iter();
        told.filter_map(|told| match told {
            ToNetwork::Verdict { source, verdict } => Some((source, word(&verdict))),
            _ => None,
        })
        .collect()
    }

    fn templates(&self) -> Vec<Arc<Template>> {
        let told = self.around.miner.take().into_iter();
        told.filter_map(|told| match told {
            ToMiner::Template(template) => Some(template),
            ToMiner::Asked(_) => None,
        })
        .collect()
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Relay(Announced::Transaction(_)) => "relay",
        Verdict::Relay(_) => "relay something else",
        Verdict::Refuse(_) => "refuse",
        Verdict::Drop => "drop",
    }
}

fn from(number: u8) -> Source {
    Source::Peer { peer: peer(number), item: ItemId(u64::from(number)) }
}

#[test]
fn every_candidate_of_a_peer_gets_exactly_one_verdict() {
    run(async {
        let scene = Scene::new().await;
        let good = scene.pay(1, 1_000);
        let cheap = scene.pay(2, 1);
        let orphan = scene.purse.pay(&[(outpoint(3), VALUE)], &[VALUE - 1_000], None);
        let told = [(&good, true, "relay"), (&good, true, "drop"), (&cheap, true, "refuse"), (&orphan, false, "drop")];
        for (transaction, on_chain, verdict) in told {
            scene.candidate(transaction, on_chain, from(1)).await;
            assert_eq!(scene.verdicts(), [(from(1), verdict)]);
        }
        let happened = scene.around.events();
        assert!(matches!(happened.as_slice(), [Event::TransactionAccepted { .. }, Event::TransactionRefused { .. }]));
    });
}

#[test]
fn the_door_is_told_what_is_pooled_and_which_coins_that_makes_and_spends() {
    run(async {
        let scene = Scene::new().await;
        let parent = scene.pay(1, 1_000);
        let child = scene.purse.pay(&[(output(&parent, 0), VALUE - 1_000)], &[VALUE - 3_000], None);
        scene.candidate(&parent, true, Source::Own).await;
        scene.candidate(&child, false, Source::Own).await;
        let Answer::PoolEntries { entries } = scene.ask(Question::PoolEntries).await else { panic!("it holds two") };
        let of = |tx: &Transaction| entries.iter().find(|entry| entry.txid == tx.compute_txid()).expect("it is pooled");
        let (first, second) = (of(&parent), of(&child));
        assert_eq!((entries.len(), first.fee.to_sat(), first.height), (2, 1_000, 20));
        assert_eq!((&first.parents, &second.parents), (&vec![], &vec![first.txid]));
        assert_eq!((&first.children, &second.children), (&vec![second.txid], &vec![]));
        let family = |family: PoolFamily| (family.count, family.fee.to_sat());
        assert_eq!((family(first.ancestors), family(first.descendants)), ((1, 1_000), (2, 3_000)));
        assert_eq!((family(second.ancestors), family(second.descendants)), ((2, 3_000), (1, 2_000)));
        assert_eq!(second.ancestors.virtual_bytes, (parent.vsize() + child.vsize()) as u64);
        for (coin, is_spent, is_made) in
            [(outpoint(1), true, false), (output(&parent, 0), true, true), (output(&child, 0), false, true)]
        {
            let Answer::PoolCoin { spent, made } = scene.ask(Question::PoolCoin { outpoint: coin }).await else {
                panic!("it knows of its coins")
            };
            assert_eq!((spent, made.is_some()), (is_spent, is_made), "{coin}");
        }
    });
}

#[test]
fn signatures_of_the_other_side_are_charged_where_no_fork_is_near() {
    run(async {
        let fork = Upgrade { name: "split".into(), height: 23, fork_id: Some(7), ..Upgrade::default() };
        let scene = Scene::under(Rules { upgrades: vec![fork], ..Rules::lab(&[]) }).await;
        let signed = |fork_id| scene.purse.pay(&[(outpoint(1), VALUE)], &[VALUE - 1_000], fork_id);
        // Who is told of a block later still passes on what was signed for the one before it, or is ahead.
        for (tip, fork_id, verdict) in [(20, Some(7), "drop"), (24, None, "drop"), (40, None, "refuse")] {
            let moved = change(&scene.rules, tip, &[], &[]);
            scene.tell(ToMempool::TipChanged(Arc::new(moved))).await;
            scene.candidate(&signed(fork_id), true, from(1)).await;
            assert_eq!(scene.verdicts(), [(from(1), verdict)], "on {tip}");
        }
    });
}

#[test]
fn whoever_submits_hears_the_truth_and_only_good_ones_are_published() {
    run(async {
        let scene = Scene::new().await;
        assert!(matches!(scene.candidate(&scene.pay(1, 1_000), true, Source::Own).await, Answer::Accepted));
        assert_eq!(scene.verdicts(), [(Source::Own, "relay")]);
        let answer = scene.candidate(&scene.pay(1, 1), true, Source::Own).await;
        assert!(matches!(answer, Answer::Refused { reason } if reason.contains("spent by")));
        assert_eq!(scene.verdicts(), []);
    });
}

#[test]
fn an_orphans_parents_are_asked_for_and_it_goes_round_by_ledger_when_they_came() {
    run(async {
        let scene = Scene::new().await;
        let parent = scene.pay(1, 1_000);
        let child = scene.purse.pay(&[(output(&parent, 0), VALUE - 1_000)], &[VALUE - 2_000], None);
        scene.candidate(&child, false, from(2)).await;
        let told = scene.around.network.take();
        let asked = |told: &ToNetwork| {
            matches!(told, ToNetwork::Want(Want::Transactions { from, txids })
                if *from == peer(2) && *txids == [parent.compute_txid()])
        };
        assert!(told.iter().any(asked), "{told:?}");
        scene.candidate(&parent, true, from(2)).await;
        let told = scene.around.ledger.take();
        assert!(matches!(told.as_slice(),
            [ToLedger::CheckTransaction { transaction, source: Source::Own }] if *transaction == child));
    });
}

#[test]
fn a_node_that_does_not_mine_builds_no_template() {
    run(async {
        let scene = Scene::new().await;
        scene.candidate(&scene.pay(1, 1_000), true, from(1)).await;
        pass(5.0).await;
        assert!(scene.templates().is_empty());
    });
}

#[test]
fn templates_follow_the_tip_at_once_and_the_pool_once_a_while() {
    run(async {
        let scene = Scene::new().await;
        scene.tell(ToMempool::Templates { wanted: true }).await;
        assert_eq!(scene.templates().len(), 1);
        for coin in 1..=5 {
            scene.candidate(&scene.pay(coin, 1_000), true, from(1)).await;
        }
        assert!(scene.templates().is_empty());
        pass(1.0).await;
        let templates = scene.templates();
        assert_eq!(templates.iter().map(|template| template.transactions.len()).collect::<Vec<_>>(), [5]);
        scene.tell(ToMempool::TipChanged(Arc::new(change(&scene.rules, 21, &[], &[])))).await;
        let templates = scene.templates();
        assert_eq!(templates.iter().map(|template| template.next.height).collect::<Vec<_>>(), [22]);
        pass(5.0).await;
        assert!(scene.templates().is_empty());
    });
}

/// A block of these whose header's work holds.
fn ground(rules: &Rules, transactions: &[&Arc<Transaction>]) -> Block {
    let mut block = Block::clone(&block(rules, 21, transactions));
    header::grind(&mut block.header, 1 << 16).expect("lab work is small");
    block
}

fn announce(block: &Block) -> Arc<HeaderAndShortIds> {
    Arc::new(HeaderAndShortIds::from_block(block, 7, 2, &[]).expect("the indexes are in the block"))
}

#[test]
fn a_pooled_block_goes_to_ledger_with_its_announcer() {
    run(async {
        let scene = Scene::new().await;
        let paid = scene.pay(1, 1_000);
        scene.candidate(&paid, true, from(1)).await;
        scene.verdicts();
        let whole = ground(&scene.rules, &[&paid]);
        scene.tell(ToMempool::Reconstruct { compact: announce(&whole), source: from(1) }).await;
        let told = scene.around.ledger.take();
        assert!(matches!(told.as_slice(),
            [ToLedger::CheckBlock { block, source }] if **block == whole && *source == from(1)));
        assert_eq!(scene.verdicts(), [], "the verdict is Ledger's");
    });
}

#[test]
fn a_rival_announcement_is_dropped_when_the_block_is_built() {
    run(async {
        let scene = Scene::new().await;
        let other = Arc::new(unsigned([outpoint(1)], [1], &ScriptBuf::new()));
        let whole = ground(&scene.rules, &[&other]);
        let hash = whole.block_hash();
        for who in [1, 2] {
            scene.tell(ToMempool::Reconstruct { compact: announce(&whole), source: from(who) }).await;
        }
        assert_eq!(scene.around.network.take().len(), 2, "both are asked");
        let transactions = Some(BlockTransactions { block_hash: hash, transactions: vec![other.as_ref().clone()] });
        scene.tell(ToMempool::Missing { peer: peer(2), hash, transactions: transactions.clone() }).await;
        assert!(
            matches!(scene.around.ledger.take().as_slice(), [ToLedger::CheckBlock { source, .. }] if *source == from(2))
        );
        assert_eq!(scene.verdicts(), [(from(1), "drop")]);
        scene.tell(ToMempool::Missing { peer: peer(1), hash, transactions }).await;
        assert!(scene.around.ledger.take().is_empty() && scene.verdicts().is_empty());
    });
}

#[test]
fn a_stalled_announcer_leaves_its_header_to_ledger() {
    run(async {
        let scene = Scene::new().await;
        let other = Arc::new(unsigned([outpoint(1)], [1], &ScriptBuf::new()));
        let whole = ground(&scene.rules, &[&other]);
        scene.tell(ToMempool::Reconstruct { compact: announce(&whole), source: from(1) }).await;
        pass(15.0).await;
        let told = scene.around.ledger.take();
        assert!(matches!(told.as_slice(),
            [ToLedger::CheckHeaders { headers, source }] if *headers == [whole.header] && *source == from(1)));
        assert_eq!(scene.verdicts(), []);
    });
}

#[test]
fn an_announcement_without_work_is_refused_and_a_late_one_dropped() {
    run(async {
        let scene = Scene::new().await;
        let mut whole = ground(&scene.rules, &[]);
        let connected = change(&scene.rules, 21, &[], &[Arc::new(whole.clone())]);
        scene.tell(ToMempool::TipChanged(Arc::new(connected))).await;
        scene.tell(ToMempool::Reconstruct { compact: announce(&whole), source: from(1) }).await;
        assert_eq!(scene.verdicts(), [(from(1), "drop")]);
        while header::check_work(&whole.header, &scene.rules).is_ok() {
            whole.header.nonce += 1;
        }
        scene.tell(ToMempool::Reconstruct { compact: announce(&whole), source: from(1) }).await;
        assert_eq!(scene.verdicts(), [(from(1), "refuse")]);
        assert!(scene.around.ledger.take().is_empty());
    });
}

#[test]
fn peers_are_served_the_pool_and_what_they_offer_is_wanted_when_new() {
    run(async {
        let scene = Scene::new().await;
        let paid = scene.pay(1, 1_000);
        let txid = paid.compute_txid();
        scene.candidate(&paid, true, from(1)).await;
        scene.around.network.take();
        scene.tell(ToMempool::Serve { ask: AskId(1), request: Request::Pool }).await;
        let txids = vec![outpoint(9).txid, txid];
        scene.tell(ToMempool::Serve { ask: AskId(2), request: Request::Transactions { txids: txids.clone() } }).await;
        scene.tell(ToMempool::Offered { peer: peer(3), txids }).await;
        let told = scene.around.network.take();
        assert!(
            matches!(told.as_slice(), [
            ToNetwork::Tell { ask: AskId(1), response: Response::Pool(ids) },
            ToNetwork::Tell { ask: AskId(2), response: Response::Transactions(found) },
            ToNetwork::Want(Want::Transactions { from, txids: wanted }),
        ] if *ids == [txid] && *found == [paid] && *from == peer(3) && *wanted == [outpoint(9).txid]),
            "{told:?}"
        );
    });
}

#[test]
fn the_door_hears_what_the_pool_holds() {
    run(async {
        let scene = Scene::new().await;
        let paid = scene.pay(1, 1_000);
        scene.candidate(&paid, true, from(1)).await;
        let (answer, answered) = oneshot::channel();
        scene.tell(ToMempool::Asked(Asked { question: Question::Pool, answer })).await;
        settle().await;
        let Ok(Answer::Pool(state)) = answered.await else { panic!("no answer about the pool") };
        assert_eq!((state.transactions, state.bytes, state.orphans), (vec![paid.compute_txid()], paid.total_size(), 0));
    });
}
