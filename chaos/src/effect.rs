//! An effect: one thing a backend can do to links or to a node, and undo. A [`Fault`] resolves to a list of them; the
//! list says which nodes, by their positions, so that a backend never draws.

use std::time::Duration;

use crate::draw::{Nobody, NodeDescription, NodeState, seed_for, split};
use crate::fault::{Actor, CrashKind, DiskTrouble, Fault, Links, Partition};
use crate::selector::Selector;

/// One thing that can be done and undone.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A change of every directed link from one of `from` to one of `to`. Undone: the change is taken off again.
    Links {
        /// Ascending.
        from: Vec<usize>,
        /// Ascending.
        to: Vec<usize>,
        /// What changes.
        change: LinkChange,
    },
    /// The node stops, mid-flight. Undone: it starts on the store it left.
    Stop {
        /// Who.
        node: usize,
        /// What is lost with it.
        kind: CrashKind,
    },
    /// The node stops and starts again at once. Nothing to undo.
    Restart {
        /// Who.
        node: usize,
        /// What is lost with it.
        kind: CrashKind,
    },
    /// The node takes these upgrades, and stops and starts again for that. Nothing to undo.
    Upgrade {
        /// Who.
        node: usize,
        /// Names of upgrades.
        to: Vec<String>,
        /// What is lost with it.
        kind: CrashKind,
    },
    /// The node hashes so many times as fast. Undone: as before.
    HashPower {
        /// Who.
        node: usize,
        /// 1 is as before.
        times: f64,
    },
    /// The node stands still. Undone: it goes on.
    Freeze {
        /// Who.
        node: usize,
    },
    /// The node believes another time. Undone: the true one.
    Clock {
        /// Who.
        node: usize,
        /// Ahead by this many seconds; negative is behind.
        by_seconds: f64,
        /// Seconds it counts in a second.
        rate: f64,
    },
    /// Something stands before one of the node's actors. Undone: it steps aside and lets go what it held.
    Gate {
        /// Who.
        node: usize,
        /// Which of its actors.
        actor: Actor,
        /// What happens there.
        change: GateChange,
    },
    /// The node's disk does not do what it is told. Undone: it does, and the node starts again.
    Disk {
        /// Whose.
        node: usize,
        /// What is wrong with it.
        trouble: DiskTrouble,
    },
    /// The node stops for ever and its store is deleted.
    Destroy {
        /// Who.
        node: usize,
    },
    /// The node starts for the first time.
    Join {
        /// Who.
        node: usize,
        /// Whom it keeps a connection to; nothing: it joins the overlay like everyone else.
        peers: Option<Vec<usize>>,
    },
}

/// What changes on a link. Several changes at once add up, see [`crate::active::LinkState`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkChange {
    /// Nothing crosses.
    Cut,
    /// Frames take longer.
    Latency {
        /// Added to each.
        by: Duration,
        /// Added besides, uniformly drawn between 0 and this.
        jitter: Duration,
    },
    /// It carries at most so many bits a second.
    Bandwidth(u64),
    /// It loses this share of its frames.
    Loss(f64),
}

/// What happens to messages before an actor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GateChange {
    /// Each is late by this.
    Slow(Duration),
    /// This share of them is lost.
    Drop(f64),
    /// All wait until the effect is undone.
    Hold,
}

impl Effect {
    /// The node it is done to; nothing for links.
    pub fn node(&self) -> Option<usize> {
        match self {
            Self::Links { .. } => None,
            Self::Stop { node, .. }
            | Self::Restart { node, .. }
            | Self::Upgrade { node, .. }
            | Self::HashPower { node, .. }
            | Self::Freeze { node }
            | Self::Clock { node, .. }
            | Self::Gate { node, .. }
            | Self::Disk { node, .. }
            | Self::Destroy { node }
            | Self::Join { node, .. } => Some(*node),
        }
    }

    /// Whether it is done to this node, or to a link that ends there.
    pub fn touches(&self, place: usize) -> bool {
        match self {
            Self::Links { from, to, .. } => from.contains(&place) || to.contains(&place),
            other => other.node() == Some(place),
        }
    }
}

/// A fault, resolved: what is done to whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resolved {
    /// What is done. For churn and flapping: what is done over and over, see [`crate::progress`].
    pub effects: Vec<Effect>,
    /// The sides that a partition, cut or isolation makes; empty for other faults.
    pub sides: Vec<Vec<usize>>,
}

