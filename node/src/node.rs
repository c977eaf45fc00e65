//! A node: the only place that wires the four actors.

use std::future::Future;
use std::sync::Arc;

use actix::{Actor, Context};
use tokio::sync::oneshot;

use crate::control::{Answer, Asked, Question};
use crate::ledger::actor::LedgerActor;
use crate::ledger::store::StoreFailure;
use crate::mempool::Mempool;
use crate::messages::{ToLedger, ToMempool, ToMiner, ToNetwork};
use crate::miner::Miner;
use crate::network::Network;
use crate::ring::{Door, Ring};
use crate::surroundings::{Spawner, Surroundings};
use crate::{NodeConfig, ledger, log, mempool, miner, network};

/// A running node: its doors. The actors live in the spawner's hands and end when that drops them.
#[derive(Clone)]
pub struct Node {
    ring: Ring,
}

impl Node {
    /// Starts a node. `between` may put something between the actors: what it returns is what they tell each other
    /// through; the door below talks to the honest actors themselves.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn start(
        config: NodeConfig,
        surroundings: Surroundings,
        between: impl FnOnce(Ring) -> Ring,
    ) -> Result<Self, StoreFailure> {
        let Surroundings { transport, store, clock, chance, spawner, verifier, events, trace, work, notes } =
            surroundings;
        let events = log::as_well(events);
        // Addresses exist before actors do, so that each is born knowing its neighbours.
        let contexts = (Context::new(), Context::new(), Context::new(), Context::new());
        let honest = Ring {
            ledger: Door::of(address::<LedgerActor>(&contexts.0), trace.clone()),
            mempool: Door::of(address::<Mempool>(&contexts.1), trace.clone()),
            miner: Door::of(address::<Miner>(&contexts.2), trace.clone()),
            network: Door::of(address::<Network>(&contexts.3), trace.clone()),
        };
        let ring = between(honest.clone());
        let ledger = LedgerActor::open(ledger::actor::Parts {
            rules: config.rules.clone(),
            ring: ring.clone(),
            store,
            clock: clock.clone(),
            verifier: verifier.clone(),
            work: work.clone(),
            events: events.clone(),
            trace,
        })?;
        let mempool = Mempool::new(mempool::actor::Parts {
            rules: config.rules.clone(),
            ring: ring.clone(),
            verifier,
            work: work.clone(),
            events: events.clone(),
        });
        let miner = Miner::new(miner::actor::Parts {
            rules: config.rules.clone(),
            mining: config.mining.clone(),
            ring: ring.clone(),
            clock,
            chance: chance ^ 1,
            events: events.clone(),
        });
        let network = Network::new(network::actor::Parts {
            identity: config.identity,
            listen: config.listen,
            rules: config.rules,
            overlay: config.overlay,
            transport,
            spawner: spawner.clone(),
            chance: chance ^ 2,
            ring,
            events,
            work,
            notes,
        });
        // Network first, so that it hears the tip that Ledger opens with.
        run(&spawner, contexts.3, network);
        run(&spawner, contexts.2, miner);
        run(&spawner, contexts.1, mempool);
        run(&spawner, contexts.0, ledger);
        Ok(Self { ring: honest })
    }

    /// Asks the one actor that can answer; nothing when the node died first.
    pub fn ask(&self, question: Question) -> impl Future<Output = Option<Answer>> + use<> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { question, answer };
        match &asked.question {
            Question::Ledger
            | Question::Tips
            | Question::Block { .. }
            | Question::HashAt { .. }
            | Question::Header { .. }
            | Question::Coin { .. }
            | Question::Coins { .. }
            | Question::Submit { .. }
            | Question::SubmitBlock { .. } => self.ring.ledger.tell(ToLedger::Asked(asked)),
            Question::Pool | Question::Pooled { .. } | Question::PoolEntries | Question::PoolCoin { .. } => {
                self.ring.mempool.tell(ToMempool::Asked(asked));
            }
            Question::Mine { .. } | Question::SetHashRate { .. } => self.ring.miner.tell(ToMiner::Asked(asked)),
            Question::Peers
            | Question::Dial { .. }
            | Question::Hang { .. }
            | Question::Ban { .. }
            | Question::Unban { .. }
            | Question::SetNetwork { .. } => self.ring.network.tell(ToNetwork::Asked(asked)),
        }
        async move { answered.await.ok() }
    }
}

fn address<A: Actor<Context = Context<A>>>(context: &Context<A>) -> actix::Addr<A> {
    actix::AsyncContext::address(context)
}

/// actix cannot end an actor from outside, so its future is run where it can be dropped.
fn run<A: Actor<Context = Context<A>>>(spawner: &Arc<dyn Spawner>, context: Context<A>, actor: A) {
    spawner.spawn_local(Box::pin(context.into_future(actor)));
}
