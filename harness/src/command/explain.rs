//! `schism explain FAULT|CHECK|ADVERSARY`: what a word means, and how it is said.

use clap::Args;
use miette::miette;
use schism_chaos::adversary::KINDS;
use schism_chaos::catalogue::CATALOGUE;

use crate::experiment::CHECKS;
use crate::yaml::closest;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A fault, a check or an adversary; all of them where nothing is said
    word: Option<String>,
}

pub(super) fn explain(arguments: &Arguments) -> miette::Result<i32> {
    let adversaries = || KINDS.iter().map(|kind| kind.name);
    let words =
        || CATALOGUE.iter().map(|kind| kind.name).chain(CHECKS.iter().map(|check| check.name)).chain(adversaries());
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
    if let Some(kind) = KINDS.iter().find(|kind| kind.name == word) {
        println!(
            "{} (an adversary)\n\n{}\n\nevidence: {}\nsaid:     {}",
            kind.name, kind.explain, kind.evidence, kind.said
        );
        return Ok(0);
    }
    let all: Vec<&str> = words().collect();
    let help = closest(word, &all)
        .map_or_else(|| "`schism explain` lists all words".to_owned(), |meant| format!("did you mean `{meant}`?"));
    Err(miette!(help = help, "`{word}` is no fault, check or adversary"))
}
