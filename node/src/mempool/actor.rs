//! Mempool, the actor. Network and Ledger tell it candidates, tips and compact blocks; Miner whether it mines.
//! It tells Ledger blocks it rebuilt and transactions that want new coins, Network verdicts and wants, Miner templates.

mod announced;
mod timed;

use std::sync::Arc;

use actix::{Actor, Context, Handler, SpawnHandle};
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::{Amount, BlockHash, Transaction, Txid};
use schism_wire::{AskId, PeerId, Request, Response};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lobby::{Lobby, Outcome};
use super::recent::Recent;
use super::reconstruct::Reconstructions;
use crate::bounds;
use crate::chain::{Coin, Refused, Rules, Tip};
use crate::control::{Answer, Asked, Dropped, Event, PoolState, Question};
use crate::messages::{Announced, Source, TipChange, ToLedger, ToMempool, ToNetwork, Verdict, Want};
use crate::ring::Ring;
use crate::surroundings::{Verifier, VirtualWork};

/// What a mempool is made of.
pub struct Parts {
    /// The chain it follows.
    pub rules: Arc<Rules>,
    /// The other actors.
    pub ring: Ring,
    /// Checks signatures.
    pub verifier: Arc<dyn Verifier>,
    /// What checks cost.
    pub work: Arc<dyn VirtualWork>,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

/// Keeps unconfirmed transactions.
pub struct Mempool {
    rules: Arc<Rules>,
    ring: Ring,
    events: Arc<dyn Fn(Event) + Send + Sync>,
    lobby: Lobby,
    reconstructions: Reconstructions,
    connected: Recent<BlockHash>,
    /// Nothing before the first change of tip.
    tip: Option<Tip>,
    templates_wanted: bool,
    template_due: Option<SpawnHandle>,
    /// When what waits is looked through next, in seconds since `born`.
    expiry_due: Option<(u64, SpawnHandle)>,
    born: Instant,
}

impl Mempool {
    /// An empty pool.
    pub fn new(parts: Parts) -> Self {
        let Parts { rules, ring, verifier, work, events } = parts;
        Self {
            lobby: Lobby::new(rules.clone(), verifier, work),
            rules,
            ring,
            events,
            reconstructions: Reconstructions::default(),
            connected: Recent::of(bounds::BLOCKS_REMEMBERED),
            tip: None,
            templates_wanted: false,
            template_due: None,
            expiry_due: None,
            born: Instant::now(),
        }
    }
}

impl Actor for Mempool {
    type Context = Context<Self>;
}

impl Handler<ToMempool> for Mempool {
    type Result = ();

    fn handle(&mut self, message: ToMempool, context: &mut Context<Self>) {
        match message {
            ToMempool::Candidate { transaction, coins, source, answer } => {
                self.judge(&transaction, &coins, source, answer, context);
            }
            ToMempool::TipChanged(change) => self.follow(&change, context),
            ToMempool::Reconstruct { compact, source } => self.reconstruct(&compact, source),
            ToMempool::Missing { peer, hash, transactions } => {
                if let Some(ending) = self.reconstructions.paid(peer, hash, transactions) {
                    self.end(ending);
                }
            }
            ToMempool::Offered { peer, txids } => self.want(peer, self.lobby.unknown(&txids)),
            ToMempool::Templates { wanted } => {
                self.templates_wanted = wanted;
                self.tell_template(context);
            }
            ToMempool::Serve { ask, request } => self.serve(ask, &request),
            ToMempool::Asked(Asked { question, answer }) => {
                // Whoever asked may have left.
                let _ = answer.send(self.answer(&question));
            }
        }
        self.watch(context);
    }
}

impl Mempool {
    fn judge(
        &mut self,
        transaction: &Arc<Transaction>,
        coins: &[Option<Coin>],
        source: Source,
        answer: Option<oneshot::Sender<Answer>>,
        context: &mut Context<Self>,
    ) {
        let judged = self.lobby.judge(transaction, coins, &source, self.now());
        let txid = judged.txid;
        let answered = match &judged.outcome {
            Outcome::Refused { reason, .. } => Answer::Refused { reason: reason.to_string() },
            _ => Answer::Accepted,
        };
        if let Some(answer) = answer {
            // Whoever asked may have left.
            let _ = answer.send(answered);
        }
        self.dropped(judged.dropped);
        let verdict = match judged.outcome {
            Outcome::Taken { fee, again } => {
                self.pool_changed(context);
                if !again {
                    (self.events)(Event::TransactionAccepted { txid, fee });
                }
                (!again || source != Source::Own).then(|| Verdict::Relay(Announced::Transaction(transaction.clone())))
            }
            Outcome::Known => Some(Verdict::Drop),
            Outcome::Orphaned { wanted } => {
                if let Source::Peer { peer, .. } = source {
                    self.want(peer, wanted);
                }
                Some(Verdict::Drop)
            }
            Outcome::Refused { again: true, .. } => {
                self.dropped(vec![(txid, Dropped::Unmineable)]);
                Some(Verdict::Drop)
            }
            Outcome::Refused { reason, .. } => Some(self.refuse(txid, reason, &source)),
        };
        if let Some(verdict) = verdict {
            self.tell_verdict(source, verdict);
        }
        self.retry(judged.retry);
    }

