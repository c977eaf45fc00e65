//! The actor among recorders: when it finds blocks, and on what.

use std::sync::Arc;

use actix::{Actor, Addr};
use bitcoin::{Block, ScriptBuf};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{job, parent, template};
use crate::chain::{Rules, header};
use crate::clock::Clock;
use crate::config::{MiningConfig, MiningMode};
use crate::control::{Answer, Asked, Event, Question};
use crate::messages::{Source, Template, ToLedger, ToMempool, ToMiner};
use crate::miner::Miner;
use crate::miner::actor::Parts;
use crate::recorder::{Recorders, pass, run, settle, tell};

/// With the lab's 2⁸ expected hashes a block takes ten seconds.
const RATE: f64 = 25.6;

struct Scene {
    around: Recorders,
    miner: Addr<Miner>,
    rules: Rules,
}

impl Scene {
    async fn new(hashes_per_second: f64, mode: MiningMode) -> Self {
        let around = Recorders::start();
        let rules = Rules::lab(&[]);
        let miner = Miner::new(Parts {
            rules: Arc::new(rules.clone()),
            mining: MiningConfig { hashes_per_second, mode, payee: ScriptBuf::new() },
            ring: around.ring(),
            clock: Clock::starting_at(1_700_000_000.0),
            chance: 7,
            events: around.listener(),
        });
        let miner = miner.start();
        settle().await;
        Self { around, miner, rules }
    }

    async fn drawn() -> Self {
        Self::new(RATE, MiningMode::Drawn).await
    }

    async fn job(&self, number: u8) {
        tell(&self.miner, ToMiner::Template(job(&self.rules, number))).await;
    }

