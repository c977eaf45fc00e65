//! Miner, the actor. Mempool tells it templates, the door its hash rate and blocks to be mined at once.
//! It tells Ledger the blocks it finds, and Mempool whether it needs templates.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::{ActorFutureExt, wrap_future};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use bitcoin::Block;
use tracing::warn;

use super::draw::Draw;
use super::session::Sessions;
use super::work::{Signature, Work};
use crate::bounds;
use crate::chain::{Rules, work};
use crate::clock::Clock;
use crate::config::{MiningConfig, MiningMode};
use crate::control::{Answer, Asked, Event, Question};
use crate::messages::{Source, Template, ToLedger, ToMempool, ToMiner};
use crate::ring::Ring;

/// What a miner is made of.
pub struct Parts {
    /// The chain it extends.
    pub rules: Arc<Rules>,
    /// How it mines.
    pub mining: MiningConfig,
    /// The other actors.
    pub ring: Ring,
    /// What time it puts into headers.
    pub clock: Clock,
    /// Seed of its draws and of its extranonce; differs between nodes.
    pub chance: u64,
    /// Hears what happened.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

/// Finds blocks.
pub struct Miner {
    rules: Arc<Rules>,
    mining: MiningConfig,
    ring: Ring,
    clock: Clock,
    events: Arc<dyn Fn(Event) + Send + Sync>,
    draw: Draw,
    signature: Signature,
    sessions: Sessions,
    template: Option<Arc<Template>>,
    templates_wanted: bool,
    /// When the next block is due, or the next thing to be done about a session.
    due: Option<SpawnHandle>,
    patience: Option<SpawnHandle>,
    work: Option<Work>,
    grinding: Option<SpawnHandle>,
}

impl Miner {
    /// A miner that waits for its first template.
    pub fn new(parts: Parts) -> Self {
        let Parts { rules, mining, ring, clock, chance, events } = parts;
        let mut draw = Draw::from_seed(chance ^ MINER);
        let signature = Signature { payee: mining.payee.clone(), miner: draw.tag(), extranonce: 0 };
        Self {
            rules,
            mining,
            ring,
            clock,
            events,
            draw,
            signature,
            sessions: Sessions::default(),
            template: None,
            templates_wanted: false,
            due: None,
            patience: None,
            work: None,
            grinding: None,
        }
    }
}

impl Actor for Miner {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.resume(context);
    }
}

impl Handler<ToMiner> for Miner {
    type Result = ();

    fn handle(&mut self, message: ToMiner, context: &mut Context<Self>) {
        match message {
            ToMiner::Template(template) => self.take(template, context),
            ToMiner::Asked(Asked { question: Question::SetHashRate { hashes_per_second }, answer }) => {
                let answered = self.set_rate(hashes_per_second, context);
                // Whoever asked may have left.
                let _ = answer.send(answered);
            }
            ToMiner::Asked(Asked { question: Question::Mine { blocks, payee }, answer }) => {
                self.sessions.ask(blocks.min(bounds::MINED_AT_ONCE), payee, answer);
                self.resume(context);
            }
            ToMiner::Asked(Asked { question, answer }) => {
                let _ = answer.send(Answer::Refused { reason: format!("the miner cannot answer {question:?}") });
            }
        }
    }
}

/// Keeps this actor's draws apart from others of the same seed.
const MINER: u64 = 0x006d_696e_6572;
/// Hashes between two looks at the mailbox: some tens of milliseconds.
const SLICE: u64 = 1 << 18;
/// Between two slices of mining without a draw: so it takes time on a clock that computing does not move, too.
const GRIND_PAUSE: Duration = Duration::from_millis(1);
/// How long a session waits for its block to become the tip: Ledger needs far less, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(30);

impl Miner {
    fn take(&mut self, template: Arc<Template>, context: &mut Context<Self>) {
        let former = self.template.replace(template.clone());
        let same = former
            .is_some_and(|former| former.parent.hash == template.parent.hash && former.next.bits == template.next.bits);
        self.sessions.template_came(&template);
        if same && !self.sessions.under_way() && self.mining.mode == MiningMode::Drawn {
            // The time to the next block is memoryless: more transactions change nothing about it.
            return;
        }
        // Without a draw, the work at hand is always the newest template's; with one, its time has come already.
        let stale = |work: &Work| work.template().parent.hash != template.parent.hash;
        if self.mining.mode == MiningMode::Grind || self.work.as_ref().is_some_and(stale) {
            self.stop_grinding(context);
        }
        self.resume(context);
    }

