//! Eclipse: trials in which a node starts anew with a book of addresses that an attacker has had time to fill. What counts is
//! whom it then has for peers: whom it dialled, and who dialled it. At the end a merchant who is eclipsed is paid.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bitcoin::{BlockHash, Transaction, Txid};
use schism_chaos::adversary::{Adversary, Eclipse, Signal};
use schism_chaos::fault::CrashKind;
use schism_chaos::selector::Role;
use schism_chaos::simulation::Simulation;
use schism_node::config::Defences;
use schism_node::control::{Answer, Event, PeerId, PeerState, Question};
use schism_node::network::book::notes::{MemoryNotes, Notes};
use serde::{Deserialize, Serialize};

use super::Point;
use super::arena::{Arena, Attack};
use super::double_spend::Tally;
use crate::backend::Backend;
use crate::backend::mutation::Mutation;
use crate::topology::{Overlay, Topology};

/// Time before the attack in which everyone finds peers, on the nodes' clock; minutes that the attacker has where a point says
/// nothing.
const CALM: Duration = Duration::from_secs(600);
const MINUTES: f64 = 20.0;
/// After a start, time to dial: nobody who answers needs longer.
const DIALS: Duration = Duration::from_secs(3);
/// After a start, time for friends and attackers to connect, and to find somebody else where somebody was not there.
const SETTLES: Duration = Duration::from_secs(30);
/// Restarts until a merchant is eclipsed, and blocks within which the attacker surely finds some.
const TRIES: u32 = 40;
const LONGEST: u32 = 2_000;

/// What a series of trials is held with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) trials: u32,
    /// The node that is to be eclipsed.
    pub(super) victim: String,
    /// Minutes that the attacker has.
    pub(super) minutes: f64,
    /// Whether the honest peers that the victim had dialled are down when it starts anew.
    pub(super) down: bool,
    /// Blocks on a payment after which it hands over, were it a merchant; 0: it is none.
    pub(super) confirmations: u32,
    /// The attacker's share of all hash power.
    pub(super) q: f64,
}

impl Series {
    /// Of so many trials at a point.
    pub(super) fn at(point: &Point, trials: u32, victim: &str) -> Self {
        Self {
            trials,
            victim: victim.to_owned(),
            minutes: point.get("minutes").unwrap_or(MINUTES),
            down: point.whole("down") > 0,
            confirmations: point.whole("confirmations"),
            q: point.get("q").unwrap_or(0.0),
        }
    }
}

/// What became of restarts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Eclipsed {
    /// Of each part: trials, those in which all outbound peers were the attacker's, and those without an honest peer at all.
    pub parts: Vec<(u64, u64, u64)>,
    /// Trials in which not all outbound places were taken when it was looked.
    pub unfilled: u64,
    /// What theory gives, added up over trials, were everyone in the book as likely; and the attacker's share of it.
    pub foretold: f64,
    /// See `foretold`.
    pub share: f64,
    /// Payments to eclipsed merchants, such that were undone afterwards, and blocks of the merchant that were.
    pub paid: u64,
    /// See `paid`.
    pub undone: u64,
    /// See `paid`.
    pub blocks: u64,
    /// Satoshi that merchants had been paid and have no more.
    pub lost: u64,
}

impl Eclipsed {
    /// Adds what another part came to.
    pub fn add(&mut self, other: &Self) {
        self.parts.extend(&other.parts);
        self.unfilled += other.unfilled;
        self.foretold += other.foretold;
        self.share += other.share;
        self.paid += other.paid;
        self.undone += other.undone;
        self.blocks += other.blocks;
        self.lost += other.lost;
    }

    /// Trials.
    pub fn trials(&self) -> u64 {
        self.parts.iter().map(|part| part.0).sum()
    }

    /// Those in which all outbound peers were the attacker's.
    pub fn outbound(&self) -> u64 {
        self.parts.iter().map(|part| part.1).sum()
    }

    /// Those without an honest peer in either direction.
    pub fn whole(&self) -> u64 {
        self.parts.iter().map(|part| part.2).sum()
    }
}

/// Bits of the parameter `defences`, by the words of [`Defences`].
pub(super) fn defences(bits: u32) -> Defences {
    let mut defences = Defences::NONE;
    defences.each().into_iter().enumerate().for_each(|(bit, (_, on))| *on = bits & (1 << bit) != 0);
    defences
}

