//! A draw: which nodes a selector means, from a seed and what is known of the nodes now.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::selector::{Amount, Role, Selector, Set};

/// What is known of a node when a selector is drawn. Its position in the list is its name in effects.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDescription {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The group it belongs to.
    pub group: String,
    /// Where it is.
    pub region: Option<String>,
    /// Of the cluster's hash power, 0 to 1.
    pub hash_share: f64,
    /// Where it stands.
    pub state: NodeState,
    /// Upgrades of the rules that it rejects, by name.
    pub rejects: Vec<String>,
    /// Payload bytes it has served so far: who is `busiest`.
    pub served: u64,
}

/// Where a node stands, as far as schedule and faults say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It has not joined yet.
    Absent,
    /// It runs, frozen or not.
    Alive,
    /// It is stopped, for now or for ever.
    Dead,
}

/// Why a selector means nobody here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nobody {
    /// Sets are empty or hold no living node.
    #[error("no living node is left to pick from")]
    LeftToPick,
    /// No node has this name.
    #[error("there is no node `{0}`")]
    Called(String),
}

impl Selector {
    /// Positions of the nodes meant, ascending. Who is not alive is never drawn, but is meant with all of its set:
    /// a partition of groups holds for a node that is down, too. `others` are those the other end of the fault picked.
    pub fn draw(&self, nodes: &[NodeDescription], others: &[usize], seed: u64) -> Result<Vec<usize>, Nobody> {
        let mut pool = Vec::new();
        for set in &self.among {
            pool.extend(set.members(nodes, others)?);
        }
        pool.sort_unstable();
        pool.dedup();
        if self.amount == Amount::All {
            return Ok(pool);
        }
        pool.retain(|&node| nodes[node].state == NodeState::Alive);
        let total = pool.len();
        let count = match self.amount {
            Amount::All => total,
            Amount::Count(count) => (count as usize).min(total),
            Amount::Minority => minority(total),
            Amount::Majority => total - minority(total),
            Amount::Half => total / 2,
            Amount::Share(share) if share.0 > 0.0 => {
                ((share.0 * total as f64).round() as usize).clamp(1.min(total), total)
            }
            Amount::Share(_) => 0,
            Amount::HashPowerOver(_) | Amount::HashPowerUnder(_) => total,
        };
        pool.shuffle(&mut StdRng::seed_from_u64(seed));
        pool.truncate(count);
        let mut held = 0.0;
        match self.amount {
            Amount::HashPowerOver(share) => pool.retain(|&node| {
                let wanted = held <= share.0 && nodes[node].hash_share > 0.0;
                held += if wanted { nodes[node].hash_share } else { 0.0 };
                wanted
            }),
            Amount::HashPowerUnder(share) => pool.retain(|&node| {
                let wanted = held + nodes[node].hash_share < share.0;
                held += if wanted { nodes[node].hash_share } else { 0.0 };
                wanted
            }),
            _ => {}
        }
        pool.sort_unstable();
        Ok(pool)
    }
}

/// The largest number below half.
fn minority(total: usize) -> usize {
    total.saturating_sub(1) / 2
}

impl Set {
    fn members(&self, nodes: &[NodeDescription], others: &[usize]) -> Result<Vec<usize>, Nobody> {
        let all = |wanted: &dyn Fn(&NodeDescription) -> bool| {
            (0..nodes.len()).filter(|&node| wanted(&nodes[node])).collect::<Vec<_>>()
        };
        Ok(match self {
            Self::Everyone => all(&|_| true),
            Self::Name(name) => {
                let found = all(&|node| node.name == *name);
                if found.is_empty() {
                    return Err(Nobody::Called(name.clone()));
                }
                found
            }
            Self::Role(role) => all(&|node| node.role == *role),
            Self::Group(group) => all(&|node| node.group == *group),
            Self::Region(region) => all(&|node| node.region.as_ref() == Some(region)),
            Self::Busiest => {
                let alive = all(&|node| node.state == NodeState::Alive);
                let busiest = alive.into_iter().min_by(|&a, &b| {
                    let (a, b) = (&nodes[a], &nodes[b]);
                    b.served.cmp(&a.served).then_with(|| a.name.cmp(&b.name))
                });
                busiest.into_iter().collect()
            }
            Self::Rest => (0..nodes.len()).filter(|node| !others.contains(node)).collect(),
        })
    }
}

