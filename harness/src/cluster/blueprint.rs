//! What a cluster is built of: what each node of a plan starts from.

use std::sync::Arc;

use schism_chaos::adversary::Adversary;
use schism_node::chain::Rules;
use schism_node::config::Defences;

use crate::backend::{Place, draws};
use crate::payments;
use crate::topology::{NodePlan, Overlay, Plan, Topology};

/// Coins that genesis gives a flooder, to pay itself with.
const COINS_PER_FLOODER: usize = 64;

/// What a cluster is built of.
pub struct Blueprint {
    /// Its nodes and links.
    pub plan: Plan,
    /// What each node starts from, in the plan's order.
    pub places: Vec<Place>,
    /// The chain's rules with every upgrade.
    pub whole: Arc<Rules>,
}

impl Blueprint {
    /// The plan of a topology under `seed`, from which wallets are drawn too; the chain's interval is multiplied by
    /// `pace`.
    pub fn of(topology: &Topology, plan: Plan, seed: u64, pace: f64) -> Self {
        let mut allocations = payments::allocations(seed);
        let floods = |node: &NodePlan| matches!(node.adversary, Some(Adversary::Flood(_)));
        for flooder in (0..plan.nodes.len()).filter(|&node| floods(&plan.nodes[node])) {
            let coin = (draws::payee(seed, flooder), payments::COIN);
            allocations.extend(std::iter::repeat_n(coin, COINS_PER_FLOODER));
        }
        let (inbound, defences) = match topology.overlay {
            Overlay::Unstructured { inbound, defences, .. } => (inbound, defences),
            _ => (None, Defences::default()),
        };
        let mut whole = topology.chain.rules(&allocations);
        whole.interval = whole.interval.mul_f64(pace);
        let places = (0..plan.nodes.len()).map(|position| {
            let node = &plan.nodes[position];
            Place {
                name: node.name.clone(),
                rules: Arc::new(whole.without(&node.rejects)),
                hashes_per_second: node.hashes_per_second / pace,
                keep: plan.links.iter().filter(|link| link.from == position).map(|link| link.to).collect(),
                bootstrap: node.bootstrap.clone(),
                degree: node.degree as usize,
                most_connections: inbound.filter(|_| node.degree > 0).map(|inbound| (node.degree + inbound) as usize),
                defences,
                adversary: node.adversary,
            }
        });
        let mut places: Vec<Place> = places.collect();
        share_rules(&mut places);
        Self { plan, places, whole: Arc::new(whole) }
    }
}

/// Nodes of one opinion share one value: a thousand copies of genesis are a hundred megabytes.
fn share_rules(places: &mut [Place]) {
    let mut known: Vec<Arc<Rules>> = Vec::new();
    for place in places {
        match known.iter().find(|rules| **rules == place.rules) {
            Some(rules) => place.rules = rules.clone(),
            None => known.push(place.rules.clone()),
        }
    }
}