    fn set_rate(&mut self, hashes_per_second: f64, context: &mut Context<Self>) -> Answer {
        if !hashes_per_second.is_finite() || hashes_per_second < 0.0 {
            return Answer::Refused { reason: format!("{hashes_per_second} is no rate of hashes per second") };
        }
        self.mining.hashes_per_second = hashes_per_second;
        (self.events)(Event::HashRateSet { hashes_per_second });
        if !self.sessions.under_way() {
            self.stop_grinding(context);
        }
        self.resume(context);
        Answer::Done
    }

    /// Sets out for the next block as things stand: for a session at once, otherwise after a draw.
    fn resume(&mut self, context: &mut Context<Self>) {
        self.want_templates(self.mining.hashes_per_second > 0.0 || self.sessions.under_way());
        cancel(&mut self.due, context);
        if self.sessions.under_way() != self.patience.is_some() {
            cancel(&mut self.patience, context);
        }
        if self.sessions.under_way() && self.patience.is_none() {
            self.be_patient(context);
        }
        let Some(template) = self.template.clone() else { return };
        if self.work.is_some() {
            return;
        }
        if self.sessions.under_way() {
            if self.sessions.wants_block() {
                self.due = Some(context.run_later(self.too_early(&template), Self::begin));
            }
            return;
        }
        let wait = match self.mining.mode {
            MiningMode::Drawn => {
                let expected = work::expected_hashes(template.next.bits);
                self.draw.time_to_block(expected, self.mining.hashes_per_second)
            }
            MiningMode::Grind => (self.mining.hashes_per_second > 0.0).then_some(GRIND_PAUSE),
        };
        if let Some(wait) = wait {
            self.due = Some(context.run_later(wait.max(self.too_early(&template)), Self::begin));
        }
    }

    /// How long others would refuse the next block for its time: many blocks at once push the median of their times
    /// ahead of the clock.
    fn too_early(&self, template: &Template) -> Duration {
        let latest = u64::from(self.clock.unix_seconds()) + self.rules.max_future.as_secs();
        self.clock.passing(u64::from(template.next.min_time).saturating_sub(latest) as f64)
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        self.due = None;
        let Some(template) = self.template.clone() else { return };
        self.signature.extranonce = self.signature.extranonce.wrapping_add(1);
        let mut signature = self.signature.clone();
        if let Some(payee) = self.sessions.payee() {
            signature.payee = payee.clone();
        }
        let begun = Work::begin(template, signature, self.clock.unix_seconds(), self.rules.pow_limit);
        match begun {
            Ok(work) => {
                self.work = Some(work);
                self.grind(context);
            }
            Err(reason) => warn!(%reason, "the template cannot be mined"),
        }
    }

    /// Grinds one slice, and the next after everyone else had a turn.
    fn grind(&mut self, context: &mut Context<Self>) {
        self.grinding = None;
        let time = self.clock.unix_seconds();
        let Some(work) = &mut self.work else { return };
        if let Some(block) = work.grind(SLICE, time) {
            let template = work.template().clone();
            return self.found(block, &template, context);
        }
        self.grinding = Some(match self.mining.mode {
            MiningMode::Drawn => {
                let turn = wrap_future::<_, Self>(tokio::task::yield_now());
                context.spawn(turn.map(|(), miner, context| miner.grind(context)))
            }
            MiningMode::Grind => context.run_later(GRIND_PAUSE, Self::grind),
        });
    }

    fn found(&mut self, block: Block, template: &Template, context: &mut Context<Self>) {
        self.work = None;
        let block = Arc::new(block);
        if self.sessions.wants_block() {
            self.sessions.found(block.block_hash(), block.header.prev_blockhash);
            cancel(&mut self.patience, context);
        }
        (self.events)(Event::BlockMined { block: block.clone(), height: template.next.height });
        self.ring.ledger.tell(ToLedger::CheckBlock { block, source: Source::Own });
        // Until a template says that the block became the tip, this miner looks for another one on the same parent.
        self.resume(context);
    }

    fn be_patient(&mut self, context: &mut Context<Self>) {
        self.patience = Some(context.run_later(PATIENCE, |miner, context| {
            miner.patience = None;
            miner.sessions.give_up();
            miner.resume(context);
        }));
    }

    fn want_templates(&mut self, wanted: bool) {
        if wanted != self.templates_wanted {
            self.templates_wanted = wanted;
            // What is not kept up to date is not mined on.
            self.template = None;
            self.ring.mempool.tell(ToMempool::Templates { wanted });
        }
    }

    fn stop_grinding(&mut self, context: &mut Context<Self>) {
        self.work = None;
        cancel(&mut self.grinding, context);
    }
}

fn cancel(handle: &mut Option<SpawnHandle>, context: &mut Context<Miner>) {
    if let Some(handle) = handle.take() {
        context.cancel_future(handle);
    }
}
