//! `schism explain FAULT|CHECK`: what a word means, and how it is said.

use clap::Args;
use miette::miette;
use schism_chaos::catalogue::CATALOGUE;

use crate::experiment::CHECKS;
use crate::yaml::closest;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A fault or a check; all of them where nothing is said
    word: Option<String>,
}

pub(super) fn explain(arguments: &Arguments) -> miette::Result<i32> {
    let words = || CATALOGUE.iter().map(|kind| kind.name).chain(CHECKS.iter().map(|check| check.name));
    let Some(word) = &arguments.word else {
        words().for_each(|word| println!("{word}"));
        return Ok(0);
    };
    if let Some(kind) = CATALOGUE.iter().find(|kind| kind.name == word) {
        println!("{} (a fault)\n\n{}", kind.name, kind.explain);
        println!(
            "\nhealed:   {}\nevidence: {}\nsaid:     {}",
            kind.inverse,
            kind.evidence,
            crate::experiment::said(kind.name)
        );
        return Ok(0);
    }
    if let Some(check) = CHECKS.iter().find(|check| check.name == word) {
        println!("{} (a check under {})\n\n{}\n\nsaid: {}", check.name, check.places(), check.explain, check.said);
        return Ok(0);
    }
    let all: Vec<&str> = words().collect();
    let help = closest(word, &all)
        .map_or_else(|| "`schism explain` lists all words".to_owned(), |meant| format!("did you mean `{meant}`?"));
    Err(miette!(help = help, "`{word}` is neither a fault nor a check"))
}
