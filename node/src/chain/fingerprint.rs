//! Fingerprint: which rules a ledger was judged under, in 32 bytes. A node that is started under others judges its blocks
//! anew.

use sha2::{Digest, Sha256};

use super::rules::Upgrade;
use super::{Difficulty, Rules};

/// SHA-256 over everything in rules that decides whether a block is valid; names are not among it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Rules {
    /// Their fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        // Taken apart whole, so that a new rule cannot be forgotten here.
        let Self {
            name: _,
            genesis,
            genesis_spendable,
            interval,
            pow_limit,
            hardest,
            difficulty,
            coinbase_maturity,
            initial_subsidy,
            halving_interval,
            max_future,
            max_block_bytes,
            witness,
            strict_signatures,
            upgrades,
        } = self;
        let mut told = Told(Sha256::new());
        told.0.update(AsRef::<[u8]>::as_ref(&genesis.block_hash()));
        told.number(u64::from(*genesis_spendable));
        told.number(interval.as_nanos() as u64);
        told.number(u64::from(pow_limit.to_consensus()));
        told.maybe(hardest.map(|bits| u64::from(bits.to_consensus())));
        told.difficulty(*difficulty);
        told.number(u64::from(*coinbase_maturity));
        told.number(initial_subsidy.to_sat());
        told.number(u64::from(*halving_interval));
        told.number(max_future.as_nanos() as u64);
        told.number(*max_block_bytes as u64);
        told.number(u64::from(*witness));
        told.number(u64::from(*strict_signatures));
        told.number(upgrades.len() as u64);
        upgrades.iter().for_each(|upgrade| told.upgrade(upgrade));
        Fingerprint(told.0.finalize().into())
    }
}

/// What has been told so far.
struct Told(Sha256);

impl Told {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn maybe(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn difficulty(&mut self, difficulty: Difficulty) {
        let (kind, parameter) = match difficulty {
            Difficulty::Fixed => (0, 0),
            Difficulty::Retarget { window } => (1, u64::from(window)),
            Difficulty::Asert { half_life } => (2, half_life.as_nanos() as u64),
        };
        self.number(kind);
        self.number(parameter);
    }

    fn upgrade(&mut self, upgrade: &Upgrade) {
        let Upgrade { name: _, height, max_block_bytes, difficulty, fork_id } = upgrade;
        self.number(u64::from(*height));
        self.maybe(max_block_bytes.map(|bytes| bytes as u64));
        self.number(u64::from(difficulty.is_some()));
        difficulty.iter().for_each(|difficulty| self.difficulty(*difficulty));
        self.maybe(fork_id.map(u64::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_on_blocks_changes_it_and_names_do_not() {
        let rules = Rules::lab(&[]);
        let fork = |height, fork_id| Rules {
            upgrades: vec![Upgrade { name: "any".into(), height, fork_id, ..Upgrade::default() }],
            ..rules.clone()
        };
        let different = [
            rules.fingerprint(),
            fork(5, None).fingerprint(),
            fork(6, None).fingerprint(),
            fork(5, Some(0)).fingerprint(),
            fork(5, Some(1)).fingerprint(),
            Rules { difficulty: Difficulty::Fixed, ..rules.clone() }.fingerprint(),
            Rules { max_block_bytes: 1, ..rules.clone() }.fingerprint(),
        ];
        let unique: std::collections::BTreeSet<_> = different.iter().collect();
        assert_eq!(unique.len(), different.len());
        assert_eq!(Rules { name: "renamed".into(), ..rules.clone() }.fingerprint(), rules.fingerprint());
    }
}
