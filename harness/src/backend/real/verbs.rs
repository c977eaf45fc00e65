//! The verbs of a cluster of real nodes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use schism_chaos::effect::Effect;
use schism_chaos::evidence::{Confirmed, LinkCounters, NodeCounters};
use schism_chaos::fault::{Actor, CrashKind, DiskTrouble};
use schism_chaos::gate::Passage;
use schism_chaos::link::Link;
use schism_node::chain::Rules;
use schism_node::control::{Answer, Question};
use schism_node::wire::{Multiaddr, PeerId};
use tokio::time::{Instant, timeout};

use super::host::Host;
use super::obeying::Obeying;
use super::site::{Layer, Site};
use super::{PORT, Real};
use crate::backend::{Backend, Heard, Lost, Place, draws};
use crate::supervisor::protocol::{Fruit, What};

/// Real time after which a link that was not seen to obey is taken not to.
const UNSEEN: Duration = Duration::from_secs(1);
/// Real time that an answer is waited for.
const ANSWER: Duration = Duration::from_secs(5);

impl<S: Site> Backend for Real<S> {
    fn now(&self) -> Duration {
        self.began.elapsed().div_f64(self.settings.pace)
    }

    fn peer(&self, node: usize) -> PeerId {
        draws::peer(self.settings.seed, node)
    }

    fn whereabouts(&self, node: usize) -> (PeerId, Multiaddr) {
        let listening = format!("/ip4/{}/tcp/{PORT}", self.hosts[node].address);
        (self.peer(node), listening.parse().expect("this is an address"))
    }

    async fn upgrade(&mut self, node: usize, binary: &Path) -> Result<(), String> {
        let program = self.site.bring(&self.hosts[node].place.name, binary)?;
        let examined = self.give(node, What::Examine { program: program.clone() })?;
        let unchanged = |why| format!("{} was not taken, and nothing was changed: {why}", binary.display());
        self.fruit(node, examined).await.map_err(unchanged)?;
        self.hosts[node].program = Some(program);
        Ok(())
    }

    fn follow(&mut self, node: usize, rules: Arc<Rules>) {
        self.hosts[node].place.rules = rules;
    }

    fn set_hash_rate(&mut self, node: usize, hashes_per_second: f64) {
        self.hosts[node].place.hashes_per_second = hashes_per_second;
        if self.hosts[node].alive {
            let hashes_per_second = hashes_per_second / self.settings.pace;
            self.order_or_note(node, What::Ask(Question::SetHashRate { hashes_per_second }));
        }
    }

    async fn start(&mut self, node: usize) -> Result<(), String> {
        if self.hosts[node].alive {
            return Ok(());
        }
        if self.hosts[node].attached.is_none() {
            // All machines stand before the first node starts, so that none seeks peers in vain.
            self.attach()?;
            self.settle().await?;
        }
        self.darken(node, false);
        self.hosts[node].begin_life();
        let instructions = self.instructions(node);
        self.order(node, What::Start(Box::new(instructions)))?;
        for what in self.hosts[node].standing_orders() {
            self.order(node, what)?;
        }
        Ok(())
    }

    async fn crash(&mut self, node: usize, kind: CrashKind) -> Lost {
        if !self.hosts[node].alive {
            return Lost::default();
        }
        if S::LAYER == Layer::Transport && kind.takes_machine() {
            // Silence first: the end of a process is told to its peers.
            self.darken(node, true);
            if let Err(why) = self.settle().await {
                self.note(why);
            }
        }
        self.hosts[node].end_life();
        if self.ended_by_themselves().remove(&node).is_some() {
            return Lost::default();
        }
        let outcome = match self.give(node, What::Kill { kind }) {
            Ok(outcome) => self.fruit(node, outcome).await,
            Err(why) => Err(why),
        };
        match outcome {
            Ok(Fruit::Lost(writes)) => Lost { writes },
            Ok(_) => Lost::default(),
            // It ended by itself just before.
            Err(_) if self.ended_by_themselves().remove(&node).is_some() => Lost::default(),
            Err(why) => {
                self.note(why);
                Lost::default()
            }
        }
    }

    fn freeze(&mut self, node: usize) {
        if self.hosts[node].alive {
            self.order_or_note(node, What::Freeze);
            self.hosts[node].frozen = true;
        }
    }

    fn thaw(&mut self, node: usize) {
        if self.hosts[node].alive && std::mem::take(&mut self.hosts[node].frozen) {
            self.order_or_note(node, What::Thaw);
        }
    }

    fn erase(&mut self, node: usize) {
        if self.hosts[node].attached.is_some() {
            self.order_or_note(node, What::Erase);
        }
    }

    async fn ask(&mut self, node: usize, question: Question) -> Option<Answer> {
        if !self.hosts[node].hears() {
            return None;
        }
        let outcome = self.give(node, What::Ask(question)).ok()?;
        match timeout(ANSWER, outcome).await {
            Ok(Ok(Ok(Fruit::Answered(answer)))) => Some(answer),
            _ => None,
        }
    }

    fn tell(&mut self, node: usize, question: Question) -> bool {
        self.hosts[node].alive && self.give(node, What::Ask(question)).is_ok()
    }

