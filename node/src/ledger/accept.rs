//! Accepting: what becomes of headers and blocks that somebody sent.

use std::sync::Arc;

use bitcoin::Block;
use bitcoin::block::Header;
use schism_wire::PeerId;

use super::Ledger;
use super::beside::Beside;
use super::reorganise::{Bodies, Body};
use super::store::{Mark, StoreFailure};
use super::tree::Id;
use crate::bounds::HEADERS_PER_RESPONSE;
use crate::chain::{Lasting, Refused, block, header};
use crate::control::Event;
use crate::messages::{Source, TipChange, Want};
use crate::surroundings::Cost;

/// What became of an item, and what follows from it. To be told once it is synced.
#[derive(Debug)]
pub struct Judged {
    /// The judgement on the item itself.
    pub judgement: Judgement,
    /// The tip moved.
    pub tip: Option<Arc<TipChange>>,
    /// What to fetch.
    pub want: Option<Want>,
    /// What happened, oldest first; the tip's move is told apart.
    pub events: Vec<Event>,
}

/// The judgement on one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Good, and part of the best chain now (a block), or known now (headers).
    Taken,
    /// Good where it stands, but it lost a race: the best chain is as heavy and was here first.
    Beside,
    /// Nothing wrong with it so far, but it is not on the best chain, or cannot be judged yet.
    Kept,
    /// There is no place for it now; it will be wanted when it is on the way to the best header.
    Postponed,
    /// Refused.
    Refused(Refused),
}

impl Judged {
    fn new(judgement: Judgement) -> Self {
        Self { judgement, tip: None, want: None, events: Vec::new() }
    }
}

impl Ledger {
    /// Accepts a block, whose header need not be known. `now` is what the node takes for the time, in Unix seconds.
    pub fn accept_block(&mut self, block: Arc<Block>, now: u32, source: Source) -> Result<Judged, StoreFailure> {
        self.work.charge(Cost::Bytes(block.total_size()));
        let from = source.peer();
        let id = match self.accept_header(&block.header, now) {
            Ok(id) => id,
            Err(reason) => return Ok(self.refuse_block(&block, reason, from)),
        };
        if self.tree.has_body(id) {
            return Ok(Judged::new(Judgement::Refused(Refused::AlreadyKnown)));
        }
        let txids = match block::check(&block, &self.rules.at(self.tree.height(id))) {
            Ok(txids) => txids.into(),
            Err(reason) => {
                if reason.lasting() == Lasting::Forever {
                    self.mark(id, Mark::Invalid);
                }
                return Ok(self.refuse_block(&block, reason, from));
            }
        };
        if !self.tree.has_place_for_body(id) {
            return Ok(Judged::new(Judgement::Postponed));
        }
        self.unsynced = true;
        let block = self.store.keep(block)?;
        self.tree.arrive(id);
        let tip = self.tree.tip(id);
        let parent = block.header.prev_blockhash;
        let stored = Event::BlockStored { hash: tip.hash, parent, height: tip.height, work: tip.work, from };
        let mut moved = self.follow_best(Bodies::from([(tip.hash, Body { block, txids })]))?;
        let on_the_way = moved.refused.iter().find(|(refused, _)| *refused == id);
        let judgement = match on_the_way {
            Some((_, reason)) => Judgement::Refused(reason.clone()),
            None if self.tree.is_active(id) => Judgement::Taken,
            None => match self.judge_beside(id)? {
                Beside::Valid => Judgement::Beside,
                Beside::NotJudged => Judgement::Kept,
                Beside::Refused(reason) => {
                    moved.refused.push((id, reason.clone()));
                    Judgement::Refused(reason)
                }
            },
        };
        let mut judged = Judged::new(judgement);
        if !matches!(judged.judgement, Judgement::Refused(_)) {
            judged.events.push(stored);
        }
        for (refused, reason) in moved.refused {
            let from = from.filter(|_| refused == id); // who sent the others is not remembered
            judged.events.push(Event::BlockRefused { hash: self.tree.hash(refused), reason, from });
        }
        judged.tip = moved.change.map(Arc::new);
        Ok(judged)
    }

    /// Accepts headers, each the child of the one before it. Those before the first that is refused are kept.
    ///
    /// Several are an answer to a locator, which ends at genesis: the first of them is the child of what is known, or they are
    /// of another chain.
    pub fn accept_headers(&mut self, headers: &[Header], now: u32, source: Source) -> Judged {
        self.work.charge(Cost::Bytes(headers.len() * Header::SIZE));
        let linked = |pair: &[Header]| pair[1].prev_blockhash == pair[0].block_hash();
        if let Some(position) = headers.windows(2).position(|pair| !linked(pair)) {
            return Judged::new(Judgement::Refused(Refused::HeadersNotLinked { position: position + 1 }));
        }
        if headers.len() > 1 && self.tree.find(&headers[0].prev_blockhash).is_none() {
            return Judged::new(Judgement::Refused(Refused::HeadersNotLinked { position: 0 }));
        }
        let known = self.tree.len();
        let mut last = None;
        for header in headers {
            match self.accept_header(header, now) {
                Ok(id) => last = Some(id),
                Err(reason) => return Judged::new(Judgement::Refused(reason)),
            }
        }
        let mut judged = Judged::new(Judgement::Taken);
        // A full batch with news in it: there may be more where it came from.
        if let (Some(last), Some(from)) = (last, source.peer())
            && headers.len() >= HEADERS_PER_RESPONSE
            && self.tree.len() > known
        {
            judged.want = Some(Want::Headers { from, locator: Arc::new(self.tree.locator(last)) });
        }
        judged
    }

    /// The number of a header that keeps its rules, whether it was known or not.
    fn accept_header(&mut self, header: &Header, now: u32) -> Result<Id, Refused> {
        let hash = header.block_hash();
        if let Some(id) = self.tree.find(&hash) {
            return match self.tree.mark(id) {
                Mark::Invalid => Err(Refused::KnownInvalid),
                _ if self.tree.is_dead(id) => Err(Refused::InvalidParent { parent: header.prev_blockhash }),
                _ => Ok(id),
            };
        }
        header::check_work(header, &self.rules)?;
        let parent = header.prev_blockhash;
        let id = self.tree.find(&parent).ok_or(Refused::UnknownParent { parent })?;
        if self.tree.is_dead(id) {
            return Err(Refused::InvalidParent { parent });
        }
        header::check(header, self.tree.height(id), &self.tree.pasts(id), &self.rules, now)?;
        self.tree.check_place(header, id)?;
        let id = self.tree.insert(*header, id, Mark::Open);
        self.unwritten.push(id);
        Ok(id)
    }

    fn refuse_block(&self, block: &Block, reason: Refused, from: Option<PeerId>) -> Judged {
        let mut judged = Judged::new(Judgement::Refused(reason.clone()));
        match (&reason, from) {
            (Refused::AlreadyKnown, _) => {}
            (Refused::UnknownParent { .. }, Some(from)) => {
                judged.want = Some(Want::Headers { from, locator: Arc::new(self.locator()) });
            }
            (Refused::UnknownParent { .. }, None) => {}
            _ => judged.events.push(Event::BlockRefused { hash: block.block_hash(), reason, from }),
        }
        judged
    }
}
