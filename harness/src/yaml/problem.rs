//! A problem: one thing that is wrong in a file, where, and what would be right. A refusal is all of a file's.

use std::error::Error;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;

use super::tree::Place;

/// A text that was read, with the name people know it by.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path, or the flag it came from.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What, in a sentence without a stop.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

/// Why a file is refused: at least one problem, in the order of their places.
#[derive(Debug)]
pub struct Refusal {
    told: Vec<Told>,
}

/// A problem together with its source, as people and programs read it.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The file, or the flag.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
    #[serde(skip)]
    source: NamedSource<String>,
    #[serde(skip)]
    span: (usize, usize),
}

impl Refusal {
    /// Of these problems, which refer to these sources.
    pub fn new(mut problems: Vec<Problem>, sources: &[Source]) -> Self {
        problems.sort_by_key(|problem| (problem.at.source, problem.at.start));
        problems.dedup();
        Self { told: problems.into_iter().map(|problem| Told::new(problem, sources)).collect() }
    }

    /// Of a file that could not even be read.
    pub fn unreadable(file: &str, what: String) -> Self {
        let source = Source { name: file.to_owned(), text: String::new() };
        let problem = Problem { at: Place::default(), what, help: None };
        Self::new(vec![problem], &[source])
    }

    /// The problems, each with its place.
    pub fn told(&self) -> &[Told] {
        &self.told
    }
}

impl Told {
    fn new(problem: Problem, sources: &[Source]) -> Self {
        let source = &sources[problem.at.source];
        let start =
            (0..=problem.at.start.min(source.text.len())).rev().find(|byte| source.text.is_char_boundary(*byte));
        let start = start.unwrap_or(0);
        let before = &source.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        // A block's span is its whole text; its first line is enough to find it.
        let rest = source.text[start..].lines().next().map_or(0, str::len);
        Self {
            file: source.name.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: problem.what,
            help: problem.help,
            source: NamedSource::new(&source.name, source.text.clone()).with_language("YAML"),
            span: (start, problem.at.length.clamp(rest.min(1), rest.max(1))),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, told) in self.told.iter().enumerate() {
            write!(f, "{}{}:{}:{}: {told}", if position == 0 { "" } else { "\n" }, told.file, told.line, told.column)?;
            if let Some(help) = &told.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl Error for Refusal {}

impl Diagnostic for Refusal {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.told.iter().map(|told| told as &dyn Diagnostic)))
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Told {}

impl Diagnostic for Told {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.source.inner().is_empty()).then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new(Some("here".to_owned()), self.span.0, self.span.1);
        (!self.source.inner().is_empty())
            .then(|| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}