impl Fault {
    /// What this fault does to which nodes, drawn from `seed`.
    pub fn resolve(&self, nodes: &[NodeDescription], seed: u64) -> Result<Resolved, Nobody> {
        let pick = |selector: &Selector| found(selector.draw(nodes, &[], seed)?);
        let every: Vec<usize> = (0..nodes.len()).collect();
        let each = |of: Vec<usize>, effect: &dyn Fn(usize) -> Effect| Resolved {
            effects: of.into_iter().map(effect).collect(),
            sides: Vec::new(),
        };
        let gate = |actor: Actor, of: &Selector, change: GateChange| {
            Ok(each(pick(of)?, &|node| Effect::Gate { node, actor, change }))
        };
        let of_state = |selector: &Selector, states: &[NodeState]| {
            let mut drawn = selector.draw(nodes, &[], seed)?;
            drawn.retain(|&node| states.contains(&nodes[node].state));
            found(drawn)
        };
        let alive = |selector: &Selector| of_state(selector, &[NodeState::Alive]);
        let on = |links: &Links, change: LinkChange| links.change(change, nodes, seed);
        Ok(match self {
            Self::Partition(partition) => partition.resolve(nodes, seed)?,
            Self::Cut { links } => on(links, LinkChange::Cut)?,
            Self::Isolate { pick: who } => {
                let of = pick(who)?;
                let mut sides: Vec<Vec<usize>> = of.iter().map(|&node| vec![node]).collect();
                sides.push(rest(nodes.len(), &of));
                Resolved { effects: both_ways(&of, &every, LinkChange::Cut), sides }
            }
            Self::Latency { links, by, jitter } => {
                without_sides(on(links, LinkChange::Latency { by: *by, jitter: *jitter })?)
            }
            Self::Bandwidth { links, limit } => without_sides(on(links, LinkChange::Bandwidth(limit.0))?),
            Self::Loss { links, share } => without_sides(on(links, LinkChange::Loss(share.0))?),
            Self::Flap { links, .. } => on(links, LinkChange::Cut)?,
            Self::Crash { pick: who, kind } | Self::Churn { pick: who, kind, .. } => {
                each(alive(who)?, &|node| Effect::Stop { node, kind: *kind })
            }
            Self::Restart { pick: who, kind } => each(alive(who)?, &|node| Effect::Restart { node, kind: *kind }),
            Self::Upgrade { pick: who, to, kind } => upgrade(who, to, *kind, nodes, seed)?,
            Self::HashPower { from, to, share } => {
                let mut losers = found(from.draw(nodes, &[], seed)?)?;
                let mut winners = found(to.draw(nodes, &losers, seed_for(seed, 1))?)?;
                losers.retain(|&node| nodes[node].hash_share > 0.0);
                winners.retain(|node| nodes[*node].hash_share > 0.0 && !losers.contains(node));
                let held = |of: &[usize]| of.iter().map(|&node| nodes[node].hash_share).sum::<f64>();
                let moved = share.0 * held(&found(losers.clone())?) / held(&found(winners.clone())?);
                let mut resolved = each(losers, &|node| Effect::HashPower { node, times: 1.0 - share.0 });
                resolved.effects.extend(each(winners, &|node| Effect::HashPower { node, times: 1.0 + moved }).effects);
                resolved
            }
            Self::Freeze { pick: who } => each(alive(who)?, &|node| Effect::Freeze { node }),
            Self::ClockSkew { pick: who, by_seconds, rate } => {
                each(pick(who)?, &|node| Effect::Clock { node, by_seconds: *by_seconds, rate: *rate })
            }
            Self::Destroy { pick: who } => {
                each(of_state(who, &[NodeState::Alive, NodeState::Dead])?, &|node| Effect::Destroy { node })
            }
            Self::Slow { actor, of, by } => gate(*actor, of, GateChange::Slow(*by))?,
            Self::Drop { actor, of, share } => gate(*actor, of, GateChange::Drop(share.0))?,
            Self::Hold { actor, of } => gate(*actor, of, GateChange::Hold)?,
            Self::Disk { pick: who, trouble } => each(alive(who)?, &|node| Effect::Disk { node, trouble: *trouble }),
            Self::Join(join) => {
                let meant = |node: &NodeDescription| {
                    node.group == join.group && join.only.as_ref().is_none_or(|only| node.name == *only)
                };
                let absent = |node: &usize| meant(&nodes[*node]) && nodes[*node].state == NodeState::Absent;
                let new = found(every.into_iter().filter(absent).take(join.count as usize).collect())?;
                let peers = join.peers.as_ref().map(|peers| peers.draw(nodes, &new, seed)).transpose()?;
                each(new, &|node| Effect::Join { node, peers: peers.clone() })
            }
        })
    }
}

