//! The catalogue: every kind of fault with a sentence, its inverse and the evidence it leaves.

use crate::fault::{DiskTrouble, Fault};

/// A row of the catalogue: what a user reads about a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its word in YAML.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub explain: &'static str,
    /// What undoes it, in a sentence.
    pub inverse: &'static str,
    /// What it leaves behind that proves it happened.
    pub evidence: &'static str,
}

/// Every kind of fault, in the order a reader meets them.
pub const CATALOGUE: [Kind; 21] = [
    Kind {
        name: "partition",
        explain: "Splits the nodes into sides; nothing crosses between them, in either direction.",
        inverse: "The cuts are mended; connections resume or are dialled again.",
        evidence: "frames held between the sides, none carried; after the heal frames cross again",
    },
    Kind {
        name: "cut",
        explain: "Nothing gets from some nodes to others; the other direction works.",
        inverse: "The cut is mended.",
        evidence: "frames held in the cut direction, none carried; after the heal frames cross again",
    },
    Kind {
        name: "isolate",
        explain: "Cuts each of some nodes off from everyone else.",
        inverse: "The cuts are mended.",
        evidence: "frames held to and from each of them, none carried; after the heal frames cross again",
    },
    Kind {
        name: "latency",
        explain: "Makes links slower by a delay, with jitter.",
        inverse: "The delay is taken off.",
        evidence: "frames that took so much longer on the links, on average; after the heal frames without the delay",
    },
    Kind {
        name: "bandwidth",
        explain: "Lets links carry fewer bytes a second.",
        inverse: "The limit is taken off.",
        evidence: "frames that queued at least as long as their own bytes take at the limit; after the heal frames without a queue",
    },
    Kind {
        name: "loss",
        explain: "Makes links lose frames; a reliable transport resends them, so they come late.",
        inverse: "The loss is taken off.",
        evidence: "frames lost on the links, no fewer than chance allows; after the heal a smaller share of them",
    },
    Kind {
        name: "crash",
        explain: "Stops nodes mid-flight: the process (what the store accepted survives), the machine (unsynced writes are gone, peers see silence), or torn, the machine and the end of what its disk held.",
        inverse: "The nodes start again on the store they left.",
        evidence: "a stop of each node, no word from it while it is down, of a machine no frame either, a start after it; a torn store noticed and rebuilt",
    },
    Kind {
        name: "restart",
        explain: "Stops nodes mid-flight and starts them again at once.",
        inverse: "Nothing to undo.",
        evidence: "a stop and a start of each node",
    },
    Kind {
        name: "upgrade",
        explain: "Has nodes take upgrades of the rules that they rejected: they stop and start again, and judge all they have anew.",
        inverse: "Nothing to undo.",
        evidence: "a stop and a start of each node, and its word that it follows the upgrades",
    },
    Kind {
        name: "hash_power",
        explain: "Moves hash power from some miners to others.",
        inverse: "It goes back.",
        evidence: "each miner's word that it hashes at another rate, and after the heal at its former one",
    },
    Kind {
        name: "freeze",
        explain: "Lets nodes stand still with their connections open.",
        inverse: "The nodes are thawed and go on where they stood.",
        evidence: "polls or signals withheld from each node, no word from it while it is frozen, words after it",
    },
    Kind {
        name: "churn",
        explain: "Lets nodes leave and return at random times, at a rate.",
        inverse: "Nobody leaves any more and everyone has returned.",
        evidence: "departures and as many returns",
    },
    Kind {
        name: "clock_skew",
        explain: "Sets what time nodes believe: ahead, behind, too fast or too slow.",
        inverse: "The clocks show the true time again.",
        evidence: "the clocks' distance from the truth during it, and none after it",
    },
    Kind {
        name: "flap",
        explain: "Takes links down and up again, over and over.",
        inverse: "The links stay up.",
        evidence: "frames held while down, none carried then; frames carried after it",
    },
    Kind {
        name: "destroy",
        explain: "Stops nodes for ever and deletes their stores.",
        inverse: "None: it is permanent.",
        evidence: "a stop of each node and no word from it afterwards",
    },
    Kind {
        name: "slow",
        explain: "Delivers each message to one actor inside nodes late.",
        inverse: "Messages are delivered at once.",
        evidence: "messages delayed at the actor's door, and after the heal messages that pass untouched",
    },
    Kind {
        name: "drop",
        explain: "Loses a share of the messages to one actor inside nodes.",
        inverse: "Messages are delivered.",
        evidence: "messages lost at the actor's door, and after the heal messages that pass untouched",
    },
    Kind {
        name: "hold",
        explain: "Keeps all messages from one actor inside nodes.",
        inverse: "What was held is delivered, in order.",
        evidence: "messages held at the actor's door; after the heal messages pass",
    },
    Kind {
        name: "full_disk",
        explain: "Lets nothing more fit on nodes' disks: their stores fail, and they tell nothing that is not durable.",
        inverse: "There is room again, and the nodes start on what their disks hold.",
        evidence: "a failure of each node's store, and words from it after the heal",
    },
    Kind {
        name: "failing_sync",
        explain: "Lets every sync of nodes' disks fail: their stores fail, and they tell nothing that is not durable.",
        inverse: "Syncs work again, and the nodes start on what their disks hold.",
        evidence: "a failure of each node's store, and words from it after the heal",
    },
    Kind {
        name: "join",
        explain: "Starts nodes that were not there yet.",
        inverse: "Nothing to undo.",
        evidence: "a start of each node",
    },
];

