//! A live cluster: an experiment whose schedule is whoever gives it orders, while it runs.

use std::path::Path;
use std::time::Duration;

use bitcoin::OutPoint;
use schism_chaos::effect::Resolved;
use schism_chaos::fault::{CrashKind, Fault, Join};
use schism_chaos::progress::Progress;
use schism_chaos::quantity::Length;
use schism_chaos::schedule::{Lasting, Prove, Start, Step, Trigger};
use schism_chaos::selector::{Amount, Selector, Set};
use schism_node::control::{Answer, Question};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Broken;
use super::experiment::{Play, Refuses, fork_id};
use super::replay::unspent;
use crate::backend::Backend;
use crate::cluster::State;
use crate::experiment::{NEWCOMERS, newcomers};
use crate::live::order::Order;
use crate::yaml::{closest, one_of};
use status::{tips, word};

mod status;

/// An order, and who waits for what becomes of it.
pub struct Request {
    /// What to do.
    pub order: Order,
    /// Hears what became of it.
    pub reply: Box<dyn FnOnce(Result<Value, String>) + Send>,
}

/// Where orders come from.
pub enum Orders {
    /// Time stands still until the next one is there: a virtual clock can wait.
    Awaited(Box<dyn FnMut() -> Option<Request> + Send>),
    /// Time goes on meanwhile.
    Arriving(Receiver<Request>),
}

/// Orders that arrive and wait for their turn; whoever gives more waits, too.
const WAITING: usize = 64;

impl Orders {
    /// Orders from several places, and where they are given.
    pub fn from_many() -> (Sender<Request>, Self) {
        let (told, orders) = channel(WAITING);
        (told, Self::Arriving(orders))
    }
}

/// How a cluster is held alive.
pub struct Live {
    /// What to do. When they end the cluster ends.
    pub orders: Orders,
    /// Told once, when the nodes have found each other.
    pub ready: Box<dyn FnOnce() + Send>,
}

/// How long nothing may happen before the interrupt is looked for.
const LOOK_UP: Duration = Duration::from_millis(500);