    fn refuse(&self, txid: Txid, reason: Refused, source: &Source) -> Verdict {
        let from = match source {
            Source::Peer { peer, .. } => Some(*peer),
            Source::Own => None,
        };
        (self.events)(Event::TransactionRefused { txid, reason: reason.clone(), from });
        match reason {
            // Around a fork an honest peer a block behind, or ahead, passes its whole pool on: hundreds of these.
            Refused::SignatureInvalid { .. } | Refused::SignatureKindWrong { .. } if self.lobby.near_fork() => {
                Verdict::Drop
            }
            reason => Verdict::Refuse(reason),
        }
    }

    fn follow(&mut self, change: &TipChange, context: &mut Context<Self>) {
        let followed = self.lobby.follow(change);
        self.tip = Some(change.tip);
        self.dropped(followed.dropped);
        self.retry(followed.retry);
        for hash in change.connected.iter().map(|block| block.block_hash()) {
            self.connected.note(hash, change.tip.height);
            for ending in self.reconstructions.settle(&hash) {
                self.end(ending);
            }
        }
        self.tell_template(context);
    }

    fn serve(&self, ask: AskId, request: &Request) {
        let pool = &self.lobby.pool;
        let response = match request {
            Request::Transactions { txids } => {
                let found = txids.iter().take(bounds::TRANSACTIONS_PER_RESPONSE).filter_map(|txid| pool.get(txid));
                let mut room = bounds::RESPONSE_BYTES / 2;
                let fitting = found.take_while(|entry| {
                    let fits = entry.entrant.bytes <= room;
                    room = room.saturating_sub(entry.entrant.bytes);
                    fits
                });
                Response::Transactions(fitting.map(|entry| entry.entrant.transaction.clone()).collect())
            }
            // Requests for anything else do not come here; an empty list answers whoever sends one all the same.
            _ => Response::Pool(pool.entries().take(bounds::POOL_IDS).map(|(txid, _)| *txid).collect()),
        };
        self.ring.network.tell(ToNetwork::Tell { ask, response });
    }

    fn answer(&self, question: &Question) -> Answer {
        let (pool, orphans) = (&self.lobby.pool, self.lobby.orphans.len());
        match question {
            Question::Pool => {
                let transactions = pool.entries().map(|(txid, _)| *txid).collect();
                Answer::Pool(PoolState { transactions, bytes: pool.bytes(), orphans })
            }
            Question::Pooled { txid } => {
                let entry = pool.get(txid);
                let hex = entry.map(|entry| serialize_hex(entry.entrant.transaction.as_ref()));
                Answer::Pooled { hex, fee: entry.map_or(Amount::ZERO, |entry| entry.entrant.fee) }
            }
            Question::PoolEntries => Answer::PoolEntries { entries: pool.told() },
            Question::PoolCoin { outpoint } => {
                Answer::PoolCoin { spent: pool.spender(outpoint).is_some(), made: pool.coin(outpoint) }
            }
            other => Answer::Refused { reason: format!("the pool cannot answer {other:?}") },
        }
    }

    fn tell_verdict(&self, source: Source, verdict: Verdict) {
        let owed = source != Source::Own || matches!(verdict, Verdict::Relay(_));
        if owed {
            self.ring.network.tell(ToNetwork::Verdict { source, verdict });
        }
    }

    fn want(&self, from: PeerId, txids: Vec<Txid>) {
        for some in txids.chunks(bounds::TRANSACTIONS_PER_RESPONSE) {
            self.ring.network.tell(ToNetwork::Want(Want::Transactions { from, txids: some.to_vec() }));
        }
    }

    fn retry(&self, transactions: Vec<Arc<Transaction>>) {
        for transaction in transactions {
            self.ring.ledger.tell(ToLedger::CheckTransaction { transaction, source: Source::Own });
        }
    }

    fn dropped(&self, dropped: Vec<(Txid, Dropped)>) {
        for (txid, why) in dropped {
            (self.events)(Event::TransactionDropped { txid, why });
        }
    }

    /// Seconds since this pool began.
    fn now(&self) -> u64 {
        self.born.elapsed().as_secs()
    }
}