impl Fault {
    /// Its word in YAML.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Partition(_) => "partition",
            Self::Cut { .. } => "cut",
            Self::Isolate { .. } => "isolate",
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Loss { .. } => "loss",
            Self::Crash { .. } => "crash",
            Self::Restart { .. } => "restart",
            Self::Upgrade { .. } => "upgrade",
            Self::HashPower { .. } => "hash_power",
            Self::Freeze { .. } => "freeze",
            Self::Churn { .. } => "churn",
            Self::ClockSkew { .. } => "clock_skew",
            Self::Flap { .. } => "flap",
            Self::Destroy { .. } => "destroy",
            Self::Slow { .. } => "slow",
            Self::Drop { .. } => "drop",
            Self::Hold { .. } => "hold",
            Self::Disk { trouble: DiskTrouble::Full, .. } => "full_disk",
            Self::Disk { trouble: DiskTrouble::NoSync, .. } => "failing_sync",
            Self::Join(_) => "join",
        }
    }

    /// Its row of the catalogue.
    pub fn kind(&self) -> &'static Kind {
        let name = self.name();
        CATALOGUE.iter().find(|kind| kind.name == name).unwrap_or(&CATALOGUE[0])
    }

    /// Whether there is something to heal.
    pub fn heals(&self) -> bool {
        !matches!(self, Self::Restart { .. } | Self::Upgrade { .. } | Self::Destroy { .. } | Self::Join(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::fault::{Actor, CrashKind, DiskTrouble, Join, Links, Partition};
    use crate::quantity::{Bandwidth, Length, Rate, Share};
    use crate::selector::{Amount, Role, Selector, Set};

    #[test]
    fn every_fault_has_its_row() {
        let pick = Selector { amount: Amount::Count(1), among: vec![Set::Everyone] };
        let (of, links) = (pick.clone(), Links::Every);
        let by = Duration::from_secs(1);
        let length = Length::Time(by);
        let (kind, actor, share) = (CrashKind::Machine, Actor::Ledger, Share(0.5));
        let join = Join { group: "new".into(), count: 1, role: Role::Full, region: None, peers: None, only: None };
        let all = [
            Fault::Partition(Partition::Parts(2)),
            Fault::Cut { links: links.clone() },
            Fault::Isolate { pick: pick.clone() },
            Fault::Latency { links: links.clone(), by, jitter: by },
            Fault::Bandwidth { links: links.clone(), limit: Bandwidth(1) },
            Fault::Loss { links: links.clone(), share },
            Fault::Crash { pick: pick.clone(), kind },
            Fault::Restart { pick: pick.clone(), kind },
            Fault::Upgrade { pick: pick.clone(), to: Vec::new(), kind },
            Fault::HashPower { from: pick.clone(), to: pick.clone(), share },
            Fault::Freeze { pick: pick.clone() },
            Fault::Churn { pick: pick.clone(), rate: Rate(1.0), away: length, kind },
            Fault::ClockSkew { pick: pick.clone(), by_seconds: 1.0, rate: 1.0 },
            Fault::Flap { links, down: length, up: length },
            Fault::Destroy { pick },
            Fault::Slow { actor, of: of.clone(), by },
            Fault::Drop { actor, of: of.clone(), share },
            Fault::Hold { actor, of: of.clone() },
            Fault::Disk { pick: of.clone(), trouble: DiskTrouble::Full },
            Fault::Disk { pick: of, trouble: DiskTrouble::NoSync },
            Fault::Join(join),
        ];
        assert_eq!(all.len(), CATALOGUE.len());
        for (fault, row) in all.iter().zip(&CATALOGUE) {
            assert_eq!(fault.name(), row.name);
            assert_eq!(fault.kind(), row);
        }
    }
}