    async fn settle(&mut self) -> Result<(), String> {
        self.relink()?;
        for asked in std::mem::take(&mut self.asked) {
            if let Err(why) = self.fruit(asked.node, asked.outcome).await {
                // Who has ended obeys nobody. That it did is told by itself.
                if !self.ended_by_themselves().contains_key(&asked.node) {
                    return Err(why);
                }
            }
            self.hosts[asked.node].counters.withheld += u64::from(asked.freeze);
        }
        self.broken().map_or(Ok(()), Err)
    }

    async fn confirm(&mut self, effects: &[Effect], unhurt: &dyn Fn(usize, usize) -> Duration) -> Option<Confirmed> {
        if S::LAYER == Layer::Transport || !effects.iter().any(|effect| matches!(effect, Effect::Links { .. })) {
            return None;
        }
        let began = Instant::now();
        self.count().await;
        let links: Vec<Obeying> = effects.iter().flat_map(|effect| self.obeying(effect, unhurt)).collect();
        if links.is_empty() {
            return None;
        }
        loop {
            if let Err(why) = self.call(&links).await {
                self.note(why);
                return None;
            }
            self.count().await;
            let obey = links.iter().filter(|link| link.is_seen(&self.hosts)).count();
            if obey == links.len() || began.elapsed() >= UNSEEN {
                return Some(Confirmed { links: links.len(), obey, took: began.elapsed() });
            }
        }
    }

    async fn count(&mut self) {
        let mut under_way = Vec::new();
        for node in 0..self.hosts.len() {
            let host = &self.hosts[node];
            let whats = [host.attached.is_some().then_some(What::Count), host.hears().then_some(What::Report)];
            for what in whats.into_iter().flatten() {
                under_way.extend(self.give(node, what).ok().map(|outcome| (node, outcome)));
            }
        }
        for (node, outcome) in under_way {
            match self.fruit(node, outcome).await {
                Ok(Fruit::Counted(links)) => self.hosts[node].links.extend(links),
                Ok(Fruit::Reported(report)) => self.hosts[node].hear(report),
                // Old counters prove nothing that happened since: the evidence says so.
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn broken(&self) -> Option<String> {
        self.trouble().clone()
    }

    fn ended(&self) -> Vec<(usize, String)> {
        self.ended_by_themselves().iter().map(|(node, how)| (*node, how.clone())).collect()
    }

    fn set_usual_link(&mut self, link: Link) {
        self.usual = link;
    }

    fn set_link(&mut self, from: usize, to: usize, link: Link) {
        self.links.insert((to, from), link);
        self.changed.insert((to, from));
    }

    fn link_counters(&self, from: usize, to: usize) -> LinkCounters {
        let counted = self.hosts[to].links.get(&self.hosts[from].address).copied().unwrap_or_default();
        LinkCounters {
            sent: counted.held + counted.carried,
            // That a busy machine was late proves no fault.
            travel: Duration::from_micros(counted.delayed_microseconds.saturating_sub(counted.late_microseconds))
                .div_f64(self.settings.pace),
            queued: Duration::from_micros(counted.queued_microseconds).div_f64(self.settings.pace),
            carried: counted.carried.saturating_sub(counted.lost),
            bytes: counted.bytes,
            held: counted.held,
            leaked: 0, // what passes a cut is counted as carried
            lost: counted.lost,
            ..LinkCounters::default()
        }
    }

    fn node_counters(&self, node: usize) -> NodeCounters {
        self.hosts[node].counted()
    }

    fn know(&mut self, node: usize, peers: Vec<usize>) {
        self.hosts[node].place.keep_only(peers);
    }

    fn frames(&self) -> u64 {
        self.hosts.iter().flat_map(|host| host.links.values()).map(|counted| counted.held + counted.carried).sum()
    }

    fn lateness(&self) -> Option<Duration> {
        let links = || self.hosts.iter().flat_map(|host| host.links.values());
        let late: u64 = links().map(|counted| counted.late_microseconds).sum();
        let frames: u64 = links().map(|counted| counted.carried).sum();
        let average = Duration::from_micros(late).div_f64(frames.max(1) as f64);
        Some(average.div_f64(self.settings.pace))
    }

    fn memo_hits(&self) -> u64 {
        0
    }

    fn add(&mut self, place: Place) {
        self.hosts.push(Host::of(place));
    }

    fn set_gate(&mut self, node: usize, actor: Actor, passage: Passage) {
        self.hosts[node].gates.retain(|(other, _)| *other != actor);
        self.hosts[node].gates.push((actor, passage));
        if self.hosts[node].hears() {
            self.order_or_note(node, What::Gate { actor, passage });
        }
    }

    fn set_clock(&mut self, node: usize, by_seconds: f64, rate: f64) {
        self.hosts[node].clock = (by_seconds, rate);
        if self.hosts[node].hears() {
            self.order_or_note(node, What::Clock { by_seconds, rate });
        }
    }

    fn set_disk(&mut self, node: usize, trouble: Option<DiskTrouble>) {
        let before = std::mem::replace(&mut self.hosts[node].disk, trouble);
        let full = |trouble| trouble == Some(DiskTrouble::Full);
        if full(before) != full(trouble) {
            self.order_or_note(node, What::FillDisk(full(trouble)));
        }
        // The next life's syncs work again by themselves.
        if trouble == Some(DiskTrouble::NoSync) && self.hosts[node].hears() {
            self.order_or_note(node, What::FailSyncs);
        }
    }

    async fn next(&mut self, deadline: Duration) -> Option<Heard> {
        self.inbox.next(self.began + deadline.mul_f64(self.settings.pace)).await
    }
}
