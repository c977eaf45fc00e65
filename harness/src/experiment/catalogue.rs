//! The catalogue of checks, and of how faults are said: what a user reads about a word.

/// A row: what a user reads about a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckWord {
    /// Its word in YAML.
    pub name: &'static str,
    /// Whether it can stand under `always`.
    pub always: bool,
    /// Whether it can stand under `finally`.
    pub finally: bool,
    /// What holds when it holds, in a sentence.
    pub explain: &'static str,
    /// How it is said.
    pub said: &'static str,
}

impl CheckWord {
    /// Where it can stand, for people.
    pub fn places(&self) -> &'static str {
        match (self.always, self.finally) {
            (true, true) => "always or finally",
            (true, false) => "always",
            _ => "finally",
        }
    }
}

/// Every check, safety first.
pub const CHECKS: [CheckWord; 20] = [
    CheckWord {
        name: "agreement",
        always: true,
        finally: true,
        explain: "Nodes that report the same tip report the same digest of coins and the same supply.",
        said: "agreement: true",
    },
    CheckWord {
        name: "common_prefix",
        always: true,
        finally: false,
        explain: "Nodes that have been connected for a while agree on all but their last k blocks.",
        said: "common_prefix: { k: 6, within: connected }",
    },
    CheckWord {
        name: "chain_growth",
        always: true,
        finally: true,
        explain: "The best chain grows by at least a share of what its interval promises.",
        said: "chain_growth: { at_least: 50%, over: 20 blocks }",
    },
    CheckWord {
        name: "chain_quality",
        always: true,
        finally: true,
        explain: "Of any so many consecutive blocks of the best chain honest nodes mined at least a share.",
        said: "chain_quality: { at_least: 60%, over: 20 blocks }",
    },
    CheckWord {
        name: "supply",
        always: true,
        finally: true,
        explain: "Coins, unclaimed and unspendable amounts are exactly the subsidies, on every node at every tip.",
        said: "supply: exact",
    },
    CheckWord {
        name: "no_double_spend",
        always: true,
        finally: true,
        explain: "No best chain spends an output twice.",
        said: "no_double_spend: true",
    },
    CheckWord {
        name: "no_lost_confirmed",
        always: true,
        finally: true,
        explain: "A transaction that was confirmed so deep stays confirmed, unless its inputs were spent otherwise.",
        said: "no_lost_confirmed: { depth: 6 }",
    },
    CheckWord {
        name: "bounded_peers_data",
        always: true,
        finally: true,
        explain: "Whatever peers can fill in a node stays within its bounds.",
        said: "bounded_peers_data: true, or { pool: 5 MB }",
    },
    CheckWord {
        name: "unaltered",
        always: true,
        finally: true,
        explain: "Whatever honest nodes take is as somebody made it: users every transaction, miners every block.",
        said: "unaltered: true",
    },
    CheckWord {
        name: "only_liars_banned",
        always: true,
        finally: true,
        explain: "No honest node is banned by another, whoever is proven to lie is banned at once, and so many are banned and charged.",
        said: "only_liars_banned: { at_least: 100, charges: 200 }",
    },
    CheckWord {
        name: "keeps_honest_peers",
        always: true,
        finally: true,
        explain: "Honest nodes that nothing cuts off stay connected to each other whatever strangers do, and so many strangers come \
                  and go; it says how much they sent.",
        said: "keeps_honest_peers: { strangers: 100 }",
    },
    CheckWord {
        name: "equivocated",
        always: false,
        finally: true,
        explain: "At so many heights honest nodes saw different blocks of an adversary first; it says how evenly they were told, how \
                  deep they had to go back, and what honest miners lost.",
        said: "equivocated: { heights: 20 }",
    },
    CheckWord {
        name: "rewritten",
        always: false,
        finally: true,
        explain: "Every honest node undid so many blocks at once, and payments that had as many confirmations are spent otherwise: what a \
                  majority of the hash power can do.",
        said: "rewritten: { deep: 6 }",
    },
    CheckWord {
        name: "refused_reasons",
        always: false,
        finally: true,
        explain: "Every node has refused something of a peer's for each of these reasons, or for each but these; it says \
                  how often, and how often somebody was charged for it.",
        said: "refused_reasons: { these: [MerkleRootWrong] }, or { all_but: [PoolFull] }",
    },
    CheckWord {
        name: "pool_agreement",
        always: false,
        finally: true,
        explain: "Pools hold the same transactions, conflicts with each other aside.",
        said: "pool_agreement: { within: 6 blocks }",
    },
    CheckWord {
        name: "converged",
        always: false,
        finally: true,
        explain: "Everyone who should be alive reports one best block with the most work, fresh blocks of each side \
                  are on it, digests agree, and it stays so.",
        said: "converged: { within: 2 blocks, fresh_blocks: 3, from_each_side: true, stable: 3 blocks }",
    },
    CheckWord {
        name: "payment",
        always: false,
        finally: true,
        explain: "A payment made after the heal, on each side where there were sides, is confirmed everywhere.",
        said: "payment: { from: any, to: any, confirmed_within: 3 blocks }",
    },
    CheckWord {
        name: "served",
        always: false,
        finally: true,
        explain: "Newcomers were served the blocks they lacked, by so many or by these, and in time.",
        said: "served: { to: late-0, by_at_least: 3 }, or { to: late-1, by: late-0, while_syncing: true }",
    },
    CheckWord {
        name: "replay",
        always: false,
        finally: true,
        explain: "Payments confirmed on one side of a fork and submitted on the other (`load: { replay: { from: group:old, \
                  to: group:new } }`) are all refused for their signatures, or confirmed there too; or, where wallets have split \
                  their coins (`split: coinbase`), refused because there are no such coins there: it says how many were \
                  submitted, accepted, refused and confirmed, what that cost each wallet, and what they keep there.",
        said: "replay: refused, or { confirmed: 20 }, or { kept: 20 }",
    },
    CheckWord {
        name: "limits",
        always: false,
        finally: true,
        explain: "Figures of the whole run stay below limits.",
        said: "limits: { reorganisation: 20, blocks_lost: 9, time_to_converge: 1m, block_everywhere: { p99: 3s } }",
    },
];

