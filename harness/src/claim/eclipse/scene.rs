//! A scene: victims that start anew, again and again, each with the book it had on the day of the attack.

use std::collections::BTreeSet;
use std::time::Duration;

use bitcoin::{BlockHash, Transaction, Txid};
use schism_chaos::adversary::Signal;
use schism_chaos::fault::CrashKind;
use schism_chaos::selector::Role;
use schism_node::control::{Answer, Event, PeerId, PeerState, Question};
use schism_node::network::book::notes::{MemoryNotes, Notes};

use super::{Drawn, Eclipsed, wait};
use crate::backend::Backend;
use crate::claim::arena::Arena;
use crate::theory::eclipse::all_owned;

/// After a start, time to dial: nobody who answers needs longer.
const DIALS: Duration = Duration::from_secs(3);
/// After a start, time for friends and attackers to connect, each more than once where they must; the first feeler is later.
const SETTLES: Duration = Duration::from_secs(9);
/// Restarts until a merchant is eclipsed, and blocks within which the attacker surely finds some.
const TRIES: u32 = 40;
const LONGEST: u32 = 2_000;

/// Victims, and who else there is.
pub(super) struct Scene {
    victims: Vec<Victim>,
    slots: usize,
    honest: BTreeSet<PeerId>,
    /// Honest nodes that were ended.
    down: Vec<usize>,
}

/// A victim, and what it knows of others on the day of the attack.
struct Victim {
    node: usize,
    notes: MemoryNotes,
    text: String,
    bootstrap: BTreeSet<PeerId>,
    drawn: Drawn,
}

impl Scene {
    /// The nodes of a group as victims, each of which seeks so many peers.
    ///
    /// # Errors
    /// When none of them is honest.
    pub(super) fn of(arena: &mut Arena, group: &str, slots: usize) -> Result<Self, String> {
        let honest = arena.honest();
        let names = |arena: &mut Arena, nodes: &[usize]| -> BTreeSet<PeerId> {
            nodes.iter().map(|node| arena.backend().peer(*node)).collect()
        };
        let mut victims = Vec::new();
        for node in honest.iter().copied().filter(|node| arena.node(*node).group == group).collect::<Vec<_>>() {
            let told = arena.node(node).bootstrap.clone();
            let (notes, bootstrap) = (arena.backend().notes(node), names(arena, &told));
            victims.push(Victim { node, notes, text: String::new(), bootstrap, drawn: Drawn::default() });
        }
        if victims.is_empty() {
            return Err(format!("nobody in the group `{group}` is honest"));
        }
        Ok(Self { victims, slots, honest: names(arena, &honest), down: Vec::new() })
    }

    /// Keeps the victims' books as they are now for every restart to come.
    pub(super) fn copy_books(&mut self) {
        self.victims.iter_mut().for_each(|victim| victim.text = victim.notes.read().unwrap_or_default());
    }

    /// Restarts that were looked at.
    pub(super) fn restarts(&self) -> u64 {
        self.victims.iter().map(|victim| victim.drawn.restarts).sum()
    }

    /// What became of them, by victim.
    pub(super) fn drawn(&self) -> Vec<Drawn> {
        self.victims.iter().map(|victim| victim.drawn).collect()
    }

    /// Ends the honest nodes that victims have dialled; they refuse whoever dials them from now on.
    pub(super) async fn knock_over(&mut self, arena: &mut Arena) -> Result<(), String> {
        let mut dialled = BTreeSet::new();
        for victim in &self.victims {
            dialled.extend(peers(arena, victim.node).await?.iter().filter(|peer| peer.outbound).map(|peer| peer.peer));
        }
        for node in arena.honest() {
            let is_victim = self.victims.iter().any(|victim| victim.node == node);
            if !is_victim && dialled.contains(&arena.backend().peer(node)) {
                arena.backend().crash(node, CrashKind::Process).await;
                self.down.push(node);
            }
        }
        Ok(())
    }

    /// The victims crash and start with what they have noted.
    pub(super) async fn restart(&mut self, arena: &mut Arena) -> Result<(), String> {
        for victim in &self.victims {
            arena.backend().crash(victim.node, CrashKind::Process).await;
        }
        for victim in &self.victims {
            arena.backend().start(victim.node).await?;
        }
        Ok(())
    }