/// What they are called.
pub(super) fn words(bits: u32) -> String {
    let on = Defences::WORDS.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let words: Vec<String> = on.map(|(_, word)| word.replace('_', " ")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// Gives nodes the places and the defences that a point asks for, and the attacker its addresses.
pub(super) fn arrange(topology: &mut Topology, point: &Point) {
    if let Overlay::Unstructured { degree, defences: on, .. } = &mut topology.overlay {
        *degree = point.whole("slots");
        *on = defences(point.whole("defences"));
    }
    for group in &mut topology.groups {
        if let (Some(Adversary::Eclipse(how)), Some(addresses)) = (group.adversary, point.get("addresses")) {
            group.adversary = Some(Adversary::Eclipse(Eclipse { addresses: addresses as u32, ..how }));
        }
    }
}

/// Holds a series of trials, one after the other, on one poisoned book.
pub(super) async fn hold(
    simulation: Simulation,
    topology: Topology,
    series: Series,
    mutation: Option<Arc<dyn Mutation>>,
) -> Result<Tally, String> {
    let attack = Attack { kind: "eclipse", share: series.q, pace: 1.0 };
    let mut arena = Arena::build(simulation, &topology, attack, |adversary| adversary, mutation).await?;
    let victim = arena.position(&series.victim).ok_or("the victim is not in the topology")?;
    arena.mine_with(|_| false);
    wait(&mut arena, CALM).await;
    arena.leash().tell(Signal::Begin { spends: Vec::new() });
    wait(&mut arena, Duration::from_secs_f64(60.0 * series.minutes)).await;
    let mut scene = Scene::of(&mut arena, victim);
    if series.down {
        scene.knock_over(&mut arena).await?;
    }
    let mut eclipsed = Eclipsed::default();
    let mut part = (0, 0, 0);
    for _ in 0..series.trials {
        let seen = scene.trial(&mut arena, &mut eclipsed).await?;
        part = (part.0 + 1, part.1 + u64::from(seen.outbound), part.2 + u64::from(seen.whole));
    }
    eclipsed.parts.push(part);
    if series.confirmations > 0 {
        scene.pay(&mut arena, series.confirmations, &mut eclipsed).await?;
    }
    Ok(Tally {
        trials: u64::from(series.trials),
        eclipsed,
        blocks: arena.blocks_found(),
        virtual_seconds: arena.now().as_secs_f64(),
        ..Tally::default()
    })
}

async fn wait(arena: &mut Arena, time: Duration) {
    let deadline = arena.now() + time;
    while arena.next(deadline).await.is_some() {}
}

/// A victim, and what it knows of others on the day of the attack.
struct Scene {
    victim: usize,
    slots: u64,
    notes: MemoryNotes,
    text: String,
    honest: BTreeSet<PeerId>,
    bootstrap: BTreeSet<PeerId>,
    /// Honest nodes that were ended.
    down: Vec<usize>,
}

/// What one restart came to.
struct Seen {
    outbound: bool,
    whole: bool,
}

impl Scene {
    fn of(arena: &mut Arena, victim: usize) -> Self {
        let notes = arena.backend().notes(victim);
        let (slots, told) = (arena.node(victim).degree, arena.node(victim).bootstrap.clone());
        let honest = arena.honest().into_iter().filter(|node| *node != victim).collect::<Vec<_>>();
        let mut names = |nodes: &[usize]| nodes.iter().map(|node| arena.backend().peer(*node)).collect();
        let (honest, bootstrap) = (names(&honest), names(&told));
        Self {
            victim,
            slots: slots.into(),
            text: notes.read().unwrap_or_default(),
            notes,
            honest,
            bootstrap,
            down: Vec::new(),
        }
    }

    /// Of those it would choose among: the attacker's, and all.
    fn counted(&self) -> (u64, u64) {
        let lines = self.text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>());
        let (mut owned, mut all) = (0, 0);
        for line in lines {
            let ["new" | "tried", peer] = line[..] else { continue };
            let Ok(peer) = peer.parse::<PeerId>() else { continue };
            if !self.bootstrap.contains(&peer) {
                all += 1;
                owned += u64::from(!self.honest.contains(&peer));
            }
        }
        (owned, all)
    }

    /// Ends the honest nodes that the victim has dialled.
    async fn knock_over(&mut self, arena: &mut Arena) -> Result<(), String> {
        let dialled = self.peers(arena).await?.into_iter().filter(|peer| peer.outbound);
        let dialled: BTreeSet<PeerId> = dialled.map(|peer| peer.peer).collect();
        for node in arena.honest() {
            if dialled.contains(&arena.backend().peer(node)) {
                arena.backend().crash(node, CrashKind::Machine).await;
                self.down.push(node);
            }
        }
        Ok(())
    }

    /// The victim starts anew.
    async fn restart(&mut self, arena: &mut Arena) -> Result<(), String> {
        arena.backend().crash(self.victim, CrashKind::Process).await;
        self.notes.write(&self.text).map_err(|error| error.to_string())?;
        arena.backend().start(self.victim).await
    }

    async fn peers(&self, arena: &mut Arena) -> Result<Vec<PeerState>, String> {
        match arena.ask(self.victim, Question::Peers).await {
            Some(Answer::Peers(peers)) => Ok(peers.connected),
            other => Err(format!("the victim does not say whom it is connected to: {other:?}")),
        }
    }

    async fn trial(&mut self, arena: &mut Arena, eclipsed: &mut Eclipsed) -> Result<Seen, String> {
        self.restart(arena).await?;
        wait(arena, DIALS).await;
        let chosen: Vec<PeerState> = self.peers(arena).await?.into_iter().filter(|peer| peer.outbound).collect();
        eclipsed.unfilled += u64::from((chosen.len() as u64) < self.slots);
        let (owned, all) = self.counted();
        eclipsed.foretold += crate::theory::eclipse::all_owned(owned, all, self.slots as u32);
        eclipsed.share += owned as f64 / (all as f64).max(1.0);
        wait(arena, SETTLES - DIALS).await;
        let peers = self.peers(arena).await?;
        let is_honest = |peer: &PeerState| self.honest.contains(&peer.peer);
        Ok(Seen { outbound: !chosen.is_empty() && !chosen.iter().any(is_honest), whole: !peers.iter().any(is_honest) })
    }

    /// Eclipses a merchant, pays it on the attacker's chain and everyone else on the honest one, and ends the eclipse.
    async fn pay(&mut self, arena: &mut Arena, confirmations: u32, eclipsed: &mut Eclipsed) -> Result<(), String> {
        // It must have no honest peer, and one who brings the attacker's blocks.
        let (attacker, victim) = (arena.attacker, self.victim);
        let bringer = arena.backend().peer(attacker);
        let mut alone = false;
        for _ in 0..TRIES {
            let whole = self.trial(arena, &mut Eclipsed::default()).await?.whole;
            alone = whole && self.peers(arena).await?.iter().any(|peer| peer.peer == bringer);
            if alone {
                break;
            }
        }
        if !alone {
            return Ok(());
        }
        let (payment, conflict) = arena.rivals().ok_or("the wallets have no coins left")?;
        let (paid, txid) = (payment.output[0].value, payment.compute_txid());
        // Honest nodes may be connected to the attacker's, too: who has the conflict takes no payment from it. It is miners
        // whose blocks tell what was paid in the end.
        let up = |node: &usize| arena.node(*node).role == Role::Miner && !self.down.contains(node);
        let miners: Vec<usize> = arena.honest().into_iter().filter(up).collect();
        arena.spread(*miners.first().ok_or("no honest miner is left")?, conflict, &miners).await?;
        arena.spread(victim, payment.clone(), &[victim]).await?;
        arena.spread(attacker, payment, &[attacker]).await?;
        arena.mine_with(|_| true);
        let deadline = arena.now() + arena.interval() * LONGEST;
        let mut paying: BTreeSet<BlockHash> = BTreeSet::new();
        while !deep_enough(arena, victim, &paying, confirmations) {
            match arena.next(deadline).await.ok_or("the attacker found no blocks")?.event {
                Event::BlockMined { block, .. } if holds(&block.txdata, txid) => {
                    paying.insert(block.block_hash());
                }
                _ => {}
            }
        }
        eclipsed.paid += 1;
        arena.leash().tell(Signal::Rest);
        while let Some(heard) = arena.next(deadline).await {
            let Event::TipChanged { disconnected, .. } = heard.event else { continue };
            if heard.node == victim && disconnected.iter().any(|hash| paying.contains(hash)) {
                eclipsed.undone += 1;
                eclipsed.blocks += disconnected.len() as u64;
                eclipsed.lost += paid.to_sat();
                break;
            }
        }
        arena.mine_with(|_| false);
        Ok(())
    }
}

fn holds(transactions: &[Transaction], txid: Txid) -> bool {
    transactions.iter().any(|transaction| transaction.compute_txid() == txid)
}

/// Whether a payment lies under enough blocks of a node's chain.
fn deep_enough(arena: &Arena, node: usize, paying: &BTreeSet<BlockHash>, confirmations: u32) -> bool {
    let chain = arena.chain(arena.tip(node));
    chain.zip(1..).any(|((hash, _), depth)| depth >= confirmations && paying.contains(&hash))
}