    async fn ask(&self, question: Question) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        tell(&self.miner, ToMiner::Asked(Asked { question, answer })).await;
        answered
    }

    fn found(&self) -> Vec<Arc<Block>> {
        let told = self.around.ledger.take().into_iter();
        told.map(|told| match told {
            ToLedger::CheckBlock { block, source: Source::Own } => block,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    /// Waits for the next block: it, and the time it took.
    async fn next(&self) -> (Arc<Block>, f64) {
        let since = Instant::now();
        loop {
            if let Some(block) = self.found().pop() {
                return (block, since.elapsed().as_secs_f64());
            }
            pass(0.01).await;
        }
    }

    /// What Mempool was told about templates.
    fn wanted(&self) -> Vec<bool> {
        let told = self.around.mempool.take().into_iter();
        told.map(|told| match told {
            ToMempool::Templates { wanted } => wanted,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    /// What Mempool tells when `block` became the tip.
    async fn became_tip(&self, block: &Block, height: u32) {
        let next: Template = template(&self.rules, block.block_hash(), height);
        tell(&self.miner, ToMiner::Template(Arc::new(next))).await;
    }
}

#[test]
fn only_who_mines_asks_for_templates() {
    run(async {
        assert_eq!(Scene::drawn().await.wanted(), [true]);
        assert!(Scene::new(0.0, MiningMode::Drawn).await.wanted().is_empty());
    });
}

#[test]
fn blocks_come_at_the_rate_that_work_and_hashes_say() {
    run(async {
        let scene = Scene::drawn().await;
        scene.job(1).await;
        pass(10_000.0).await;
        let found = scene.found();
        // 1,000 expected of a Poisson count whose standard deviation is 32: within 4 of them.
        assert!((872..=1_128).contains(&found.len()), "{}", found.len());
        assert!(found.iter().all(|block| header::check_work(&block.header, &scene.rules).is_ok()));
        let mined = scene.around.events().iter().filter(|event| matches!(event, Event::BlockMined { .. })).count();
        assert_eq!(mined, found.len());
    });
}

#[test]
fn more_transactions_change_nothing_about_the_time_a_new_parent_draws_it_anew() {
    let time = |second_job: Option<u8>| {
        run(async {
            let scene = Scene::drawn().await;
            scene.job(1).await;
            pass(0.01).await;
            if let Some(number) = second_job {
                scene.job(number).await;
            } else {
                settle().await;
            }
            let (block, time) = scene.next().await;
            (block.header.prev_blockhash, (time * 100.0).round())
        })
    };
    let undisturbed = time(None);
    assert_eq!(time(Some(1)), undisturbed);
    let (on, anew) = time(Some(2));
    assert_eq!(on, parent(2));
    assert_ne!(anew, undisturbed.1);
}

#[test]
fn a_rate_of_zero_stops_and_a_senseless_one_is_refused() {
    run(async {
        let scene = Scene::drawn().await;
        scene.job(1).await;
        for senseless in [-1.0, f64::NAN, f64::INFINITY] {
            let answer = scene.ask(Question::SetHashRate { hashes_per_second: senseless }).await.await;
            assert!(matches!(answer, Ok(Answer::Refused { .. })));
        }
        scene.around.ledger.take();
        let answer = scene.ask(Question::SetHashRate { hashes_per_second: 0.0 }).await.await;
        assert!(matches!(answer, Ok(Answer::Done)));
        assert_eq!(scene.wanted(), [true, false]);
        pass(1_000.0).await;
        assert_eq!(scene.found(), []);
        scene.ask(Question::SetHashRate { hashes_per_second: RATE }).await;
        assert_eq!(scene.wanted(), [true]);
        scene.job(2).await;
        assert_eq!(scene.next().await.0.header.prev_blockhash, parent(2));
    });
}

#[test]
fn blocks_asked_for_are_mined_at_once_one_on_the_other() {
    run(async {
        let scene = Scene::new(0.0, MiningMode::Drawn).await;
        let mut answered = scene.ask(Question::Mine { blocks: 3, payee: None }).await;
        assert_eq!(scene.wanted(), [true]);
        scene.job(1).await;
        let mut hashes = vec![parent(1)];
        for height in 2..=4 {
            let found = scene.found();
            assert_eq!(found.len(), 1, "one block until it became the tip");
            assert_eq!(found[0].header.prev_blockhash, *hashes.last().expect("it is not empty"));
            hashes.push(found[0].block_hash());
            assert!(answered.try_recv().is_err());
            // A template that is older than the block says nothing about it.
            if height == 2 {
                scene.job(1).await;
                assert_eq!(scene.found(), []);
            }
            scene.became_tip(&found[0], height).await;
        }
        let Ok(Answer::Mined { blocks }) = answered.await else { panic!("no blocks") };
        assert_eq!(blocks, hashes[1..]);
        assert_eq!(scene.wanted(), [false]);
        pass(100.0).await;
        assert_eq!(scene.found(), []);
    });
}

#[test]
fn a_block_that_lost_against_another_is_mined_anew_and_not_counted() {
    run(async {
        let scene = Scene::new(0.0, MiningMode::Drawn).await;
        let answered = scene.ask(Question::Mine { blocks: 1, payee: None }).await;
        scene.job(1).await;
        assert_eq!(scene.found().len(), 1);
        scene.job(2).await;
        let found = scene.found();
        assert_eq!(found[0].header.prev_blockhash, parent(2));
        scene.became_tip(&found[0], 3).await;
        assert!(matches!(answered.await, Ok(Answer::Mined { blocks }) if blocks == [found[0].block_hash()]));
    });
}

#[test]
fn whoever_asked_for_blocks_is_answered_even_when_none_becomes_the_tip() {
    run(async {
        let scene = Scene::new(0.0, MiningMode::Drawn).await;
        let answered = scene.ask(Question::Mine { blocks: 2, payee: None }).await;
        scene.job(1).await;
        pass(100.0).await;
        assert!(matches!(answered.await, Ok(Answer::Mined { blocks }) if blocks.is_empty()));
        assert_eq!(scene.wanted(), [true, false]);
    });
}

#[test]
fn many_blocks_at_once_wait_until_others_would_take_their_time() {
    run(async {
        let scene = Scene::new(0.0, MiningMode::Drawn).await;
        let _answered = scene.ask(Question::Mine { blocks: 1, payee: None }).await;
        let mut early = template(&scene.rules, parent(1), 1);
        // `max_future` is 120 s, so it takes five more until the clock allows it.
        early.next.min_time = 1_700_000_000 + 125;
        tell(&scene.miner, ToMiner::Template(Arc::new(early))).await;
        pass(4.0).await;
        assert_eq!(scene.found(), []);
        pass(2.0).await;
        assert_eq!(scene.found().len(), 1);
    });
}

#[test]
fn grinding_alone_finds_blocks_without_a_draw() {
    run(async {
        let scene = Scene::new(1.0, MiningMode::Grind).await;
        scene.job(1).await;
        // At one hash a second a draw would take 256 s on average.
        let (block, time) = scene.next().await;
        assert!(header::check_work(&block.header, &scene.rules).is_ok());
        assert!(time < 0.1, "{time}");
    });
}