/// Splits `of` into `parts` at random, as equal as can be, larger ones first.
pub fn split(mut of: Vec<usize>, parts: usize, seed: u64) -> Vec<Vec<usize>> {
    of.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut sides = vec![Vec::new(); parts.max(1)];
    for (place, node) in of.into_iter().enumerate() {
        let side = place % sides.len();
        sides[side].push(node);
    }
    sides.iter_mut().for_each(|side| side.sort_unstable());
    sides
}

/// A seed of its own for something numbered, so that one more draw here changes no draw elsewhere.
pub fn seed_for(seed: u64, number: u64) -> u64 {
    // The multiplier only spreads small numbers over all bits before the generator mixes them.
    StdRng::seed_from_u64(seed ^ (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).random()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::quantity::Share;

    /// Nodes `m0`, `m1`, …, of which the first six mine; even ones are `east`, odd ones `west`.
    pub(crate) fn nodes(count: usize) -> Vec<NodeDescription> {
        (0..count)
            .map(|index| NodeDescription {
                name: format!("m{index}"),
                role: if index < 6 { Role::Miner } else { Role::Full },
                group: if index % 2 == 0 { "east" } else { "west" }.to_owned(),
                region: None,
                hash_share: if index < 6 { 1.0 / 6.0 } else { 0.0 },
                state: NodeState::Alive,
                rejects: Vec::new(),
                served: if index == 7 { 9 } else { 1 },
            })
            .collect()
    }

    pub(crate) fn some(amount: Amount, set: Set) -> Selector {
        Selector { amount, among: vec![set] }
    }

    #[test]
    fn every_amount_draws_the_number_it_says() {
        let sizes = [
            (Amount::All, 10),
            (Amount::Count(3), 3),
            (Amount::Minority, 4),
            (Amount::Majority, 6),
            (Amount::Half, 5),
            (Amount::Share(Share(0.3)), 3),
            (Amount::HashPowerOver(Share(0.5)), 4),
        ];
        for (amount, size) in sizes {
            let drawn = some(amount, Set::Everyone).draw(&nodes(10), &[], 7).expect("ten nodes");
            assert_eq!(drawn.len(), size, "{amount:?}");
        }
        let under = some(Amount::HashPowerUnder(Share(0.4)), Set::Role(Role::Miner)).draw(&nodes(10), &[], 7);
        assert_eq!(under.expect("six miners").len(), 2);
        assert_eq!(some(Amount::All, Set::Busiest).draw(&nodes(10), &[], 7), Ok(vec![7]));
        assert_eq!(some(Amount::All, Set::Rest).draw(&nodes(4), &[1, 2], 7), Ok(vec![0, 3]));
        let unknown = some(Amount::All, Set::Name("m99".into())).draw(&nodes(10), &[], 7);
        assert_eq!(unknown, Err(Nobody::Called("m99".into())));
    }

    #[test]
    fn a_seed_draws_the_same_and_others_draw_others() {
        let half = |seed| some(Amount::Half, Set::Everyone).draw(&nodes(10), &[], seed);
        assert_eq!(half(7), half(7));
        assert!((0..20).filter(|&seed| half(seed) != half(7)).count() > 10);
    }

    #[test]
    fn who_is_down_is_meant_with_all_but_never_drawn() {
        let mut nodes = nodes(4);
        nodes.iter_mut().skip(1).for_each(|node| node.state = NodeState::Dead);
        assert_eq!(some(Amount::Count(2), Set::Everyone).draw(&nodes, &[], 3), Ok(vec![0]));
        assert_eq!(some(Amount::All, Set::Everyone).draw(&nodes, &[], 3), Ok(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_split_leaves_nobody_out() {
        let sides = split((0..10).collect(), 3, 5);
        assert_eq!(sides.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3, 3]);
        let mut all = sides.concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