impl<B: Backend> Play<'_, B> {
    /// Starts the nodes, obeys orders until they end, and heals what is left. Nodes have `link_up` to find their first peers;
    /// a fault that the backend `refuses` is refused as an order.
    ///
    /// # Errors
    /// When a node could not be started or the timeline not be written.
    pub async fn live(mut self, link_up: Duration, live: Live, refuses: Refuses) -> Result<Progress, Broken> {
        self.refuses = refuses;
        self.run.cluster().outlast_nodes();
        let ended = self.obey_all(link_up, live).await;
        self.ended(ended).await
    }

    async fn obey_all(&mut self, link_up: Duration, live: Live) -> Result<(), Broken> {
        let Live { mut orders, ready } = live;
        self.run.start(link_up).await?;
        ready();
        let mut farewell = None;
        while let Some(Request { order, reply }) = self.next_order(&mut orders).await? {
            if matches!(order, Order::Down {}) {
                farewell = Some(reply);
                break;
            }
            match self.obey(order).await {
                Err(Wrong::Broken(broken)) => {
                    reply(Err(broken.to_string()));
                    return Err(broken);
                }
                Err(Wrong::Order(why)) => reply(Err(why)),
                Ok(value) => reply(Ok(value)),
            }
        }
        self.heal_all().await?;
        let status = self.status().await?;
        if let Some(farewell) = farewell {
            farewell(Ok(json!(status)));
        }
        Ok(())
    }

    async fn next_order(&mut self, orders: &mut Orders) -> Result<Option<Request>, Broken> {
        loop {
            let arriving = match orders {
                Orders::Awaited(next) => return Ok(next()),
                Orders::Arriving(arriving) => arriving,
            };
            self.bury().await?;
            self.do_what_is_due().await?;
            let wake = self.wake(self.run.now() + LOOK_UP);
            tokio::select! {
                biased;
                request = arriving.recv() => return Ok(request),
                stepped = self.run.step(wake) => drop(stepped?),
            }
        }
    }

    /// Takes nodes that ended by themselves for crashed: they can be restarted as others can.
    async fn bury(&mut self) -> Result<(), Broken> {
        for (place, how) in self.run.cluster().ended() {
            let name = self.run.cluster().plan().nodes[place].name.clone();
            self.ended.push(format!("{name}: {how}"));
            let crash = Fault::Crash { pick: just(&name), kind: CrashKind::Process };
            match self.act("ended", &name, crash).await {
                Err(Wrong::Broken(broken)) => return Err(broken),
                Err(Wrong::Order(why)) => return Err(Broken::Backend(why)),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<Value, Wrong> {
        self.bury().await?;
        match order {
            Order::Status {} => Ok(json!(self.status().await?)),
            Order::Whereabouts {} => Ok(json!(self.whereabouts())),
            Order::Faults {} => Ok(json!(self.in_force())),
            Order::RunFor { seconds } => {
                let until = self.run.now() + length(seconds)?;
                self.advance(until, |_| false).await?;
                Ok(self.moment())
            }
            Order::RunUntil { height, mined, agreed, confirmed, within } => {
                let until = self.run.now() + length(within)?;
                let so = self.advance(until, |play| {
                    let view = play.run.view();
                    height.is_none_or(|height| play.run.best_height() >= height)
                        && mined.is_none_or(|mined| view.mined() >= mined)
                        && (!agreed || tips(play) == 1)
                        && confirmed.is_none_or(|txid| {
                            let holds = |tip: usize| view.blocks().confirmed(&txid, tip).is_some();
                            view.expected().all(|node| view.nodes()[node].tip.is_some_and(holds))
                        })
                });
                if so.await? {
                    return Ok(self.moment());
                }
                Err(Wrong::Order(format!("it is not so after {within} s: {}", self.moment())))
            }
            Order::Fault { fault, name } => self.begin(&fault, name).await,
            Order::Heal { name } => self.heal(name).await,
            Order::Kill { node, kind } => {
                self.expect(&node, &[State::Alive, State::Frozen])?;
                self.act("kill", &node, Fault::Crash { pick: just(&node), kind }).await
            }
            Order::Freeze { node } => {
                self.expect(&node, &[State::Alive])?;
                self.act("freeze", &node, Fault::Freeze { pick: just(&node) }).await
            }
            Order::Thaw { node } => {
                self.expect(&node, &[State::Frozen])?;
                self.undo(&node, |fault| matches!(fault, Fault::Freeze { .. })).await
            }
            Order::Restart { node, kind } => self.restart(node, kind).await,
            Order::Remove { node } => {
                self.expect(&node, &[State::Alive, State::Frozen, State::Dead])?;
                self.act("remove", &node, Fault::Destroy { pick: just(&node) }).await
            }
            Order::Upgrade { node, binary } => self.upgrade(node, &binary).await,
            Order::Add { node, hashes_per_second } => self.newcomer(node, hashes_per_second).await,
            Order::Submit { node, transaction } => {
                let txid = transaction.compute_txid();
                self.answered(&node, Question::Submit { transaction }).await?;
                Ok(json!({ "txid": txid }))
            }
            Order::Pay { node } => self.pay_from(&node).await,
            Order::Mine { node, blocks } => self.answered(&node, Question::Mine { blocks, payee: None }).await,
            Order::Ask { node, question } => self.answered(&node, question).await,
            Order::Down {} => Ok(Value::Null), // heard before it comes here
        }
    }

    /// Lets things happen until it is `until`, or until something is so: whether it is.
    async fn advance(&mut self, until: Duration, so: impl Fn(&Self) -> bool) -> Result<bool, Wrong> {
        loop {
            self.bury().await?;
            self.do_what_is_due().await?;
            if so(self) {
                return Ok(true);
            }
            if self.run.now() >= until {
                return Ok(false);
            }
            let wake = self.wake(until.min(self.run.now() + self.interval()));
            self.run.step(wake).await?;
        }
    }

    /// Where the cluster stands, for who waited for a moment.
    fn moment(&self) -> Value {
        json!({ "seconds": self.run.now().as_secs_f64(), "height": self.run.best_height(), "tips": tips(self) })
    }

    async fn begin(&mut self, fault: &Value, name: Option<String>) -> Result<Value, Wrong> {
        let text = match fault {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let read = self.experiment.read_step("fault", &text, self.progress.steps());
        let mut step = read.map_err(|refusal| Wrong::Order(refusal.to_string()))?;
        if let Some(name) = name {
            if self.has_step(&name) {
                return Err(Wrong::Order(format!("there is a fault `{name}` already")));
            }
            (step.name, step.named) = (name, true);
        }
        self.push(step).await
    }

    /// Does something to one node, as a step of the schedule that begins now.
    async fn act(&mut self, verb: &str, node: &str, fault: Fault) -> Result<Value, Wrong> {
        let stem = format!("{verb}-{node}");
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let name = std::iter::once(stem.clone()).chain(numbered).find(|name| !self.has_step(name)).unwrap_or_default();
        let trigger = Trigger { start: Start::At(Length::ZERO), delay: Length::ZERO, every: None, times: None };
        let lasting = match fault {
            Fault::Destroy { .. } => Lasting::Permanent,
            _ if fault.heals() => Lasting::End,
            _ => Lasting::Instant,
        };
        self.push(Step { name, named: true, trigger, fault, lasting, prove: Prove::default() }).await
    }

    fn has_step(&self, name: &str) -> bool {
        self.progress.steps().iter().any(|step| step.name == name)
    }

    async fn push(&mut self, step: Step) -> Result<Value, Wrong> {
        if let Some(why) = (self.refuses)(&step.fault) {
            return Err(Wrong::Order(format!("{}: {why}", step.fault.name())));
        }
        // Whom it means is drawn again when it begins; that it means nobody now is better said now.
        let nodes = self.run.cluster().described(|_| 0);
        step.fault.resolve(&nodes, 0).map_err(|nobody| Wrong::Order(nobody.to_string()))?;
        let name = step.name.clone();
        self.progress.add(step);
        self.seen = None;
        self.do_what_is_due().await?;
        Ok(json!({ "name": name }))
    }

    async fn heal(&mut self, name: Option<String>) -> Result<Value, Wrong> {
        let names: Vec<String> = match name {
            Some(name) => vec![name],
            None => self.progress.in_force().map(|(step, _)| step.name.clone()).collect(),
        };
        for name in &names {
            let Some(due) = self.progress.end_step(name) else {
                let known: Vec<&str> = self.progress.in_force().map(|(step, _)| step.name.as_str()).collect();
                return Err(Wrong::Order(unknown("fault", name, &known)));
            };
            self.perform(due).await?;
        }
        Ok(json!({ "healed": names }))
    }

    /// Heals a fault of this kind that acts on this node alone.
    async fn undo(&mut self, node: &str, is: fn(&Fault) -> bool) -> Result<Value, Wrong> {
        let place = self.place(node)?;
        let on_it = |resolved: &Resolved| resolved.effects.iter().any(|effect| effect.node() == Some(place));
        let acting = || self.progress.in_force().filter(|(step, resolved)| is(&step.fault) && on_it(resolved));
        let alone = acting().find(|(_, resolved)| resolved.effects.len() == 1);
        if let Some(name) = alone.map(|(step, _)| step.name.clone()) {
            return self.heal(Some(name)).await;
        }
        let others: Vec<String> = acting().map(|(step, _)| format!("`{}`", step.name)).collect();
        Err(Wrong::Order(format!("{node} is under {}, and so are others: heal that", others.join(", "))))
    }

    async fn restart(&mut self, node: String, kind: CrashKind) -> Result<Value, Wrong> {
        let place = self.place(&node)?;
        match self.run.cluster().state(place) {
            State::Dead => self.undo(&node, |fault| matches!(fault, Fault::Crash { .. } | Fault::Churn { .. })).await,
            State::Alive => self.act("restart", &node, Fault::Restart { pick: just(&node), kind }).await,
            other => Err(Wrong::Order(format!("{node} is {}", word(other)))),
        }
    }

    async fn upgrade(&mut self, node: String, binary: &Path) -> Result<Value, Wrong> {
        self.expect(&node, &[State::Alive, State::Dead])?;
        let place = self.place(&node)?;
        self.run.cluster().backend().upgrade(place, binary).await.map_err(Wrong::Order)?;
        self.restart(node, CrashKind::Process).await
    }

    async fn newcomer(&mut self, named: Option<String>, hashes_per_second: f64) -> Result<Value, Wrong> {
        if !(0.0..=1e18).contains(&hashes_per_second) {
            return Err(Wrong::Order("a hash rate is a number from 0 to 1e18".to_owned()));
        }
        let name = match named {
            Some(name) => {
                let place = self.place(&name)?;
                if self.run.cluster().plan().nodes[place].group != NEWCOMERS {
                    let help = "those can be added that `--room` was made for";
                    return Err(Wrong::Order(format!("{name} is no newcomer: {help}")));
                }
                self.expect(&name, &[State::Absent])?;
                name
            }
            None => {
                let cluster = self.run.cluster();
                let mut reserve = cluster.plan().nodes.iter().enumerate().filter(|(_, node)| node.group == NEWCOMERS);
                let absent = reserve.find(|(place, _)| cluster.state(*place) == State::Absent);
                let help = "say `--room` when the cluster is made";
                let nobody = || Wrong::Order(format!("there is no room for another node: {help}"));
                absent.map(|(_, node)| node.name.clone()).ok_or_else(nobody)?
            }
        };
        let place = self.place(&name)?;
        // A rate is of the story's seconds, as a topology's is.
        let rate = hashes_per_second / self.tempo.pace;
        self.run.cluster().set_hash_rate(place, rate);
        self.act("add", &name, Fault::Join(Join { only: Some(name.clone()), ..newcomers(1) })).await?;
        Ok(json!({ "node": name }))
    }

    async fn pay_from(&mut self, node: &str) -> Result<Value, Wrong> {
        let home = self.place(node)?;
        let fork_id = fork_id(self.run, home);
        let (to, known) = (self.payments.homes(), |coin: &OutPoint| unspent(self.run.view(), home, coin));
        let Some(payment) = self.payments.between(home, &to, fork_id, known) else {
            return Err(Wrong::Order(format!("no wallet has a coin that {node} knows to be confirmed")));
        };
        let txid = payment.transaction.compute_txid();
        self.submit(payment).await?;
        Ok(json!({ "txid": txid }))
    }

    /// What a node answers; what it refuses is an error.
    async fn answered(&mut self, node: &str, question: Question) -> Result<Value, Wrong> {
        let place = self.place(node)?;
        match self.run.cluster().backend().ask(place, question).await {
            Some(Answer::Refused { reason }) => Err(Wrong::Order(format!("{node} refuses: {reason}"))),
            Some(answer) => Ok(json!(answer)),
            None => {
                let state = self.run.cluster().state(place);
                Err(Wrong::Order(format!("{node} does not answer: it is {}", word(state))))
            }
        }
    }

    fn place(&mut self, node: &str) -> Result<usize, Wrong> {
        let plan = self.run.cluster().plan();
        let names = || plan.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>();
        plan.position(node).ok_or_else(|| Wrong::Order(unknown("node", node, &names())))
    }

    /// That a node is where an order can move it.
    fn expect(&mut self, node: &str, states: &[State]) -> Result<(), Wrong> {
        let place = self.place(node)?;
        let state = self.run.cluster().state(place);
        if states.contains(&state) { Ok(()) } else { Err(Wrong::Order(format!("{node} is {}", word(state)))) }
    }
}

/// What is wrong with an order, or with everything.
enum Wrong {
    /// The order; the cluster is as it was.
    Order(String),
    /// The cluster can no longer go on.
    Broken(Broken),
}

impl From<Broken> for Wrong {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

fn length(seconds: f64) -> Result<Duration, Wrong> {
    let wrong = || Wrong::Order(format!("{seconds} is no number of seconds"));
    Duration::try_from_secs_f64(seconds).ok().filter(|length| *length <= Duration::from_secs(1 << 32)).ok_or_else(wrong)
}

fn just(node: &str) -> Selector {
    Selector { amount: Amount::All, among: vec![Set::Name(node.to_owned())] }
}

fn unknown(kind: &str, name: &str, known: &[&str]) -> String {
    match closest(name, known) {
        Some(near) => format!("there is no {kind} `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("there is no {kind} `{name}`, and no other"),
        None => format!("there is no {kind} `{name}`; {}", one_of(known)),
    }
}