/// How a kind of fault is said.
pub fn said(fault: &str) -> &'static str {
    match fault {
        "partition" => "partition: half, or [group:east, group:west], or { parts: 3 }",
        "cut" => "cut: { from: half, to: rest }, or { between: [miner-0, miner-1] }, or { of: one }",
        "isolate" => "isolate: one",
        "latency" => "latency: 200ms, or { by: 200ms, jitter: 50ms, of: one }",
        "bandwidth" => "bandwidth: 1 Mbit/s, or { limit: 1 Mbit/s, of: one }",
        "loss" => "loss: 5%, or { share: 5%, between: [group:east, group:west] }",
        "crash" => "crash: one, or { pick: 33%, kind: machine }, or { pick: one, kind: torn }",
        "restart" => "restart: one, or { pick: 33%, kind: machine }",
        "upgrade" => "upgrade: one, or { pick: group:east, to: [larger], kind: process }",
        "hash_power" => "hash_power: { from: group:east, to: group:west, share: 50% }",
        "freeze" => "freeze: one",
        "churn" => "churn: { pick: all, rate: 4/m, away: 45s, kind: process }",
        "clock_skew" => "clock_skew: { pick: one, by: -70m, rate: 1.01 }",
        "flap" => "flap: { between: [group:east, group:west], down: 60s, up: 20s }",
        "destroy" => "destroy: busiest",
        "slow" => "slow: { actor: ledger, of: one, by: 500ms }",
        "drop" => "drop: { actor: mempool, of: one, share: 50% }",
        "hold" => "hold: { actor: network, of: one }",
        "full_disk" => "full_disk: one",
        "failing_sync" => "failing_sync: one, or { pick: 20% }",
        "join" => "join: { group: late, count: 2, role: full, peers: any }",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use schism_chaos::catalogue::CATALOGUE;

    use super::*;
    use crate::experiment::Experiment;

    const TOPOLOGY: &str = "topology: { name: t, chain: { upgrades: [{ name: larger, at_height: 9 }] }, groups: { east: { count: 3, role: miner }, west: { count: 3, role: miner }, \
                            miner: { count: 2 }, late: { count: 2, role: full } }, overlay: mesh }\n";

    /// Every variant of `a: b, or c, or d`, each with its key.
    fn variants(said: &str) -> Vec<String> {
        let (key, values) = said.split_once(": ").unwrap();
        values.split(", or ").map(|value| format!("{key}: {value}")).collect()
    }

    #[test]
    fn every_fault_can_be_said_as_it_is_explained() {
        for kind in &CATALOGUE {
            for variant in variants(said(kind.name)) {
                let variant = variant.replace("group: late", "group: newcomer");
                let text = format!("{TOPOLOGY}faults: [{{ at: 5s, {variant} }}]\nalways: {{ supply: exact }}\n");
                let read = Experiment::parse("e.yaml", &text, Path::new("."));
                assert!(read.is_ok(), "{}\n{text}", read.unwrap_err());
            }
        }
    }

    #[test]
    fn every_check_can_be_said_as_it_is_explained() {
        for check in &CHECKS {
            for (place, fits) in [("always", check.always), ("finally", check.finally)] {
                for variant in variants(check.said) {
                    let text = format!("{TOPOLOGY}faults: [{{ at: 5s, isolate: one }}]\n{place}: {{ {variant} }}\n");
                    let read = Experiment::parse("e.yaml", &text, Path::new("."));
                    assert_eq!(read.is_ok(), fits, "{:?}\n{text}", read.err());
                }
            }
        }
    }
}
