//! What happens after a while: templates, and the end of waiting.

use std::sync::Arc;
use std::time::Duration;

use actix::{AsyncContext, Context};

use super::Mempool;
use crate::bounds;
use crate::mempool::select::{Room, select};
use crate::messages::{Template, ToMiner};

/// A template follows the pool this closely: often enough that fees are not left lying, seldom enough that a burst of
/// transactions costs one selection.
const TEMPLATE_DELAY: Duration = Duration::from_secs(1);

/// What a block keeps free of pooled transactions: header, count, and a coinbase with its witness commitment.
const COINBASE_ROOM: usize = 1_000;

impl Mempool {
    /// The pool changed: a template will say so, once a while.
    pub(super) fn pool_changed(&mut self, context: &mut Context<Self>) {
        if self.templates_wanted && self.template_due.is_none() {
            self.template_due = Some(context.run_later(TEMPLATE_DELAY, |mempool, context| {
                mempool.template_due = None;
                mempool.tell_template(context);
            }));
        }
    }

    pub(super) fn tell_template(&mut self, context: &mut Context<Self>) {
        if let Some(due) = self.template_due.take() {
            context.cancel_future(due);
        }
        let Some(parent) = self.tip.filter(|_| self.templates_wanted) else { return };
        let next = self.lobby.next().clone();
        let room = Room {
            bytes: next.max_block_bytes.saturating_sub(COINBASE_ROOM),
            // A coinbase's own output may name one.
            signature_operations: self.lobby.signature_operations().saturating_sub(20),
        };
        let selection = select(&self.lobby.pool, room);
        let template = Template { parent, next, transactions: selection.transactions, fees: selection.fees };
        self.ring.miner.tell(ToMiner::Template(Arc::new(template)));
    }

    /// Looks through what waits when the first of it has waited long enough.
    pub(super) fn watch(&mut self, context: &mut Context<Self>) {
        let due = [
            self.reconstructions.oldest_since().map(|since| since + bounds::RESPONSE_SECONDS),
            self.lobby.orphans.oldest_since().map(|since| since + bounds::ORPHAN_SECONDS),
            self.lobby.pool.oldest().map(|oldest| oldest.since + bounds::POOL_EXPIRY_SECONDS),
        ];
        let due = due.into_iter().flatten().min();
        if due == self.expiry_due.as_ref().map(|(due, _)| *due) {
            return;
        }
        if let Some((_, former)) = self.expiry_due.take() {
            context.cancel_future(former);
        }
        self.expiry_due = due.map(|due| {
            // `now` cuts seconds off, so a whole one more.
            let wait = Duration::from_secs(due.saturating_sub(self.now()).max(1));
            (due, context.run_later(wait, Self::expire))
        });
    }

    fn expire(&mut self, context: &mut Context<Self>) {
        self.expiry_due = None;
        let now = self.now();
        let dropped = self.lobby.expire(now);
        if !dropped.is_empty() {
            self.pool_changed(context);
        }
        self.dropped(dropped);
        if let Some(before) = now.checked_sub(bounds::RESPONSE_SECONDS) {
            self.reconstructions.expire(before).into_iter().for_each(|ending| self.end(ending));
        }
        self.watch(context);
    }
}
