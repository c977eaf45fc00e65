//! Ledger, the actor. Network, Miner, Mempool and the door tell it blocks, headers, transactions and questions.
//! It tells Mempool candidates and tips, and Network verdicts, tips, wants and what peers asked for.
//!
//! Durable before told: everything goes through `settle`, which syncs first. When the store fails
//! nothing is told any more.

use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, Handler};
use bitcoin::{Block, BlockHash, Transaction};
use tokio::sync::oneshot;

use super::store::{Store, StoreFailure, TracedStore};
use super::{Judged, Judgement, Ledger, Opened};
use crate::bounds::{EARLY_BLOCKS, EARLY_SECONDS};
use crate::chain::{Refused, Rules};
use crate::clock::Clock;
use crate::control::{Answer, Asked, Event, Question};
use crate::messages::{Announced, Source, TipChange, ToLedger, ToMempool, ToNetwork, Verdict, Want};
use crate::ring::Ring;
use crate::surroundings::{Trace, Verifier, VirtualWork};

/// What a ledger is made of.
pub struct Parts {
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// Where it is kept.
    pub store: Box<dyn Store>,
    /// The other actors.
    pub ring: Ring,
    /// What it takes for the time.
    pub clock: Clock,
    /// Checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// What computing costs.
    pub work: Arc<dyn VirtualWork>,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
    /// Hears every write to the store.
    pub trace: Trace,
}

/// Judges blocks, headers and the coins of transactions.
pub struct LedgerActor {
    ledger: Ledger,
    ring: Ring,
    clock: Clock,
    events: Arc<dyn Fn(Event) + Send + Sync>,
    /// What it has to say about its opening, until it has said it.
    opening: Vec<Event>,
    /// The bodies it told Network to fetch.
    wanted: Vec<BlockHash>,
    /// Blocks that wait for their time.
    early: usize,
    failed: bool,
}

impl LedgerActor {
    /// Opens the store, whatever ended the last node on it.
    pub fn open(parts: Parts) -> Result<Self, StoreFailure> {
        let store = Box::new(TracedStore::new(parts.store, parts.trace));
        let now = parts.clock.unix_seconds();
        let opened = Ledger::open(parts.rules, store, parts.verifier, parts.work, now)?;
        let opening = news(&opened);
        let ledger = opened.ledger;
        Ok(Self {
            ledger,
            ring: parts.ring,
            clock: parts.clock,
            events: parts.events,
            opening,
            wanted: Vec::new(),
            early: 0,
            failed: false,
        })
    }

    fn check_transaction(
        &mut self,
        transaction: Arc<Transaction>,
        source: Source,
        answer: Option<oneshot::Sender<Answer>>,
    ) -> Result<(), StoreFailure> {
        let coins = self.ledger.coins_of(&transaction)?;
        self.ring.mempool.tell(ToMempool::Candidate { transaction, coins, source, answer });
        Ok(())
    }

    fn check_block(
        &mut self,
        block: Arc<Block>,
        source: Source,
        context: &mut Context<Self>,
    ) -> Result<Judgement, StoreFailure> {
        let judged = self.ledger.accept_block(block.clone(), self.clock.unix_seconds(), source)?;
        if let Judgement::Refused(Refused::TimeTooNew { time, latest }) = judged.judgement {
            self.wait_for_time(block.clone(), time.saturating_sub(latest), context);
        }
        self.settle(judged, source, Announced::Block(block))
    }

    /// Judges a block again when its time has come, as our own: its sender had a verdict.
    fn wait_for_time(&mut self, block: Arc<Block>, seconds: u32, context: &mut Context<Self>) {
        if self.early >= EARLY_BLOCKS || seconds > EARLY_SECONDS {
            return;
        }
        self.early += 1;
        context.run_later(self.clock.passing(seconds.into()), move |this, context| {
            this.early -= 1;
            context.notify(ToLedger::CheckBlock { block, source: Source::Own });
        });
    }

    /// Makes durable what was judged, then tells it: to Mempool first, so that a candidate that Network sends next
    /// finds the tip it was matched with.
    fn settle(&mut self, judged: Judged, source: Source, good: Announced) -> Result<Judgement, StoreFailure> {
        self.ledger.sync()?;
        judged.events.into_iter().for_each(|event| (self.events)(event));
        if let Some(change) = &judged.tip {
            self.tell_mempool(change)?;
        }
        if let Some(verdict) = verdict(&judged.judgement, source, good) {
            self.ring.network.tell(ToNetwork::Verdict { source, verdict });
        }
        if let Some(change) = judged.tip {
            self.tell_network(change);
        }
        if let Some(want) = judged.want {
            self.ring.network.tell(ToNetwork::Want(want));
        }
        let missing = self.ledger.missing();
        if missing != self.wanted {
            self.wanted.clone_from(&missing);
            self.ring.network.tell(ToNetwork::Want(Want::Bodies(missing)));
        }
        Ok(judged.judgement)
    }

