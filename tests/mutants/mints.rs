//! Mints: nodes whose coinbases claim, and whose ledgers allow, one satoshi more than the chain's rules. All agree, so
//! only a check that adds up by the honest rules can see it: `supply`.

use std::sync::Arc;

use bitcoin::Amount;
use schism::backend::mutation::Mutation;
use schism_node::NodeConfig;
use schism_node::chain::Rules;

use super::{Mutant, scene};

pub const MUTANT: Mutant = Mutant {
    name: "mints",
    red: "supply",
    mutation: || Arc::new(Mints),
    play: |mutation| scene::experiment("partition-heals.yaml", mutation, scene::as_it_is),
    experiment: true,
};

#[derive(Debug)]
struct Mints;

impl Mutation for Mints {
    fn config(&self, config: NodeConfig) -> NodeConfig {
        let subsidy = config.rules.initial_subsidy + Amount::ONE_SAT;
        NodeConfig { rules: Arc::new(Rules { initial_subsidy: subsidy, ..(*config.rules).clone() }), ..config }
    }
}
