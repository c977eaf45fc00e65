//! Shapes: explicit links that follow from a word.

use rand::{rngs::StdRng, seq::SliceRandom};

use super::plan::{LinkPlan, NodePlan, index};
use super::{Overlay, Topology};

/// The links of a topology's shape among the nodes that take part in its overlay; none where nodes find each other.
pub(super) fn links(topology: &Topology, nodes: &[NodePlan], joining: &[usize], chance: &mut StdRng) -> Vec<LinkPlan> {
    let count = joining.len();
    let pair = |a: usize, b: usize| link(joining[a], joining[b]);
    match &topology.overlay {
        Overlay::Unstructured { .. } => Vec::new(),
        Overlay::Line => (1..count).map(|node| pair(node - 1, node)).collect(),
        Overlay::Ring => (0..count).map(|node| pair(node, (node + 1) % count)).collect(),
        Overlay::Star => (1..count).map(|node| pair(0, node)).collect(),
        Overlay::Mesh => {
            (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).map(|(a, b)| pair(a, b)).collect()
        }
        Overlay::Links(links) => {
            let position = |name: &String| nodes.iter().position(|node| &node.name == name);
            links.iter().filter_map(|(from, to)| Some(link(position(from)?, position(to)?))).collect()
        }
        Overlay::Islands { degree, bridges } => {
            let island =
                |name: &String| joining.iter().copied().filter(|node| &nodes[*node].group == name).collect::<Vec<_>>();
            let islands: Vec<_> =
                topology.groups.iter().map(|group| island(&group.name)).filter(|island| !island.is_empty()).collect();
            archipelago(&islands, *degree as usize, *bridges as usize, chance)
        }
    }
}

fn archipelago(islands: &[Vec<usize>], degree: usize, bridges: usize, chance: &mut StdRng) -> Vec<LinkPlan> {
    let mut links: Vec<LinkPlan> = islands.iter().flat_map(|island| connected(island, degree, chance)).collect();
    let count = islands.len();
    // Two islands have one strait between them, not one each way.
    let straits = if count == 2 { 1 } else { count };
    for strait in 0..straits {
        let (one, other) = (&islands[strait], &islands[(strait + 1) % count]);
        let possible = one.len() * other.len();
        let mut built = Vec::new();
        while built.len() < bridges.min(possible) {
            let bridge = link(one[index(chance, one.len())], other[index(chance, other.len())]);
            if !built.contains(&bridge) {
                built.push(bridge);
            }
        }
        links.extend(built);
    }
    links
}

/// A random connected graph: a ring in random order, and then links until each node has `degree` of them.
fn connected(island: &[usize], degree: usize, chance: &mut StdRng) -> Vec<LinkPlan> {
    let mut ring = island.to_vec();
    ring.shuffle(chance);
    let around = (0..ring.len()).map(|place| (ring[place], ring[(place + 1) % ring.len()]));
    let mut links: Vec<LinkPlan> = around.filter(|(a, b)| a != b).map(|(a, b)| link(a, b)).collect();
    links.sort_unstable();
    links.dedup();
    for node in island {
        let has =
            |links: &[LinkPlan], node: usize| links.iter().filter(|link| link.from == node || link.to == node).count();
        let mut others: Vec<usize> = island.iter().copied().filter(|other| other != node).collect();
        others.shuffle(chance);
        for other in others {
            let new = link(*node, other);
            if has(&links, *node) < degree && !links.contains(&new) {
                links.push(new);
            }
        }
    }
    links
}

fn link(a: usize, b: usize) -> LinkPlan {
    LinkPlan { from: a.max(b), to: a.min(b) }
}