/// Each takes what it still rejects of it; who rejects nothing of it is out of sight.
fn upgrade(
    pick: &Selector,
    to: &[String],
    kind: CrashKind,
    nodes: &[NodeDescription],
    seed: u64,
) -> Result<Resolved, Nobody> {
    let lacks = |node: &NodeDescription| -> Vec<String> {
        node.rejects.iter().filter(|name| to.is_empty() || to.contains(name)).cloned().collect()
    };
    let mut seen = nodes.to_vec();
    seen.iter_mut().filter(|node| lacks(node).is_empty()).for_each(|node| node.state = NodeState::Dead);
    let mut drawn = pick.draw(&seen, &[], seed)?;
    drawn.retain(|&node| seen[node].state == NodeState::Alive);
    let take = |node: usize| Effect::Upgrade { node, to: lacks(&nodes[node]), kind };
    Ok(Resolved { effects: found(drawn)?.into_iter().map(take).collect(), sides: Vec::new() })
}

impl Links {
    /// A change of these links. The sides are its two ends.
    fn change(&self, change: LinkChange, nodes: &[NodeDescription], seed: u64) -> Result<Resolved, Nobody> {
        let every: Vec<usize> = (0..nodes.len()).collect();
        let ends = |from: &Selector, to: &Selector| {
            let from = found(from.draw(nodes, &[], seed)?)?;
            let to = found(to.draw(nodes, &from, seed_for(seed, 1))?)?;
            Ok((from, to))
        };
        Ok(match self {
            Self::Every => without_sides(Resolved { effects: vec![link(&every, &every, change)], sides: Vec::new() }),
            Self::Of(of) => {
                let of = found(of.draw(nodes, &[], seed)?)?;
                let others = rest(nodes.len(), &of);
                Resolved { effects: both_ways(&of, &every, change), sides: vec![of, others] }
            }
            Self::Between(from, to) => {
                let (from, to) = ends(from, to)?;
                Resolved { effects: both_ways(&from, &to, change), sides: vec![from, to] }
            }
            Self::OneWay { from, to } => {
                let (from, to) = ends(from, to)?;
                Resolved { effects: vec![link(&from, &to, change)], sides: vec![from, to] }
            }
        })
    }
}

impl Partition {
    /// Every node is on exactly one side, also who is down or absent, for it may come.
    fn resolve(&self, nodes: &[NodeDescription], seed: u64) -> Result<Resolved, Nobody> {
        let mut sides: Vec<Vec<usize>> = Vec::new();
        match self {
            Self::Parts(parts) => {
                let alive = |node: &usize| nodes[*node].state == NodeState::Alive;
                let (alive, others): (Vec<usize>, Vec<usize>) = (0..nodes.len()).partition(alive);
                sides = split(alive, *parts as usize, seed);
                sides[0].extend(others);
                sides[0].sort_unstable();
            }
            Self::Sides(selectors) => {
                for (number, selector) in selectors.iter().enumerate() {
                    let taken = sides.concat();
                    // Who is taken is out of sight, so that `half` of the second side is half of those left.
                    let mut left = nodes.to_vec();
                    taken.iter().for_each(|&node| left[node].state = NodeState::Dead);
                    let mut side = selector.draw(&left, &taken, seed_for(seed, number as u64))?;
                    side.retain(|node| !taken.contains(node));
                    sides.push(found(side)?);
                }
                sides.push(rest(nodes.len(), &sides.concat()));
            }
        }
        sides.retain(|side| !side.is_empty());
        if sides.len() < 2 {
            return Err(Nobody::LeftToPick);
        }
        let effects = sides.iter().map(|side| link(side, &rest(nodes.len(), side), LinkChange::Cut)).collect();
        Ok(Resolved { effects, sides })
    }
}

fn link(from: &[usize], to: &[usize], change: LinkChange) -> Effect {
    Effect::Links { from: from.to_vec(), to: to.to_vec(), change }
}

/// Two effects where the ends differ; the link from a node to itself does not exist, so ends may overlap.
fn both_ways(a: &[usize], b: &[usize], change: LinkChange) -> Vec<Effect> {
    let mut effects = vec![link(a, b, change)];
    let back: Vec<usize> = b.iter().copied().filter(|node| !a.contains(node)).collect();
    // Links within `a` are in the first effect already when `b` holds `a`: adding a latency twice would double it.
    if !back.is_empty() {
        effects.push(link(&back, a, change));
    }
    effects
}

fn without_sides(resolved: Resolved) -> Resolved {
    Resolved { sides: Vec::new(), ..resolved }
}

fn rest(count: usize, of: &[usize]) -> Vec<usize> {
    (0..count).filter(|node| !of.contains(node)).collect()
}

fn found(nodes: Vec<usize>) -> Result<Vec<usize>, Nobody> {
    if nodes.is_empty() { Err(Nobody::LeftToPick) } else { Ok(nodes) }
}

#[cfg(test)]
mod tests;
