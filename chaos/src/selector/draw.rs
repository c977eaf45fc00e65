//! Drawing: from a selector and a seeded source of chance to nodes.

use rand::seq::SliceRandom;
use rand::{Rng, rngs::StdRng};

use super::{Amount, Role, Selector, Set};

/// What a draw knows of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its group.
    pub group: &'a str,
    /// Its role.
    pub role: Role,
    /// Its region.
    pub region: Option<&'a str>,
    /// Of the whole cluster's hash power, 0 to 1.
    pub hash_share: f64,
    /// Bytes it has sent so far.
    pub bytes_sent: u64,
    /// Whether it can be drawn at all: alive, and not taken by an earlier end of the same fault.
    pub available: bool,
    /// Whether the other end of the same fault has it: these are never in `rest`.
    pub taken: bool,
}

/// Positions of the nodes selected, in order. Amounts are of the available members of the sets, hash power is of the
/// whole cluster. An empty answer is possible: whoever asked decides what that means. The same arguments and the
/// same state of `chance` give the same answer; a selector that leaves nothing to chance draws nothing from it.
pub fn draw(selector: &Selector, nodes: &[Candidate<'_>], chance: &mut StdRng) -> Vec<usize> {
    let busiest = busiest(nodes);
    let is_in = |position: usize, set: &Set| {
        let node = &nodes[position];
        match set {
            Set::Everyone => true,
            Set::Name(name) => node.name == name,
            Set::Role(role) => node.role == *role,
            Set::Group(group) => node.group == group,
            Set::Region(region) => node.region == Some(region),
            Set::Busiest => busiest == Some(position),
            Set::Rest => !node.taken,
        }
    };
    let members = (0..nodes.len()).filter(|position| nodes[*position].available);
    let mut members: Vec<usize> =
        members.filter(|position| selector.among.iter().any(|set| is_in(*position, set))).collect();
    let all = members.len();
    let shares = |position: &usize| nodes[*position].hash_share;
    let count = match selector.amount {
        Amount::All => all,
        Amount::Count(count) => all.min(count as usize),
        Amount::Minority => all.saturating_sub(1) / 2,
        Amount::Majority => all - all.saturating_sub(1) / 2,
        Amount::Half => all / 2,
        Amount::Share(share) if share.0 <= 0.0 => 0,
        Amount::Share(share) => ((all as f64 * share.0).round() as usize).clamp(1.min(all), all),
        Amount::HashPowerOver(limit) => {
            members.shuffle(chance);
            let mut sum = 0.0;
            members
                .iter()
                .position(|node| {
                    sum += shares(node);
                    sum > limit.0 + TINY
                })
                .map_or(0, |last| last + 1)
        }
        Amount::HashPowerUnder(limit) => {
            members.shuffle(chance);
            let mut sum = 0.0;
            members
                .iter()
                .position(|node| {
                    sum += shares(node);
                    sum >= limit.0 - TINY
                })
                .unwrap_or(all)
        }
    };
    let by_hash_power = matches!(selector.amount, Amount::HashPowerOver(_) | Amount::HashPowerUnder(_));
    if !by_hash_power && count < all {
        shuffle_first(&mut members, count, chance);
    }
    members.truncate(count);
    members.sort_unstable();
    members
}

/// Sums of shares are compared with this much tolerance: ten times 10 % is not exactly the whole.
const TINY: f64 = 1e-9;

/// The first `count` places become a random choice without order, with one number drawn for each place.
fn shuffle_first(members: &mut [usize], count: usize, chance: &mut StdRng) {
    for place in 0..count {
        let other = place + (chance.next_u64() % (members.len() - place) as u64) as usize;
        members.swap(place, other);
    }
}

fn busiest(nodes: &[Candidate<'_>]) -> Option<usize> {
    let available = (0..nodes.len()).filter(|position| nodes[*position].available);
    available.max_by_key(|position| (nodes[*position].bytes_sent, std::cmp::Reverse(nodes[*position].name)))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn ten() -> Vec<Candidate<'static>> {
        const NAMES: [&str; 10] = ["a-0", "a-1", "a-2", "a-3", "a-4", "a-5", "b-0", "b-1", "b-2", "b-3"];
        let node = |name: &'static str| Candidate {
            name,
            group: &name[..1],
            role: if name.starts_with('a') { Role::Miner } else { Role::Full },
            region: None,
            hash_share: if name.starts_with('a') { 1.0 / 6.0 } else { 0.0 },
            bytes_sent: if name == "b-2" { 9 } else { 1 },
            available: true,
            taken: false,
        };
        NAMES.map(node).to_vec()
    }

    fn drawn(text: &str, seed: u64) -> Vec<usize> {
        let selector: Selector = text.parse().unwrap();
        draw(&selector, &ten(), &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn amounts_are_of_the_members() {
        for (text, count) in
            [("half", 5), ("minority", 4), ("majority", 6), ("30%", 3), ("1%", 1), ("0%", 0), ("one", 1)]
        {
            assert_eq!(drawn(text, 1).len(), count, "{text}");
        }
        assert_eq!(drawn("half of role:miner", 3).len(), 3);
        assert_eq!(drawn("hashpower:>50%", 3).iter().filter(|node| **node < 6).count(), 4);
        assert_eq!(drawn("hashpower:<50% of role:miner", 3).len(), 2);
        assert_eq!(drawn("busiest", 0), [8]);
        assert_eq!(drawn("group:b, a-0", 0), [0, 6, 7, 8, 9]);
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        assert_eq!(drawn("half", 7), drawn("half", 7));
        assert!((0..20).any(|seed| drawn("half", seed) != drawn("half", 7)));
    }

    #[test]
    fn every_node_is_drawn_at_some_seed() {
        let mut seen: Vec<usize> = (0..200).flat_map(|seed| drawn("one", seed)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 10);
    }

    #[test]
    fn the_dead_are_not_drawn() {
        let mut nodes = ten();
        nodes.iter_mut().skip(1).for_each(|node| node.available = false);
        let one: Selector = "one".parse().unwrap();
        assert_eq!(draw(&one, &nodes, &mut StdRng::seed_from_u64(5)), [0]);
        let half: Selector = "half".parse().unwrap();
        assert_eq!(draw(&half, &nodes, &mut StdRng::seed_from_u64(5)), [0_usize; 0]);
    }
}
