//! What topologies mean, and how wrong ones are refused.

use super::*;

const WORLD: &str = "\
# A small world.
groups:
  miner: { count: 3, hash_power: 60%, region: { here: 60%, there: 40% } }
  pool: { count: 1, role: miner }
  full: { count: 2, starts: 5m, peers: one of role:miner }
overlay: { unstructured: { degree: 2 } }
regions:
  here: { latency: { here: 10ms, there: 100ms }, upload: 10 Mbit/s, download: 50 Mbit/s }
  there: { latency: { there: 20ms }, jitter: 5ms, upload: 20 Mbit/s, download: 5 Mbit/s, loss: 1% }
";

fn refused(text: &str) -> String {
    Topology::parse("t.yaml", text).unwrap_err().to_string()
}

#[test]
fn a_topology_expands_to_named_nodes() {
    let topology = Topology::parse("world", WORLD).unwrap();
    assert_eq!((topology.name.as_str(), topology.about.as_str()), ("world", "A small world."));
    let plan = topology.plan(7);
    let names: Vec<_> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["miner-0", "miner-1", "miner-2", "pool-0", "full-0", "full-1"]);
    let shares: Vec<_> = plan.nodes.iter().map(|node| (node.hash_share * 100.0).round()).collect();
    assert_eq!(shares, [20.0, 20.0, 20.0, 40.0, 0.0, 0.0]);
    let rate: f64 = plan.nodes.iter().map(|node| node.hashes_per_second).sum();
    assert!((rate - 25.6).abs() < 0.2, "2^8 hashes in 10 s, not {rate}");
    assert_eq!(plan.links.len(), 2, "each full node is linked to one miner");
    assert_eq!(plan.nodes[4].degree, 0);
    assert_eq!(plan.nodes[0].degree, 2);
}

#[test]
fn links_between_regions_are_what_their_rows_say() {
    let plan = Topology::parse("world", WORLD).unwrap().plan(1);
    let at = |region: &str| plan.nodes.iter().position(|node| node.region.as_deref() == Some(region)).unwrap();
    let (here, there) = (at("here"), at("there"));
    let out = plan.link(here, there);
    let back = plan.link(there, here);
    assert_eq!((out.latency.as_millis(), back.latency.as_millis()), (100, 100));
    assert_eq!((out.bandwidth.unwrap().0, back.bandwidth.unwrap().0), (5_000_000, 20_000_000));
    assert_eq!((out.loss.0, back.loss.0), (0.0, 0.01));
    assert_eq!(plan.link(here, 4), LinkClass::default());
}

#[test]
fn a_topology_reads_back_from_its_own_print() {
    let topology = Topology::parse("world", WORLD).unwrap();
    let printed = topology.to_yaml();
    assert_eq!(Topology::parse("again", &printed).unwrap(), topology, "{printed}");
}

#[test]
fn the_seed_decides_the_plan_and_nothing_else_does() {
    let topology = Topology::parse("world", WORLD).unwrap();
    assert_eq!(topology.plan(3), topology.plan(3));
    assert!((0..20).any(|seed| topology.plan(seed) != topology.plan(3)));
}

#[test]
fn islands_are_connected_and_bridged() {
    let text = "groups: { east: { count: 5, role: miner }, west: { count: 5, role: miner } }\noverlay: { islands: { degree: 3, bridges: 2 } }\n";
    let topology = Topology::parse("islands", text).unwrap();
    for seed in 0..50 {
        let plan = topology.plan(seed);
        let east = |node: usize| node < 5;
        assert_eq!(plan.links.iter().filter(|link| east(link.from) != east(link.to)).count(), 2);
        for node in 0..10 {
            let near = plan.links.iter().filter(|link| link.from == node || link.to == node).count();
            assert!(near >= 3, "node {node} has {near} links under seed {seed}");
        }
        let mut reached = vec![0];
        while let Some(next) =
            plan.links.iter().find_map(|link| match (reached.contains(&link.from), reached.contains(&link.to)) {
                (true, false) => Some(link.to),
                (false, true) => Some(link.from),
                _ => None,
            })
        {
            reached.push(next);
        }
        assert_eq!(reached.len(), 10, "seed {seed}");
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let told = refused(
        "groups:\n  miner: { cuont: 3, hash_power: 60 }\n  full: { count: 2, region: eurpoe }\noverlay: lien\nlink: { latency: 50 }\nregions:\n  europe: { latency: { europe: 5ms } }\n",
    );
    for part in [
        "t.yaml:2:10: a group says no `count`",
        "t.yaml:2:12: unknown key in group `cuont` (did you mean `count`?)",
        "`60` has no unit",
        "unknown region `eurpoe` (did you mean `europe`?)",
        "unknown overlay `lien` (did you mean `line`?)",
        "t.yaml:5:18: `50` has no unit",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
}

#[test]
fn contradictions_are_refused() {
    let with = |groups: &str, overlay: &str| refused(&format!("groups: {groups}\noverlay: {overlay}\n"));
    let two = "{ a: { count: 2, role: miner, hash_power: 70% }, b: { count: 2, role: miner, hash_power: 40% } }";
    assert!(with(two, "mesh").contains("sums to 110%"), "{}", with(two, "mesh"));
    let short = "{ a: { count: 2, role: miner, hash_power: 70% } }";
    assert!(with(short, "mesh").contains("sums to 70%"));
    assert!(with("{ full: { count: 2, hash_power: 70% } }", "mesh").contains("do not mine"));
    assert!(with("{ miner: { count: 3 } }", "{ unstructured: { degree: 6 } }").contains("at most 2"));
    assert!(with("{ miner: { count: 3 } }", "{ islands: { degree: 2 } }").contains("one island"));
    assert!(
        with("{ miner: { count: 3 } }", "{ links: [[miner-0, miner-1], [miner-1, miner-0]] }")
            .contains("linked already")
    );
    assert!(with("{ miner: { count: 3 } }", "{ links: [[miner-0, miner-7]] }").contains("unknown node `miner-7`"));
    assert!(with("{ miner: { count: 3, rejects: [bog] } }", "mesh").contains("unknown upgrade `bog`"));
}