    fn tell_mempool(&mut self, change: &Arc<TipChange>) -> Result<(), StoreFailure> {
        let hashes = |blocks: &[Arc<Block>]| blocks.iter().map(|block| block.block_hash()).collect();
        (self.events)(Event::TipChanged {
            ledger: self.ledger.state(),
            disconnected: hashes(&change.disconnected),
            connected: hashes(&change.connected),
        });
        self.ring.mempool.tell(ToMempool::TipChanged(change.clone()));
        for transaction in Ledger::freed(change) {
            self.check_transaction(transaction, Source::Own, None)?;
        }
        Ok(())
    }

    fn tell_network(&self, change: Arc<TipChange>) {
        let locator = Arc::new(self.ledger.locator());
        self.ring.network.tell(ToNetwork::TipChanged { change, locator });
    }

    fn asked(&mut self, asked: Asked, context: &mut Context<Self>) -> Result<(), StoreFailure> {
        let Asked { question, answer } = asked;
        let said = match question {
            Question::Submit { transaction } => {
                return self.check_transaction(Arc::new(transaction), Source::Own, Some(answer));
            }
            Question::SubmitBlock { block } => match self.check_block(Arc::new(block), Source::Own, context)? {
                Judgement::Taken | Judgement::Beside | Judgement::Kept => Some(Answer::Accepted),
                Judgement::Postponed => Some(Answer::Refused { reason: "no place for its body now".into() }),
                Judgement::Refused(reason) => Some(Answer::Refused { reason: reason.to_string() }),
            },
            question => self.ledger.answer(&question)?,
        };
        if let Some(said) = said {
            let _ = answer.send(said); // whoever asked may have left
        }
        Ok(())
    }

    fn fail(&mut self, failure: &StoreFailure) {
        self.failed = true;
        (self.events)(Event::StoreFailed { error: failure.to_string() });
    }
}

/// What is to be said about an opening.
fn news(opened: &Opened) -> Vec<Event> {
    let rebuilt = opened.rebuilt.iter();
    let mut news: Vec<Event> =
        rebuilt.map(|rebuilt| Event::StoreRebuilt { damage: rebuilt.damage.clone(), blocks: rebuilt.blocks }).collect();
    if let Some(anew) = &opened.judged_anew {
        let refused = anew.refused.iter().cloned();
        news.extend(refused.map(|(hash, reason)| Event::BlockRefused { hash, reason, from: None }));
        let follows = opened.ledger.rules().upgrades.iter().map(|upgrade| upgrade.name.clone());
        news.push(Event::RulesChanged { follows: follows.collect(), blocks: anew.blocks, from: anew.from });
    }
    news
}

impl Actor for LedgerActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Context<Self>) {
        std::mem::take(&mut self.opening).into_iter().for_each(|event| (self.events)(event));
        (self.events)(Event::Started { ledger: self.ledger.state() });
        let change = Arc::new(self.ledger.tip_at_rest());
        self.ring.mempool.tell(ToMempool::TipChanged(change.clone()));
        self.tell_network(change);
        self.wanted = self.ledger.missing();
        if !self.wanted.is_empty() {
            self.ring.network.tell(ToNetwork::Want(Want::Bodies(self.wanted.clone())));
        }
    }
}

impl Handler<ToLedger> for LedgerActor {
    type Result = ();

    fn handle(&mut self, message: ToLedger, context: &mut Context<Self>) {
        if self.failed {
            return;
        }
        let done = match message {
            ToLedger::CheckTransaction { transaction, source } => self.check_transaction(transaction, source, None),
            ToLedger::CheckBlock { block, source } => self.check_block(block, source, context).map(drop),
            ToLedger::CheckHeaders { headers, source } => {
                let judged = self.ledger.accept_headers(&headers, self.clock.unix_seconds(), source);
                self.settle(judged, source, Announced::Headers).map(drop)
            }
            ToLedger::Serve { ask, request } => self.ledger.serve(&request).map(|response| {
                if let Some(response) = response {
                    self.ring.network.tell(ToNetwork::Tell { ask, response });
                }
            }),
            ToLedger::Asked(asked) => self.asked(asked, context),
        };
        if let Err(failure) = done {
            self.fail(&failure);
        }
    }
}

/// The verdict on an item. Our own are owed none; that they are good is told all the same, for it publishes them.
fn verdict(judgement: &Judgement, source: Source, good: Announced) -> Option<Verdict> {
    let verdict = match judgement {
        Judgement::Taken | Judgement::Beside => Verdict::Relay(good),
        Judgement::Refused(reason) if reason.blame() > 0 => Verdict::Refuse(reason.clone()),
        Judgement::Kept | Judgement::Postponed | Judgement::Refused(_) => Verdict::Drop,
    };
    let told = match source {
        Source::Own => matches!(verdict, Verdict::Relay(Announced::Block(_))),
        Source::Peer { .. } => true,
    };
    told.then_some(verdict)
}
