//! A session: blocks somebody at the door wants mined at once, one on the other.

use std::collections::VecDeque;

use bitcoin::{BlockHash, ScriptBuf};
use tokio::sync::oneshot;

use crate::control::Answer;
use crate::messages::Template;

/// The sessions asked for, the first of them under way.
#[derive(Debug, Default)]
pub struct Sessions {
    queue: VecDeque<Session>,
}

#[derive(Debug)]
struct Session {
    remaining: u32,
    /// Whom its coinbases pay, where not whom the miner's always do.
    payee: Option<ScriptBuf>,
    mined: Vec<BlockHash>,
    /// A block of ours that is with Ledger, and the parent it was mined on.
    judged: Option<Judged>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug)]
struct Judged {
    block: BlockHash,
    parent: BlockHash,
}

impl Sessions {
    /// Asks for `blocks` more.
    pub fn ask(&mut self, blocks: u32, payee: Option<ScriptBuf>, answer: oneshot::Sender<Answer>) {
        self.queue.push_back(Session { remaining: blocks, payee, mined: Vec::new(), judged: None, answer });
        self.close_finished();
    }

    /// Whether any block is still wanted.
    pub fn under_way(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whom the session that is under way pays.
    pub fn payee(&self) -> Option<&ScriptBuf> {
        self.queue.front()?.payee.as_ref()
    }

    /// Whether a block is wanted on the template at hand, none being judged.
    pub fn wants_block(&self) -> bool {
        self.queue.front().is_some_and(|session| session.judged.is_none())
    }

    /// A block was found for the session and is on its way to Ledger.
    pub fn found(&mut self, block: BlockHash, parent: BlockHash) {
        if let Some(session) = self.queue.front_mut() {
            session.judged = Some(Judged { block, parent });
        }
    }

    /// A template came. One on our block says that the block became the tip, and counts it; one on a third block says
    /// that ours did not, and the work begins again; one on the former parent is older than the judgement.
    pub fn template_came(&mut self, template: &Template) {
        let Some(session) = self.queue.front_mut() else { return };
        let Some(judged) = &session.judged else { return };
        if template.parent.hash == judged.block {
            session.mined.push(judged.block);
            session.remaining -= 1;
            session.judged = None;
        } else if template.parent.hash != judged.parent {
            session.judged = None;
        }
        self.close_finished();
    }

    /// Nothing more will come for the first session: answers with what became tips so far.
    pub fn give_up(&mut self) {
        if let Some(session) = self.queue.pop_front() {
            // Whoever asked may have left.
            let _ = session.answer.send(Answer::Mined { blocks: session.mined });
        }
    }

    fn close_finished(&mut self) {
        while self.queue.front().is_some_and(|session| session.remaining == 0) {
            self.give_up();
        }
    }
}
