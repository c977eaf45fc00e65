//! Mutants: clusters of nodes with one thing wrong, each kept to see one check turn red. The same without it passes.

mod defenceless;
mod fickle;
mod forgets_freed;
mod forgets_undo;
mod hardly_mines;
mod keeps_the_first;
mod last_seen;
mod last_seen_merchant;
mod mines_empty;
mod mints;
mod never_reconciles;
mod never_redials;
mod relays_unjudged;
pub mod scene;
pub mod sieve;
mod skips_signatures;
mod spends_twice;
mod store;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Trial;
use schism::backend::mutation::Mutation;

use crate::tell;

/// Where a process finds the mutant it was started for.
pub const MUTANT: &str = "SCHISM_MUTANT";
/// Stands before a mutant's name where the same is to be told without it.
const WITHOUT: &str = "without_";

/// One thing wrong, and who must say so.
struct Mutant {
    /// What its nodes do.
    name: &'static str,
    /// The check that must be the first to find it.
    red: &'static str,
    /// What is done to every node.
    mutation: fn() -> Arc<dyn Mutation>,
    /// What happens meanwhile; gives what the checks found, in order.
    play: fn(Option<Arc<dyn Mutation>>) -> scene::Found,
    /// Whether that is an experiment as its file has it: then it is told without the mutation by a trial of its own.
    experiment: bool,
}

const ALL: &[Mutant] = &[
    skips_signatures::MUTANT,
    skips_signatures::OF_STRANGERS,
    relays_unjudged::MUTANT,
    mints::MUTANT,
    forgets_undo::MUTANT,
    last_seen::MUTANT,
    last_seen_merchant::MUTANT,
    never_redials::MUTANT,
    forgets_freed::MUTANT,
    never_reconciles::MUTANT,
    spends_twice::MUTANT,
    mines_empty::CONFIRMS_NOTHING,
    mines_empty::FILLS_POOLS,
    hardly_mines::STANDS_STILL,
    hardly_mines::LEAVES_IT_TO_STRANGERS,
    keeps_the_first::MUTANT,
];

fn all() -> impl Iterator<Item = &'static Mutant> {
    ALL.iter().chain(&defenceless::ALL)
}

/// One trial a mutant: red with it, green without.
pub fn trials() -> Vec<Trial> {
    let told = |mutant: &'static Mutant| {
        Trial::test(format!("mutant_that_{}_turns_{}_red", mutant.name, mutant.red), move || {
            tell::in_a_process(MUTANT, mutant.name)?;
            if mutant.experiment {
                return Ok(());
            }
            tell::in_a_process(MUTANT, &format!("{WITHOUT}{}", mutant.name))
        })
        .with_kind("simulated")
    };
    all().map(told).collect()
}

/// Tells of the mutant this process was started for.
pub fn in_this_process(word: &str) -> ExitCode {
    if let Some(defence) = word.strip_prefix(defenceless::REFERENCE) {
        return match defenceless::reference(defence) {
            Ok(measured) => {
                println!("{measured}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("{why}");
                ExitCode::from(3)
            }
        };
    }
    let (name, with) = match word.strip_prefix(WITHOUT) {
        Some(name) => (name, false),
        None => (word, true),
    };
    let Some(mutant) = all().find(|mutant| mutant.name == name) else {
        eprintln!("no mutant is called {name}");
        return ExitCode::from(3);
    };
    let found = match (mutant.play)(with.then(mutant.mutation)) {
        Ok(found) => found,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(3);
        }
    };
    let expected = with.then_some(mutant.red);
    for (check, what) in &found {
        println!("{check}: {what}");
    }
    if found.first().map(|(check, _)| check.as_str()) == expected {
        return ExitCode::SUCCESS;
    }
    eprintln!("{word}: the first finding should be of {expected:?}");
    ExitCode::FAILURE
}
