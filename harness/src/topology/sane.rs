//! Sanity of a whole topology: what no single value of it can say.

use schism_chaos::quantity::Share;
use schism_chaos::selector::Role;

use super::{HashPower, Overlay, Topology};
use crate::yaml::{Context, Entry, Value};

/// Notes contradictions between the parts; nothing then.
pub(super) fn check(context: &Context, topology: &Topology, groups: &Entry, overlay: &Entry) -> Option<()> {
    let hash_power = hash_power(context, topology, groups);
    let overlay = fits(context, topology, overlay);
    let opinions = opinions(context, topology, groups);
    (hash_power && overlay && opinions).then_some(())
}

fn hash_power(context: &Context, topology: &Topology, groups: &Entry) -> bool {
    let total = topology.total_hash_rate();
    let said: f64 = topology.groups.iter().filter_map(|group| group.hash_power).map(|power| share(power, total)).sum();
    let open = topology.groups.iter().any(|group| group.role == Role::Miner && group.hash_power.is_none());
    let miners = open || topology.groups.iter().any(|group| group.hash_power.is_some());
    let absolute = topology.groups.iter().any(|group| matches!(group.hash_power, Some(HashPower::Rate(_))));
    // A sum of shares carries the dust of binary fractions.
    let percent = Share((said * 1e6).round() / 1e6);
    let (what, help) = if said > 1.0 + 1e-9 {
        (format!("the groups' hash power sums to {percent}"), "make it 100% at most")
    } else if miners && open && said > 1.0 - 1e-9 {
        ("hash power is all given away, and there are miners left".to_owned(), "give them a share, or another role")
    } else if miners && !open && !absolute && said < 1.0 - 1e-9 {
        (format!("the groups' hash power sums to {percent}"), "make it 100%")
    } else {
        return true;
    };
    context.wrong(groups.at, what, Some(help.to_owned()));
    false
}

/// A power as a share of the cluster's.
pub(super) fn share(power: HashPower, total: f64) -> f64 {
    match power {
        HashPower::Share(share) => share.0,
        HashPower::Rate(rate) => rate.0 / total,
    }
}

fn fits(context: &Context, topology: &Topology, overlay: &Entry) -> bool {
    let nodes: u64 = topology.groups.iter().map(|group| u64::from(group.count)).sum();
    let (what, help) = match &topology.overlay {
        Overlay::Unstructured { degree, .. } if u64::from(*degree) >= nodes => (
            format!("a degree of {degree} is more than {nodes} nodes can have"),
            format!("at most {}", nodes.saturating_sub(1)),
        ),
        Overlay::Islands { .. } if topology.groups.len() < 2 => {
            ("one group is one island".to_owned(), "make a group for each island".to_owned())
        }
        Overlay::Ring if nodes < 3 => ("a ring needs three nodes".to_owned(), "use `line`".to_owned()),
        _ => return true,
    };
    context.wrong(overlay.value.at, what, Some(help));
    false
}

fn opinions(context: &Context, topology: &Topology, groups: &Entry) -> bool {
    let upgrades = || topology.chain.upgrades.iter().map(|upgrade| upgrade.name.as_str());
    let mut right = true;
    for group in &topology.groups {
        for rejected in group.rejects.iter().filter(|rejected| !upgrades().any(|name| name == rejected.as_str())) {
            let place = groups.value.get(&group.name).and_then(|node| node.get("rejects"));
            let items = place.and_then(|node| if let Value::List(items) = &node.value { Some(items) } else { None });
            let item = items.and_then(|items| items.iter().find(|item| item.as_text() == Some(rejected)));
            context.unknown(item.map_or(groups.at, |item| item.at), "upgrade", rejected, upgrades());
            right = false;
        }
    }
    right
}