    /// The victims start with the books they had on the day of the attack, and it is looked whom each is left with. Gives
    /// those who have no honest peer.
    pub(super) async fn trial(&mut self, arena: &mut Arena, eclipsed: &mut Eclipsed) -> Result<Vec<usize>, String> {
        for victim in &mut self.victims {
            arena.backend().crash(victim.node, CrashKind::Process).await;
            victim.notes.write(&victim.text).map_err(|error| error.to_string())?;
        }
        for victim in &self.victims {
            arena.backend().start(victim.node).await?;
        }
        wait(arena, DIALS).await;
        let mut owned = Vec::new();
        for victim in &self.victims {
            let mut chosen = peers(arena, victim.node).await?;
            chosen.retain(|peer| peer.outbound);
            eclipsed.unfilled += u64::from(chosen.len() < self.slots);
            owned.push(!chosen.is_empty() && !chosen.iter().any(|peer| self.honest.contains(&peer.peer)));
            let (attackers, all) = victim.counted(&self.honest);
            eclipsed.foretold += all_owned(attackers, all, self.slots as u32);
            eclipsed.share += attackers as f64 / (all as f64).max(1.0);
        }
        wait(arena, SETTLES - DIALS).await;
        let mut alone = Vec::new();
        for (victim, owned) in self.victims.iter_mut().zip(owned) {
            let connected = peers(arena, victim.node).await?;
            let honest = connected.iter().filter(|peer| self.honest.contains(&peer.peer)).map(|peer| peer.outbound);
            let (mut inbound, mut whole) = (true, true);
            honest.for_each(|outbound| (inbound, whole) = (inbound && outbound, false));
            victim.drawn.restarts += 1;
            victim.drawn.outbound += u64::from(owned);
            victim.drawn.inbound += u64::from(inbound);
            victim.drawn.whole += u64::from(whole);
            if whole {
                alone.push(victim.node);
            }
        }
        Ok(alone)
    }

    /// Eclipses a merchant, pays it on the attacker's chain and everyone else on the honest one, and ends the eclipse. Nothing
    /// is counted where the eclipse ends by itself.
    pub(super) async fn pay(
        &mut self,
        arena: &mut Arena,
        confirmations: u32,
        eclipsed: &mut Eclipsed,
    ) -> Result<(), String> {
        let Some(victim) = self.lonely(arena).await? else { return Ok(()) };
        let attacker = arena.attacker;
        let (payment, conflict) = arena.rivals().ok_or("the wallets have no coins left")?;
        let (paid, txid) = (payment.output[0].value, payment.compute_txid());
        // Honest nodes may be connected to the attacker's, too: who has the conflict takes no payment from it. It is miners
        // whose blocks tell what was paid in the end.
        let up = |node: &usize| arena.node(*node).role == Role::Miner && !self.down.contains(node);
        let miners: Vec<usize> = arena.honest().into_iter().filter(up).collect();
        arena.spread(*miners.first().ok_or("no honest miner is left")?, conflict, &miners).await?;
        arena.spread(victim, payment.clone(), &[victim]).await?;
        arena.spread(attacker, payment, &[attacker]).await?;
        let bringer = arena.backend().peer(attacker);
        let now = peers(arena, victim).await?;
        if now.iter().any(|peer| self.honest.contains(&peer.peer)) || now.iter().all(|peer| peer.peer != bringer) {
            return Ok(());
        }
        arena.mine_with(|_| true);
        let deadline = arena.now() + arena.interval() * LONGEST;
        let mut paying: BTreeSet<BlockHash> = BTreeSet::new();
        while !deep_enough(arena, victim, &paying, confirmations) {
            let heard = arena.next(deadline).await.ok_or("the attacker found no blocks")?;
            match heard.event {
                Event::BlockMined { block, .. } if holds(&block.txdata, txid) => {
                    paying.insert(block.block_hash());
                }
                // Somebody honest has found it, or the attacker has lost it: it is eclipsed no more, and hands nothing over.
                Event::PeerConnected { peer, .. } | Event::PeerDisconnected { peer, .. }
                    if heard.node == victim && (peer == bringer || self.honest.contains(&peer)) =>
                {
                    arena.leash().tell(Signal::Rest);
                    arena.mine_with(|_| false);
                    return Ok(());
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

    /// Restarts victims until one has no honest peer, and one who brings the attacker's blocks.
    async fn lonely(&mut self, arena: &mut Arena) -> Result<Option<usize>, String> {
        let attacker = arena.attacker;
        let bringer = arena.backend().peer(attacker);
        for _ in 0..TRIES {
            for victim in self.trial(arena, &mut Eclipsed::default()).await? {
                if peers(arena, victim).await?.iter().any(|peer| peer.peer == bringer) {
                    return Ok(Some(victim));
                }
            }
        }
        Ok(None)
    }
}

impl Victim {
    /// Of those it would choose among: the attacker's, and all.
    fn counted(&self, honest: &BTreeSet<PeerId>) -> (u64, u64) {
        let lines = self.text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>());
        let (mut owned, mut all) = (0, 0);
        for line in lines {
            let ["new" | "tried", peer] = line[..] else { continue };
            let Ok(peer) = peer.parse::<PeerId>() else { continue };
            if !self.bootstrap.contains(&peer) {
                all += 1;
                owned += u64::from(!honest.contains(&peer));
            }
        }
        (owned, all)
    }
}

async fn peers(arena: &mut Arena, node: usize) -> Result<Vec<PeerState>, String> {
    match arena.ask(node, Question::Peers).await {
        Some(Answer::Peers(peers)) => Ok(peers.connected),
        other => Err(format!("a victim does not say whom it is connected to: {other:?}")),
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
